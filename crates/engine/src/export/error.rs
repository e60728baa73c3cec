//! What can go wrong when recordings are exported.

use valkka_av::MuxError;
use valkka_core::codec::Codec;
use valkka_core::time::WallTime;

use crate::playback::PlaybackError;

/// Why a part of a recording is not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Playback(#[from] PlaybackError),
    /// The file cannot be written.
    #[error(transparent)]
    Mux(#[from] MuxError),
    /// There is nothing to export.
    #[error("nothing is recorded from {from} to {to}")]
    Nothing {
        /// The beginning that was asked for.
        from: WallTime,
        /// The end that was asked for.
        to: WallTime,
    },
    /// Browsers cannot play it.
    #[error("it cannot be played in a browser: {reason}")]
    Unplayable {
        /// The codec of the recording.
        codec: Codec,
        /// Why not, in words.
        reason: String,
    },
}
