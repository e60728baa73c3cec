//! The base of threads that play recordings, and the name of what they play.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::filter::no_constructor;
use crate::thread::Thread;

/// A thread that plays recordings.
#[pyclass(extends = Thread, frozen, subclass, module = "valkka.core")]
pub(crate) struct AbstractFileThread;

#[pymethods]
impl AbstractFileThread {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        Err(no_constructor("AbstractFileThread"))
    }
}

/// A stream that such a thread plays.
#[pyclass(frozen, subclass, module = "valkka.core")]
pub(crate) struct AbstractFileStream;

#[pymethods]
impl AbstractFileStream {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(no_constructor("AbstractFileStream"))
    }
}
