//! Thinning.

use std::time::Duration;

use pyo3::prelude::*;
use valkka::filter::{Interval, chain};

use crate::filter::{FrameFilter, Next, downstream};

/// Lets a frame through if its time stamp is `mstimedelta` milliseconds or more after that of the last one that it let
/// through.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct TimeIntervalFrameFilter;

#[pymethods]
impl TimeIntervalFrameFilter {
    #[new]
    #[pyo3(signature = (name, mstimedelta, next = None))]
    fn py_new(name: &str, mstimedelta: i64, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let interval = Duration::from_millis(mstimedelta.max(0).unsigned_abs());
        let sink = chain(Interval::new(interval), downstream(&next));
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
