//! Pictures and screens for the tests of presentation.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(unreachable_pub, clippy::unwrap_used, reason = "it is part of tests, not a library")]

use std::sync::Arc;
use std::time::Duration;

use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec, PixelFormat};
use valkka_core::clock::SystemClock;
use valkka_core::frame::{Body, Frame, FrameTime, Signal};
use valkka_core::stream::{Slot, Track};
use valkka_render::{Presenter, PresenterOptions, Rendering, WindowOptions};
use valkka_testkit::picture::Picture;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{wait, xvfb};

/// For conditions that come true within a second on a machine that has nothing else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Both ways to paint on X11.
pub const RENDERINGS: [Rendering; 2] = [Rendering::Software, Rendering::OpenGl];

pub const SLOT: Slot = Slot::new(1);

/// The colours of SMPTE bars, from the left.
pub const BARS: [[u8; 3]; 7] =
    [[192, 192, 192], [192, 192, 0], [0, 192, 192], [0, 192, 0], [192, 0, 192], [192, 0, 0], [0, 0, 192]];

/// Starts the time of a test.
pub fn watchdog() -> Watchdog {
    Watchdog::start(PATIENCE * 5)
}

pub fn presenter(display: &xvfb::Display, rendering: Rendering) -> Presenter {
    Presenter::spawn(options(display.name(), rendering)).unwrap()
}

pub fn options(display: &str, rendering: Rendering) -> PresenterOptions {
    PresenterOptions {
        display: Some(display.to_owned()),
        rendering,
        buffering: Duration::from_millis(20),
        ..PresenterOptions::default()
    }
}

pub fn window_options(width: u32, height: u32) -> WindowOptions {
    WindowOptions { width, height, ..WindowOptions::default() }
}

/// A frame of `slot` that is due as soon as the buffering is over.
pub fn frame(slot: Slot, bitmap: Bitmap) -> Frame {
    let now = SystemClock.now();
    let time = FrameTime { arrival: now, wall: now, ..FrameTime::default() };
    Frame { slot, track: Track::default(), time, body: Body::Bitmap(bitmap) }
}

/// Has the last picture of a slot stay. Otherwise it goes two seconds after it came, before a busy machine has looked at
/// it.
pub fn hold(presenter: &Presenter, slot: Slot) {
    presenter.input().put(Frame::signal(slot, SystemClock.now(), Signal::End));
}

/// A picture of one colour.
pub fn plain(rgb: [u8; 3], width: u32, height: u32) -> Bitmap {
    painted(PixelFormat::Rgb24, ColorSpec::default(), width, height, |_, _| rgb)
}

/// SMPTE bars.
pub fn bars(format: PixelFormat, color: ColorSpec, width: u32, height: u32) -> Bitmap {
    painted(format, color, width, height, |x, _| BARS[(x * 7 / width) as usize])
}

/// A picture of which `rgb` tells each pixel's colour. Conversion here is by the definitions of the standards,
/// and knows nothing of the code under test.
pub fn painted(
    format: PixelFormat,
    color: ColorSpec,
    width: u32,
    height: u32,
    rgb: impl Fn(u32, u32) -> [u8; 3],
) -> Bitmap {
    let mut data = Vec::new();
    for plane in 0..format.planes() {
        let (row_bytes, rows) = format.plane_size(plane, width, height);
        let channels = if format == PixelFormat::Rgb24 { 3 } else { 1 };
        let columns = row_bytes / channels;
        for row in 0..rows {
            for column in 0..columns {
                // The colour in the middle of what the sample covers.
                let x = (column as u32 * width / columns as u32).min(width - 1);
                let y = (row as u32 * height / rows as u32).min(height - 1);
                let colour = rgb(x, y);
                if channels == 3 {
                    data.extend(colour);
                } else {
                    data.push(yuv(colour, color)[plane]);
                }
            }
        }
    }
    Bitmap::from_packed(format, width, height, color, data).unwrap()
}

fn yuv(rgb: [u8; 3], color: ColorSpec) -> [u8; 3] {
    let [red, green, blue] = rgb.map(|value| f64::from(value) / 255.0);
    let (kr, kb) = match color.matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
        ColorMatrix::Bt2020 => (0.2627, 0.0593),
    };
    let luma = kr * red + (1.0 - kr - kb) * green + kb * blue;
    let (pb, pr) = ((blue - luma) / (2.0 * (1.0 - kb)), (red - luma) / (2.0 * (1.0 - kr)));
    let samples = match color.range {
        ColorRange::Limited => [16.0 + 219.0 * luma, 128.0 + 224.0 * pb, 128.0 + 224.0 * pr],
        ColorRange::Full => [255.0 * luma, 128.0 + 255.0 * pb, 128.0 + 255.0 * pr],
    };
    samples.map(|sample| sample.round().clamp(0.0, 255.0) as u8)
}

/// Sends a picture again and again until the screen is as it should be, and returns the window's picture.
#[track_caller]
pub fn show_until(
    presenter: &Presenter,
    display: &xvfb::Display,
    window: u32,
    bitmap: &Bitmap,
    what: &str,
    right: impl Fn(&Picture) -> bool,
) -> Picture {
    let sink = presenter.input();
    wait::until_some(PATIENCE, what, || {
        sink.put(frame(SLOT, bitmap.clone()));
        display.window_picture(window).ok().filter(&right)
    })
}

/// Waits until a window shows what it should.
#[track_caller]
pub fn wait_for(
    display: &xvfb::Display,
    window: u32,
    what: &str,
    right: impl Fn(&Picture) -> bool,
) -> Picture {
    wait::until_some(PATIENCE, what, || display.window_picture(window).ok().filter(&right))
}

/// Whether two colours differ by at most `tolerance` in each channel.
pub fn near(a: [u8; 3], b: [u8; 3], tolerance: u8) -> bool {
    a.into_iter().zip(b).all(|(a, b)| a.abs_diff(b) <= tolerance)
}

/// The pixel of a picture, or something no test expects where there is none.
pub fn at(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    if x < picture.width() && y < picture.height() { picture.pixel(x, y) } else { [1, 2, 3] }
}

/// Has a slot counted.
pub fn stats(presenter: &Presenter, slot: Slot) -> Arc<valkka_core::stats::StreamStats> {
    let stats = Arc::new(valkka_core::stats::StreamStats::default());
    presenter.set_stats(slot, stats.clone()).unwrap();
    stats
}
