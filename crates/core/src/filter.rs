//! Filters: small objects that take a frame and hand on none, one or several.

mod slot;

pub use slot::{PassSlot, SetSlot, SlotHandle};

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::frame::Frame;
use crate::sink::Sink;

/// Turns one frame into none, one or several, knowing nothing of its neighbours.
///
/// A filter never blocks, and reads no clock but the frame's times. What needs input or output owns a worker
/// behind a queue instead.
pub trait Filter: Send {
    /// Takes `frame` and hands each result to `emit`, in order. What is not for this filter is handed on.
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame));
}

/// Puts `filter` before `next`.
pub fn chain(filter: impl Filter + 'static, next: Arc<dyn Sink>) -> Arc<dyn Sink> {
    Arc::new(Stage { filter: Mutex::new(filter), next })
}

/// A filter together with what lies downstream of it.
struct Stage<F> {
    /// Frames usually come from one thread, so the lock is free; with several, it puts them in order.
    filter: Mutex<F>,
    next: Arc<dyn Sink>,
}

impl<F: Filter> Sink for Stage<F> {
    fn put(&self, frame: Frame) {
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        filter.push(frame, &mut |frame| self.next.put(frame));
    }
}

impl<F> fmt::Debug for Stage<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage({})", std::any::type_name::<F>())
    }
}
