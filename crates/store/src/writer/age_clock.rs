//! By which clock recordings become too old.

use std::time::{Duration, Instant};

use valkka_core::time::WallTime;

use crate::format::Row;

/// The wall clock, as far as it is to be believed.
///
/// A clock that jumps ahead, for a dead battery or a wrong time server, would have everything given up that is kept for some
/// days. So one that is further ahead than time has really passed is believed only once it has gone on from there for some
/// hours, which may be those of several processes. Until then recordings are kept for longer than they need to be.
#[derive(Debug)]
pub(super) struct AgeClock {
    /// What was believed, and when.
    known: (WallTime, Instant),
    /// Since when the clock is ahead, by itself and really.
    ahead: Option<(WallTime, Instant)>,
}

impl AgeClock {
    /// All that is known is what was recorded, which `rows` tell; without them, what the clock says is believed.
    pub(super) fn new(rows: &[Row], wall: WallTime, at: Instant) -> Self {
        Self { known: (last_known(rows, wall).unwrap_or(wall), at), ahead: None }
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

/// The last moment of a recording that tells how late it was, where the clock says `wall`.
///
/// What was recorded in the last hours may have its times from the very clock that is doubted, e.g. if the machine has started
/// with a wrong one, and the recorder for the second time. So it begins with what was recorded last before that, or else
/// first, and goes on for as long as there is no leap.
fn last_known(rows: &[Row], wall: WallTime) -> Option<WallTime> {
    let ends = || rows.iter().filter_map(|row| Some((row.sequence, row.last?)));
    let before = ends().filter(|&(_, last)| last <= wall - HELD).max();
    let (_, start) = before.or_else(|| ends().filter(|&(_, last)| last <= wall).min())?;
    let moments = rows.iter().flat_map(|row| [row.first, row.last]).flatten();
    let mut later: Vec<WallTime> = moments.filter(|moment| (start..=wall).contains(moment)).collect();
    later.sort_unstable();
    let next = |known: WallTime, moment: WallTime| {
        if moment.saturating_since(known) <= SLACK { moment } else { known }
    };
    Some(later.into_iter().fold(start, next))
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

    /// Blocks that follow each other, with the hours of their first and their last frame.
    fn rows(hours: &[(u64, u64)]) -> Vec<Row> {
        let start = WallTime::from_micros(1_790_000_000_000_000);
        let at = |hours: u64| Some(start + HOUR * hours as u32);
        let row =
            |(sequence, &(first, last))| Row { sequence, first: at(first), last: at(last), ..Row::default() };
        (1..).zip(hours).map(row).collect()
    }

    #[test]
    fn a_clock_that_jumps_ahead_is_believed_once_it_has_held() {
        let (wall, at) = (WallTime::from_micros(1_790_000_000_000_000), Instant::now());
        let mut clock = AgeClock::new(&rows(&[(0, 0)]), wall, at);
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
        let mut clock = AgeClock::new(&rows(&[(70 * 8760, 70 * 8760)]), wall, at);
        assert_eq!(clock.now(wall, at), wall);
        assert_eq!(clock.now(wall + 70 * YEAR, at + HOUR), wall + HOUR);
    }

    #[test]
    fn after_an_outage_it_takes_some_hours() {
        let (wall, at) = (WallTime::from_micros(1_790_000_000_000_000), Instant::now());
        let mut clock = AgeClock::new(&rows(&[(0, 0)]), wall + YEAR, at);
        assert_eq!(clock.now(wall + YEAR, at), wall);
        assert_eq!(clock.now(wall + YEAR + 6 * HOUR, at + 6 * HOUR), wall + YEAR + 6 * HOUR);
        let mut clock = AgeClock::new(&[], wall, at);
        assert_eq!(clock.now(wall + HOUR, at + HOUR), wall + HOUR);
    }

    #[test]
    fn what_was_recorded_by_a_wrong_clock_does_not_prove_it() {
        let start = WallTime::from_micros(1_790_000_000_000_000);
        let hours = |hours: u64| start + HOUR * hours as u32;
        let known = |recorded: &[(u64, u64)], wall| last_known(&rows(recorded), hours(wall)).unwrap();
        // The recorder is started again, while nothing leaps.
        assert_eq!(known(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)], 7), hours(7));
        // The clock has leapt and the recorder was started since, then and some hours later.
        assert_eq!(known(&[(0, 1), (900, 901), (901, 902)], 902), hours(1));
        assert_eq!(known(&[(0, 1), (900, 901), (901, 902), (904, 905)], 907), hours(902));
        assert_eq!(known(&[(0, 1), (900, 901), (901, 902), (902, 903)], 908), hours(903));
        // It has leapt by less than it would have to hold for.
        assert_eq!(known(&[(0, 1), (4, 4)], 4), hours(1));
        // It was wrong once before, and put right.
        assert_eq!(known(&[(0, 1), (900, 901), (2, 3), (3, 4), (4, 5)], 920), hours(5));
        assert_eq!(known(&[(900, 901), (2, 3), (3, 4)], 4), hours(4));
        assert_eq!(last_known(&rows(&[(900, 901)]), hours(4)), None);
        assert_eq!(last_known(&[Row::default()], hours(4)), None);
    }
}
