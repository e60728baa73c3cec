//! Keys, clicks and the closing of windows become events; what is not ours to hear is not heard.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

mod support;

use std::time::Duration;

use support::{PATIENCE, SLOT, presenter, watchdog, window_options};
use valkka_core::stream::Slot;
use valkka_render::{Area, Event, Input, Key, Presenter, Rendering, ViewOptions, WindowOptions};
use valkka_testkit::user::User;
use valkka_testkit::{require, wait, xvfb};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, EventMask, KeyButMask};

/// The next event that is not about sizes.
#[track_caller]
fn next(presenter: &Presenter) -> Event {
    wait::until_some(PATIENCE, "an event", || {
        presenter
            .next_event(Duration::from_millis(100))
            .filter(|event| !matches!(event, Event::Resized { .. }))
    })
}

#[test]
fn keys_double_clicks_and_closing() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    let presenter = presenter(&display, Rendering::Auto);
    let window = presenter.create_window(window_options(200, 100)).unwrap();
    let right = Some(Area { x: 0.5, y: 0.0, width: 0.5, height: 1.0 });
    let below = presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
    let above =
        presenter.add_view(ViewOptions { area: right, ..ViewOptions::new(Slot::new(2), window) }).unwrap();
    let user = User::at(&display).unwrap();

    user.press(window.number(), 0xff1b, KeyButMask::default()).unwrap();
    assert_eq!(next(&presenter), Event::Key { window, key: Key::Escape });
    user.press(window.number(), 0x66, KeyButMask::default()).unwrap();
    assert_eq!(next(&presenter), Event::Key { window, key: Key::Char('f') });
    user.press(window.number(), 0x66, KeyButMask::SHIFT).unwrap();
    assert_eq!(next(&presenter), Event::Key { window, key: Key::Char('F') });

    // Too slow, and too far away, are no double clicks; the third one of a pair begins anew.
    user.click(window.number(), 20, 20, 1000).unwrap();
    user.click(window.number(), 20, 20, 1500).unwrap();
    user.click(window.number(), 60, 20, 1600).unwrap();
    user.click(window.number(), 61, 21, 1700).unwrap();
    assert_eq!(next(&presenter), Event::DoubleClick { window, view: Some(below) });
    user.click(window.number(), 61, 21, 1800).unwrap();
    user.click(window.number(), 150, 50, 3000).unwrap();
    user.click(window.number(), 150, 50, 3100).unwrap();
    assert_eq!(next(&presenter), Event::DoubleClick { window, view: Some(above) });

    user.close(window.number()).unwrap();
    assert_eq!(next(&presenter), Event::CloseRequested { window });
    assert_eq!(presenter.window_size(window).unwrap(), (200, 100));
}

#[test]
fn a_window_for_others_leaves_input_to_them() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    let presenter = presenter(&display, Rendering::Auto);
    let options = WindowOptions { input: Input::Parent, mapped: false, ..window_options(200, 100) };
    let window = presenter.create_window(options).unwrap();
    let user = User::at(&display).unwrap();
    let attributes = user.connection().get_window_attributes(window.number()).unwrap().reply().unwrap();
    let input = EventMask::KEY_PRESS | EventMask::BUTTON_PRESS;
    assert!(!attributes.all_event_masks.intersects(input), "{:?}", attributes.all_event_masks);
    assert_eq!(attributes.map_state, x11rb::protocol::xproto::MapState::UNMAPPED);

    // Another program takes it into a window of its own, and destroys that.
    let outer = user.connection().generate_id().unwrap();
    let none = x11rb::protocol::xproto::CreateWindowAux::new();
    let class = x11rb::protocol::xproto::WindowClass::INPUT_OUTPUT;
    user.connection().create_window(0, outer, user.root(), 0, 0, 300, 300, 0, class, 0, &none).unwrap();
    user.connection().reparent_window(window.number(), outer, 10, 10).unwrap();
    user.connection().map_window(window.number()).unwrap();
    user.connection().map_window(outer).unwrap().check().unwrap();
    presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
    presenter.set_fallback(Some(support::plain([0, 255, 0], 8, 8))).unwrap();
    support::wait_for(&display, window.number(), "green inside another window", |shown| {
        support::at(shown, 100, 50) == [0, 255, 0]
    });
    user.connection().destroy_window(outer).unwrap().check().unwrap();
    assert_eq!(next(&presenter), Event::Gone { window });
}
