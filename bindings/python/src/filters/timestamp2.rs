//! Correcting time stamps, for a minute.

use std::time::Duration;

use pyo3::prelude::*;
use valkka::filter::{CorrectTimestamp, Correction, chain};

use crate::constants::DEFAULT_TIMESTAMP_RESET_TIME;
use crate::filter::{FrameFilter, Next, downstream};

/// As `TimestampFrameFilter`, but the correction is forgotten every 60 seconds of the stream, so that a camera whose
/// clock was set right is believed again.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct TimestampFrameFilter2;

#[pymethods]
impl TimestampFrameFilter2 {
    #[new]
    #[pyo3(signature = (name, next = None, msdiff_max = 2000))]
    fn py_new(name: &str, next: Next<'_>, msdiff_max: u64) -> PyClassInitializer<Self> {
        let _ = name;
        let correction = Correction::Smart {
            tolerance: Duration::from_millis(msdiff_max),
            reset: Some(Duration::from_millis(DEFAULT_TIMESTAMP_RESET_TIME)),
            lead: None,
        };
        let sink = chain(CorrectTimestamp::new(correction), downstream(&next));
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
