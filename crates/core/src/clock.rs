//! Where the current time comes from.
//!
//! Filters read no clock, and logic that depends on the time takes it as an argument. Who stamps arrivals or looks
//! whether something is due reads [`SystemClock`].

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::lock::lock;
use crate::time::WallTime;

/// The machine's time, at the pace of its monotonic clock. It never goes backwards except by a step of [`STEP`] or more.
///
/// Frames are stamped, buffered and presented by differences between readings of this clock, so a correction
/// of the system's time must not make pictures stall or rush: this clock follows corrections by at most one
/// part in a thousand, and steps only when it is off by [`STEP`] or more (a machine without a battery-backed
/// clock starts in 1970).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// From this error on, [`SystemClock`] steps instead of drifting back.
pub const STEP: Duration = Duration::from_secs(10);

impl SystemClock {
    /// The current moment.
    pub fn now(self) -> WallTime {
        static ANCHOR: OnceLock<Mutex<Anchor>> = OnceLock::new();
        let anchor = ANCHOR.get_or_init(|| {
            Mutex::new(Anchor { instant: Instant::now(), wall: system_time(), error_micros: 0 })
        });
        lock(anchor).read(Instant::now(), system_time)
    }
}

/// A pair of readings of the two clocks that belong together, and how we drift from there.
#[derive(Debug)]
struct Anchor {
    instant: Instant,
    wall: WallTime,
    /// How far we were behind the system's clock then, in microseconds; made up for bit by bit.
    error_micros: i64,
}

impl Anchor {
    fn read(&mut self, instant: Instant, system: impl FnOnce() -> WallTime) -> WallTime {
        let elapsed = instant.saturating_duration_since(self.instant);
        let bound = i64::try_from(elapsed.as_micros() / SLOWNESS).unwrap_or(i64::MAX);
        let wall = (self.wall + elapsed).offset_micros(self.error_micros.clamp(-bound, bound));
        if elapsed < CHECK_INTERVAL {
            return wall;
        }
        let error_micros = system().micros_since(wall);
        *self = if Duration::from_micros(error_micros.unsigned_abs()) >= STEP {
            Self { instant, wall: wall.offset_micros(error_micros), error_micros: 0 }
        } else {
            Self { instant, wall, error_micros }
        };
        self.wall
    }
}

/// How often the system's clock is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// An error is made up for by one part in so many.
const SLOWNESS: u128 = 1000;

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
        let mut anchor = Anchor { instant: start, wall, error_micros: 0 };
        let second = Duration::from_secs(1);
        // The system's clock jumps back by half a second: ours goes on, 1 ms per second slower.
        let behind = Duration::from_millis(500);
        assert_eq!(anchor.read(start + second, || wall + second - behind), wall + second);
        let read = anchor.read(start + second * 2, || wall + second * 2 - behind);
        assert_eq!(read, wall + second * 2 - Duration::from_millis(1));
        // Read again after an hour, it has made up for all of it, and for no more.
        let later = second * 3602;
        assert_eq!(anchor.read(start + later, || wall + later - behind), wall + later - behind);
        // It jumps ahead by a year: ours follows.
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(anchor.read(start + later + second, || wall + year), wall + year);
    }

    #[test]
    fn it_never_goes_back_however_often_it_is_read() {
        let start = Instant::now();
        let wall = WallTime::from_micros(1_000_000_000);
        let mut anchor = Anchor { instant: start, wall, error_micros: 0 };
        let mut random = fastrand::Rng::with_seed(1);
        let (mut elapsed, mut last, mut offset) = (Duration::ZERO, wall, 0);
        for _ in 0..10_000 {
            elapsed += Duration::from_micros(random.u64(0..3_000_000));
            // The system's clock wanders by less than a step.
            offset = (offset + random.i64(-2_000_000..2_000_000)).clamp(-4_000_000, 4_000_000);
            let read = anchor.read(start + elapsed, || (wall + elapsed).offset_micros(offset));
            assert!(read >= last, "{read:?} after {last:?}");
            last = read;
        }
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
