//! Where playing stands: a line through time, without a thread.

use std::time::Duration;

use valkka_core::time::WallTime;

use super::error::PlaybackError;

/// The position in the archive, which all streams have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport {
    /// Where it was at `since`.
    base: WallTime,
    since: Duration,
    speed: f64,
    running: bool,
}

impl Transport {
    /// Stands still at `position`, to be played at its own speed.
    pub(super) fn new(position: WallTime) -> Self {
        Self { base: position, since: Duration::ZERO, speed: 1.0, running: false }
    }

    /// Where it is at `now`.
    pub(super) fn position(&self, now: Duration) -> WallTime {
        if !self.running {
            return self.base;
        }
        let elapsed = now.saturating_sub(self.since).as_secs_f64();
        // Whoever plays for longer than fits into a number is at its end.
        self.base.offset_micros((elapsed * self.speed * 1e6).round() as i64)
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    pub(super) fn speed(&self) -> f64 {
        self.speed
    }

    pub(super) fn is_backward(&self) -> bool {
        self.speed < 0.0
    }

    pub(super) fn play(&mut self, now: Duration) {
        self.settle(now);
        self.running = true;
    }

    pub(super) fn pause(&mut self, now: Duration) {
        self.settle(now);
        self.running = false;
    }

    pub(super) fn seek(&mut self, to: WallTime, now: Duration) {
        (self.base, self.since) = (to, now);
    }

    pub(super) fn set_speed(&mut self, speed: f64, now: Duration) -> Result<(), PlaybackError> {
        if !(MIN_SPEED..=MAX_SPEED).contains(&speed.abs()) {
            return Err(PlaybackError::Speed { speed });
        }
        self.settle(now);
        self.speed = speed;
        Ok(())
    }

    /// How long from `now` until it is at `position`, or past it; `None` if it stands still or goes the other way.
    pub(super) fn time_to(&self, position: WallTime, now: Duration) -> Option<Duration> {
        if !self.running {
            return None;
        }
        let seconds = position.micros_since(self.position(now)) as f64 / 1e6 / self.speed;
        if seconds <= 0.0 {
            return Some(Duration::ZERO);
        }
        // Rounded up: it is there then.
        Duration::try_from_secs_f64(seconds + 1e-6).ok()
    }

    fn settle(&mut self, now: Duration) {
        (self.base, self.since) = (self.position(now), now);
    }
}

const MIN_SPEED: f64 = 1.0 / 16.0;
const MAX_SPEED: f64 = 64.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> WallTime {
        WallTime::from_micros(millis * 1000)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_position_is_a_line_through_time() {
        let mut transport = Transport::new(at(5000));
        assert_eq!((transport.position(millis(900)), transport.is_running()), (at(5000), false));
        transport.play(millis(1000));
        assert_eq!(transport.position(millis(1000)), at(5000));
        assert_eq!(transport.position(millis(3500)), at(7500));
        transport.set_speed(-4.0, millis(3500)).unwrap();
        assert_eq!(transport.position(millis(4500)), at(3500));
        transport.pause(millis(4500));
        transport.pause(millis(9000));
        assert_eq!(transport.position(millis(9000)), at(3500));
        transport.set_speed(1.0 / 16.0, millis(9000)).unwrap();
        transport.play(millis(10_000));
        transport.play(millis(10_000));
        assert_eq!(transport.position(millis(26_000)), at(4500));
        transport.seek(at(0), millis(26_000));
        assert_eq!(transport.position(millis(42_000)), at(1000));
    }

    #[test]
    fn it_says_when_a_position_is_reached() {
        let mut transport = Transport::new(at(1000));
        assert_eq!(transport.time_to(at(2000), millis(0)), None);
        transport.play(millis(0));
        transport.set_speed(2.0, millis(0)).unwrap();
        let due = transport.time_to(at(2000), millis(100)).unwrap();
        assert!(due >= millis(400) && due < millis(401), "{due:?}");
        assert!(transport.position(millis(100) + due) >= at(2000));
        assert_eq!(transport.time_to(at(900), millis(100)), Some(Duration::ZERO), "it is past that");
        transport.set_speed(-1.0, millis(0)).unwrap();
        let due = transport.time_to(at(0), millis(0)).unwrap();
        assert!(transport.position(due) <= at(0));
    }

    #[test]
    fn no_speed_and_no_time_is_too_much() {
        let mut transport = Transport::new(at(0));
        for speed in [0.0, 0.06, -0.06, 64.1, -65.0, f64::NAN, f64::INFINITY] {
            let error = transport.set_speed(speed, millis(0)).unwrap_err();
            assert!(error.to_string().contains("from 1/16 to 64"), "{error}");
        }
        transport.play(Duration::ZERO);
        for speed in [64.0, -64.0, 0.0625, -0.0625] {
            transport.set_speed(speed, Duration::ZERO).unwrap();
            for position in [i64::MIN, i64::MAX] {
                transport.seek(WallTime::from_micros(position), Duration::ZERO);
                transport.position(Duration::MAX);
                transport.time_to(WallTime::from_micros(-position.saturating_add(1)), millis(1));
            }
        }
    }
}
