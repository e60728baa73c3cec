//! What Python objects own of the engine.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::process;

use pyo3::Python;

/// Something of the engine that belongs to a Python object.
///
/// Dropping it may wait for threads, which may wait for the interpreter's lock: so it is dropped without that lock.
/// In a process that was forked off, the engine's threads do not exist, and what they held is locked for ever: there
/// it is not dropped at all, and what the parent has made stays the parent's.
pub(crate) struct Native<T: Send> {
    value: ManuallyDrop<Option<T>>,
    process: u32,
}

impl<T: Send> Native<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(Some(value)), process: process::id() }
    }

    /// Whether this process made it, rather than one that this process was forked off from.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == process::id()
    }
}

impl<T: Send> Deref for Native<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("only dropping takes it")
    }
}

impl<T: Send> Drop for Native<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        let value = self.value.take();
        // Without an interpreter (it is ending) there is no lock to give back.
        let mut value = Some(value);
        Python::try_attach(|py| py.detach(|| drop(value.take())));
        drop(value);
    }
}

impl<T: Send> fmt::Debug for Native<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("process", &self.process).finish_non_exhaustive()
    }
}
