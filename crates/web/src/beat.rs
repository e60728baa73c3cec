//! A sign of life.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When a thread last showed that it runs. Any thread may look.
#[derive(Debug)]
pub(crate) struct Beat {
    start: Instant,
    /// Of the last beat, since `start`.
    last_millis: AtomicU64,
}

impl Beat {
    pub(crate) fn new(now: Instant) -> Self {
        Self { start: now, last_millis: AtomicU64::new(0) }
    }

    /// The thread runs.
    pub(crate) fn beat(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.start).as_millis();
        self.last_millis.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago it last did.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
        now.saturating_duration_since(self.start).saturating_sub(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_grows_until_the_next_beat() {
        let start = Instant::now();
        let beat = Beat::new(start);
        let second = Duration::from_secs(1);
        assert_eq!(beat.elapsed(start + 3 * second), 3 * second);
        beat.beat(start + 3 * second);
        assert_eq!(beat.elapsed(start + 3 * second), Duration::ZERO);
        assert_eq!(beat.elapsed(start), Duration::ZERO);
    }
}
