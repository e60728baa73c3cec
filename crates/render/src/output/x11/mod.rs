//! Windows of an X11 display.
//!
//! Everything goes through one connection of ours, on the presenter's thread, without waiting for the server
//! while pictures are shown. A window that is destroyed while we draw in it makes the server send an error,
//! which is an event like others.

mod display;
mod keys;
mod put;
mod shm;
mod window;

use std::os::fd::{AsFd, BorrowedFd};

use tracing::{debug, trace, warn};
use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;

use self::display::Display;
use self::put::PutPainter;
use self::window::Windows;
use super::{NewWindow, Output, OutputEvent};
use crate::error::Error;
use crate::pictures::Pictures;
use crate::presenter::PresenterOptions;
use crate::scene::{Painting, WindowId};
use crate::window::{WindowChange, WindowOptions};

/// An X11 display, and who paints on it.
struct X11 {
    display: Display,
    windows: Windows,
    painter: PutPainter,
}

pub(super) fn open(options: &PresenterOptions) -> Result<Box<dyn Output>, Error> {
    let display = Display::open(options.display.as_deref())?;
    if let Some(reason) = display.foreign_pixels() {
        return Err(Error::Screen { display: display.name.clone(), reason });
    }
    let (name, shared_memory) = (&display.name, display.shared_memory);
    debug!(display = name, shared_memory, "painting without OpenGL");
    Ok(Box::new(X11 { display, windows: Windows::default(), painter: PutPainter::default() }))
}

impl Output for X11 {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.display.conn.stream().as_fd())
    }

    fn create_window(&mut self, options: &WindowOptions) -> Result<NewWindow, Error> {
        self.windows.create(&self.display, options)
    }

    fn adopt_window(&mut self, window: u32) -> Result<NewWindow, Error> {
        self.windows.adopt(&self.display, window)
    }

    fn remove_window(&mut self, window: WindowId) {
        // A connection that fails here is found to be lost by the next call of `events`.
        let _ = self.windows.remove(&self.display, window);
    }

    fn change_window(&mut self, window: WindowId, change: &WindowChange) -> Result<(), Error> {
        self.windows.change(&self.display, window, change)
    }

    fn paint(&mut self, paintings: Vec<Painting>, pictures: &Pictures) -> Result<Vec<WindowId>, Error> {
        let painted = self.painter.paint(&mut self.display, &self.windows, paintings, pictures);
        painted.map_err(|_| self.display.lost())
    }

    fn events(&mut self) -> Result<Vec<OutputEvent>, Error> {
        let mut events = Vec::new();
        self.display.conn.flush().map_err(|_| self.display.lost())?;
        while let Some(event) = self.display.conn.poll_for_event().map_err(|_| self.display.lost())? {
            match &event {
                XEvent::ClientMessage(message) if self.display.take_fence(message) => {
                    events.push(OutputEvent::Ready);
                }
                XEvent::MappingNotify(_) => {
                    if let Err(error) = self.display.read_keymap() {
                        warn!(%error, "cannot read what the keys mean; they stay as they were");
                    }
                }
                // A window went before a request for it arrived: that it went is, or was, an event too.
                XEvent::Error(error) => trace!(?error, "the X server refused a request"),
                _ => {
                    let translated = self.windows.translate(&self.display, &event);
                    events.extend(translated.map_err(|_| self.display.lost())?);
                }
            }
        }
        // What came may have made us send something.
        self.display.conn.flush().map_err(|_| self.display.lost())?;
        Ok(events)
    }
}
