//! Starting and stopping, many windows, and displays that are not there, hang or die.

mod support;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use support::{
    PATIENCE, RENDERINGS, SLOT, at, frame, hold, options, plain, presenter, stats, watchdog, window_options,
};
use valkka_core::stream::Slot;
use valkka_render::{
    Error, Event, OutputKind, Presenter, PresenterOptions, Rendering, ViewOptions, WindowOptions,
};
use valkka_testkit::picture::Picture;
use valkka_testkit::{require, wait, xvfb};

const RED: [u8; 3] = [255, 0, 0];

#[test]
fn twenty_four_windows_show_one_slot_and_none_is_dropped() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        let presenter = presenter(&display, rendering);
        let stats = stats(&presenter, SLOT);
        let windows: Vec<_> = (0..24)
            .map(|i| {
                let (x, y) = (i % 6 * 200, i / 6 * 120);
                let options = WindowOptions { x, y, ..window_options(192, 108) };
                let window = presenter.create_window(options).unwrap();
                presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
                window
            })
            .collect();
        presenter.input().put(frame(SLOT, plain(RED, 320, 180)));
        hold(&presenter, SLOT);
        for window in windows {
            support::wait_for(&display, window.number(), "red", |shown| {
                at(shown, 0, 0) == RED && at(shown, 191, 107) == RED
            });
        }
        wait::until(PATIENCE, "the picture is counted", || stats.presented.get() == 1);
        assert_eq!((stats.present_dropped.get(), stats.age.count()), (0, 1));
    }
}

#[test]
fn a_presenter_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Presenter>();
}

#[test]
fn a_display_that_is_not_there_is_named() {
    let _watchdog = watchdog();
    for rendering in [Rendering::Auto, Rendering::Software, Rendering::OpenGl] {
        for display in [":4711", "no such host:0", "nonsense"] {
            let error = Presenter::spawn(options(display, rendering)).unwrap_err();
            assert!(error.to_string().contains(display), "{error}");
        }
    }
    let error = Presenter::spawn(options("", Rendering::Auto)).unwrap_err();
    assert_eq!(error.to_string(), "no X display: DISPLAY is not set, and none was named");
}

#[test]
fn screens_of_a_display_are_told_apart() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::with_screens(&[(640, 480), (320, 240)]).unwrap();
    for rendering in RENDERINGS {
        let second = Presenter::spawn(options(&display.screen(1), rendering)).unwrap();
        let window = second.create_window(window_options(100, 100)).unwrap();
        second.add_view(ViewOptions::new(SLOT, window)).unwrap();
        second.input().put(frame(SLOT, plain(RED, 10, 10)));
        hold(&second, SLOT);
        support::wait_for(&display, window.number(), "red on the second screen", |shown| {
            at(shown, 50, 50) == RED
        });
        second.change_window(window, valkka_render::WindowChange::Fullscreen(true)).unwrap();
        wait::until(PATIENCE, "all of the second screen", || {
            second.window_size(window).unwrap() == (320, 240)
        });
        second.change_window(window, valkka_render::WindowChange::Fullscreen(false)).unwrap();
        wait::until(PATIENCE, "its own size", || second.window_size(window).unwrap() == (100, 100));
    }
    let missing = Presenter::spawn(options(&display.screen(7), Rendering::Auto)).unwrap_err();
    assert!(missing.to_string().contains(&display.screen(7)), "{missing}");
}

#[test]
fn it_stops_at_any_time_while_frames_and_calls_come() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    for rendering in RENDERINGS {
        for round in 0..8_u64 {
            let presenter = Arc::new(presenter(&display, rendering));
            let sink = presenter.input();
            thread::scope(|scope| {
                let feeder = scope.spawn(|| {
                    (0..300).for_each(|_| sink.put(frame(SLOT, plain(RED, 64, 64))));
                });
                let caller = presenter.clone();
                scope.spawn(move || {
                    for _ in 0..5 {
                        let Ok(window) = caller.create_window(window_options(64, 64)) else { return };
                        let _ = caller.add_view(ViewOptions::new(SLOT, window));
                    }
                });
                thread::sleep(Duration::from_millis(round));
                drop(presenter);
                feeder.join().unwrap();
            });
            sink.put(frame(SLOT, plain(RED, 64, 64)));
        }
    }
}

