//! By which clock recordings become too old.

use std::time::{Duration, Instant};

use valkka_core::time::WallTime;

/// The wall clock, as far as it is to be believed.
///
/// A clock that jumps ahead, for a dead battery or a wrong time server, would have everything given up that is kept for some
/// days. So one that is further ahead than time has really passed is believed only once it has gone on from there for some
/// hours. Until then recordings are kept for longer than they need to be.
#[derive(Debug)]
pub(super) struct AgeClock {
    /// What was believed, and when.
    known: (WallTime, Instant),
    /// Since when the clock is ahead, by itself and really.
    ahead: Option<(WallTime, Instant)>,
}

impl AgeClock {
    /// The last thing that is known is that something was recorded at `newest`; without it, what the clock says is
    /// believed.
    pub(super) fn new(newest: Option<WallTime>, wall: WallTime, at: Instant) -> Self {
        Self { known: (newest.unwrap_or(wall), at), ahead: None }
    }

    /// The moment to judge by, at which the clock says `wall`. A clock that was set back is believed at once: less is too
    /// old by it.
    pub(super) fn now(&mut self, wall: WallTime, at: Instant) -> WallTime {
        let passed = |since: (WallTime, Instant)| since.0 + at.saturating_duration_since(since.1);
        let plausible = passed(self.known);
        if wall <= plausible + SLACK {
            (self.known, self.ahead) = ((wall, at), None);
            return wall;
        }
        let goes_on = |since| wall.micros_since(passed(since)).unsigned_abs() <= SLACK.as_micros() as u64;
        match self.ahead.filter(|&since| goes_on(since)) {
            Some((_, since)) if at.saturating_duration_since(since) >= HELD => {
                (self.known, self.ahead) = ((wall, at), None);
                wall
            }
            Some(_) => plausible,
            None => {
                self.ahead = Some((wall, at));
                plausible
            }
        }
    }
}

/// Clocks that are put right by less are believed.
const SLACK: Duration = Duration::from_secs(3600);

/// For how long a clock that was ahead must go on from there.
const HELD: Duration = Duration::from_secs(6 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn a_clock_that_jumps_ahead_is_believed_once_it_has_held() {
        let (wall, at) = (WallTime::from_micros(1_790_000_000_000_000), Instant::now());
        let mut clock = AgeClock::new(Some(wall), wall, at);
        assert_eq!(clock.now(wall + HOUR, at + HOUR), wall + HOUR);
        // Ahead for a while, and back.
        assert_eq!(clock.now(wall + YEAR, at + 2 * HOUR), wall + 2 * HOUR);
        assert_eq!(clock.now(wall + YEAR + 5 * HOUR, at + 7 * HOUR), wall + 7 * HOUR);
        assert_eq!(clock.now(wall + 8 * HOUR, at + 8 * HOUR), wall + 8 * HOUR);
        // Ahead once more, elsewhere, and there to stay.
        assert_eq!(clock.now(wall + YEAR, at + 9 * HOUR), wall + 9 * HOUR);
        assert_eq!(clock.now(wall + 2 * YEAR, at + 10 * HOUR), wall + 10 * HOUR);
        assert_eq!(clock.now(wall + 2 * YEAR + 5 * HOUR, at + 15 * HOUR), wall + 15 * HOUR);
        assert_eq!(clock.now(wall + 2 * YEAR + 6 * HOUR, at + 16 * HOUR), wall + 2 * YEAR + 6 * HOUR);
        assert_eq!(clock.now(wall + 2 * YEAR + 7 * HOUR, at + 17 * HOUR), wall + 2 * YEAR + 7 * HOUR);
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed_at_once() {
        let (wall, at) = (WallTime::from_micros(1_790_000_000_000_000), Instant::now());
        // Something was recorded while the clock was wrong.
        let mut clock = AgeClock::new(Some(wall + 70 * YEAR), wall, at);
        assert_eq!(clock.now(wall, at), wall);
        assert_eq!(clock.now(wall + 70 * YEAR, at + HOUR), wall + HOUR);
    }

    #[test]
    fn after_an_outage_it_takes_some_hours() {
        let (wall, at) = (WallTime::from_micros(1_790_000_000_000_000), Instant::now());
        let mut clock = AgeClock::new(Some(wall), wall + YEAR, at);
        assert_eq!(clock.now(wall + YEAR, at), wall);
        assert_eq!(clock.now(wall + YEAR + 6 * HOUR, at + 6 * HOUR), wall + YEAR + 6 * HOUR);
        let mut clock = AgeClock::new(None, wall, at);
        assert_eq!(clock.now(wall + HOUR, at + HOUR), wall + HOUR);
    }
}
