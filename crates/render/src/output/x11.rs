//! Windows of an X11 display.
//!
//! Everything goes through one connection of ours, on the presenter's thread, without waiting for the server
//! while pictures are shown. A window that is destroyed while we draw in it makes the server send an error,
//! which is an event like others.

mod display;
mod egl;
mod gl;
mod keys;
mod put;
mod shm;
mod window;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tracing::{debug, trace, warn};
use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;

use self::display::Display;
use self::gl::GlPainter;
use self::put::PutPainter;
use self::window::Windows;
use super::{NewWindow, Output, OutputEvent};
use crate::error::Error;
use crate::pictures::Pictures;
use crate::presenter::{PresenterOptions, Rendering};
use crate::scene::{Painting, WindowId};
use crate::window::{WindowChange, WindowOptions};

/// An X11 display, and who paints on it.
struct X11 {
    display: Display,
    windows: Windows,
    painter: Painter,
}

enum Painter {
    Gl(Box<GlPainter>),
    Put(PutPainter),
}

pub(super) fn open(options: &PresenterOptions) -> Result<Box<dyn Output>, Error> {
    let display = Display::open(options.display.as_deref())?;
    let painter = match options.rendering {
        Rendering::OpenGl => {
            open_gl(&display).map_err(|reason| Error::OpenGl { display: display.name.clone(), reason })?
        }
        Rendering::Software => open_put(&display)?,
        Rendering::Auto => open_best(&display)?,
    };
    let (name, shared_memory) = (&display.name, display.shared_memory);
    match &painter {
        Painter::Gl(painter) => debug!(display = name, renderer = painter.renderer(), "painting with OpenGL"),
        Painter::Put(_) => debug!(display = name, shared_memory, "painting without OpenGL"),
    }
    Ok(Box::new(X11 { display, windows: Windows::default(), painter }))
}

/// OpenGL where there is a graphics processor.
fn open_best(display: &Display) -> Result<Painter, Error> {
    // Opening OpenGL only to find that the CPU would do it costs a hundred megabytes.
    if display.may_have_gpu() {
        match open_gl(display) {
            Ok(Painter::Gl(painter)) if painter.is_software() => {}
            Ok(painter) => return Ok(painter),
            Err(reason) => {
                let name = &display.name;
                warn!(
                    display = name,
                    reason, "no OpenGL though there is a graphics processor; painting without"
                );
            }
        }
    }
    open_put(display)
}

fn open_gl(display: &Display) -> Result<Painter, String> {
    let painter = GlPainter::open(&display.name, display.screen_number, display.screen.root_visual)?;
    Ok(Painter::Gl(Box::new(painter)))
}

fn open_put(display: &Display) -> Result<Painter, Error> {
    match display.foreign_pixels() {
        Some(reason) => Err(Error::Screen { display: display.name.clone(), reason }),
        None => Ok(Painter::Put(PutPainter::default())),
    }
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
        match &mut self.painter {
            Painter::Gl(painter) => Ok(painter.paint(&self.windows, paintings, pictures)),
            Painter::Put(painter) => painter
                .paint(&mut self.display, &self.windows, paintings, pictures)
                .map_err(|_| self.display.lost()),
        }
    }

    fn least_interval(&self) -> Duration {
        match self.painter {
            // Whole windows are drawn, so what falls due at nearly the same time is drawn together.
            Painter::Gl(_) => Duration::from_millis(8),
            Painter::Put(_) => Duration::ZERO,
        }
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
