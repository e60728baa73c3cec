//! A gate that remembers how the stream starts.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::filter::GateStage;

use crate::filter::{FrameFilter, Next, downstream};
use crate::native::Native;

/// Lets frames through while it is open. Closed at first, and then nothing passes; what announces a stream, and its latest
/// key frame, are remembered and handed on when the gate opens.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct CachingGateFrameFilter {
    gate: Native<GateStage>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl CachingGateFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        Self::around(GateStage::new(downstream(&next)))
    }

    /// Opens the gate, and hands on what it remembers.
    fn set(&self, py: Python<'_>) {
        py.detach(|| self.gate.open());
    }

    /// Closes the gate.
    fn unSet(&self, py: Python<'_>) {
        py.detach(|| self.gate.close());
    }
}

impl CachingGateFrameFilter {
    /// The filter that is `gate`.
    pub(super) fn around(gate: GateStage) -> PyClassInitializer<Self> {
        PyClassInitializer::from(FrameFilter::new(Arc::new(gate.clone())))
            .add_subclass(Self { gate: Native::new(gate) })
    }
}
