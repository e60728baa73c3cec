//! Measuring frame rates.

use std::time::Duration;

use pyo3::prelude::*;
use valkka::filter::{Fps, chain};

use crate::filter::{FrameFilter, Next, downstream};
use crate::stdout;

/// Prints the frames per second about every `msinterval` milliseconds.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct FPSCountFrameFilter;

#[pymethods]
impl FPSCountFrameFilter {
    #[new]
    #[pyo3(signature = (name, msinterval, next = None))]
    fn py_new(name: String, msinterval: u32, next: Next<'_>) -> PyClassInitializer<Self> {
        let interval = Duration::from_millis(msinterval.into());
        let fps = Fps::new(interval, move |rate| stdout::line(format_args!("FPSCount {name} : {rate:.3}")));
        PyClassInitializer::from(FrameFilter::new(chain(fps, downstream(&next)))).add_subclass(Self)
    }
}
