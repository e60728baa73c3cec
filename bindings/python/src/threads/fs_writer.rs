//! A thread that writes stores.

use std::fmt::Display;
use std::sync::Arc;

use pyo3::prelude::*;
use valkka::graph::{InputNotice, StoreWriter, StoreWriterNotice};
use valkka::store::WriterEvent;

use super::decoder::say;
use super::fs_reader::mapping;
use crate::contexts::FrameFifoContext;
use crate::filters::fifo::{BlockingFifoFrameFilter, FifoFrameFilter};
use crate::fs::ValkkaFS;
use crate::logging::FS;
use crate::native::Native;
use crate::slot::slot;
use crate::stdout;
use crate::thread::Thread;

/// Writes streams into a store, those whose slot has an id by setSlotIdCall().
///
/// A store is written by one thread at a time, from startCall() to stopCall(); nobody else can start one meanwhile.
#[pyclass(extends = Thread, subclass, frozen, module = "valkka.core")]
pub(crate) struct ValkkaFSWriterThread {
    name: String,
    writer: Native<Arc<StoreWriter>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl ValkkaFSWriterThread {
    #[new]
    #[pyo3(signature = (name, valkkafs, fifo_ctx = None, o_direct = false))]
    fn py_new(
        name: String,
        valkkafs: PyRef<'_, ValkkaFS>,
        fifo_ctx: Option<FrameFifoContext>,
        o_direct: bool,
    ) -> PyClassInitializer<Self> {
        // Data are written by and by, and committed together.
        let _ = o_direct;
        let capacity = usize::try_from(fifo_ctx.unwrap_or_default().n_basic).unwrap_or(0);
        let capacity = capacity.clamp(LEAST_FRAMES, MOST_FRAMES);
        let called = name.clone();
        let notify = move |notice: StoreWriterNotice<'_>| tell(&called, notice);
        let writer = Arc::new(StoreWriter::new(&name, valkkafs.blocks(), capacity, notify));
        let thread = PyClassInitializer::from(Thread::new(&name, writer.clone()));
        thread.add_subclass(Self { name, writer: Native::new(writer) })
    }

    /// The filter through which frames come in; it drops what there is no room for.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, self.writer.input())
    }

    /// The filter through which frames come in that waits until there is room, five seconds at most: for files, which
    /// come as fast as they are taken.
    fn getBlockingFrameFilter(&self, py: Python<'_>) -> PyResult<Py<BlockingFifoFrameFilter>> {
        BlockingFifoFrameFilter::of(py, self.writer.waiting_input())
    }

    /// Has the frames of `slot` written, as those of the stream `id`.
    #[pyo3(signature = (slot, id))]
    fn setSlotIdCall(&self, py: Python<'_>, slot: i64, id: u64) {
        py.detach(|| match mapping(slot, id) {
            Ok((slot, id)) => self.writer.map(slot, id),
            Err(wrong) => complain(&self.name, wrong),
        });
    }

    /// Has the frames of `slot` written no more.
    #[pyo3(signature = (slot))]
    fn unSetSlotIdCall(&self, py: Python<'_>, slot: i64) {
        py.detach(|| match self::slot(slot) {
            Ok(slot) => self.writer.unmap(slot),
            Err(wrong) => complain(&self.name, wrong),
        });
    }

    /// Has nothing written any more.
    fn clearSlotIdCall(&self) {
        self.writer.unmap_all();
    }

    /// Prints which streams the slots have.
    fn reportSlotIdCall(&self, py: Python<'_>) {
        py.detach(|| {
            for (slot, id) in self.writer.mapped() {
                stdout::line(format_args!("ValkkaFSWriterThread: {}: slot {slot} ==> id {id}", self.name));
            }
        });
    }

    /// Does nothing: setCurrentBlock() of the store says where writing begins.
    fn seekCall(&self, n_block: i64) {
        let _ = n_block;
    }
}

fn tell(name: &str, notice: StoreWriterNotice<'_>) {
    match notice {
        StoreWriterNotice::Input(notice @ (InputNotice::Overflow(_) | InputNotice::Waiting(_))) => {
            say(name, notice);
        }
        StoreWriterNotice::Mapped { slot, id } => {
            complain(name, format_args!("slot {slot} has id {id} already"));
        }
        StoreWriterNotice::NotMapped(slot) => complain(name, format_args!("slot {slot} has no id")),
        StoreWriterNotice::TooManyStreams => complain(name, "too many ids were set, another is ignored"),
        StoreWriterNotice::TooLarge { bytes, max_bytes } => FS.fatal(format_args!(
            "ValkkaFSWriterThread: {name}: a frame of {bytes} bytes is left out: {max_bytes} are possible"
        )),
        StoreWriterNotice::Writer(WriterEvent::Dropped { id, frames, reason }) => {
            complain(name, format_args!("{frames} frames of id {id} are not written: {reason}"));
        }
        // The store itself says how it is.
        _ => {}
    }
}

fn complain(name: &str, what: impl Display) {
    FS.normal(format_args!("ValkkaFSWriterThread: {name}: {what}"));
}

/// Whole pictures that may wait at least and at most, whatever a context says of their parts: those of many cameras while
/// the callback of the store is busy.
const LEAST_FRAMES: usize = 256;
const MOST_FRAMES: usize = 4096;
