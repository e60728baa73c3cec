//! Why a source fails.

use std::io;
use std::time::Duration;

/// Why a stream could not be received, or why receiving ended. No variant carries credentials. Each message
/// is complete: it is also the reason that a [`Signal::Offline`](crate::frame::Signal::Offline) carries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No address for the name.
    #[error("no such host: {host}")]
    Resolve {
        /// The name.
        host: String,
    },
    /// No connection to the address.
    #[error("cannot connect to {host}: {}", words(cause))]
    Connect {
        /// Host and port.
        host: String,
        /// The system's reason.
        cause: io::Error,
    },
    /// Wrong or missing user name or password.
    #[error("{host} {}", if *.given { "refused our credentials" } else { "wants a user name and a password" })]
    Unauthorized {
        /// Host and port.
        host: String,
        /// Whether there were any to refuse.
        given: bool,
    },
    /// The server answered with an error status.
    #[error("{host} answered {method} with {code} {reason}")]
    Status {
        /// Host and port.
        host: String,
        /// The RTSP method.
        method: String,
        /// The status code.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// The peer does not follow the protocol.
    #[error("{host} does not speak proper RTSP: {detail}")]
    Protocol {
        /// Host and port.
        host: String,
        /// What is wrong.
        detail: String,
    },
    /// The stream has nothing we can receive.
    #[error("{host} has no track that can be used ({detail})")]
    NoTrack {
        /// Host and port, or the file.
        host: String,
        /// What it offers.
        detail: String,
    },
    /// Nothing came for too long.
    #[error("{host} sent nothing for {} s", .silence.as_secs_f32())]
    Silent {
        /// Host and port.
        host: String,
        /// For how long.
        silence: Duration,
    },
    /// The peer ended the connection, or the file ended.
    #[error("{host} ended the stream")]
    Ended {
        /// Host and port, or the file.
        host: String,
    },
    /// This kind of address or transport cannot be received.
    #[error("cannot receive {what}: {detail}")]
    Unsupported {
        /// The address without credentials.
        what: String,
        /// Why not.
        detail: String,
    },
    /// Reading failed.
    #[error("reading {what} failed: {}", words(cause))]
    Io {
        /// Host and port, or the file.
        what: String,
        /// The system's reason.
        cause: io::Error,
    },
}

/// The words of an error of the system, without its number: people read them in a tile.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

/// What the supervisor does after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Try again after the usual back-off.
    Soon,
    /// Try again, but in no hurry: the same attempt will fail until somebody changes something, and cameras
    /// lock accounts.
    Later,
    /// Never: the request itself is wrong.
    Never,
}

impl SourceError {
    /// Whether and how eagerly the same attempt may be made again with nothing changed.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Silent { .. }
            | Self::Ended { .. }
            | Self::Protocol { .. }
            | Self::Io { .. }
            | Self::Status { .. } => Retry::Soon,
            Self::Unauthorized { .. } | Self::NoTrack { .. } => Retry::Later,
            Self::Unsupported { .. } => Retry::Never,
        }
    }
}
