//! The base class of all frame filters.

use std::sync::Arc;

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use valkka::sink::{Discard, Sink};

use crate::native::Native;

/// Takes frames, does something with them, and hands on what comes of it. Filters are built from the end of a chain
/// to its beginning.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct FrameFilter {
    sink: Native<Arc<dyn Sink>>,
}

#[pymethods]
impl FrameFilter {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyAny>, _kwargs: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Err(no_constructor("FrameFilter"))
    }
}

impl FrameFilter {
    /// The part of a filter that others write into.
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Self {
        Self { sink: Native::new(sink) }
    }

    /// Where frames go in.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        self.sink.clone()
    }
}

/// The argument `next` of a filter.
pub(crate) type Next<'a> = Option<PyRef<'a, FrameFilter>>;

/// Where the frames go that a filter hands on: into `next`, or nowhere.
pub(crate) fn downstream(next: &Next<'_>) -> Arc<dyn Sink> {
    next.as_ref().map_or_else(|| Arc::new(Discard) as Arc<dyn Sink>, |next| next.sink())
}

/// What the constructor of an abstract class raises.
pub(crate) fn no_constructor(class: &str) -> PyErr {
    PyAttributeError::new_err(format!("No constructor defined - class {class} is abstract"))
}
