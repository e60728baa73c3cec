//! Saying that frames pass.

use pyo3::prelude::*;
use valkka::filter::{Info, Pass, chain};
use valkka::graph::text;

use crate::filter::{FrameFilter, Next, downstream};
use crate::stdout;

/// Prints a line for each frame that passes, if `verbose`.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct DummyFrameFilter;

#[pymethods]
impl DummyFrameFilter {
    #[new]
    #[pyo3(signature = (name, verbose = true, next = None))]
    fn py_new(name: String, verbose: bool, next: Next<'_>) -> PyClassInitializer<Self> {
        let next = downstream(&next);
        let sink = if verbose {
            chain(Info::new(move |frame| stdout::line(text::dummy(&name, frame))), next)
        } else {
            chain(Pass, next)
        };
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
