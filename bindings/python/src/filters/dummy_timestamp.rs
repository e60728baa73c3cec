//! Time stamps of arrival.

use pyo3::prelude::*;
use valkka::filter::{CorrectTimestamp, Correction, chain};

use crate::filter::{FrameFilter, Next, downstream};

/// Stamps each frame with the time of its arrival.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct DummyTimestampFrameFilter;

#[pymethods]
impl DummyTimestampFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let sink = chain(CorrectTimestamp::new(Correction::Dummy), downstream(&next));
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
