//! Announcing streams.

use pyo3::prelude::*;
use valkka::filter::{Announce, chain};

use crate::filter::{FrameFilter, Next, downstream};

/// Announces each stream before its first frame, for what lies downstream: frames that were recorded come without that.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct InitStreamFrameFilter;

#[pymethods]
impl InitStreamFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let sink = chain(Announce::new(), downstream(&next));
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
