//! Where the current time comes from.
//!
//! Filters read no clock. What must know the time (sources that stamp arrivals, the presenter) is given a
//! [`Clock`], so that tests can hand it a simulated one.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::WallTime;

/// Tells the current wall-clock time. It never goes backwards except by a step of [`STEP`] or more.
pub trait Clock: Send + Sync {
    /// The current moment.
    fn now(&self) -> WallTime;
}

/// The machine's time, at the pace of its monotonic clock.
///
/// Frames are stamped, buffered and presented by differences between readings of this clock, so a correction
/// of the system's time must not make pictures stall or rush: this clock follows corrections by at most one
/// part in a thousand, and steps only when it is off by [`STEP`] or more (a machine without a battery-backed
/// clock starts in 1970).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// From this error on, [`SystemClock`] steps instead of drifting back.
pub const STEP: Duration = Duration::from_secs(10);

impl Clock for SystemClock {
    fn now(&self) -> WallTime {
        static ANCHOR: OnceLock<Mutex<Anchor>> = OnceLock::new();
        let anchor =
            ANCHOR.get_or_init(|| Mutex::new(Anchor { instant: Instant::now(), wall: system_time() }));
        anchor.lock().unwrap_or_else(PoisonError::into_inner).read(Instant::now(), system_time)
    }
}

/// A pair of readings of the two clocks that belong together.
#[derive(Debug)]
struct Anchor {
    instant: Instant,
    wall: WallTime,
}

impl Anchor {
    fn read(&mut self, instant: Instant, system: impl FnOnce() -> WallTime) -> WallTime {
        let elapsed = instant.saturating_duration_since(self.instant);
        let steady = self.wall + elapsed;
        if elapsed < Duration::from_secs(1) {
            return steady;
        }
        let error = system().micros_since(steady);
        let bound = i64::try_from(elapsed.as_micros() / 1000).unwrap_or(i64::MAX);
        let correction =
            if error.unsigned_abs() >= STEP.as_micros() as u64 { error } else { error.clamp(-bound, bound) };
        *self = Self { instant, wall: steady.offset_micros(correction) };
        self.wall
    }
}

fn system_time() -> WallTime {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => WallTime::default() + since,
        Err(before) => WallTime::default() - before.duration(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_corrections_are_followed_slowly_and_large_ones_at_once() {
        let start = Instant::now();
        let wall = WallTime::from_micros(1_000_000_000);
        let mut anchor = Anchor { instant: start, wall };
        let second = Duration::from_secs(1);
        // The system's clock jumps back by half a second: ours goes on, at most 1 ms per second slower.
        let read = anchor.read(start + second, || wall + second - Duration::from_millis(500));
        assert_eq!(read, wall + Duration::from_millis(999));
        // It jumps ahead by a year: ours follows.
        let year = Duration::from_secs(365 * 86_400);
        let read = anchor.read(start + second * 2, || wall + year);
        assert_eq!(read, wall + year);
    }

    #[test]
    fn the_system_clock_never_goes_back() {
        let mut last = SystemClock.now();
        for _ in 0..1000 {
            let now = SystemClock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
