//! What is to be received.

use std::fmt;
use std::sync::Arc;

use valkka_core::sink::Sink;
use valkka_core::source::SourceRequest;
use valkka_core::stats::StreamStats;

use crate::opener::Opener;
use crate::reconnect::Reconnect;

/// What a [`Live`](crate::Live) is to receive, and where it goes.
pub struct StreamConfig {
    /// The stream.
    pub request: SourceRequest,
    /// When a lost connection is made again.
    pub reconnect: Reconnect,
    /// Takes the stream's frames: in the live thread, so it must return soon (a queue, a fork of queues); for
    /// blocking sources, in the source's own thread.
    pub sink: Arc<dyn Sink>,
    /// Where arrivals, losses and reconnections are counted.
    pub stats: Arc<StreamStats>,
    /// Finds the source; may change the request and `reconnect` before each connection.
    pub opener: Arc<dyn Opener>,
}

impl fmt::Debug for StreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConfig")
            .field("request", &self.request)
            .field("reconnect", &self.reconnect)
            .finish_non_exhaustive()
    }
}
