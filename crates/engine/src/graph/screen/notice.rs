//! What people should know of a screen.

use std::fmt;

use valkka_core::stream::Slot;
use valkka_render::schedule::{DropReason, Drops};

/// Something that people should know of a [`Screen`](super::Screen): what was asked for and cannot be, or does not
/// work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ScreenNotice {
    /// Pictures were dropped unseen; told once a second for each slot and reason.
    Dropped(Drops),
    /// A registered window has not been there for some time. It is shown in when it comes.
    Missing {
        /// Its X id.
        window: u32,
    },
    /// A registered window cannot be shown in. It is tried again.
    Refused {
        /// Its X id.
        window: u32,
        /// Why.
        reason: String,
    },
    /// A window was to be registered that is registered.
    Twice {
        /// Its X id.
        window: u32,
    },
    /// A window was to be given up that is not registered.
    UnknownWindow {
        /// Its X id.
        window: u32,
    },
    /// A stream was to be shown in a window that is not registered.
    NotRegistered {
        /// The stream.
        slot: Slot,
        /// The window's X id.
        window: u32,
    },
    /// There is no such view, or its window was given up.
    UnknownView {
        /// Its number.
        view: u32,
    },
    /// Nothing more can be added: there are too many windows, views or rectangles.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// Something else could not be done.
    Failed {
        /// What.
        action: &'static str,
        /// Why.
        reason: String,
    },
    /// The connection to the display is lost. Nothing is shown any more.
    DisplayLost,
    /// What is shown, in several lines, as it was asked for.
    State(String),
}

impl fmt::Display for ScreenNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped(Drops { slot, reason, count, ahead_micros, .. }) => {
                let reason = match reason {
                    DropReason::Late => "came too late",
                    DropReason::TooFast => "came too fast",
                    DropReason::TooEarly => "lie too far in the future",
                    DropReason::NoRoom => "found no room",
                    _ => "were not wanted",
                };
                let due = *ahead_micros as f64 / 1000.0;
                write!(
                    f,
                    "slot {slot}: {count} pictures dropped that {reason}; the last was due in {due:+.0} ms"
                )
            }
            Self::Missing { window } => write!(f, "window {window:#x} is not there"),
            Self::Refused { window, reason } => {
                write!(f, "nothing can be shown in window {window:#x}: {reason}")
            }
            Self::Twice { window } => write!(f, "window {window:#x} is registered already"),
            Self::UnknownWindow { window } => write!(f, "window {window:#x} is not registered"),
            Self::NotRegistered { slot, window } => {
                write!(f, "slot {slot} is not shown: window {window:#x} is not registered")
            }
            Self::UnknownView { view } => write!(f, "there is no view {view}"),
            Self::TooMany { what, most } => write!(f, "too many {what}: {most} at most"),
            Self::Failed { action, reason } => write!(f, "cannot {action}: {reason}"),
            Self::DisplayLost => f.write_str("the connection to the X display is lost"),
            Self::State(text) => f.write_str(text),
        }
    }
}
