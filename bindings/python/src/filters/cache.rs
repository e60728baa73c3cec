//! The name of a filter that programs do not make.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::filter::{FrameFilter, no_constructor};

/// What goes into a cache of frames. FileCacheThread.getFrameFilter() gives one.
#[pyclass(extends = FrameFilter, frozen, subclass, module = "valkka.core")]
pub(crate) struct CacheFrameFilter;

#[pymethods]
impl CacheFrameFilter {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        Err(no_constructor("CacheFrameFilter"))
    }
}
