//! A thread that reads stores.

use std::fmt::Display;
use std::sync::Arc;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use valkka::graph::StoreReader;
use valkka::sink::Discard;
use valkka::store::StreamId;

use crate::contexts::FrameFifoContext;
use crate::filter::{Next, downstream};
use crate::filters::fifo::FifoFrameFilter;
use crate::fs::ValkkaFS;
use crate::logging::FS;
use crate::native::Native;
use crate::slot::slot;
use crate::stdout;
use crate::thread::Thread;

/// Reads blocks of a store, and writes their frames into `outfilter` as fast as it takes them, between two marker frames.
///
/// Only frames of streams that have a slot by setSlotIdCall() are written. No setup frames come, for which there is
/// InitStreamFrameFilter.
#[pyclass(extends = Thread, subclass, frozen, module = "valkka.core")]
pub(crate) struct ValkkaFSReaderThread {
    name: String,
    reader: Native<Arc<StoreReader>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl ValkkaFSReaderThread {
    #[new]
    #[pyo3(signature = (name, valkkafs, outfilter, fifo_ctx = None, o_direct = false))]
    fn py_new(
        name: String,
        valkkafs: PyRef<'_, ValkkaFS>,
        outfilter: Next<'_>,
        fifo_ctx: Option<FrameFifoContext>,
        o_direct: bool,
    ) -> PyClassInitializer<Self> {
        // Nothing waits at its input, and the system's cache is used: what was written last is read most.
        let _ = (fifo_ctx, o_direct);
        let called = name.clone();
        let notify = move |notice| complain(&called, notice);
        let reader = StoreReader::new(&name, valkkafs.blocks(), downstream(&outfilter), notify);
        let reader = Arc::new(reader);
        let thread = PyClassInitializer::from(Thread::new(&name, reader.clone()));
        thread.add_subclass(Self { name, reader: Native::new(reader) })
    }

    /// A filter that nothing is done with.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, Arc::new(Discard))
    }

    /// Has the frames of the stream `id` written, as those of `slot`.
    #[pyo3(signature = (slot, id))]
    fn setSlotIdCall(&self, py: Python<'_>, slot: i64, id: u64) {
        py.detach(|| match mapping(slot, id) {
            Ok((slot, id)) => self.reader.map(id, slot),
            Err(wrong) => complain(&self.name, wrong),
        });
    }

    /// Has the frames of the stream `id` written no more.
    fn unSetSlotIdCall(&self, py: Python<'_>, id: u64) {
        py.detach(|| match StreamId::new(id) {
            Some(id) => self.reader.unmap(id),
            None => complain(&self.name, NO_ID),
        });
    }

    /// Has nothing written any more.
    fn clearSlotIdCall(&self) {
        self.reader.unmap_all();
    }

    /// Prints which slots the streams have.
    fn reportSlotIdCall(&self, py: Python<'_>) {
        py.detach(|| {
            for (id, slot) in self.reader.mapped() {
                stdout::line(format_args!("ValkkaFSReaderThread: {}: id {id} ==> slot {slot}", self.name));
            }
        });
    }

    /// Has the blocks of these numbers read, in this order, and their frames written between two markers. Whatever is no
    /// number of a block is left out.
    fn pullBlocksPyCall(&self, blocks: &Bound<'_, PyAny>) -> PyResult<()> {
        let numbers = numbers(blocks)?;
        blocks.py().detach(|| self.reader.pull(numbers));
        Ok(())
    }

    /// Does the same, in the place of what was asked for by this before and is not being read yet. For `valkka.fs`, where
    /// somebody may drag a slider.
    fn _pullBlocksInsteadPyCall(&self, blocks: &Bound<'_, PyAny>) -> PyResult<()> {
        let numbers = numbers(blocks)?;
        blocks.py().detach(|| self.reader.pull_instead(numbers));
        Ok(())
    }
}

/// Those of `blocks` that are numbers of blocks.
fn numbers(blocks: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
    let mut numbers = Vec::new();
    for block in blocks.try_iter()? {
        match block?.extract::<u64>() {
            Ok(number) => numbers.push(number),
            Err(error) => {
                let py = blocks.py();
                let no_block =
                    error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyOverflowError>(py);
                if !no_block {
                    return Err(error);
                }
            }
        }
    }
    Ok(numbers)
}

/// The slot and the stream with these numbers, or what is wrong with them.
pub(super) fn mapping(number: i64, id: u64) -> Result<(valkka::stream::Slot, StreamId), String> {
    Ok((slot(number)?, StreamId::new(id).ok_or(NO_ID)?))
}

pub(super) const NO_ID: &str = "0 is no id of a stream";

fn complain(name: &str, what: impl Display) {
    FS.normal(format_args!("ValkkaFSReaderThread: {name}: {what}"));
}
