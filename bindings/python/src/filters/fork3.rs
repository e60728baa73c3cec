//! A fork with three outputs.

use pyo3::prelude::*;

use super::fork::forked;
use crate::filter::{FrameFilter, Next};

/// Hands each frame to `next`, then to `next2`, then to `next3`.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct ForkFrameFilter3;

#[pymethods]
impl ForkFrameFilter3 {
    #[new]
    #[pyo3(signature = (name, next = None, next2 = None, next3 = None))]
    fn py_new(name: &str, next: Next<'_>, next2: Next<'_>, next3: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        PyClassInitializer::from(forked([next, next2, next3])).add_subclass(Self)
    }
}
