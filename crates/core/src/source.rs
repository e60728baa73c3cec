//! Where frames come from: what a source is asked, what it delivers, how it fails.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::CodecParams;
use crate::sink::Sink;
use crate::stream::{Slot, Track};
use crate::url::StreamUrl;
use crate::worker::StopToken;

/// Produces the frames of one stream on a thread of its own.
///
/// A source that waits asynchronously has the same contract in `valkka-net`.
pub trait Source: Send {
    /// Connects, delivers frames to `sink` and returns when the connection ends, however it ends.
    ///
    /// The first frame is [`Signal::Online`](crate::frame::Signal::Online). The source neither retries nor
    /// emits `Offline`: the supervisor does. It returns `Ok` only when `stop` asks for it.
    ///
    /// # Errors
    /// Why the connection could not be made, or ended.
    fn run(&mut self, sink: &dyn Sink, stop: &StopToken) -> Result<(), SourceError>;
}

/// What sources call themselves when they ask a server.
pub const USER_AGENT: &str = concat!("Valkka/", env!("CARGO_PKG_VERSION"));

/// What a source is asked for.
#[derive(Clone, Debug)]
pub struct SourceRequest {
    /// The slot its frames carry.
    pub slot: Slot,
    /// Where the stream is.
    pub url: StreamUrl,
    /// How to get it.
    pub options: SourceOptions,
}

/// How a stream is to be received. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceOptions {
    /// How RTP travels.
    pub transport: Transport,
    /// Bytes the kernel may hold per UDP socket (`SO_RCVBUF`). A key frame of 4K comes in one burst.
    pub recv_buffer_bytes: usize,
    /// How long a packet may wait for one that was overtaken (UDP).
    pub reordering: Duration,
    /// Deadline of the whole way from resolving the name to the answer to PLAY.
    pub connect_timeout: Duration,
    /// A connection that has brought nothing for so long is given up.
    pub silence_timeout: Duration,
    /// Whether audio tracks are received too.
    pub audio: bool,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            recv_buffer_bytes: 4 << 20,
            reordering: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(8),
            silence_timeout: Duration::from_secs(10),
            audio: true,
        }
    }
}

/// How RTP travels from the camera to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, and TCP when UDP brings nothing within a second.
    Auto,
    /// One UDP port pair per track.
    #[default]
    Udp,
    /// Interleaved in the RTSP connection (RFC 2326, section 10.12).
    Tcp,
    /// UDP to a multicast group named by the server.
    Multicast,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Multicast => "multicast",
        })
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(word: &str) -> Result<Self, UnknownTransport> {
        [Self::Auto, Self::Udp, Self::Tcp, Self::Multicast]
            .into_iter()
            .find(|transport| transport.to_string() == word)
            .ok_or_else(|| UnknownTransport(word.to_owned()))
    }
}

/// A word that names no [`Transport`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not one of auto, udp, tcp, multicast")]
pub struct UnknownTransport(String);

/// What a source found when it connected.
#[derive(Clone, Debug, Default)]
pub struct StreamInfo {
    /// How frames come, in words: `udp`, `tcp`, `multicast`, `file` ….
    pub transport: String,
    /// What the server calls itself, if it tells.
    pub server: Option<String>,
    /// The tracks, in the order of the description.
    pub tracks: Vec<TrackInfo>,
}

/// One track as the description shows it.
#[derive(Clone, Debug)]
pub struct TrackInfo {
    /// Its index.
    pub track: Track,
    /// The medium, as the description names it: `video`, `audio`, `application` ….
    pub medium: String,
    /// The encoding, as the description names it, e.g. `H264`.
    pub encoding: String,
    /// Its parameters as far as they are known before the first packet.
    pub params: Option<Arc<CodecParams>>,
    /// Why it is not received, if it is not.
    pub skipped: Option<String>,
}

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
    #[error("{host} refused our credentials")]
    Unauthorized {
        /// Host and port.
        host: String,
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
    #[error("{host} offers no track that can be received ({detail})")]
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
