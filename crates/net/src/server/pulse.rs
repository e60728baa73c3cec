//! Whether a stream brings anything.

use std::time::{Duration, Instant};

/// Notices when a stream falls silent, and when it goes on.
#[derive(Debug)]
pub(super) struct Pulse {
    /// A longer pause is a silence.
    longest_pause: Duration,
    /// The last packet.
    last: Option<Instant>,
    /// The first packet after the last silence.
    since: Option<Instant>,
}

impl Pulse {
    pub(super) fn new(longest_pause: Duration) -> Self {
        Self { longest_pause, last: None, since: None }
    }

    /// A packet has come.
    pub(super) fn beat(&mut self, now: Instant) {
        self.since = self.since(now).or(Some(now));
        self.last = Some(now);
    }

    /// Since when packets have been coming; `None` while they do not.
    pub(super) fn since(&self, now: Instant) -> Option<Instant> {
        let pause = now.saturating_duration_since(self.last?);
        self.since.filter(|_| pause <= self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_borne_and_silences_are_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(Duration::from_secs(5));
        assert_eq!(pulse.since(at(0)), None);
        for second in [10, 11, 16] {
            pulse.beat(at(second));
            assert_eq!(pulse.since(at(second)), Some(at(10)));
        }
        assert_eq!(pulse.since(at(21)), Some(at(10)));
        assert_eq!(pulse.since(at(22)), None);
        pulse.beat(at(30));
        assert_eq!(pulse.since(at(31)), Some(at(30)));
        assert_eq!(pulse.since(at(0)), Some(at(30)), "clocks of several threads");
    }
}
