//! The three kinds of time: media time, wall-clock time and durations (`std::time::Duration`).
//!
//! They are types, so that none is ever taken for another. All arithmetic saturates: time stamps come from
//! cameras, and a camera may send anything.

mod civil;

pub use civil::ParseTimeError;

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A position on a stream's own timeline, in ticks of 90 kHz (the RTP video clock, RFC 3551).
///
/// The origin is the source's choice. It never wraps: sources unwrap the 32 bits of RTP.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(i64);

impl MediaTime {
    /// Ticks per second.
    pub const RATE_HZ: u32 = 90_000;

    /// The position `ticks` 90 kHz ticks after the origin.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// Converts a position counted at `rate_hz`, rounding down.
    pub const fn from_rate(ticks: i64, rate_hz: u32) -> Self {
        if rate_hz == 0 {
            return Self(0);
        }
        let scaled = (ticks as i128 * Self::RATE_HZ as i128).div_euclid(rate_hz as i128);
        Self(clamp_i64(scaled))
    }

    /// Ticks since the origin.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Microseconds from `earlier` to `self`; negative when `self` comes first.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        clamp_i64((self.0 as i128 - earlier.0 as i128) * 1_000_000 / Self::RATE_HZ as i128)
    }
}

impl Add<Duration> for MediaTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let ticks = duration.as_nanos() * u128::from(Self::RATE_HZ) / 1_000_000_000;
        Self(self.0.saturating_add(i64::try_from(ticks).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.0 as f64 / f64::from(Self::RATE_HZ))
    }
}

/// A moment of civil time: microseconds since the Unix epoch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// The moment `micros` microseconds after 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounding down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Converts an NTP time stamp as RTCP carries it: seconds since 1900 in the upper 32 bits, the fraction
    /// of a second in the lower 32 (RFC 3550, section 4). The seconds wrap in 2036: those whose first bit is
    /// not set count from then (RFC 4330, section 3).
    pub const fn from_ntp(ntp: u64) -> Self {
        let wrapped = if ntp >> 63 == 0 { 1 << 32 } else { 0 };
        let seconds = (ntp >> 32) as i64 + wrapped - NTP_TO_UNIX_SECONDS;
        let micros = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
        Self(seconds * 1_000_000 + micros as i64)
    }

    /// The NTP time stamp of this moment, as RTCP carries it.
    pub const fn to_ntp(self) -> u64 {
        let seconds = (self.0.div_euclid(1_000_000)).wrapping_add(NTP_TO_UNIX_SECONDS) as u64;
        let micros = self.0.rem_euclid(1_000_000) as u64;
        // Rounded up, so that the way back, which rounds down, gives the same microsecond.
        (seconds << 32) | ((micros << 32).div_ceil(1_000_000))
    }

    /// Microseconds from `earlier` to `self`; negative when `self` comes first.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time from `earlier` to `self`; zero when `self` comes first.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros_since(earlier).max(0).unsigned_abs())
    }

    /// This moment moved by `micros` microseconds, which may be negative.
    pub const fn offset_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

impl Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.offset_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Sub<Duration> for WallTime {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000))
    }
}

/// Seconds from 1900-01-01 (NTP's epoch) to 1970-01-01 (RFC 5905, figure 4).
const NTP_TO_UNIX_SECONDS: i64 = 2_208_988_800;

const fn clamp_i64(value: i128) -> i64 {
    if value > i64::MAX as i128 {
        i64::MAX
    } else if value < i64::MIN as i128 {
        i64::MIN
    } else {
        value as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_time_may_be_counted_at_any_rate() {
        assert_eq!(MediaTime::from_rate(48_000, 48_000).ticks(), 90_000);
        assert_eq!(MediaTime::from_rate(-1, 180_000).ticks(), -1);
        assert_eq!(MediaTime::from_rate(7, 0).ticks(), 0);
    }

    #[test]
    fn nothing_overflows() {
        let end = MediaTime::from_ticks(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(end.micros_since(MediaTime::from_ticks(i64::MIN)), i64::MAX);
        let end = WallTime::from_micros(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(WallTime::from_micros(i64::MIN) - Duration::MAX, WallTime::from_micros(i64::MIN));
        let _ = WallTime::from_micros(i64::MIN).to_ntp();
        let _ = WallTime::from_ntp(u64::MAX);
    }

    #[test]
    fn ntp_there_and_back() {
        // The last one is of 2040, after the wrap.
        for micros in [0, 1, 999_999, 1_700_000_000_123_457, 2_208_988_800_000_001] {
            let time = WallTime::from_micros(micros);
            assert_eq!(WallTime::from_ntp(time.to_ntp()), time);
        }
        assert_eq!(WallTime::from_ntp(NTP_TO_UNIX_SECONDS.unsigned_abs() << 32), WallTime::from_micros(0));
    }

    #[test]
    fn saturating_since_is_never_negative() {
        let (early, late) = (WallTime::from_micros(5), WallTime::from_micros(9));
        assert_eq!(late.saturating_since(early), Duration::from_micros(4));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(early.micros_since(late), -4);
    }
}
