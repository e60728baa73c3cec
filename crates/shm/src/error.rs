//! What can go wrong.

use std::io;
use std::path::PathBuf;

use crate::shape::{Contents, OutOfBounds};

/// Why frames cannot be shared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No memory can look like that.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// The writer offers something else than the reader asks for.
    #[error("shared memory \"{name}\" has {offered}, this reader asks for {asked}")]
    DoesNotFit {
        /// Of the ring.
        name: String,
        /// What the writer offers.
        offered: Contents,
        /// What the reader asks for.
        asked: Contents,
    },
    /// The writer has as many readers as it can have.
    #[error("shared memory \"{name}\" has {max} readers already")]
    Full {
        /// Of the ring.
        name: String,
        /// The most readers there are.
        max: usize,
    },
    /// The writer was built from another version.
    #[error("shared memory \"{name}\" is of version {theirs}, this is version {ours}")]
    Version {
        /// Of the ring.
        name: String,
        /// Ours.
        ours: u32,
        /// The writer's.
        theirs: u32,
    },
    /// The directory in which writers and readers meet cannot be used.
    #[error("shared memory: the directory {} cannot be used: {reason}", path.display())]
    Directory {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It belongs to the process that this one was forked off from.
    #[error(
        "shared memory \"{name}\" was opened by process {owner}, before this process was forked off from it"
    )]
    Forked {
        /// Of the ring.
        name: String,
        /// The process that it belongs to.
        owner: u32,
    },
    /// The system refuses something.
    #[error("shared memory \"{name}\": cannot {doing}")]
    System {
        /// Of the ring.
        name: String,
        /// What was tried.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

/// Makes errors of the system tell what was tried.
pub(crate) fn trying(name: &str, doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { name: name.to_owned(), doing, source }
}
