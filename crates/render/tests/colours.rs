//! Colour bars come out in the right colours, as the X server itself tells them.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

mod support;

use std::sync::Arc;

use support::{BARS, RENDERINGS, SLOT, at, bars, near, presenter, show_until, watchdog, window_options};
use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec, PixelFormat, Plane, PlaneStore};
use valkka_render::{Fit, Presenter, Rendering, ViewOptions, WindowId};
use valkka_testkit::{require, xvfb};

#[test]
fn bars_of_every_format_matrix_and_range() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(350, 200)).unwrap();
        presenter.add_view(ViewOptions { fit: Fit::Fill, ..ViewOptions::new(SLOT, window) }).unwrap();
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                for format in [PixelFormat::Yuv420, PixelFormat::Yuv422, PixelFormat::Yuv444] {
                    let color = ColorSpec { matrix, range };
                    check(&display, &presenter, rendering, window, &bars(format, color, 700, 400));
                }
            }
        }
        check(
            &display,
            &presenter,
            rendering,
            window,
            &bars(PixelFormat::Rgb24, ColorSpec::default(), 700, 400),
        );
    }
}

#[test]
fn bars_of_odd_sizes() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(351, 201)).unwrap();
        presenter.add_view(ViewOptions { fit: Fit::Fill, ..ViewOptions::new(SLOT, window) }).unwrap();
        for format in [PixelFormat::Yuv420, PixelFormat::Yuv422, PixelFormat::Yuv444, PixelFormat::Rgb24] {
            for (width, height) in [(701, 403), (639, 359), (355, 201), (97, 55)] {
                check(
                    &display,
                    &presenter,
                    rendering,
                    window,
                    &bars(format, ColorSpec::default(), width, height),
                );
            }
        }
    }
}

/// A decoder's memory: rows are longer than the picture is wide.
struct Padded {
    planes: Vec<(Vec<u8>, usize)>,
}

impl PlaneStore for Padded {
    fn plane(&self, index: usize) -> Plane<'_> {
        let (data, stride_bytes) = &self.planes[index];
        Plane { data, stride_bytes: *stride_bytes }
    }
}

#[test]
fn bars_of_padded_memory() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(350, 200)).unwrap();
        presenter.add_view(ViewOptions { fit: Fit::Fill, ..ViewOptions::new(SLOT, window) }).unwrap();
        for (format, padding) in [(PixelFormat::Yuv420, 32), (PixelFormat::Rgb24, 3), (PixelFormat::Rgb24, 1)]
        {
            let packed = bars(format, ColorSpec::default(), 701, 401);
            let planes = (0..format.planes()).map(|index| {
                let plane = packed.plane(index);
                let (row_bytes, rows) = format.plane_size(index, 701, 401);
                let mut data = Vec::new();
                for row in plane.data.chunks(plane.stride_bytes).take(rows) {
                    data.extend_from_slice(row);
                    data.resize(data.len() + padding, 77);
                }
                // The last row has no padding.
                data.truncate(data.len() - padding);
                (data, row_bytes + padding)
            });
            let store = Arc::new(Padded { planes: planes.collect() });
            let padded = Bitmap::new(format, 701, 401, ColorSpec::default(), store).unwrap();
            check(&display, &presenter, rendering, window, &padded);
        }
    }
}

/// The middle of each bar is within 6 of its colour, on the screen and in the screenshot, in all of its height.
#[track_caller]
fn check(
    display: &xvfb::Display,
    presenter: &Presenter,
    rendering: Rendering,
    window: WindowId,
    bitmap: &Bitmap,
) {
    support::hold(presenter, SLOT);
    // Black first, so that the bars of the last round are not taken for those of this one.
    let black = support::plain([0; 3], 16, 16);
    show_until(presenter, display, window.number(), &black, "black", |picture| at(picture, 25, 50) == [0; 3]);
    let what = format!("bars of {bitmap:?} {:?} by {rendering:?}", bitmap.color());
    let right = |pixel: &dyn Fn(u32, u32) -> [u8; 3], width: u32, height: u32| {
        BARS.iter().zip(0..).all(|(&bar, index)| {
            let x = (2 * index + 1) * width / 14;
            [2, height / 2, height - 3].into_iter().all(|y| near(pixel(x, y), bar, 6))
        })
    };
    show_until(presenter, display, window.number(), bitmap, &what, |picture| {
        right(&|x, y| picture.pixel(x, y), picture.width(), picture.height())
    });
    let own = presenter.screenshot_window(window).unwrap();
    assert!(right(&|x, y| own.pixel(x, y).unwrap(), own.width(), own.height()), "screenshot of {what}");
}
