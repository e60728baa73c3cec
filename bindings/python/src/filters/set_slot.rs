//! Giving frames a slot that changes.

use pyo3::prelude::*;
use valkka::filter::{SetSlot, SlotHandle, chain};
use valkka::stream::Slot;

use crate::filter::{FrameFilter, Next, downstream};

/// Gives each frame the slot that was set last; at first each keeps its own.
#[pyclass(extends = FrameFilter, subclass, frozen, module = "valkka.core")]
pub(crate) struct SetSlotFrameFilter {
    slot: SlotHandle,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl SetSlotFrameFilter {
    #[new]
    #[pyo3(signature = (name, next = None))]
    fn py_new(name: &str, next: Next<'_>) -> PyClassInitializer<Self> {
        let _ = name;
        let (filter, slot) = SetSlot::adjustable();
        PyClassInitializer::from(FrameFilter::new(chain(filter, downstream(&next))))
            .add_subclass(Self { slot })
    }

    /// Frames get the slot `n` from now on; 0 leaves them theirs.
    #[pyo3(signature = (n = 0))]
    fn setSlot(&self, n: u16) {
        self.slot.set((n > 0).then_some(Slot::new(n)));
    }
}
