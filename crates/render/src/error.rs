//! What can go wrong in presentation.

use std::io;
use std::time::Duration;

use crate::scene::{ViewId, WindowId};

/// Why the presenter could not start, or not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither the options nor the environment name an X display.
    #[error("no X display: DISPLAY is not set, and none was named")]
    NoDisplay,
    /// The X server cannot be reached, or refuses us.
    #[error("cannot open X display \"{display}\"")]
    Display {
        /// The display's name.
        display: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The X server's screen cannot show our pictures.
    #[error("cannot use X display \"{display}\": {reason}")]
    Screen {
        /// The display's name.
        display: String,
        /// What is missing.
        reason: String,
    },
    /// OpenGL was asked for by name, and is not to be had.
    #[error("no OpenGL ES 3 on X display \"{display}\": {reason}")]
    OpenGl {
        /// The display's name.
        display: String,
        /// What is missing.
        reason: String,
    },
    /// The connection to the X server is gone.
    #[error("lost the connection to X display \"{display}\"")]
    DisplayLost {
        /// The display's name.
        display: String,
    },
    /// The X server refused a request.
    #[error("X display refused to {action}: {reason}")]
    Refused {
        /// What we asked for.
        action: &'static str,
        /// The server's answer.
        reason: String,
    },
    /// There is no such window, or it is gone.
    #[error("no window {window:#x}")]
    NoSuchWindow {
        /// Its id.
        window: u32,
    },
    /// The window is known to this presenter already.
    #[error("window {window:#x} is in use already")]
    WindowInUse {
        /// Its id.
        window: u32,
    },
    /// There is no such view; it goes when its window goes.
    #[error("no view {}", view.number())]
    NoSuchView {
        /// The view.
        view: ViewId,
    },
    /// What was asked for can only be done with windows made here.
    #[error("window {:#x} belongs to somebody else", window.number())]
    ForeignWindow {
        /// The window.
        window: WindowId,
    },
    /// There is nothing to be seen in the window or view: it has no pixels.
    #[error("nothing to take a picture of: the size is {width}x{height}")]
    NoPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The presenter did not answer in time. The command may still be carried out.
    #[error("the presenter did not answer within {waited:?}")]
    Timeout {
        /// How long it was waited.
        waited: Duration,
    },
    /// The presenter has ended.
    #[error("the presenter has ended")]
    Ended,
    /// The system gave no thread or descriptor.
    #[error("cannot start the presenter")]
    System(#[from] io::Error),
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::System(errno.into())
    }
}
