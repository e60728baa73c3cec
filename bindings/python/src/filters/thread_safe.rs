//! One thread at a time.

use pyo3::prelude::*;
use valkka::filter::{Pass, chain};

use crate::filter::{FrameFilter, Next, downstream};

/// Lets one thread at a time into what lies downstream.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct ThreadSafeFrameFilter;

#[pymethods]
impl ThreadSafeFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        PyClassInitializer::from(FrameFilter::new(chain(Pass, downstream(&next)))).add_subclass(Self)
    }
}
