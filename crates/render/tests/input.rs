//! Keys, clicks and the closing of windows become events; what is not ours to hear is not heard.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

mod support;

use std::time::Duration;

use support::{PATIENCE, SLOT, presenter, watchdog, window_options};
use valkka_core::stream::Slot;
use valkka_render::{Area, Event, Input, Key, Presenter, Rendering, ViewOptions, WindowOptions};
use valkka_testkit::{require, wait, xvfb};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, ButtonPressEvent, ClientMessageEvent, ConnectionExt as _, EventMask, KEY_PRESS_EVENT,
    KeyButMask, KeyPressEvent,
};
use x11rb::rust_connection::RustConnection;

/// Somebody who types and clicks.
struct User {
    x: RustConnection,
    root: u32,
}

impl User {
    fn at(display: &xvfb::Display) -> Self {
        let (x, screen) = x11rb::connect(Some(display.name())).unwrap();
        let root = x.setup().roots[screen].root;
        Self { x, root }
    }

    /// The key whose first symbol is `symbol`.
    fn press(&self, window: u32, symbol: u32, state: KeyButMask) {
        let (first, last) = (self.x.setup().min_keycode, self.x.setup().max_keycode);
        let map = self.x.get_keyboard_mapping(first, last - first + 1).unwrap().reply().unwrap();
        let per_code = usize::from(map.keysyms_per_keycode);
        let index = map.keysyms.chunks(per_code).position(|symbols| symbols[0] == symbol).unwrap();
        let event = KeyPressEvent {
            response_type: KEY_PRESS_EVENT,
            detail: first + u8::try_from(index).unwrap(),
            sequence: 0,
            time: 1,
            root: self.root,
            event: window,
            child: 0,
            root_x: 0,
            root_y: 0,
            event_x: 0,
            event_y: 0,
            state,
            same_screen: true,
        };
        self.send(window, EventMask::KEY_PRESS, event);
    }

    fn click(&self, window: u32, x: i16, y: i16, time_ms: u32) {
        let event = ButtonPressEvent {
            response_type: BUTTON_PRESS_EVENT,
            detail: 1,
            sequence: 0,
            time: time_ms,
            root: self.root,
            event: window,
            child: 0,
            root_x: x,
            root_y: y,
            event_x: x,
            event_y: y,
            state: KeyButMask::default(),
            same_screen: true,
        };
        self.send(window, EventMask::BUTTON_PRESS, event);
    }

    fn close(&self, window: u32) {
        let atom = |name: &[u8]| self.x.intern_atom(false, name).unwrap().reply().unwrap().atom;
        let message = [atom(b"WM_DELETE_WINDOW"), 0, 0, 0, 0];
        let event = ClientMessageEvent::new(32, window, atom(b"WM_PROTOCOLS"), message);
        self.send(window, EventMask::NO_EVENT, event);
    }

    fn send(&self, window: u32, mask: EventMask, event: impl Into<[u8; 32]>) {
        self.x.send_event(false, window, mask, event).unwrap().check().unwrap();
    }
}

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
    let user = User::at(&display);

    user.press(window.number(), 0xff1b, KeyButMask::default());
    assert_eq!(next(&presenter), Event::Key { window, key: Key::Escape });
    user.press(window.number(), 0x66, KeyButMask::default());
    assert_eq!(next(&presenter), Event::Key { window, key: Key::Char('f') });
    user.press(window.number(), 0x66, KeyButMask::SHIFT);
    assert_eq!(next(&presenter), Event::Key { window, key: Key::Char('F') });

    // Too slow, and too far away, are no double clicks; the third one of a pair begins anew.
    user.click(window.number(), 20, 20, 1000);
    user.click(window.number(), 20, 20, 1500);
    user.click(window.number(), 60, 20, 1600);
    user.click(window.number(), 61, 21, 1700);
    assert_eq!(next(&presenter), Event::DoubleClick { window, view: Some(below) });
    user.click(window.number(), 61, 21, 1800);
    user.click(window.number(), 150, 50, 3000);
    user.click(window.number(), 150, 50, 3100);
    assert_eq!(next(&presenter), Event::DoubleClick { window, view: Some(above) });

    user.close(window.number());
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
    let user = User::at(&display);
    let attributes = user.x.get_window_attributes(window.number()).unwrap().reply().unwrap();
    let input = EventMask::KEY_PRESS | EventMask::BUTTON_PRESS;
    assert!(!attributes.all_event_masks.intersects(input), "{:?}", attributes.all_event_masks);
    assert_eq!(attributes.map_state, x11rb::protocol::xproto::MapState::UNMAPPED);

    // Another program takes it into a window of its own, and destroys that.
    let outer = user.x.generate_id().unwrap();
    let none = x11rb::protocol::xproto::CreateWindowAux::new();
    let class = x11rb::protocol::xproto::WindowClass::INPUT_OUTPUT;
    user.x.create_window(0, outer, user.root, 0, 0, 300, 300, 0, class, 0, &none).unwrap();
    user.x.reparent_window(window.number(), outer, 10, 10).unwrap();
    user.x.map_window(window.number()).unwrap();
    user.x.map_window(outer).unwrap().check().unwrap();
    presenter.add_view(ViewOptions::new(SLOT, window)).unwrap();
    presenter.set_fallback(Some(support::plain([0, 255, 0], 8, 8))).unwrap();
    support::wait_for(&display, window.number(), "green inside another window", |shown| {
        support::at(shown, 100, 50) == [0, 255, 0]
    });
    user.x.destroy_window(outer).unwrap().check().unwrap();
    assert_eq!(next(&presenter), Event::Gone { window });
}
