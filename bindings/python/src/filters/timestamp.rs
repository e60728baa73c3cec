//! Correcting time stamps, once and for all.

use std::time::Duration;

use pyo3::prelude::*;
use valkka::filter::{CorrectTimestamp, Correction, chain};

use crate::filter::{FrameFilter, Next, downstream};

/// Moves time stamps that are more than `msdiff_max` milliseconds away from the clock to the present; those that follow
/// keep their distances.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct TimestampFrameFilter;

#[pymethods]
impl TimestampFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None, msdiff_max = 2000))]
    fn py_new(name: &str, next: Next<'_>, msdiff_max: u64) -> PyClassInitializer<Self> {
        let _ = name;
        let correction =
            Correction::Smart { tolerance: Duration::from_millis(msdiff_max), reset: None, lead: None };
        let sink = chain(CorrectTimestamp::new(correction), downstream(&next));
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
