//! Time by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use valkka_core::clock::Clock;
use valkka_core::time::WallTime;

/// A clock that stands still until it is told otherwise. Shared between threads by `Arc`.
#[derive(Debug)]
pub struct SimClock {
    micros: AtomicI64,
}

impl SimClock {
    /// A clock that shows `now`.
    pub fn new(now: WallTime) -> Self {
        Self { micros: AtomicI64::new(now.micros()) }
    }

    /// Moves the clock on.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now() + duration);
    }

    /// Sets the clock, also back.
    pub fn set(&self, now: WallTime) {
        self.micros.store(now.micros(), Ordering::SeqCst);
    }
}

/// Shows the start of 2026, so that no test works only near the epoch.
impl Default for SimClock {
    fn default() -> Self {
        Self::new(WallTime::from_micros(1_767_225_600_000_000))
    }
}

impl Clock for SimClock {
    fn now(&self) -> WallTime {
        WallTime::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_only_by_hand() {
        let clock = SimClock::default();
        let start = clock.now();
        clock.advance(Duration::from_millis(40));
        assert_eq!(clock.now().saturating_since(start), Duration::from_millis(40));
        clock.set(start);
        assert_eq!(clock.now(), start);
    }
}
