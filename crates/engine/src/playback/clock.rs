//! The time by which one plays.

use std::time::{Duration, Instant};

/// Tells the time by which one plays. A clock of one's own plays faster, or by hand.
pub trait Clock: Send + Sync {
    /// The time since some fixed moment. It never goes back.
    fn now(&self) -> Duration;

    /// How long to wait, by the machine's time, for `time` to pass on this clock, before one looks again.
    fn patience(&self, time: Duration) -> Duration {
        time
    }

    /// How much of this clock's time goes by while one works for `time`, by the machine's: whether there is time to decode
    /// every picture is told by it.
    fn spent(&self, time: Duration) -> Duration {
        time
    }
}

/// The machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    origin: Instant,
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}
