//! Why a store could not be made, opened, read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::geometry::BadGeometry;

/// Why something about a store failed. The messages name the file or the directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused something.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, e.g. "read".
        action: &'static str,
        /// The file, device or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The directory has no `valkkafs.json`.
    #[error("{path} holds no recordings: valkkafs.json is missing", path = .0.display())]
    NoStore(PathBuf),
    /// A file of the new store is there already.
    #[error("{path} exists: it is not overwritten", path = .0.display())]
    Exists(PathBuf),
    /// A file of a store is there, but no `valkkafs.json`.
    #[error(
        "{path} is there without valkkafs.json, as of a store that has lost it: `valkka fsck --repair` makes that anew; \
         if nothing is to be kept, remove the file",
        path = .0.display()
    )]
    Orphan(PathBuf),
    /// `valkkafs.json` makes no sense.
    #[error("{path}: {reason}", path = path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No store can have this size.
    #[error(transparent)]
    Geometry(#[from] BadGeometry),
    /// The data or the table have another size than the store.
    #[error("{path} has {found} bytes where {wanted} are needed", path = path.display())]
    Size {
        /// The file or device.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The smallest size that would do.
        wanted: u64,
    },
    /// The table is of a store of another size.
    #[error("{path} is the table of {found} blocks, not of {wanted}", path = path.display())]
    OtherTable {
        /// The table.
        path: PathBuf,
        /// Blocks by the table.
        found: u64,
        /// Blocks of the store.
        wanted: u64,
    },
    /// There is too little room on the file system.
    #[error(
        "{path} has {free} bytes free: {wanted} are needed, and {kept} are to stay free",
        path = path.display()
    )]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that the store would take.
        wanted: u64,
        /// Bytes that are to be left.
        kept: u64,
    },
    /// A device is mounted, or a part of something that is in use.
    #[error("{path} is in use: it is mounted, or a part of something that is", path = .0.display())]
    InUse(PathBuf),
    /// A device holds something.
    #[error("{path} holds {found}: it is not written over unless that is asked for", path = path.display())]
    Occupied {
        /// The device.
        path: PathBuf,
        /// What it holds, in words.
        found: &'static str,
    },
    /// The name of a disk may be that of another one later.
    #[error(
        "{path} may be the name of another disk after a restart: take its name in /dev/disk/by-id, or a partition of it",
        path = .0.display()
    )]
    UnsteadyName(PathBuf),
    /// No partition has the identifier that `valkkafs.json` names.
    #[error("no partition has the identifier {0}")]
    NoPartition(String),
    /// There is no such block.
    #[error("block {block} does not exist: the store has {blocks}")]
    NoBlock {
        /// The number asked for.
        block: u64,
        /// How many there are.
        blocks: u64,
    },
    /// The table is so damaged that it takes a check to say what may be overwritten.
    #[error("{path}: {rows} rows are damaged; a check of the store can mend them", path = path.display())]
    DamagedTable {
        /// The table.
        path: PathBuf,
        /// How many rows are damaged.
        rows: u64,
    },
    /// Another writer has the store.
    #[error("{path} is being written by another writer", path = .0.display())]
    Locked(PathBuf),
    /// The stream has a lane already.
    #[error("\"{0}\" is being recorded already")]
    LaneTaken(String),
    /// A stream needs a name, and not too long a one.
    #[error("a stream cannot be named by {0} bytes: 1 to {max} are possible", max = crate::format::MAX_NAME_BYTES)]
    Name(usize),
    /// No further stream can be named.
    #[error("there are {0} streams: no further one can be recorded")]
    TooManyStreams(usize),
    /// Each lane needs a block of its own.
    #[error("{lanes} streams cannot be recorded into {blocks} blocks: each needs one of its own")]
    TooFewBlocks {
        /// How many lanes there would be.
        lanes: u64,
        /// How many blocks there are.
        blocks: u64,
    },
    /// A disk was put in the place of the one that was being written, and its streams have other numbers.
    #[error("{path} is of another store than before", path = .0.display())]
    OtherStore(PathBuf),
    /// Frames that were taken are not in the recording: another disk is in the place of the one that they were written to, or
    /// no block could be begun. There is a gap in their place.
    #[error("{frames} frames that were to be recorded are lost: {reason}")]
    Lost {
        /// How many.
        frames: u64,
        /// Why the last ones are.
        reason: String,
    },
    /// Not everything was on disk at the deadline.
    #[error("not everything was written in time: {0}")]
    Late(String),
}

impl StoreError {
    /// For `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
