//! The base class of filters that make containers.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::av::Fragmenter;
use valkka::filter::Stage;
use valkka::sink::Sink;

use super::file::zero_of;
use crate::filter::{FrameFilter, no_constructor};
use crate::native::Native;

/// Makes a container of the packets of a stream, while it is activated.
#[pyclass(extends = FrameFilter, frozen, subclass, module = "valkka.core")]
pub(crate) struct MuxFrameFilter {
    stage: Native<Arc<Stage<Fragmenter>>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl MuxFrameFilter {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(
        _args: &Bound<'_, PyAny>,
        _kwargs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        Err(no_constructor("MuxFrameFilter"))
    }

    /// Begins with the next key frame. Times count from `zerotime`, in milliseconds since 1970, or from that frame if it
    /// is 0.
    #[pyo3(signature = (zerotime = 0))]
    fn activate(&self, py: Python<'_>, zerotime: i64) {
        py.detach(|| self.stage.with(|fragmenter, _| fragmenter.activate(zero_of(zerotime))));
    }

    /// Makes nothing any more.
    fn deActivate(&self, py: Python<'_>) {
        py.detach(|| self.stage.with(|fragmenter, _| fragmenter.deactivate()));
    }
}

impl MuxFrameFilter {
    /// A filter that hands what it makes on to `next`.
    pub(super) fn before(next: Arc<dyn Sink>) -> PyClassInitializer<Self> {
        let stage = Arc::new(Stage::new(Fragmenter::new(), next));
        PyClassInitializer::from(FrameFilter::new(stage.clone()))
            .add_subclass(Self { stage: Native::new(stage) })
    }

    /// Hands the head of the container on once more, in the caller's thread. Returns whether there is one.
    pub(super) fn send_head(&self, py: Python<'_>) -> bool {
        py.detach(|| self.stage.with(|fragmenter, emit| fragmenter.send_meta(emit))).unwrap_or(false)
    }
}
