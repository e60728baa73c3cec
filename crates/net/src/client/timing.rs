//! Times of received frames.

use std::num::NonZeroU32;

use valkka_core::frame::FrameTime;
use valkka_core::pacer::Pacer;
use valkka_core::time::{MediaTime, WallTime};

/// The clock of one track: turns RTP time stamps, sender reports and arrivals into the times of frames.
#[derive(Debug, Default)]
pub(super) struct TrackClock {
    /// A moment by the camera's clock, and the time stamp (in ticks of the track) that belongs to it.
    report: Option<(WallTime, i64)>,
    pacer: Pacer,
}

/// A time stamp of a track: ticks since the track began, 32 bits unwrapped, and ticks per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) ticks: i64,
    pub(super) rate_hz: NonZeroU32,
}

impl Stamp {
    fn media(self) -> MediaTime {
        MediaTime::from_rate(self.ticks, self.rate_hz.get())
    }
}

impl From<retina::Timestamp> for Stamp {
    fn from(timestamp: retina::Timestamp) -> Self {
        Self { ticks: timestamp.elapsed(), rate_hz: timestamp.clock_rate() }
    }
}

impl TrackClock {
    /// Notes a sender report: the camera's clock showed `ntp` at `stamp`.
    pub(super) fn report(&mut self, ntp: u64, stamp: Stamp) {
        self.report = Some((WallTime::from_ntp(ntp), stamp.ticks));
    }

    /// The times of the frame at `stamp` that came at `arrival`.
    pub(super) fn frame(&mut self, stamp: Stamp, arrival: WallTime) -> FrameTime {
        let capture = self.report.map(|(wall, ticks)| {
            let since = MediaTime::from_rate(stamp.ticks.saturating_sub(ticks), stamp.rate_hz.get());
            wall.offset_micros(since.micros_since(MediaTime::default()))
        });
        self.pacer.times(stamp.media(), capture, arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(ticks: i64) -> Stamp {
        Stamp { ticks, rate_hz: NonZeroU32::new(90_000).unwrap() }
    }

    fn at(micros: i64) -> WallTime {
        WallTime::from_micros(1_700_000_000_000_000 + micros)
    }

    #[test]
    fn capture_follows_the_last_report() {
        let mut clock = TrackClock::default();
        assert_eq!(clock.frame(stamp(0), at(0)).capture, None);
        clock.report(at(-500_000).to_ntp(), stamp(90_000));
        let time = clock.frame(stamp(135_000), at(0));
        assert_eq!(time.capture, Some(at(0)));
        assert_eq!(time.wall, at(0));
        assert_eq!(time.media.ticks(), 135_000);
        // A frame from before the report.
        assert_eq!(clock.frame(stamp(0), at(0)).capture, Some(at(-1_500_000)));
    }

    #[test]
    fn clocks_that_were_never_set_are_left_out() {
        let mut clock = TrackClock::default();
        for ntp in [0, 5 << 32, WallTime::default().to_ntp()] {
            clock.report(ntp, stamp(0));
            assert_eq!(clock.frame(stamp(0), at(0)).capture, None);
        }
    }

    #[test]
    fn no_time_overflows() {
        let mut clock = TrackClock::default();
        clock.report(u64::MAX, stamp(i64::MIN));
        clock.frame(stamp(i64::MAX), WallTime::from_micros(i64::MAX));
        clock.frame(stamp(i64::MIN), WallTime::from_micros(i64::MIN));
        clock.frame(stamp(i64::MAX), WallTime::from_micros(i64::MIN));
    }
}
