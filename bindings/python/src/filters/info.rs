//! Showing frames in full.

use pyo3::prelude::*;
use valkka::clock::SystemClock;
use valkka::filter::{Info, chain};
use valkka::graph::text;

use crate::filter::{FrameFilter, Next, downstream};
use crate::stdout;

/// Prints what each frame is, its first bytes, and by how many milliseconds it is ahead of the clock.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct InfoFrameFilter;

#[pymethods]
impl InfoFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: String, next: Next<'_>) -> PyClassInitializer<Self> {
        let info = Info::new(move |frame| stdout::line(text::info(&name, frame, SystemClock.now())));
        PyClassInitializer::from(FrameFilter::new(chain(info, downstream(&next)))).add_subclass(Self)
    }
}
