//! A gate.

use pyo3::prelude::*;
use valkka::filter::{Gate, GateHandle, chain};

use crate::filter::{FrameFilter, Next, downstream};

/// Lets frames through while it is open. Closed at first; what announces a stream passes even so unless told otherwise.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct GateFrameFilter {
    gate: GateHandle,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl GateFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let (filter, gate) = Gate::new();
        PyClassInitializer::from(FrameFilter::new(chain(filter, downstream(&next))))
            .add_subclass(Self { gate })
    }

    /// Opens the gate.
    fn set(&self) {
        self.gate.open();
    }

    /// Closes the gate.
    fn unSet(&self) {
        self.gate.close();
    }

    /// What announces a stream passes while the gate is closed.
    fn passConfigFrames(&self) {
        self.gate.pass_signals(true);
    }

    /// Nothing passes while the gate is closed.
    fn noConfigFrames(&self) {
        self.gate.pass_signals(false);
    }
}
