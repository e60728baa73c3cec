//! What can go wrong when recordings are played.

use std::io;
use std::time::Duration;

use valkka_core::source::SourceError;
use valkka_store::StoreError;

/// Why a recording is not played as it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// A file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever asked no longer wants to know, or has waited long enough.
    #[error("given up before the picture was decoded")]
    GivenUp,
    /// A speed that is not offered.
    #[error("a speed of {speed} is not possible: from 1/16 to 64 in either direction")]
    Speed {
        /// What was asked for.
        speed: f64,
    },
    /// Too many streams at once, or none.
    #[error("{count} streams cannot be played at once: from 1 to {most}")]
    Streams {
        /// What was asked for.
        count: usize,
        /// The most that are possible.
        most: usize,
    },
    /// It was not done in time.
    #[error("no step within {limit:?}: a stream is still being decoded")]
    Deadline {
        /// The time that was given.
        limit: Duration,
    },
    /// The system gave no thread.
    #[error("cannot start the player of stream {stream}")]
    Thread {
        /// The stream, counted from zero.
        stream: usize,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
}
