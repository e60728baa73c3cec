//! What can go wrong when the parts are put together.

use std::io;

use valkka_core::fork::TagTaken;
use valkka_core::url::StreamUrlError;

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no address.
    #[error(transparent)]
    Url(#[from] StreamUrlError),
    /// The system gave no thread.
    #[error("cannot start {what}")]
    Thread {
        /// What was to run in it.
        what: String,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// There is a branch with this tag.
    #[error(transparent)]
    Tag(#[from] TagTaken),
    /// All slots are in use.
    #[error("no slot is free: {used} cameras exist")]
    NoSlot {
        /// How many.
        used: usize,
    },
    /// Nothing can be shown.
    #[error(transparent)]
    Render(#[from] valkka_render::Error),
}
