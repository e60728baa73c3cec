//! The inputs of threads, as filters.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use valkka::sink::Sink;

use crate::filter::{FrameFilter, no_constructor};

/// The input of a thread, which takes what it has room for. `getFrameFilter()` of the thread gives it.
#[pyclass(extends = FrameFilter, frozen, subclass, module = "valkka.core")]
pub(crate) struct FifoFrameFilter;

#[pymethods]
impl FifoFrameFilter {
    #[new]
    #[pyo3(signature = (*_args))]
    fn py_new(_args: &Bound<'_, PyTuple>) -> PyResult<PyClassInitializer<Self>> {
        Err(no_constructor("FifoFrameFilter"))
    }
}

impl FifoFrameFilter {
    /// The filter that writes into `input`.
    pub(crate) fn of(py: Python<'_>, input: Arc<dyn Sink>) -> PyResult<Py<Self>> {
        Py::new(py, PyClassInitializer::from(FrameFilter::new(input)).add_subclass(Self))
    }
}

/// The input of a thread, which waits until there is room. `getBlockingFrameFilter()` of the thread gives it.
#[pyclass(extends = FifoFrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct BlockingFifoFrameFilter;

#[pymethods]
impl BlockingFifoFrameFilter {
    #[new]
    #[pyo3(signature = (*_args))]
    fn py_new(_args: &Bound<'_, PyTuple>) -> PyResult<PyClassInitializer<Self>> {
        Err(no_constructor("BlockingFifoFrameFilter"))
    }
}

impl BlockingFifoFrameFilter {
    /// The filter that writes into `input`.
    pub(crate) fn of(py: Python<'_>, input: Arc<dyn Sink>) -> PyResult<Py<Self>> {
        let base = PyClassInitializer::from(FrameFilter::new(input)).add_subclass(FifoFrameFilter);
        Py::new(py, base.add_subclass(Self))
    }
}
