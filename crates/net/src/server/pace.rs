//! How often something may happen.

use std::time::Duration;

use tokio::time::Instant;

/// Lets something happen so often on average, and a number of times at once.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// How far [`Self::spent`] may lie ahead.
    ahead: Duration,
    /// The moment at which what has happened so far would have happened if it were spread out evenly.
    spent: Instant,
}

impl Pace {
    /// `per_second` times a second, and `burst` times at once.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, ahead: interval * burst, spent: Instant::now() }
    }

    /// It is about to happen: the moment from which on it may.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        self.spent = self.spent.max(now) + self.interval;
        now.max(self.spent - self.ahead.min(self.spent - now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace { spent: start, ..Pace::new(10, 5) };
        let ms = |millis| start + Duration::from_millis(millis);
        let delays: Vec<_> = (0..8).map(|_| (pace.next(start) - start).as_millis()).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 100, 200, 300]);
        // What was not used for long is not saved up beyond the burst.
        let delays: Vec<_> = (0..7).map(|_| (pace.next(ms(60_000)) - ms(60_000)).as_millis()).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 100, 200]);
    }
}
