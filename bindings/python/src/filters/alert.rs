//! Telling that a stream is gone.

use pyo3::prelude::*;
use valkka::filter::{Alert, chain};

use crate::callback::Callback;
use crate::filter::{FrameFilter, Next, downstream};

/// Calls `pycallback((slot,))` when a stream has been silent for as long as its `msreconnect` says, whether it is
/// connected or not; once for each silence, and never if `msreconnect` is 0. Everything else passes.
///
/// It is called on the thread that receives the streams, so it must be short.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct AlertFrameFilter;

#[pymethods]
impl AlertFrameFilter {
    #[new]
    #[pyo3(signature = (name, pycallback, next = None))]
    fn py_new(name: &str, pycallback: Py<PyAny>, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let callback = Callback::new(pycallback);
        let filter = Alert::new(move |slot, _| callback.call(|_| Ok(((slot.number(),),))));
        PyClassInitializer::from(FrameFilter::new(chain(filter, downstream(&next)))).add_subclass(Self)
    }
}
