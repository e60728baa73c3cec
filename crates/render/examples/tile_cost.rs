//! What a window costs: CPU time of this process per picture, for synthetic 1080p pictures at 25 per second.
//!
//! ```text
//! tile_cost [--windows N] [--slots N] [--size WxH] [--seconds N] [--rendering auto|opengl|software] [--null]
//! ```
//! Every slot is shown in `windows` windows; pictures are made beforehand, so what is measured is presentation.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};
use valkka_core::clock::SystemClock;
use valkka_core::frame::{Body, Frame, FrameTime};
use valkka_core::stats::StreamStats;
use valkka_core::stream::{Slot, Track};
use valkka_render::{
    OutputKind, Presenter, PresenterOptions, Rendering, ViewOptions, WindowOptions, write_png,
};

struct Arguments {
    windows: u16,
    slots: u16,
    size: (u32, u32),
    seconds: u64,
    rendering: Rendering,
    output: OutputKind,
    screenshot: Option<String>,
}

#[allow(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse()?;
    let presenter = Presenter::spawn(PresenterOptions {
        output: arguments.output,
        rendering: arguments.rendering,
        ..PresenterOptions::default()
    })?;
    let (width, height) = arguments.size;
    let mut stats = Vec::new();
    let mut first = None;
    // Side by side: what is covered is not drawn.
    let per_row = (1920 / width.max(1)).max(1);
    let mut places = (0..).map(|i| ((i % per_row) * width, (i / per_row) * height));
    for slot in (1..=arguments.slots).map(Slot::new) {
        let counters = Arc::new(StreamStats::default());
        presenter.set_stats(slot, counters.clone())?;
        stats.push(counters);
        for _ in 0..arguments.windows {
            let (x, y) = places.next().unwrap_or_default();
            let (x, y) = (i16::try_from(x)?, i16::try_from(y)?);
            let options = WindowOptions { x, y, width, height, ..WindowOptions::default() };
            let window = presenter.create_window(options)?;
            presenter.add_view(ViewOptions::new(slot, window))?;
            first.get_or_insert(window);
        }
    }
    let pictures: Vec<Bitmap> = (0..8).map(picture).collect();
    let (sink, start, before) = (presenter.input(), Instant::now(), cpu_ms());
    let count = arguments.seconds * 25;
    for index in 0..count {
        let due = Duration::from_millis(40) * u32::try_from(index)?;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let now = SystemClock.now();
        for slot in (1..=arguments.slots).map(Slot::new) {
            let time = FrameTime { arrival: now, wall: now, ..FrameTime::default() };
            let bitmap = pictures[index as usize % pictures.len()].clone();
            sink.put(Frame { slot, track: Track::default(), time, body: Body::Bitmap(bitmap) });
        }
    }
    let cpu = cpu_ms() - before;
    std::thread::sleep(Duration::from_millis(400));
    let shown: u64 = stats.iter().map(|stats| stats.presented.get()).sum();
    let dropped: u64 = stats.iter().map(|stats| stats.present_dropped.get()).sum();
    let age = |quantile| stats[0].age.quantile(quantile).unwrap_or_default();
    println!(
        "{} slots x {} windows of {width}x{height}: {:.2} ms per picture; {shown} shown, {dropped} dropped; age p50 {:?} p99 {:?}; memory {} MB",
        arguments.slots,
        arguments.windows,
        cpu / (count * u64::from(arguments.slots)) as f64,
        age(0.5),
        age(0.99),
        resident_mb(),
    );
    if let (Some(path), Some(window)) = (arguments.screenshot, first) {
        write_png(path.as_ref(), &presenter.screenshot_window(window)?)?;
    }
    Ok(())
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut parsed = Self {
            windows: 1,
            slots: 1,
            size: (320, 180),
            seconds: 5,
            rendering: Rendering::Auto,
            output: OutputKind::X11,
            screenshot: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--null" {
                parsed.output = OutputKind::Null;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--windows" => parsed.windows = value.parse()?,
                "--slots" => parsed.slots = value.parse()?,
                "--seconds" => parsed.seconds = value.parse()?,
                "--screenshot" => parsed.screenshot = Some(value),
                "--size" => {
                    let (width, height) = value.split_once('x').ok_or("a size is WxH")?;
                    parsed.size = (width.parse()?, height.parse()?);
                }
                "--rendering" => {
                    parsed.rendering = match value.as_str() {
                        "auto" => Rendering::Auto,
                        "opengl" => Rendering::OpenGl,
                        "software" => Rendering::Software,
                        _ => return Err(format!("no rendering {value}").into()),
                    }
                }
                _ => return Err(format!("no option {word}").into()),
            }
        }
        Ok(parsed)
    }
}

/// A moving gradient.
fn picture(phase: usize) -> Bitmap {
    let (width, height) = (1920, 1080);
    let luma = (0..width * height).map(|i| 16 + ((i % width + i / width + phase * 50) / 8 % 220) as u8);
    let chroma = |plane: usize| {
        (0..width / 2 * (height / 2))
            .map(move |i| if plane == 0 { i % (width / 2) / 4 } else { i / width / 3 } as u8)
    };
    let data = luma.chain(chroma(0)).chain(chroma(1)).collect();
    Bitmap::from_packed(PixelFormat::Yuv420, width as u32, height as u32, ColorSpec::default(), data)
        .expect("all planes are there")
}

/// User and system time of this process, in milliseconds.
fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}
