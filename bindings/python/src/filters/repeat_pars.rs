//! Parameter sets with each key frame.

use pyo3::prelude::*;
use valkka::filter::{RepeatParams, chain};

use crate::filter::{FrameFilter, Next, downstream};

/// Puts the parameter sets before each key frame that comes without them.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct RepeatH264ParsFrameFilter;

#[pymethods]
impl RepeatH264ParsFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        PyClassInitializer::from(FrameFilter::new(chain(RepeatParams, downstream(&next)))).add_subclass(Self)
    }
}
