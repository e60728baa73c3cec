//! Measuring frame rates.

use std::fmt;
use std::time::Duration;

use super::Filter;
use crate::frame::{Body, Frame};
use crate::time::WallTime;

/// Measures how many frames per second arrive, by their times of arrival.
pub struct Fps<R> {
    interval: Duration,
    report: R,
    /// When the current measurement started; `None` before the first frame.
    start: Option<WallTime>,
    /// Frames since then.
    count: u32,
}

impl<R: FnMut(f64) + Send> Fps<R> {
    /// Calls `report` with the frames per second since its last call, when the first frame comes that is
    /// `interval` or more later. The first frame of all only starts the clock. Signals are not counted.
    pub fn new(interval: Duration, report: R) -> Self {
        Self { interval, report, start: None, count: 0 }
    }

    fn measure(&mut self, now: WallTime) {
        let start = match self.start {
            // A clock that was set back starts the measurement again.
            Some(start) if now >= start => start,
            _ => {
                (self.start, self.count) = (Some(now), 0);
                return;
            }
        };
        self.count += 1;
        let elapsed = now.saturating_since(start);
        if elapsed >= self.interval && !elapsed.is_zero() {
            (self.report)(f64::from(self.count) / elapsed.as_secs_f64());
            (self.start, self.count) = (Some(now), 0);
        }
    }
}

impl<R: FnMut(f64) + Send> Filter for Fps<R> {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        if !matches!(frame.body, Body::Signal(_)) {
            self.measure(frame.time.arrival);
        }
        emit(frame);
    }
}

impl<R> fmt::Debug for Fps<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fps").field("interval", &self.interval).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{online, packet_at, run};

    fn rates(interval: Duration, frames: impl IntoIterator<Item = Frame>) -> Vec<f64> {
        let mut rates = Vec::new();
        run(&mut Fps::new(interval, |rate| rates.push(rate)), frames);
        rates
    }

    #[test]
    fn measures_by_arrivals() {
        let frames = (0..=50).map(|n| packet_at('a', n * 40)).chain([online()]);
        assert_eq!(rates(Duration::from_secs(1), frames), [25.0, 25.0]);
    }

    #[test]
    fn a_clock_set_back_starts_again() {
        let frames = [1_000_000, 1_000_500, 0, 500, 1000].map(|millis| packet_at('a', millis));
        assert_eq!(rates(Duration::from_secs(1), frames), [2.0]);
    }

    #[test]
    fn no_interval_and_no_time_between() {
        assert_eq!(rates(Duration::ZERO, [0, 0, 100].map(|millis| packet_at('a', millis))), [20.0]);
    }
}
