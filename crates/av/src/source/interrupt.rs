//! When libavformat is to give up what it waits for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use valkka_core::worker::StopToken;

/// Asked by libavformat at least every 100 ms while it waits, on the thread that called it.
#[derive(Debug)]
pub(super) struct Interrupt {
    stop: StopToken,
    start: Instant,
    /// Microseconds from `start` on.
    deadline: AtomicU64,
    /// While the connection is closed, a stop interrupts nothing: the server is to hear of it.
    closing: AtomicBool,
    /// Whether a deadline passed while libavformat waited. It often says something else then.
    expired: AtomicBool,
}

impl Interrupt {
    pub(super) fn new(stop: StopToken, timeout: Duration) -> Self {
        let interrupt = Self {
            stop,
            start: Instant::now(),
            deadline: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            expired: AtomicBool::new(false),
        };
        interrupt.set_timeout(timeout);
        interrupt
    }

    /// What follows may take `timeout`.
    pub(super) fn set_timeout(&self, timeout: Duration) {
        let deadline = self.start.elapsed().saturating_add(timeout);
        self.deadline.store(u64::try_from(deadline.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What follows is taking leave.
    pub(super) fn closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.set_timeout(LEAVE);
    }

    /// Whether to give up.
    pub(super) fn is_over(&self) -> bool {
        let expired = self.start.elapsed().as_micros() >= u128::from(self.deadline.load(Ordering::Relaxed));
        if expired {
            self.expired.store(true, Ordering::Relaxed);
        }
        expired || (self.stop.is_stopped() && !self.closing.load(Ordering::Relaxed))
    }

    /// Whether something was given up because its time was over.
    pub(super) fn has_expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed)
    }
}

/// How long saying goodbye to the server may take.
const LEAVE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_and_a_deadline_end_the_wait_but_leave_time_to_say_goodbye() {
        let stop = StopToken::new();
        let interrupt = Interrupt::new(stop.clone(), Duration::from_secs(3600));
        assert!(!interrupt.is_over());
        stop.stop();
        assert!(interrupt.is_over());
        interrupt.closing();
        assert!(!interrupt.is_over());
        assert!(!interrupt.has_expired());
        interrupt.set_timeout(Duration::ZERO);
        assert!(interrupt.is_over());
        assert!(interrupt.has_expired());
        interrupt.set_timeout(Duration::MAX);
        assert!(!interrupt.is_over());
    }
}
