//! What is told of a writer, in the order in which it happens.

use std::collections::VecDeque;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, warn};
use valkka_core::lock::lock;
use valkka_core::worker::StopToken;

use super::WriterEvent;

/// What has happened and was not told yet. It is told by a thread of its own: the one that writes may be stuck just when there
/// is something to tell, and those that put frames hold locks of whoever is told.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<WriterEvent>,
    /// How many were left out, as too many waited.
    left_out: u64,
}

impl Events {
    /// Has `event` told after those before it. It may be called under any lock.
    pub(super) fn push(&self, event: WriterEvent) {
        let mut waiting = lock(&self.waiting);
        if waiting.events.len() >= MAX_EVENTS {
            // The last ones tell how it stands.
            waiting.events.pop_front();
            waiting.left_out += 1;
        }
        waiting.events.push_back(event);
        self.changed.notify_all();
    }

    /// Tells all that happens until `stop` says stop, and what happened before.
    pub(super) fn tell(&self, stop: &StopToken, on_event: &dyn Fn(WriterEvent)) {
        while let Some((event, left_out)) = self.next(stop) {
            if left_out > 0 {
                warn!(left_out, "events of recording were not told: whoever is told takes too long");
            }
            if panic::catch_unwind(AssertUnwindSafe(|| on_event(event))).is_err() {
                error!("whoever is told of recording has panicked; it goes on");
            }
        }
    }

    /// Wakes [`Self::tell`], which is to stop.
    pub(super) fn wake(&self) {
        drop(lock(&self.waiting));
        self.changed.notify_all();
    }

    /// The next one, and how many before it were left out.
    fn next(&self, stop: &StopToken) -> Option<(WriterEvent, u64)> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(event) = waiting.events.pop_front() {
                return Some((event, mem::take(&mut waiting.left_out)));
            }
            if stop.is_stopped() {
                return None;
            }
            waiting = self.changed.wait_timeout(waiting, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// So many wait to be told.
const MAX_EVENTS: usize = 4096;
/// The longest sleep. Nothing depends on it.
const TICK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_oldest_are_left_out_where_too_many_wait() {
        let events = Events::default();
        for block in 0..=MAX_EVENTS as u64 {
            events.push(WriterEvent::BlockClosed { block, lane: None });
        }
        let (stop, told) = (StopToken::new(), RefCell::new(Vec::new()));
        stop.stop();
        events.tell(&stop, &|event| {
            told.borrow_mut().push(event);
            assert!(told.borrow().len() != 2, "one that panics");
        });
        let expected = |block| Some(WriterEvent::BlockClosed { block, lane: None });
        let told = told.into_inner();
        assert_eq!(told.len(), MAX_EVENTS);
        assert_eq!((told.first().cloned(), told.last().cloned()), (expected(1), expected(MAX_EVENTS as u64)));
    }
}
