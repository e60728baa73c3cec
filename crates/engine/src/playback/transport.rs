//! Where playing stands: a line through time, without a thread.

use std::time::Duration;

use valkka_core::time::WallTime;

use super::error::PlaybackError;

/// The position in the archive, which all streams have in common.
///
/// It goes no further than its limit. Where it stands there, time goes on, and when the limit moves it catches up with the
/// line, unless that is given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport {
    /// Where it was at `since`.
    base: WallTime,
    since: Duration,
    speed: f64,
    running: bool,
    limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    at: WallTime,
    /// Since when it is there.
    since: Duration,
    /// For how long one has stood there already, before that was given up.
    lost: Duration,
}

impl Transport {
    /// Stands still at `position`, to be played at its own speed.
    pub(super) fn new(position: WallTime) -> Self {
        Self { base: position, since: Duration::ZERO, speed: 1.0, running: false, limit: None }
    }

    /// Where it is at `now`.
    pub(super) fn position(&self, now: Duration) -> WallTime {
        let line = self.line(now);
        match self.limit {
            Some(limit) if self.is_backward() => line.max(limit.at.min(self.base)),
            Some(limit) => line.min(limit.at.max(self.base)),
            None => line,
        }
    }

    /// Where it would be without its limit.
    fn line(&self, now: Duration) -> WallTime {
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
        (self.base, self.since, self.limit) = (to, now, None);
    }

    /// Goes no further than `limit` from now on, or than where it is if that is further.
    pub(super) fn set_limit(&mut self, limit: Option<WallTime>, now: Duration) {
        let position = self.position(now);
        let backward = self.is_backward();
        let limit = limit.map(|at| if backward { at.min(position) } else { at.max(position) });
        if self.limit.map(|limit| limit.at) != limit {
            self.limit = limit.map(|at| Limit { at, since: now, lost: Duration::ZERO });
        }
    }

    /// How far it goes for now.
    pub(super) fn limit(&self) -> Option<WallTime> {
        self.limit.map(|limit| limit.at)
    }

    /// How far the line is ahead of it, in time that passes.
    pub(super) fn lag(&self, now: Duration) -> Duration {
        let micros = self.line(now).micros_since(self.position(now)) as f64 / self.speed;
        Duration::from_micros(micros.max(0.0) as u64)
    }

    /// For how long it has been standing at its limit, since that was moved.
    pub(super) fn held(&self, now: Duration) -> Duration {
        self.limit.map_or(Duration::ZERO, |limit| {
            limit.lost.saturating_add(self.lag(now).min(now.saturating_sub(limit.since)))
        })
    }

    /// Goes on from where it is when the limit moves, and does not catch up.
    pub(super) fn give_up_lag(&mut self, now: Duration) {
        let held = self.held(now);
        self.settle(now);
        if let Some(limit) = &mut self.limit {
            limit.lost = held;
        }
    }

    pub(super) fn set_speed(&mut self, speed: f64, now: Duration) -> Result<(), PlaybackError> {
        if !(MIN_SPEED..=MAX_SPEED).contains(&speed.abs()) {
            return Err(PlaybackError::Speed { speed });
        }
        self.settle(now);
        (self.speed, self.limit) = (speed, None);
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
    fn it_stands_at_its_limit_and_catches_up() {
        let mut transport = Transport::new(at(0));
        transport.play(millis(0));
        transport.set_limit(Some(at(100)), millis(0));
        assert_eq!((transport.position(millis(60)), transport.held(millis(60))), (at(60), millis(0)));
        assert_eq!(transport.position(millis(400)), at(100));
        assert_eq!((transport.lag(millis(400)), transport.held(millis(400))), (millis(300), millis(300)));
        // Nearer, it is back at the line with the next limit that is far enough.
        transport.set_limit(Some(at(200)), millis(400));
        assert_eq!((transport.position(millis(450)), transport.held(millis(450))), (at(200), millis(50)));
        transport.set_limit(None, millis(500));
        assert_eq!((transport.position(millis(500)), transport.lag(millis(500))), (at(500), millis(0)));
        // It never goes back.
        transport.set_limit(Some(at(300)), millis(600));
        assert_eq!(transport.position(millis(700)), at(600));
        transport.give_up_lag(millis(700));
        assert_eq!(transport.held(millis(800)), millis(200));
        transport.set_limit(Some(at(9000)), millis(800));
        assert_eq!((transport.position(millis(900)), transport.held(millis(900))), (at(800), millis(0)));
        // Backward, its limit is on the other side; a jump is not bound by what was before.
        transport.set_speed(-2.0, millis(900)).unwrap();
        transport.set_limit(Some(at(700)), millis(900));
        assert_eq!((transport.position(millis(1000)), transport.lag(millis(1000))), (at(700), millis(50)));
        transport.seek(at(600), millis(1000));
        assert_eq!(transport.position(millis(1100)), at(400));
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
                transport.set_limit(Some(WallTime::from_micros(position.saturating_neg())), millis(1));
                transport.held(Duration::MAX);
                transport.give_up_lag(Duration::MAX);
                transport.seek(WallTime::from_micros(position), Duration::ZERO);
                transport.time_to(WallTime::from_micros(-position.saturating_add(1)), millis(1));
            }
        }
    }
}
