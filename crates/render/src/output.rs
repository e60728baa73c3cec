//! The drivers: where pictures end up.
//!
//! A driver owns windows and draws [`Painting`]s into them. It runs on the presenter's thread alone. To add
//! one, write a file that implements [`Output`] and add a line to [`DRIVERS`].

mod null;
mod x11;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::str::FromStr;
use std::time::Duration;

use crate::error::Error;
use crate::event::Key;
use crate::pictures::Pictures;
use crate::presenter::PresenterOptions;
use crate::scene::{Painting, WindowId};
use crate::window::{WindowChange, WindowOptions};

/// Draws into windows and says what happens to them.
pub(crate) trait Output {
    /// Becomes readable when there are events.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// Makes a window.
    fn create_window(&mut self, options: &WindowOptions) -> Result<NewWindow, Error>;

    /// Takes a window that somebody else made as a place to draw in.
    fn adopt_window(&mut self, window: u32) -> Result<NewWindow, Error>;

    /// Destroys a window made here, or leaves one that was adopted.
    fn remove_window(&mut self, window: WindowId);

    /// Changes a window made here.
    fn change_window(&mut self, window: WindowId, change: &WindowChange) -> Result<(), Error>;

    /// Draws what it can without waiting, and returns the windows that it has drawn. The others stay as they
    /// are, and are asked for again when the driver says [`OutputEvent::Ready`], or after
    /// [`Self::least_interval`].
    fn paint(&mut self, paintings: Vec<Painting>, pictures: &Pictures) -> Result<Vec<WindowId>, Error>;

    /// How much time has to lie between two calls of [`Self::paint`] that are not to be wasted.
    fn least_interval(&self) -> Duration {
        Duration::ZERO
    }

    /// Sends what waits to be sent, and takes what has happened, without waiting.
    ///
    /// # Errors
    /// If the display is lost.
    fn events(&mut self) -> Result<Vec<OutputEvent>, Error>;
}

/// A window as it was found or made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewWindow {
    pub(crate) id: WindowId,
    pub(crate) size: (u32, u32),
    pub(crate) visible: bool,
}

/// What a driver has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputEvent {
    Resized(WindowId, (u32, u32)),
    /// The contents are lost.
    Exposed(WindowId),
    Visible(WindowId, bool),
    Gone(WindowId),
    CloseRequested(WindowId),
    Key(WindowId, Key),
    DoubleClick(WindowId, (i32, i32)),
    /// More can be painted.
    Ready,
}

/// Where a presenter's pictures go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutputKind {
    /// Windows of an X11 display.
    #[default]
    X11,
    /// Nowhere: everything is done but drawing. Screenshots work.
    Null,
}

/// Opens an output of this kind.
pub(crate) fn open(options: &PresenterOptions) -> Result<Box<dyn Output>, Error> {
    let driver = DRIVERS.iter().find(|driver| driver.kind == options.output);
    (driver.expect("every kind has a driver").open)(options)
}

struct Driver {
    kind: OutputKind,
    name: &'static str,
    open: fn(&PresenterOptions) -> Result<Box<dyn Output>, Error>,
}

const DRIVERS: [Driver; 2] = [
    Driver { kind: OutputKind::X11, name: "x11", open: x11::open },
    Driver { kind: OutputKind::Null, name: "null", open: null::open },
];

impl fmt::Display for OutputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let driver = DRIVERS.iter().find(|driver| driver.kind == *self);
        f.write_str(driver.expect("every kind has a driver").name)
    }
}

impl FromStr for OutputKind {
    type Err = UnknownOutput;

    fn from_str(word: &str) -> Result<Self, UnknownOutput> {
        let driver = DRIVERS.iter().find(|driver| driver.name == word);
        driver.map(|driver| driver.kind).ok_or_else(|| UnknownOutput(word.to_owned()))
    }
}

/// A word that names no [`OutputKind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not one of x11, null")]
pub struct UnknownOutput(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_driver_and_a_name() {
        for kind in [OutputKind::X11, OutputKind::Null] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(
            "vulkan".parse::<OutputKind>().unwrap_err().to_string(),
            "\"vulkan\" is not one of x11, null"
        );
    }
}
