//! Windows that another process made: shown in, resized, hidden, and destroyed at any time.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

mod support;

use std::time::Duration;

use support::{
    PATIENCE, RENDERINGS, SLOT, at, frame, plain, presenter, show_until, watchdog, window_options,
};
use valkka_render::{Error, Event, Fit, Presenter, ViewOptions, WindowId};
use valkka_testkit::window::{self, Window};
use valkka_testkit::{require, wait, xvfb};

const RED: [u8; 3] = [255, 0, 0];

fn fill(presenter: &Presenter, window: WindowId) {
    presenter.add_view(ViewOptions { fit: Fit::Fill, ..ViewOptions::new(SLOT, window) }).unwrap();
}

#[test]
fn they_show_pictures_whatever_their_visual_and_are_followed() {
    require!(xvfb::available(), window::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        for alpha in [false, true] {
            let make = if alpha { Window::with_alpha } else { Window::spawn };
            let mut foreign = make(display.name(), 200, 100).unwrap();
            let window = presenter.adopt_window(foreign.id()).unwrap();
            assert_eq!(window.number(), foreign.id());
            let again = presenter.adopt_window(foreign.id());
            assert!(matches!(again, Err(Error::WindowInUse { .. })), "{again:?}");
            fill(&presenter, window);
            let red = plain(RED, 64, 64);
            let is_red = |shown: &valkka_testkit::picture::Picture| {
                let (right, bottom) = (shown.width() - 1, shown.height() - 1);
                at(shown, 0, 0) == RED && at(shown, right, bottom) == RED
            };
            // A picture of a 32 bits deep window is that of its canvas too.
            show_until(&presenter, &display, foreign.id(), &red, "red in a foreign window", is_red);
            foreign.resize(300, 250).unwrap();
            show_until(
                &presenter,
                &display,
                foreign.id(),
                &red,
                "red in all of the larger window",
                |shown| shown.width() == 300 && is_red(shown),
            );
            assert_eq!(presenter.window_size(window).unwrap(), (300, 250));
            foreign.hide().unwrap();
            foreign.show().unwrap();
            show_until(&presenter, &display, foreign.id(), &red, "red after hiding", is_red);
            // We leave, and the owner's own content can be seen again.
            presenter.remove_window(window).unwrap();
            let window = presenter.adopt_window(foreign.id()).unwrap();
            fill(&presenter, window);
            show_until(&presenter, &display, foreign.id(), &red, "red after coming back", is_red);
        }
    }
}

#[test]
fn destroyed_by_their_owner_while_pictures_are_shown() {
    require!(xvfb::available(), window::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let stats = support::stats(&presenter, SLOT);
        let own = presenter.create_window(window_options(100, 100)).unwrap();
        fill(&presenter, own);
        for killed in [false, true, false, true] {
            let mut foreign = Window::spawn(display.name(), 200, 100).unwrap();
            let window = presenter.adopt_window(foreign.id()).unwrap();
            fill(&presenter, window);
            let red = plain(RED, 64, 64);
            show_until(&presenter, &display, foreign.id(), &red, "red", |shown| at(shown, 50, 50) == RED);
            std::thread::scope(|scope| {
                let owner = scope.spawn(|| {
                    if killed { foreign.owner().kill().unwrap() } else { foreign.destroy().unwrap() }
                });
                while !owner.is_finished() {
                    presenter.input().put(frame(SLOT, red.clone()));
                    std::thread::yield_now();
                }
            });
            wait::until(PATIENCE, "the event that the window is gone", || {
                presenter.next_event(Duration::from_millis(100)) == Some(Event::Gone { window })
            });
            assert!(matches!(presenter.window_size(window), Err(Error::NoSuchWindow { .. })));
            // The other window goes on.
            let before = stats.presented.get();
            let blue = plain([0, 0, 255], 64, 64);
            presenter.remove_window(own).ok();
            let own = presenter.create_window(window_options(100, 100)).unwrap();
            fill(&presenter, own);
            show_until(&presenter, &display, own.number(), &blue, "blue in ours", |shown| {
                at(shown, 50, 50) == [0, 0, 255]
            });
            assert!(stats.presented.get() > before);
            presenter.remove_window(own).unwrap();
        }
        let gone = presenter.adopt_window(0x00de_ad00);
        assert!(matches!(gone, Err(Error::NoSuchWindow { window: 0x00de_ad00 })), "{gone:?}");
    }
}
