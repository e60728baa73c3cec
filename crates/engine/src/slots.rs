//! The numbers that tell cameras apart.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use valkka_core::lock::lock;
use valkka_core::stream::Slot;

use crate::error::Error;

/// The slots in use.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<BTreeSet<u16>>);

impl Slots {
    /// How many are taken.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u16>> {
        lock(&self.0)
    }
}

/// A slot that is taken until the guard is dropped.
#[derive(Debug)]
pub(crate) struct SlotGuard {
    slot: Slot,
    slots: Arc<Slots>,
}

impl SlotGuard {
    /// Takes the lowest free slot; 0 is never taken, for it means "none" to older programs.
    pub(crate) fn take(slots: &Arc<Slots>) -> Result<Self, Error> {
        let mut used = slots.lock();
        let free = (1..=u16::MAX).find(|number| !used.contains(number));
        let number = free.ok_or(Error::NoSlot { used: used.len() })?;
        used.insert(number);
        Ok(Self { slot: Slot::new(number), slots: slots.clone() })
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        self.slots.lock().remove(&self.slot.number());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reused_and_run_out() {
        let slots = Arc::default();
        let first = SlotGuard::take(&slots).unwrap();
        let second = SlotGuard::take(&slots).unwrap();
        assert_eq!((first.slot().number(), second.slot().number()), (1, 2));
        drop(first);
        let again = SlotGuard::take(&slots).unwrap();
        assert_eq!(again.slot().number(), 1);
        *slots.lock() = (1..=u16::MAX).collect();
        let error = SlotGuard::take(&slots).unwrap_err();
        assert_eq!(error.to_string(), "no slot is free: 65535 cameras exist");
    }
}