#[test]
fn a_server_that_dies_takes_the_windows_but_not_us() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    for rendering in RENDERINGS {
        let mut display = xvfb::Display::spawn().unwrap();
        let presenter = presenter(&display, rendering);
        let window = presenter.create_window(window_options(100, 100)).unwrap();
        presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
        presenter.input().put(frame(SLOT, plain(RED, 10, 10)));
        hold(&presenter, SLOT);
        support::wait_for(&display, window.number(), "red", |shown| at(shown, 50, 50) == RED);
        display.server().kill().unwrap();
        wait::until(PATIENCE, "the event that the display is lost", || {
            presenter.input().put(frame(SLOT, plain(RED, 10, 10)));
            presenter.next_event(Duration::from_millis(20)) == Some(Event::DisplayLost)
        });
        assert!(presenter.create_window(WindowOptions::default()).is_err());
    }
}

#[test]
fn a_frozen_server_holds_nobody_up_and_is_caught_up_with() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let mut display = xvfb::Display::spawn().unwrap();
    // Without OpenGL: its drivers wait for the server by themselves.
    let presenter = presenter(&display, Rendering::Software);
    let stats = stats(&presenter, SLOT);
    let window = presenter.create_window(window_options(400, 300)).unwrap();
    presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
    let sink = presenter.input();
    let is_red = |shown: &Picture| at(shown, 50, 50) == RED;
    support::show_until(&presenter, &display, window.number(), &plain(RED, 10, 10), "red", is_red);
    display.server().freeze().unwrap();
    wait::until(PATIENCE, "pictures are dropped because the server does not take them", || {
        sink.put(frame(SLOT, plain(RED, 10, 10)));
        stats.present_dropped.get() >= 20
    });
    // What does not need the server is answered.
    let blue = [0, 0, 255];
    presenter.set_fallback(Some(plain(blue, 10, 10))).unwrap();
    assert_eq!(presenter.window_size(window).unwrap(), (400, 300));
    display.server().thaw().unwrap();
    support::wait_for(&display, window.number(), "the fallback, when the stream is dead", |shown| {
        at(shown, 50, 50) == blue
    });
}

#[test]
fn children_go_with_their_parent() {
    let _watchdog = watchdog();
    let display = xvfb::available().is_ok().then(|| xvfb::Display::spawn().unwrap());
    let x11 = display.as_ref().map(|display| options(display.name(), Rendering::Software));
    let null = PresenterOptions { output: OutputKind::Null, ..PresenterOptions::default() };
    for options in x11.into_iter().chain([null]) {
        let presenter = Presenter::spawn(options).unwrap();
        let parent = presenter.create_window(window_options(400, 300)).unwrap();
        let child = WindowOptions { parent: Some(parent), ..window_options(100, 100) };
        let child = presenter.create_window(child).unwrap();
        let view = presenter.add_view(ViewOptions::new(SLOT, child)).unwrap();
        presenter.remove_window(parent).unwrap();
        wait::until(PATIENCE, "the event that the child is gone", || {
            presenter.next_event(Duration::from_millis(100)) == Some(Event::Gone { window: child })
        });
        assert!(matches!(presenter.remove_view(view), Err(Error::NoSuchView { .. })));
        assert!(matches!(presenter.remove_window(child), Err(Error::NoSuchWindow { .. })));
        let orphan = WindowOptions { parent: Some(parent), ..WindowOptions::default() };
        assert!(matches!(presenter.create_window(orphan), Err(Error::NoSuchWindow { .. })));
    }
}

#[test]
fn the_null_output_shows_everything_to_nobody() {
    let _watchdog = watchdog();
    let options = PresenterOptions {
        output: OutputKind::Null,
        buffering: Duration::from_millis(20),
        ..PresenterOptions::default()
    };
    let presenter = Presenter::spawn(options).unwrap();
    let (seen, unseen) = (stats(&presenter, SLOT), stats(&presenter, Slot::new(2)));
    let window = presenter.create_window(window_options(64, 64)).unwrap();
    let view = presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
    for slot in [SLOT, Slot::new(2)] {
        presenter.input().put(frame(slot, plain(RED, 10, 10)));
        hold(&presenter, slot);
    }
    wait::until(PATIENCE, "the picture is counted", || seen.presented.get() == 1);
    assert_eq!((unseen.presented.get(), unseen.present_dropped.get()), (0, 0));
    assert_eq!(presenter.screenshot_view(view).unwrap().pixel(32, 32), Some(RED));
    presenter.remove_view(view).unwrap();
    assert!(matches!(presenter.screenshot_view(view), Err(Error::NoSuchView { .. })));
    assert_eq!(presenter.screenshot_window(window).unwrap().pixel(32, 32), Some([0; 3]));
}
