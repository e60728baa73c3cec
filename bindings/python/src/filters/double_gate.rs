//! Two streams, one at a time.

use pyo3::prelude::*;
use valkka::filter::Selector;

use super::caching_gate::CachingGateFrameFilter;
use super::switch::Channels;
use crate::filter::{Next, downstream};

/// Two inputs with an output each, `next` and `next2`, of which one at a time is let through, at first none.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct DoubleGate(Channels);

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl DoubleGate {
    #[new]
    #[pyo3(signature = (name, next = None, next2 = None))]
    fn py_new(name: String, next: Next<'_>, next2: Next<'_>) -> Self {
        let selector = Selector::between([downstream(&next), downstream(&next2)]);
        Self(Channels::new("DoubleGate", name, selector))
    }

    /// Lets input `i`, 0 or 1, through from now on, starting with what its gate remembers.
    fn setChannel(&self, py: Python<'_>, i: i64) {
        self.0.select(py, i);
    }

    /// The input that is let through; -1 before one is chosen.
    fn getCurrentChannel(&self) -> i64 {
        self.0.selected()
    }

    /// The filter to write into for input `i`; None if there is no such input.
    fn getInputChannel(&self, py: Python<'_>, i: i64) -> PyResult<Option<Py<CachingGateFrameFilter>>> {
        self.0.input(py, i)
    }
}
