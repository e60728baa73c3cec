//! Filters: small objects that take a frame and hand on none, one or several.
//!
//! What steers a filter from other threads is a handle (atomics behind an `Arc`) that comes with it; what a
//! filter finds out goes to a closure that it is given.

mod alert;
mod announce;
mod count;
mod fps;
mod gate;
mod gate_stage;
mod info;
mod interval;
mod keyframe;
mod movement;
mod pass;
mod repeat_params;
mod slot;
mod switch;
mod timestamp;
mod tracks;

pub use alert::Alert;
pub use announce::Announce;
pub use count::Count;
pub use fps::Fps;
pub use gate::{CachingGate, Gate, GateHandle};
pub use gate_stage::GateStage;
pub use info::{Dump, Info, Summary};
pub use interval::Interval;
pub use keyframe::KeyframeGate;
pub use movement::{Movement, MovementEvent, MovementHandle, MovementOptions};
pub use pass::Pass;
pub use repeat_params::RepeatParams;
pub use slot::{PassSlot, SetSlot, SlotHandle};
pub use switch::{NoChannel, Selector, Switch};
pub use timestamp::{CorrectTimestamp, Correction};

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::warn;

use crate::frame::Frame;
use crate::lock::lock;
use crate::sink::Sink;
use crate::thread_mark::ThreadMark;

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
    Arc::new(Stage::new(filter, next))
}

/// A filter together with what lies downstream of it. Several threads may feed it: one frame at a time is in
/// the filter and downstream of it.
pub struct Stage<F> {
    filter: Mutex<F>,
    /// The thread that holds the lock, so that a loop in the graph is noticed and does not wait for itself.
    inside: ThreadMark,
    next: Arc<dyn Sink>,
}

impl<F: Filter> Stage<F> {
    /// Puts `filter` before `next`.
    pub fn new(filter: F, next: Arc<dyn Sink>) -> Self {
        Self { filter: Mutex::new(filter), inside: ThreadMark::default(), next }
    }

    /// Calls `body` with the filter and the way downstream, on the caller's thread and between two frames.
    /// `None` if this thread is inside the filter, or downstream of it, already.
    pub fn with<R>(&self, body: impl FnOnce(&mut F, &mut dyn FnMut(Frame)) -> R) -> Option<R> {
        if self.is_inside() {
            return None;
        }
        let mut filter = lock(&self.filter);
        let _left = self.inside.enter();
        Some(body(&mut filter, &mut |frame| self.next.put(frame)))
    }

    /// Whether the calling thread is inside the filter or downstream of it.
    pub fn is_inside(&self) -> bool {
        self.inside.is_here()
    }
}

impl<F: Filter> Sink for Stage<F> {
    fn put(&self, frame: Frame) {
        if self.with(|filter, emit| filter.push(frame, emit)).is_none() {
            warn!(stage = ?self, "the graph has a loop; what comes back by it is dropped");
        }
    }
}

impl<F> fmt::Debug for Stage<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage({})", std::any::type_name::<F>())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::sink::FnSink;
    use crate::testing;

    #[test]
    fn a_loop_does_not_hang() {
        let stage = Arc::new_cyclic(|own: &Weak<Stage<PassSlot>>| {
            let own = own.clone();
            let back = FnSink(move |frame| own.upgrade().expect("in use").put(frame));
            Stage::new(PassSlot(testing::SLOT), Arc::new(back))
        });
        stage.put(testing::packet('A'));
        stage.put(testing::packet('b'));
    }

    #[test]
    fn a_filter_that_panicked_is_used_again() {
        let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let seen = count.clone();
        let next = FnSink(move |_| {
            assert!(seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0, "on purpose");
        });
        let stage = Arc::new(Stage::new(PassSlot(testing::SLOT), Arc::new(next)));
        let first = stage.clone();
        std::thread::spawn(move || first.put(testing::packet('A'))).join().unwrap_err();
        stage.put(testing::packet('B'));
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 2);
    }
}
