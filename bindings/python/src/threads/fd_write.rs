//! A thread that writes streams into file descriptors.

use std::fmt::Display;
use std::sync::Arc;

use pyo3::prelude::*;
use valkka::av::duplicate_descriptor;
use valkka::graph::{FdWriter, FdWriterOptions};

use crate::contexts::{FDWriteContext, FrameFifoContext};
use crate::filters::fifo::FifoFrameFilter;
use crate::logging::THREAD;
use crate::native::Native;
use crate::slot::slot;
use crate::thread::Thread;

/// Writes the video of streams into file descriptors, without ever waiting for a reader: what a slow one has no room for
/// is dropped up to the next key frame.
#[pyclass(extends = Thread, subclass, frozen, module = "valkka.core")]
pub(crate) struct FDWriteThread {
    name: String,
    writer: Native<Arc<FdWriter>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl FDWriteThread {
    #[new]
    #[pyo3(signature = (name, fifo_ctx = None))]
    fn py_new(name: String, fifo_ctx: Option<FrameFifoContext>) -> PyClassInitializer<Self> {
        let capacity = usize::try_from(fifo_ctx.unwrap_or_default().n_basic).unwrap_or(0);
        let options =
            FdWriterOptions { name: name.clone(), capacity: capacity.clamp(LEAST_FRAMES, MOST_FRAMES) };
        let called = name.clone();
        let writer = Arc::new(FdWriter::new(options, move |notice| complain(&called, notice)));
        let thread = PyClassInitializer::from(Thread::new(&name, writer.clone()));
        thread.add_subclass(Self { name, writer: Native::new(writer) })
    }

    /// The filter through which frames come in.
    fn getFrameFilter(&self, py: Python<'_>) -> PyResult<Py<FifoFrameFilter>> {
        FifoFrameFilter::of(py, self.writer.input())
    }

    /// Has the video of the context's slot written into its file descriptor, from the next key frame on.
    fn registerStreamCall(&self, py: Python<'_>, ctx: PyRef<'_, FDWriteContext>) {
        let (fd, slot) = (ctx.fd, slot(ctx.slot));
        drop(ctx);
        py.detach(|| match slot.map(|slot| (slot, duplicate_descriptor(fd))) {
            Ok((slot, Ok(file))) => self.writer.register(slot, file),
            Ok((slot, Err(error))) => complain(
                &self.name,
                format_args!("slot {slot} is not written: file descriptor {fd}: {error}"),
            ),
            Err(wrong) => complain(&self.name, wrong),
        });
    }

    /// Writes the context's slot no more.
    fn deregisterStreamCall(&self, py: Python<'_>, ctx: PyRef<'_, FDWriteContext>) {
        let slot = slot(ctx.slot);
        drop(ctx);
        py.detach(|| match slot {
            Ok(slot) => self.writer.deregister(slot),
            Err(wrong) => complain(&self.name, wrong),
        });
    }
}

fn complain(name: &str, what: impl Display) {
    THREAD.normal(format_args!("FDWriteThread: {name}: {what}"));
}

/// How many frames of each stream may wait, whatever the context says.
const LEAST_FRAMES: usize = 20;
const MOST_FRAMES: usize = 1024;
