//! Pictures, bars and rectangles lie where they should, pixel by pixel, however they get onto the screen.

mod support;

use std::time::Duration;

use support::{
    PATIENCE, RENDERINGS, SLOT, at, frame, hold, painted, plain, presenter, show_until, wait_for, watchdog,
    window_options,
};
use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};
use valkka_core::frame::{Frame, Signal};
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_render::{Area, Event, Fit, Grid, Rectangle, ViewOptions, WindowChange};
use valkka_testkit::picture::Picture;
use valkka_testkit::{require, wait, xvfb};

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const BLACK: [u8; 3] = [0; 3];

/// Red above, blue below; the left tenth is green.
fn flag(width: u32, height: u32) -> Bitmap {
    painted(PixelFormat::Rgb24, ColorSpec::default(), width, height, |x, y| {
        if x < width / 10 {
            GREEN
        } else if y < height / 2 {
            RED
        } else {
            BLUE
        }
    })
}

#[test]
fn letterbox_fill_and_resize() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(300, 300)).unwrap();
        let view = presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
        hold(&presenter, SLOT);
        let picture = flag(400, 200);
        let shown =
            show_until(&presenter, &display, window.number(), &picture, "a letterboxed flag", |shown| {
                at(shown, 150, 80) == RED && at(shown, 150, 220) == BLUE
            });
        // 300x150 in the middle: rows 75 to 224.
        let column = |x| move |y| (x, y);
        for (place, colour) in [
            (column(150)(74), BLACK),
            (column(150)(75), RED),
            (column(150)(148), RED),
            (column(150)(151), BLUE),
            (column(150)(224), BLUE),
            (column(150)(225), BLACK),
            (column(0)(150), GREEN),
            (column(28)(150), GREEN),
            (column(299)(100), RED),
            (column(0)(0), BLACK),
        ] {
            assert_eq!(shown.pixel(place.0, place.1), colour, "{place:?} by {rendering:?}");
        }
        // Filled: the middle 200 columns of the picture. The green tenth (40 of 400) is cut off.
        presenter.fit_view(view, Some(Area::FULL), Fit::Fill).unwrap();
        let shown = show_until(&presenter, &display, window.number(), &picture, "a filled flag", |shown| {
            at(shown, 150, 2) == RED
        });
        for x in [0, 150, 299] {
            assert_eq!((shown.pixel(x, 0), shown.pixel(x, 299)), (RED, BLUE), "{rendering:?}");
        }
        // Resized without a new picture: drawn again from the last one.
        presenter.fit_view(view, Some(Area::FULL), Fit::Letterbox).unwrap();
        let place = WindowChange::Place { x: 10, y: 10, width: 500, height: 100 };
        presenter.change_window(window, place).unwrap();
        let shown = wait_for(&display, window.number(), "a resized flag", |shown| {
            shown.width() == 500 && at(shown, 250, 10) == RED && at(shown, 250, 90) == BLUE
        });
        assert_eq!((shown.pixel(149, 50), shown.pixel(150, 10), shown.pixel(350, 50)), (BLACK, GREEN, BLACK));
        let resized = wait::until_some(PATIENCE, "the event of the new size", || {
            match presenter.next_event(Duration::from_millis(100)) {
                Some(Event::Resized { window, width, height }) => Some((window, width, height)),
                _ => None,
            }
        });
        assert_eq!(resized, (window, 500, 100));
        assert_eq!(presenter.window_size(window).unwrap(), (500, 100));
    }
}

