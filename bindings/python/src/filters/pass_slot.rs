//! Frames of one slot.

use pyo3::prelude::*;
use valkka::filter::{PassSlot, chain};
use valkka::stream::Slot;

use crate::filter::{FrameFilter, Next, downstream};

/// Lets only frames of the slot `n_slot` through.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct PassSlotFrameFilter;

#[pymethods]
impl PassSlotFrameFilter {
    #[new]
    #[pyo3(signature = (name, n_slot, next = None))]
    fn py_new(name: &str, n_slot: u16, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let sink = chain(PassSlot(Slot::new(n_slot)), downstream(&next));
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
