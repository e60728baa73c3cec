//! The connection to the X server.

use std::collections::VecDeque;
use std::env;
use std::time::{Duration, Instant};

use x11rb::connection::{Connection, RequestConnection};
use x11rb::cookie::VoidCookie;
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::{
    ClientMessageEvent, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, Gcontext, ImageOrder,
    Screen, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;

use super::keys::Keymap;
use super::shm::Segment;
use crate::error::Error;

x11rb::atom_manager! {
    /// Names that both sides know by number.
    pub(super) Atoms: AtomsCookie {
        WM_PROTOCOLS,
        WM_DELETE_WINDOW,
        UTF8_STRING,
        _NET_WM_NAME,
        _NET_WM_STATE,
        _NET_WM_STATE_FULLSCREEN,
        _NET_SUPPORTED,
        _NET_SUPPORTING_WM_CHECK,
        _VALKKA_FENCE,
    }
}

/// A connection, the screen it is for, and how far the server has got.
#[derive(Debug)]
pub(super) struct Display {
    pub(super) conn: RustConnection,
    pub(super) name: String,
    pub(super) screen_number: usize,
    pub(super) screen: Screen,
    pub(super) atoms: Atoms,
    pub(super) gc: Gcontext,
    pub(super) keymap: Keymap,
    /// Whether the server can map memory that we hand to it.
    pub(super) shared_memory: bool,
    /// A window that is never seen, for messages to ourselves.
    mailbox: Window,
    /// Fences the server has not reached, and when they were sent.
    fences: VecDeque<(u32, Instant)>,
    last_fence: u32,
    reached: u32,
}

impl Display {
    /// Connects to the display called `name`, or the one the environment names.
    pub(super) fn open(name: Option<&str>) -> Result<Self, Error> {
        let name = match name.map(str::to_owned).or_else(|| env::var("DISPLAY").ok()) {
            Some(name) if !name.is_empty() => name,
            _ => return Err(Error::NoDisplay),
        };
        let lost = |source: Box<dyn std::error::Error + Send + Sync>| Error::Display {
            display: name.clone(),
            source,
        };
        let (conn, number) = x11rb::connect(Some(&name)).map_err(|error| lost(error.into()))?;
        let screen = conn.setup().roots.get(number).cloned().ok_or_else(|| Error::Screen {
            display: name.clone(),
            reason: format!("it has no screen {number}"),
        })?;
        Self::set_up(conn, name.clone(), number, screen).map_err(|error| lost(error.into()))
    }

    fn set_up(
        conn: RustConnection,
        name: String,
        screen_number: usize,
        screen: Screen,
    ) -> Result<Self, ReplyOrIdError> {
        let atoms = Atoms::new(&conn)?.reply()?;
        let gc = conn.generate_id()?;
        conn.create_gc(gc, screen.root, &CreateGCAux::new().graphics_exposures(0))?;
        let mailbox = conn.generate_id()?;
        let hidden = CreateWindowAux::new();
        conn.create_window(0, mailbox, screen.root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &hidden)?;
        let shared_memory = has_shared_memory(&conn)?;
        let mut display = Self {
            conn,
            name,
            screen_number,
            screen,
            atoms,
            gc,
            keymap: Keymap::default(),
            shared_memory,
            mailbox,
            fences: VecDeque::new(),
            last_fence: 0,
            reached: 0,
        };
        display.read_keymap()?;
        Ok(display)
    }

    /// Asks the server what the keys mean.
    pub(super) fn read_keymap(&mut self) -> Result<(), ReplyError> {
        let (first_code, last_code) = (self.conn.setup().min_keycode, self.conn.setup().max_keycode);
        let count = last_code.saturating_sub(first_code).saturating_add(1);
        let mapping = self.conn.get_keyboard_mapping(first_code, count)?.reply()?;
        self.keymap =
            Keymap { first_code, symbols_per_code: mapping.keysyms_per_keycode, symbols: mapping.keysyms };
        Ok(())
    }

    /// Why our pixels cannot be put on this screen as they are; `None` if they can.
    pub(super) fn foreign_pixels(&self) -> Option<String> {
        let setup = self.conn.setup();
        let depth = self.screen.root_depth;
        let visual = self
            .screen
            .allowed_depths
            .iter()
            .flat_map(|depth| &depth.visuals)
            .find(|visual| visual.visual_id == self.screen.root_visual);
        let masks = visual.map(|visual| (visual.red_mask, visual.green_mask, visual.blue_mask));
        let format = setup.pixmap_formats.iter().find(|format| format.depth == depth);
        let bits = format.map_or(0, |format| format.bits_per_pixel);
        let native = if cfg!(target_endian = "big") { ImageOrder::MSB_FIRST } else { ImageOrder::LSB_FIRST };
        if masks != Some((0x00ff_0000, 0xff00, 0xff)) || bits != 32 {
            Some(format!("its pixels have {depth} bits, and not 8 each of red, green and blue in 32"))
        } else if setup.image_byte_order != native {
            Some("its machine has another byte order".to_owned())
        } else {
            None
        }
    }

    /// Whether programs may reach a graphics processor through this server. Without any of these extensions
    /// they cannot; with them, it may still be that the CPU plays one.
    pub(super) fn may_have_gpu(&self) -> bool {
        ["DRI3", "DRI2", "NV-GLX"]
            .into_iter()
            .any(|name| matches!(self.conn.extension_information(name), Ok(Some(_))))
    }

    /// Sends a mark behind everything sent so far; [`Self::has_reached`] says when the server got there.
    ///
    /// It is a message to our own window, so it neither makes us wait nor fails with the windows of others.
    pub(super) fn send_fence(&mut self) -> Result<u32, ConnectionError> {
        self.last_fence = self.last_fence.wrapping_add(1);
        let event = ClientMessageEvent::new(
            32,
            self.mailbox,
            self.atoms._VALKKA_FENCE,
            [self.last_fence, 0, 0, 0, 0],
        );
        self.conn.send_event(false, self.mailbox, EventMask::NO_EVENT, event)?;
        self.fences.push_back((self.last_fence, Instant::now()));
        Ok(self.last_fence)
    }

    /// Takes a message to ourselves; returns whether it was one.
    pub(super) fn take_fence(&mut self, event: &ClientMessageEvent) -> bool {
        if event.window != self.mailbox || event.type_ != self.atoms._VALKKA_FENCE {
            return false;
        }
        self.reached = event.data.as_data32()[0];
        while self.fences.front().is_some_and(|&(fence, _)| is_up_to(fence, self.reached)) {
            self.fences.pop_front();
        }
        true
    }

    /// Whether the server has done everything that was sent before this fence.
    pub(super) fn has_reached(&self, fence: u32) -> bool {
        is_up_to(fence, self.reached)
    }

    /// Whether the server is so far behind that it is better to send it nothing new.
    pub(super) fn is_behind(&self) -> bool {
        self.fences.len() >= MOST_FENCES
            || self.fences.front().is_some_and(|(_, sent)| sent.elapsed() >= LONGEST_BACKLOG)
    }

    /// The error for a connection that failed.
    pub(super) fn lost(&self) -> Error {
        Error::DisplayLost { display: self.name.clone() }
    }

    /// The error for a request that failed.
    pub(super) fn refused(&self, action: &'static str, error: ReplyOrIdError) -> Error {
        match error {
            ReplyOrIdError::X11Error(error) => Error::Refused {
                action,
                reason: format!("{:?} for {:#x}", error.error_kind, error.bad_value),
            },
            ReplyOrIdError::IdsExhausted => Error::Refused { action, reason: "no ids are left".to_owned() },
            ReplyOrIdError::ConnectionError(_) => self.lost(),
        }
    }
}

/// Whether the server can map memory of ours: it tries. Servers on other machines know the extension too.
fn has_shared_memory(conn: &RustConnection) -> Result<bool, ReplyOrIdError> {
    if conn.extension_information(x11rb::protocol::shm::X11_EXTENSION_NAME)?.is_none() {
        return Ok(false);
    }
    // Memory is handed over as a descriptor from version 1.2 on.
    let version = conn.shm_query_version()?.reply()?;
    if (version.major_version, version.minor_version) < (1, 2) {
        return Ok(false);
    }
    let (_segment, fd) = Segment::new(1).map_err(ConnectionError::from)?;
    let id = conn.generate_id()?;
    match conn.shm_attach_fd(id, fd, true).map(VoidCookie::check) {
        Ok(Ok(())) => {
            conn.shm_detach(id)?;
            Ok(true)
        }
        // Descriptors cannot be sent through this connection, or the server cannot map it.
        Ok(Err(ReplyError::X11Error(_))) | Err(ConnectionError::FdPassingFailed) => Ok(false),
        Ok(Err(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether `fence` was sent before `reached`, or is it. Numbers wrap around.
fn is_up_to(fence: u32, reached: u32) -> bool {
    reached.wrapping_sub(fence) < 1 << 31
}

/// Paintings the server may be behind. Each is small: pictures do not go through the connection.
const MOST_FENCES: usize = 64;

/// How long the server may take for one painting before we wait for it.
const LONGEST_BACKLOG: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_wrap_around() {
        assert!(is_up_to(5, 5) && is_up_to(5, 6) && !is_up_to(6, 5));
        assert!(is_up_to(u32::MAX, 0) && !is_up_to(0, u32::MAX));
    }
}
