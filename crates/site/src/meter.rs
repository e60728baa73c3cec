//! Figures per second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Makes rates over the last seconds out of counters that only grow.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// The newest last; they span a little more than [`SPAN`].
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    frames: u64,
    bytes: u64,
}

impl Meter {
    /// Takes the counters as they are at `now`. Counters that went back begin anew.
    pub(crate) fn sample(&mut self, now: Instant, frames: u64, bytes: u64) {
        if self.samples.back().is_some_and(|last| frames < last.frames || bytes < last.bytes) {
            self.samples.clear();
        }
        // As old as the span at most, but for one, so that the rate is over all of it.
        while self.samples.get(1).is_some_and(|next| now.duration_since(next.at) >= SPAN)
            || self.samples.len() >= MAX_SAMPLES
        {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, frames, bytes });
    }

    /// Frames per second.
    pub(crate) fn fps(&self) -> f64 {
        self.rate(|sample| sample.frames)
    }

    /// Kilobits (of 1000) per second.
    pub(crate) fn kbit_s(&self) -> f64 {
        self.rate(|sample| sample.bytes) * 8.0 / 1000.0
    }

    fn rate(&self, of: impl Fn(&Sample) -> u64) -> f64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let seconds = last.at.duration_since(first.at).as_secs_f64();
        if seconds > 0.0 { (of(last) - of(first)) as f64 / seconds } else { 0.0 }
    }
}

/// Over how long rates are taken.
const SPAN: Duration = Duration::from_secs(5);
/// Whoever samples more often than the site does gets a shorter span, not more memory.
const MAX_SAMPLES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_seconds() {
        let start = Instant::now();
        let mut meter = Meter::default();
        assert_eq!((meter.fps(), meter.kbit_s()), (0.0, 0.0));
        for second in 0..20 {
            // It doubles its rate after ten seconds.
            let frames = if second <= 10 { second * 25 } else { 250 + (second - 10) * 50 };
            meter.sample(start + Duration::from_secs(second), frames, frames * 1000);
            assert!(meter.samples.len() <= 6);
        }
        assert_eq!((meter.fps(), meter.kbit_s()), (50.0, 400.0));
        meter.sample(start + Duration::from_secs(20), 5, 5);
        assert_eq!(meter.fps(), 0.0, "it begins anew");
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut meter = Meter::default();
        for number in 0..1000 {
            meter.sample(start, number, number);
        }
        assert_eq!((meter.samples.len(), meter.fps()), (MAX_SAMPLES, 0.0));
    }
}
