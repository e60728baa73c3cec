//! Somebody who types, clicks and closes windows.

use std::io;

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, ButtonPressEvent, ClientMessageEvent, ConnectionExt as _, EventMask,
    KEY_PRESS_EVENT, KeyButMask, KeyPressEvent, Window,
};
use x11rb::rust_connection::RustConnection;

use crate::xvfb::Display;

/// A user at a display. What is done comes as events to the window that is named, as if it had the keyboard.
#[derive(Debug)]
pub struct User {
    x: RustConnection,
    root: Window,
}

impl User {
    /// Sits down at `display`.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn at(display: &Display) -> io::Result<Self> {
        let (x, screen) = x11rb::connect(Some(display.name())).map_err(io::Error::other)?;
        let root = x.setup().roots.get(screen).map(|screen| screen.root).unwrap_or_default();
        Ok(Self { x, root })
    }

    /// The user's connection to the display, for what nobody else wants.
    pub fn connection(&self) -> &RustConnection {
        &self.x
    }

    /// The root window of the screen.
    pub fn root(&self) -> u32 {
        self.root
    }

    /// The window on the screen whose title begins with `start`, and its title; `None` if there is none.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn window(&self, start: &str) -> io::Result<Option<(u32, String)>> {
        let tree = self.x.query_tree(self.root).map_err(io::Error::other)?;
        for window in tree.reply().map_err(io::Error::other)?.children {
            // It may go meanwhile.
            let title = self.title(window)?.filter(|title| title.starts_with(start));
            if let Some(title) = title {
                return Ok(Some((window, title)));
            }
        }
        Ok(None)
    }

    /// Presses the key whose first symbol is `symbol`.
    ///
    /// # Errors
    /// If there is no such key or window.
    pub fn press(&self, window: u32, symbol: u32, state: KeyButMask) -> io::Result<()> {
        let (first, last) = (self.x.setup().min_keycode, self.x.setup().max_keycode);
        let map = self.x.get_keyboard_mapping(first, last - first + 1).map_err(io::Error::other)?;
        let map = map.reply().map_err(io::Error::other)?;
        let per_code = usize::from(map.keysyms_per_keycode).max(1);
        let index = map.keysyms.chunks(per_code).position(|symbols| symbols.first() == Some(&symbol));
        let index = index.and_then(|index| u8::try_from(index).ok());
        let code = index.and_then(|index| first.checked_add(index));
        let event = KeyPressEvent {
            response_type: KEY_PRESS_EVENT,
            detail: code.ok_or_else(|| io::Error::other(format!("no key has the symbol {symbol:#x}")))?,
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
        self.send(window, EventMask::KEY_PRESS, event)
    }

    /// Presses the left button at `x` and `y`, at a time in milliseconds.
    ///
    /// # Errors
    /// If there is no such window.
    pub fn click(&self, window: u32, x: i16, y: i16, time_ms: u32) -> io::Result<()> {
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
        self.send(window, EventMask::BUTTON_PRESS, event)
    }

    /// Asks the window to close, as a window manager does.
    ///
    /// # Errors
    /// If there is no such window.
    pub fn close(&self, window: u32) -> io::Result<()> {
        let message = [self.atom(b"WM_DELETE_WINDOW")?, 0, 0, 0, 0];
        let event = ClientMessageEvent::new(32, window, self.atom(b"WM_PROTOCOLS")?, message);
        self.send(window, EventMask::NO_EVENT, event)
    }

    fn title(&self, window: u32) -> io::Result<Option<String>> {
        let name = self.atom(b"_NET_WM_NAME")?;
        let title = self.x.get_property(false, window, name, AtomEnum::ANY, 0, 1000);
        let title = title.map_err(io::Error::other)?.reply().ok();
        Ok(title.map(|title| String::from_utf8_lossy(&title.value).into_owned()))
    }

    fn atom(&self, name: &[u8]) -> io::Result<u32> {
        let atom = self.x.intern_atom(false, name).map_err(io::Error::other)?;
        Ok(atom.reply().map_err(io::Error::other)?.atom)
    }

    fn send(&self, window: u32, mask: EventMask, event: impl Into<[u8; 32]>) -> io::Result<()> {
        let sent = self.x.send_event(false, window, mask, event).map_err(io::Error::other)?;
        sent.check().map_err(io::Error::other)
    }
}
