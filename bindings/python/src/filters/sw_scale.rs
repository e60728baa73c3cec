//! Pictures of another size, in RGB.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::filter::chain;
use valkka::graph::Scale;
use valkka::sink::{Discard, Sink};

use super::rgb_shmem::RGBShmemFrameFilter;
use crate::filter::FrameFilter;

/// Turns decoded pictures into RGB of `target_width` × `target_height` pixels. Nothing else passes.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct SwScaleFrameFilter;

#[pymethods]
impl SwScaleFrameFilter {
    #[new]
    #[pyo3(signature = (name, target_width, target_height, next = None))]
    fn py_new(
        name: &str,
        target_width: u32,
        target_height: u32,
        next: Option<&Bound<'_, FrameFilter>>,
    ) -> PyClassInitializer<Self> {
        let _ = name;
        let sink = match next {
            Some(next) => into_shared_memory(next, target_width, target_height)
                .unwrap_or_else(|| chain(Scale::new(target_width, target_height), next.get().sink())),
            // Nobody looks at the pictures: they are not made.
            None => Arc::new(Discard),
        };
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}

/// The shorter way, if `next` shares pictures of just this size: they are made where they are read.
fn into_shared_memory(next: &Bound<'_, FrameFilter>, width: u32, height: u32) -> Option<Arc<dyn Sink>> {
    next.cast::<RGBShmemFrameFilter>().ok()?.get().scaled(width, height)
}
