//! A store of many streams.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use valkka::graph::{BlockChange, BlockChangeKind, BlockStore, KeyTime};
use valkka::reason::reason;
use valkka::store::{Geometry, StoreFiles};

use super::table;
use crate::callback::Callback;
use crate::logging::FS;
use crate::native::Native;
use crate::stdout;

/// A store of recordings: a file or partition with blocks, and a file with the table of their times. It can hold many
/// streams: in its table, the first time of a block is that of its last key frame, the second that of its last frame.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct ValkkaFS {
    blocks: Native<Arc<BlockStore>>,
    callback: Arc<Callback>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl ValkkaFS {
    /// Opens the store, or makes it: with an empty table if `init` or if there is no table yet. `blocksize`, in bytes, is
    /// rounded down to a multiple of 4096.
    ///
    /// ValueError for a size that no store can have, OSError for what the system refuses.
    #[new]
    #[pyo3(signature = (device_file, block_file, blocksize, n_blocks, init = false))]
    fn py_new(
        py: Python<'_>,
        device_file: PathBuf,
        block_file: PathBuf,
        blocksize: i64,
        n_blocks: i64,
        init: bool,
    ) -> PyResult<Self> {
        Self::open(py, (device_file, block_file), (blocksize, n_blocks), KeyTime::Last, init)
    }

    /// The size of a block in bytes.
    fn getBlockSize(&self) -> u64 {
        self.blocks.geometry().block_bytes()
    }

    /// How many blocks there are.
    fn get_n_blocks(&self) -> u64 {
        self.blocks.geometry().blocks()
    }

    /// How many times the table has of each block: 2.
    fn get_n_cols(&self) -> usize {
        table::COLUMNS
    }

    /// The file or partition with the blocks.
    fn getDevice(&self) -> OsString {
        self.blocks.files().data.clone().into_os_string()
    }

    /// The size of all blocks in bytes.
    fn getDeviceSize(&self) -> u64 {
        self.blocks.geometry().data_bytes()
    }

    /// The size of the largest frame that is written, in bytes.
    fn maxFrameSize(&self) -> usize {
        self.blocks.max_frame_bytes()
    }

    /// Does nothing: the file always has what was written.
    fn dumpTable(&self) {}

    /// Reads the table from its file, which another process may have written.
    fn readTable(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.blocks.reload()).map_err(|error| PyOSError::new_err(reason(&error)))
    }

    /// Makes all blocks empty, in memory and in the file. Not possible while somebody writes, which is said then.
    fn clearTable(&self, py: Python<'_>) {
        py.detach(|| {
            if let Err(error) = self.blocks.clear_table() {
                complain("clearTable", reason(&error));
            }
        });
    }

    /// Overwrites the start of each block with zeros, or all of it with `writethrough`; the file gets its full size. Not
    /// possible while somebody writes, which is said then.
    #[pyo3(signature = (writethrough = false, verbose = false))]
    fn clearDevice(&self, py: Python<'_>, writethrough: bool, verbose: bool) {
        let device = self.blocks.files().data.display();
        py.detach(|| match self.blocks.clear_data(writethrough) {
            Err(error) => complain("clearDevice", reason(&error)),
            Ok(()) if verbose => stdout::line(format_args!("ValkkaFS: clearDevice: {device} is overwritten")),
            Ok(()) => {}
        });
    }

    /// Prints the table from block `from` to block `to`, that one not included; to the end if it is 0. Blocks that are not
    /// in use are left out, unless `show_all`.
    #[pyo3(signature = (r#from = 0, to = 0, show_all = false))]
    #[pyo3(text_signature = "($self, from_=0, to=0, show_all=False, /)")]
    fn reportTable(&self, py: Python<'_>, r#from: usize, to: usize, show_all: bool) {
        py.detach(|| stdout::line(table::report(&self.blocks.times(), r#from, to, show_all)));
    }

    /// Has the next writer begin with block `i`.
    fn setCurrentBlock(&self, py: Python<'_>, i: u64) -> PyResult<()> {
        let blocks = self.blocks.geometry().blocks();
        if i >= blocks {
            return Err(PyValueError::new_err(format!("there is no block {i} of {blocks}")));
        }
        py.detach(|| self.blocks.set_next_block(i));
        Ok(())
    }

    /// The block that is written next, or just now; None if nothing says so yet.
    fn getCurrentBlock(&self, py: Python<'_>) -> Option<u64> {
        py.detach(|| self.blocks.next_block())
    }

    /// Puts the times of the block that is being written into the table, in memory and in the file, and calls the
    /// callback with `(False, "req")`. Does nothing if no frame came since the last time. Where nobody writes by this
    /// object, it reads the table from its file, which another process may have written.
    #[pyo3(signature = (disk_write = false))]
    fn updateTable(&self, py: Python<'_>, disk_write: bool) {
        // What is in the table is on disk in any case.
        let _ = disk_write;
        py.detach(|| {
            if let Err(error) = self.blocks.update() {
                complain("updateTable", reason(&error));
            }
        });
    }

    /// Has `cb(propagate, par)` called when the table has changed: with True from the thread that writes, and with False
    /// from a call that somebody waits for. `par` is the number of the block that is written next, when one was closed;
    /// "keyframe" or "frame" if the one that was closed has none; "req" after updateTable().
    fn setBlockCallback(&self, cb: Py<PyAny>) {
        self.callback.set(cb);
    }

    /// Copies the table into `arr`: a NumPy array of 64-bit integers, with a row of two for each block.
    fn setArrayCall(&self, arr: &Bound<'_, PyAny>) -> PyResult<()> {
        // Whoever changes the table may be waiting for the disk.
        let times = arr.py().detach(|| self.blocks.times());
        table::copy(&times, arr)
    }
}

impl ValkkaFS {
    /// Opens the store in the files `(data, table)`, of the size `(bytes of a block, number of blocks)`.
    pub(super) fn open(
        py: Python<'_>,
        (data, table): (PathBuf, PathBuf),
        (blocksize, n_blocks): (i64, i64),
        keys: KeyTime,
        init: bool,
    ) -> PyResult<Self> {
        let (Ok(block_bytes), Ok(count)) = (u64::try_from(blocksize), u64::try_from(n_blocks)) else {
            let wrong = format!("a store cannot have {n_blocks} blocks of {blocksize} bytes");
            return Err(PyValueError::new_err(wrong));
        };
        let geometry = Geometry::new(block_bytes.max(1), count);
        let geometry = geometry.map_err(|error| PyValueError::new_err(error.to_string()))?;
        if geometry.block_bytes() != block_bytes {
            let (from, to) = (block_bytes, geometry.block_bytes());
            py.detach(|| {
                FS.normal(format_args!("ValkkaFS: blocksize {from} is not a multiple of 4096, taking {to}"));
            });
        }
        let callback = Arc::<Callback>::default();
        let called = callback.clone();
        let report = move |change: BlockChange| {
            let par = match change.kind {
                BlockChangeKind::Closed { next } => Par::Block(next),
                BlockChangeKind::ClosedWithoutKeyframe => Par::Word("keyframe"),
                BlockChangeKind::ClosedWithoutFrame => Par::Word("frame"),
                BlockChangeKind::Updated => Par::Word("req"),
            };
            called.call(|_| Ok((change.by_writer, par)));
        };
        let files = StoreFiles { data, table };
        let opened = py.detach(|| BlockStore::open(files, geometry, keys, init, report));
        let blocks = opened.map_err(|error| PyOSError::new_err(reason(&error)))?;
        Ok(Self { blocks: Native::new(Arc::new(blocks)), callback })
    }

    /// What reads and writes it.
    pub(crate) fn blocks(&self) -> Arc<BlockStore> {
        self.blocks.clone()
    }
}

/// The second argument of the callback.
#[derive(IntoPyObject)]
enum Par {
    Block(u64),
    Word(&'static str),
}

fn complain(call: &str, what: impl Display) {
    FS.fatal(format_args!("ValkkaFS: {call}: {what}"));
}
