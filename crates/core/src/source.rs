//! Where frames come from: what a source is asked, what it delivers, how it fails.

mod error;
mod info;
mod transport;

pub use error::{Retry, SourceError};
pub use info::{StreamInfo, TrackInfo};
pub use transport::{Transport, UnknownTransport};

use std::time::Duration;

use crate::sink::Sink;
use crate::stream::Slot;
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
