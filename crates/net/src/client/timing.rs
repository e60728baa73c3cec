//! Times of received frames.

use std::num::NonZeroU32;

use valkka_core::frame::FrameTime;
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
    /// Notes a sender report that came at `arrival`: the camera's clock showed `ntp` at `stamp`. Cameras
    /// without a set clock send zero, or count from their start; what lies decades off is no time of day.
    pub(super) fn report(&mut self, ntp: u64, stamp: Stamp, arrival: WallTime) {
        let wall = WallTime::from_ntp(ntp);
        let ahead = wall.micros_since(arrival);
        self.report =
            (-MOST_BEHIND_MICROS..MOST_AHEAD_MICROS).contains(&ahead).then_some((wall, stamp.ticks));
    }

    /// The times of the frame at `stamp` that came at `arrival`.
    pub(super) fn frame(&mut self, stamp: Stamp, arrival: WallTime) -> FrameTime {
        let media = stamp.media();
        let capture = self.report.map(|(wall, ticks)| {
            let since = MediaTime::from_rate(stamp.ticks.saturating_sub(ticks), stamp.rate_hz.get());
            wall.offset_micros(since.micros_since(MediaTime::default()))
        });
        let paced = self.pacer.wall(media, arrival);
        FrameTime { media, arrival, capture, wall: capture.unwrap_or(paced) }
    }
}

/// Spreads arrivals out as media time does: frames that were held up on the way are put where they belong.
#[derive(Debug, Default)]
struct Pacer {
    /// Wall time minus media time, in microseconds, of the frames that came through fastest.
    offset_micros: Option<i64>,
}

impl Pacer {
    fn wall(&mut self, media: MediaTime, arrival: WallTime) -> WallTime {
        let media_micros = media.micros_since(MediaTime::default());
        let offset = arrival.micros().saturating_sub(media_micros);
        let best = match self.offset_micros {
            // A jump of media time, or a clock that runs wildly.
            Some(best) if offset.abs_diff(best) > JUMP_MICROS => offset,
            Some(best) if offset < best => offset,
            // Creeps up on a camera whose clock is slower than ours.
            Some(best) => best + (offset - best) / DRIFT,
            None => offset,
        };
        self.offset_micros = Some(best);
        WallTime::from_micros(media_micros.saturating_add(best))
    }
}

const YEAR_MICROS: i64 = 365 * 86_400 * 1_000_000;
/// Many cameras begin in 2000.
const MOST_BEHIND_MICROS: i64 = 50 * YEAR_MICROS;
/// NTP's count of seconds begins anew in 2036.
const MOST_AHEAD_MICROS: i64 = 5 * YEAR_MICROS;
const JUMP_MICROS: u64 = 2_000_000;
const DRIFT: i64 = 256;

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
        clock.report(at(-500_000).to_ntp(), stamp(90_000), at(0));
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
            clock.report(ntp, stamp(0), at(0));
            assert_eq!(clock.frame(stamp(0), at(0)).capture, None);
        }
    }

    #[test]
    fn without_reports_frames_are_paced_by_media_time() {
        let mut clock = TrackClock::default();
        assert_eq!(clock.frame(stamp(0), at(0)).wall, at(0));
        // 40 ms of media time later, 60 ms late.
        let late = clock.frame(stamp(3_600), at(100_000)).wall.micros_since(at(0));
        assert!((40_000..41_000).contains(&late), "{late}");
        // Came faster than any before.
        assert_eq!(clock.frame(stamp(7_200), at(70_000)).wall, at(70_000));
        // Media time jumps by an hour.
        assert_eq!(clock.frame(stamp(90_000 * 3600), at(110_000)).wall, at(110_000));
    }

    #[test]
    fn no_time_overflows() {
        let mut clock = TrackClock::default();
        clock.report(u64::MAX, stamp(i64::MIN), WallTime::from_ntp(u64::MAX));
        clock.frame(stamp(i64::MAX), WallTime::from_micros(i64::MAX));
        clock.frame(stamp(i64::MIN), WallTime::from_micros(i64::MIN));
        clock.frame(stamp(i64::MAX), WallTime::from_micros(i64::MIN));
    }
}
