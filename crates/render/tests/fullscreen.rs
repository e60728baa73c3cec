//! Full screen is the window manager's to give, where there is one.

mod support;

use support::{PATIENCE, presenter, watchdog, window_options};
use valkka_render::{Rendering, WindowChange};
use valkka_testkit::{require, wait, xvfb};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, CreateWindowAux, EventMask, PropMode,
    WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

/// Of a window manager there is only what programs see of it: its properties, and that it gets their requests.
#[test]
fn a_window_manager_is_asked() {
    require!(xvfb::available());
    let _watchdog = watchdog();
    let display = xvfb::Display::spawn().unwrap();
    let (x, screen) = x11rb::connect(Some(display.name())).unwrap();
    let root = x.setup().roots[screen].root;
    let atom = |name: &str| x.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let manager = x.generate_id().unwrap();
    let none = CreateWindowAux::new();
    x.create_window(0, manager, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &none).unwrap();
    let (check, full) = (atom("_NET_SUPPORTING_WM_CHECK"), atom("_NET_WM_STATE_FULLSCREEN"));
    for window in [root, manager] {
        x.change_property32(PropMode::REPLACE, window, check, AtomEnum::WINDOW, &[manager]).unwrap();
    }
    let supported = [atom("_NET_WM_STATE"), full];
    x.change_property32(PropMode::REPLACE, root, atom("_NET_SUPPORTED"), AtomEnum::ATOM, &supported).unwrap();
    let listen = ChangeWindowAttributesAux::new().event_mask(EventMask::SUBSTRUCTURE_NOTIFY);
    x.change_window_attributes(root, &listen).unwrap().check().unwrap();

    let presenter = presenter(&display, Rendering::Auto);
    let window = presenter.create_window(window_options(200, 100)).unwrap();
    for (wanted, action) in [(true, 1), (false, 0)] {
        presenter.change_window(window, WindowChange::Fullscreen(wanted)).unwrap();
        let data = wait::until_some(PATIENCE, "the request", || match x.poll_for_event().unwrap() {
            Some(Event::ClientMessage(message)) if message.type_ == atom("_NET_WM_STATE") => {
                Some((message.window, message.data.as_data32()))
            }
            _ => None,
        });
        assert_eq!(data, (window.number(), [action, full, 0, 1, 0]));
    }
    // It is not second-guessed: the window stays as the manager has it.
    assert_eq!(presenter.window_size(window).unwrap(), (200, 100));
    // Without the manager, the window takes the screen by itself.
    x.destroy_window(manager).unwrap().check().unwrap();
    presenter.change_window(window, WindowChange::Fullscreen(true)).unwrap();
    wait::until(PATIENCE, "the whole screen", || presenter.window_size(window).unwrap() == (1280, 1024));
}
