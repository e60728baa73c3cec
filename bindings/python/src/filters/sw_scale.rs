//! Pictures of another size, in RGB.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::filter::chain;
use valkka::graph::Scale;
use valkka::sink::{Discard, Sink};

use crate::filter::{FrameFilter, Next};

/// Turns decoded pictures into RGB of `target_width` × `target_height` pixels. Nothing else passes.
#[pyclass(extends = FrameFilter, frozen, module = "valkka.core")]
pub(crate) struct SwScaleFrameFilter;

#[pymethods]
impl SwScaleFrameFilter {
    #[new]
    #[pyo3(signature = (name, target_width, target_height, next = None))]
    fn py_new(name: &str, target_width: u32, target_height: u32, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let sink: Arc<dyn Sink> = match next {
            Some(next) => chain(Scale::new(target_width, target_height), next.sink()),
            // Nobody looks at the pictures: they are not made.
            None => Arc::new(Discard),
        };
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
