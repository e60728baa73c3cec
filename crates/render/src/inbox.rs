//! Where frames wait for the presenter's thread.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use valkka_core::clock::{Clock, SystemClock};
use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::time::WallTime;

use crate::schedule::{Schedule, Update};
use crate::wake::Wake;

/// The schedule, between the threads that decode and the one that presents.
///
/// It is the queue between them, bounded by the schedule's limits. A frame wakes the presenter only if it is
/// due before the presenter would wake up anyway, so most pictures cost no switch of threads.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    wake: Wake,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    /// When the presenter looks again by itself.
    planned: Option<WallTime>,
}

impl Inbox {
    pub(crate) fn new(schedule: Schedule) -> io::Result<Self> {
        Ok(Self { state: Mutex::new(State { schedule, planned: None }), wake: Wake::new()? })
    }

    /// What is due, and when there is something to do again.
    pub(crate) fn due(&self, now: WallTime) -> (Vec<Update>, Option<WallTime>) {
        let mut state = self.lock();
        let updates = state.schedule.due(now);
        state.planned = state.schedule.next_deadline();
        (updates, state.planned)
    }

    /// Changes the schedule.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Schedule)) {
        change(&mut self.lock().schedule);
    }

    /// Has [`Self::wait`] return.
    pub(crate) fn wake(&self) {
        self.wake.ring();
    }

    /// Waits until there is something to do, `other` is readable, or `timeout` is over.
    pub(crate) fn wait(&self, other: Option<BorrowedFd<'_>>, timeout: Duration) {
        self.wake.wait(other, timeout);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Sink for Inbox {
    fn put(&self, frame: Frame) {
        let mut state = self.lock();
        let deadline = state.schedule.push(frame, SystemClock.now());
        let earlier = match (deadline, state.planned) {
            (Some(deadline), Some(planned)) => deadline < planned,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            state.planned = deadline;
            drop(state);
            self.wake();
        }
    }
}
