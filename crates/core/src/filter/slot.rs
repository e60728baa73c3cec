//! Filters about slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Filter;
use crate::frame::Frame;
use crate::stream::Slot;

/// Gives every frame a slot.
#[derive(Debug)]
pub struct SetSlot {
    handle: SlotHandle,
}

impl SetSlot {
    /// Gives every frame `slot`.
    pub fn new(slot: Slot) -> Self {
        let (filter, handle) = Self::adjustable();
        handle.set(Some(slot));
        filter
    }

    /// Leaves frames as they are until the handle says which slot they get.
    pub fn adjustable() -> (Self, SlotHandle) {
        let handle = SlotHandle(Arc::new(AtomicU32::new(UNCHANGED)));
        (Self { handle: handle.clone() }, handle)
    }
}

impl Filter for SetSlot {
    fn push(&mut self, mut frame: Frame, emit: &mut dyn FnMut(Frame)) {
        if let Some(slot) = self.handle.get() {
            frame.slot = slot;
        }
        emit(frame);
    }
}

/// Changes the slot a [`SetSlot`] gives, from any thread.
#[derive(Clone, Debug)]
pub struct SlotHandle(Arc<AtomicU32>);

/// No slot has this number.
const UNCHANGED: u32 = u32::MAX;

impl SlotHandle {
    /// Frames get `slot` from now on, or keep theirs with `None`.
    pub fn set(&self, slot: Option<Slot>) {
        self.0.store(slot.map_or(UNCHANGED, |slot| slot.number().into()), Ordering::Relaxed);
    }

    fn get(&self) -> Option<Slot> {
        u16::try_from(self.0.load(Ordering::Relaxed)).ok().map(Slot::new)
    }
}

/// Lets only frames of one slot through.
#[derive(Clone, Copy, Debug)]
pub struct PassSlot(pub Slot);

impl Filter for PassSlot {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        if frame.slot == self.0 {
            emit(frame);
        }
    }
}
