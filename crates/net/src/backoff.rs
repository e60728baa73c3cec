//! How long to wait before the next try.

use std::time::Duration;

use valkka_core::source::Retry;

/// Doubles the wait from try to try. Pure: the chance is the caller's.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Tries since the last connection that brought frames.
    failures: u32,
    /// Whether any connection ever brought frames.
    worked: bool,
}

impl Backoff {
    /// Notes that a connection brought frames.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
        self.worked = true;
    }

    /// How long to wait after another failure; `None` if no try is to be made. `chance`, between 0 and 1,
    /// spreads the tries of many cameras behind one failed switch.
    pub(crate) fn next(&mut self, retry: Retry, chance: f64) -> Option<Duration> {
        let (first, longest) = match retry {
            Retry::Soon if self.worked => (SOON_FIRST, SOON_LONGEST_ONCE_WORKED),
            Retry::Soon => (SOON_FIRST, SOON_LONGEST),
            Retry::Later => (LATER_FIRST, LATER_LONGEST),
            Retry::Never => return None,
        };
        let doubled = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        // Never less than half, so that it stays a wait; for credentials, never less than all of it.
        let share = match retry {
            Retry::Later => 1.0 + chance.clamp(0.0, 1.0) / 2.0,
            _ => 0.5 + chance.clamp(0.0, 1.0) / 2.0,
        };
        Some(doubled.mul_f64(share))
    }
}

const SOON_FIRST: Duration = Duration::from_millis(500);
/// For cameras that have never answered.
const SOON_LONGEST: Duration = Duration::from_secs(10);
/// A camera that has worked will be back, and people wait for its picture: with the time a connection takes,
/// the picture is back within a group of pictures and 2 s of the camera's return.
const SOON_LONGEST_ONCE_WORKED: Duration = Duration::from_secs(1);
/// Cameras lock accounts after a few wrong passwords within some minutes.
const LATER_FIRST: Duration = Duration::from_secs(60);
const LATER_LONGEST: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(backoff: &mut Backoff, retry: Retry, chance: f64) -> Vec<u128> {
        (0..8).map(|_| backoff.next(retry, chance).unwrap().as_millis()).collect()
    }

    #[test]
    fn doubles_up_to_ten_seconds() {
        let waits = waits(&mut Backoff::default(), Retry::Soon, 1.0);
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn a_camera_that_worked_is_tried_at_least_every_two_seconds() {
        let mut backoff = Backoff::default();
        waits(&mut backoff, Retry::Soon, 1.0);
        backoff.reset();
        assert_eq!(waits(&mut backoff, Retry::Soon, 1.0), [500, 1000, 1000, 1000, 1000, 1000, 1000, 1000]);
    }

    #[test]
    fn wrong_passwords_are_not_tried_in_a_hurry() {
        for chance in [0.0, 0.5, 1.0, -3.0, 7.0] {
            let mut backoff = Backoff::default();
            backoff.reset();
            assert!(waits(&mut backoff, Retry::Later, chance).iter().all(|&wait| wait >= 60_000));
        }
        assert_eq!(Backoff::default().next(Retry::Never, 1.0), None);
    }

    #[test]
    fn chance_halves_at_most() {
        assert_eq!(Backoff::default().next(Retry::Soon, 0.0), Some(Duration::from_millis(250)));
        let mut backoff = Backoff { failures: u32::MAX, worked: false };
        assert_eq!(backoff.next(Retry::Soon, 0.5), Some(Duration::from_millis(7500)));
    }
}
