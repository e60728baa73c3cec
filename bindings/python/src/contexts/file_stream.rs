//! Where the frames of a recorded stream go.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::sink::{Discard, Sink};

use crate::filter::FrameFilter;

/// Where the frames of a recorded stream go. It is read when the stream is registered.
#[pyclass(get_all, set_all, subclass, dict, weakref, module = "valkka.core")]
pub(crate) struct FileStreamContext {
    /// The number of the stream, from 1 to 255.
    pub(crate) slot: i64,
    /// Where frames are written.
    framefilter: Option<Py<FrameFilter>>,
}

#[pymethods]
impl FileStreamContext {
    #[new]
    #[pyo3(signature = (slot = 0, framefilter = None))]
    fn py_new(slot: i64, framefilter: Option<Py<FrameFilter>>) -> Self {
        Self { slot, framefilter }
    }
}

impl FileStreamContext {
    /// Where frames are written.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        self.framefilter
            .as_ref()
            .map_or_else(|| Arc::new(Discard) as Arc<dyn Sink>, |filter| filter.get().sink())
    }
}
