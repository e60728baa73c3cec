//! Pictures of another size, in RGB.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use valkka::filter::chain;
use valkka::graph::Scale;
use valkka::sink::{Discard, Sink};

use super::rgb_shmem::RGBShmemFrameFilter;
use crate::filter::FrameFilter;

/// Turns decoded pictures into RGB of `target_width` × `target_height` pixels. Nothing else passes.
///
/// ValueError for a width or height that is not from 1 to 16384.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct SwScaleFrameFilter;

#[pymethods]
impl SwScaleFrameFilter {
    #[new]
    #[pyo3(signature = (name, target_width, target_height, next = None))]
    fn py_new(
        name: &str,
        target_width: i64,
        target_height: i64,
        next: Option<&Bound<'_, FrameFilter>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let side = |side: i64| u32::try_from(side).ok().filter(|side| (1..=LONGEST_SIDE).contains(side));
        let (Some(width), Some(height)) = (side(target_width), side(target_height)) else {
            return Err(PyValueError::new_err(format!(
                "SwScaleFrameFilter: {name}: no pictures of {target_width}x{target_height} can be made: both must lie \
                 between 1 and {LONGEST_SIDE}"
            )));
        };
        let sink = match next {
            Some(next) => into_shared_memory(next, width, height)
                .unwrap_or_else(|| chain(Scale::new(width, height), next.get().sink())),
            // Nobody looks at the pictures: they are not made.
            None => Arc::new(Discard),
        };
        Ok(PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self))
    }
}

/// The shorter way, if `next` shares pictures of just this size: they are made where they are read.
fn into_shared_memory(next: &Bound<'_, FrameFilter>, width: u32, height: u32) -> Option<Arc<dyn Sink>> {
    next.cast::<RGBShmemFrameFilter>().ok()?.get().scaled(width, height)
}

/// As in shared memory, where most of the pictures go.
const LONGEST_SIDE: u32 = 16_384;