#[test]
fn rectangles_lie_over_the_picture_and_go_again() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(200, 200)).unwrap();
        let view = presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
        hold(&presenter, SLOT);
        let picture = plain(RED, 200, 100);
        let over = Rectangle { line_px: 2, color: BLUE, ..Rectangle::new(0.1, 0.5, 0.9, 0.5) };
        presenter.set_rectangles(view, vec![over, Rectangle::new(0.8, 0.9, 0.2, 0.1)]).unwrap();
        let shown = show_until(&presenter, &display, window.number(), &picture, "a rectangle", |shown| {
            at(shown, 20, 70) == BLUE
        });
        // The picture takes rows 50 to 149; the first rectangle columns 20 to 99 of its upper half.
        for ((x, y), colour) in [
            ((20, 60), BLUE),
            ((21, 61), BLUE),
            ((22, 62), RED),
            ((19, 60), RED),
            ((60, 59), RED),
            ((99, 99), BLUE),
            ((98, 98), BLUE),
            ((100, 80), RED),
            ((60, 100), RED),
            ((160, 130), GREEN),
            ((179, 139), GREEN),
            ((170, 135), RED),
        ] {
            assert_eq!(shown.pixel(x, y), colour, "({x}, {y}) by {rendering:?}");
        }
        assert_eq!(presenter.screenshot_view(view).unwrap().pixel(20, 60), Some(BLUE));
        presenter.set_rectangles(view, Vec::new()).unwrap();
        wait_for(&display, window.number(), "no rectangle", |shown| at(shown, 20, 70) == RED);
    }
}

#[test]
fn tiles_of_one_window_and_windows_in_a_window() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(400, 200)).unwrap();
        let grid = Grid::with_columns(2, 2);
        let colours = [RED, BLUE];
        let views: Vec<_> = grid
            .areas(None)
            .into_iter()
            .zip(1..)
            .map(|(area, slot)| {
                presenter.add_view(ViewOptions { area, ..ViewOptions::new(Slot::new(slot), window) }).unwrap()
            })
            .collect();
        let feed = || {
            for (colour, slot) in colours.into_iter().zip(1..) {
                presenter.input().put(frame(Slot::new(slot), plain(colour, 100, 100)));
            }
        };
        wait_for(&display, window.number(), "two tiles", |shown| {
            feed();
            at(shown, 100, 100) == RED && at(shown, 300, 100) == BLUE
        });
        for (view, area) in views.iter().zip(grid.areas(Some(1))) {
            presenter.place_view(*view, area).unwrap();
        }
        wait_for(&display, window.number(), "the second tile in all of the window", |shown| {
            feed();
            at(shown, 105, 100) == BLUE && at(shown, 295, 100) == BLUE && at(shown, 50, 100) == BLACK
        });
        // A window of its own in the corner, which hides what is below.
        let options =
            valkka_render::WindowOptions { parent: Some(window), x: 150, y: 50, ..window_options(100, 100) };
        let inner = presenter.create_window(options).unwrap();
        presenter.add_view(ViewOptions::new(Slot::new(1), inner)).unwrap();
        wait_for(&display, inner.number(), "the inner window", |shown| {
            feed();
            at(shown, 50, 50) == RED
        });
        presenter.remove_window(inner).unwrap();
        wait_for(&display, window.number(), "what was below the inner window", |shown| {
            feed();
            at(shown, 200, 100) == BLUE
        });
    }
}

#[test]
fn the_placeholder_stands_in_before_the_stream_and_after_it() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(100, 100)).unwrap();
        presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
        presenter.set_fallback(Some(plain(GREEN, 10, 10))).unwrap();
        wait_for(&display, window.number(), "the fallback", |shown| at(shown, 50, 50) == GREEN);
        presenter.set_placeholder(SLOT, Some(plain(BLUE, 10, 10))).unwrap();
        wait_for(&display, window.number(), "the placeholder", |shown| at(shown, 50, 50) == BLUE);
        // Again and again, for a slot is dead soon.
        let is_red = |shown: &Picture| at(shown, 50, 50) == RED;
        let red = plain(RED, 10, 10);
        show_until(&presenter, &display, window.number(), &red, "the stream", is_red);
        // No more frames: it is dead after two seconds.
        wait_for(&display, window.number(), "the placeholder again", |shown| at(shown, 50, 50) == BLUE);
        show_until(&presenter, &display, window.number(), &red, "the stream again", is_red);
        // The source says that it is gone.
        let offline = Signal::Offline("unplugged".into());
        presenter.input().put(Frame::signal(SLOT, WallTime::default(), offline));
        presenter.set_placeholder(SLOT, None).unwrap();
        wait_for(&display, window.number(), "the fallback again", |shown| at(shown, 50, 50) == GREEN);
    }
}
