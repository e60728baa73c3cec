//! What cameras share: the thread that receives them, and the numbers that tell them apart.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use valkka_core::lock::lock;
use valkka_core::stream::Slot;
use valkka_core::url::StreamUrl;
use valkka_net::{Live, LiveOptions, Opener};

use crate::camera::{Camera, CameraOptions};
use crate::error::Error;
use crate::opener::Backends;

/// Receives any number of cameras on one thread.
///
/// Methods may be called from any thread. The thread ends with the last of the engine and its cameras.
pub struct Engine {
    live: Arc<Live>,
    opener: Arc<dyn Opener>,
    slots: Arc<Slots>,
}

/// How an [`Engine`] runs. All fields are free.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// The CPU the receiving thread is bound to.
    pub affinity: Option<usize>,
}

impl Engine {
    /// Starts the receiving thread. Needs neither a network nor a display.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(options: EngineOptions) -> Result<Self, Error> {
        let live = Live::spawn(LiveOptions { affinity: options.affinity, ..LiveOptions::default() })
            .map_err(|cause| Error::Thread { what: "the receiving thread".into(), cause })?;
        Ok(Self { live: Arc::new(live), opener: Arc::new(Backends), slots: Arc::default() })
    }

    /// A camera at `url`. It connects when the first branch is hung on it, and again whenever the connection is
    /// lost.
    ///
    /// # Errors
    /// If there are as many cameras as there are slots.
    pub fn camera(&self, url: StreamUrl, options: CameraOptions) -> Result<Camera, Error> {
        let slot = SlotGuard::take(&self.slots)?;
        Ok(Camera::new(self.live.clone(), self.opener.clone(), slot, url, options))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("slots", &self.slots.lock().len()).finish_non_exhaustive()
    }
}

/// The slots in use.
#[derive(Debug, Default)]
struct Slots(Mutex<BTreeSet<u16>>);

impl Slots {
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
    fn take(slots: &Arc<Slots>) -> Result<Self, Error> {
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
