//! Giving frames a slot.

use pyo3::prelude::*;
use valkka::filter::{SetSlot, chain};
use valkka::stream::Slot;

use crate::filter::{FrameFilter, Next, downstream};

/// Gives each frame the slot `n_slot`.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct SlotFrameFilter;

#[pymethods]
impl SlotFrameFilter {
    #[new]
    #[pyo3(signature = (name, n_slot, next = None))]
    fn py_new(name: &str, n_slot: u16, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let sink = chain(SetSlot::new(Slot::new(n_slot)), downstream(&next));
        PyClassInitializer::from(FrameFilter::new(sink)).add_subclass(Self)
    }
}
