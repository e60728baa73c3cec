//! Times of received frames.

use valkka_core::frame::FrameTime;
use valkka_core::time::{MediaTime, WallTime};

/// The clock of one track.
#[derive(Debug, Default)]
pub(super) struct TrackClock {
    /// The media time of the frame before, for one without a time.
    last: MediaTime,
    /// The least distance from media time to arrival so far, in microseconds: of the frames that were held up least.
    offset_micros: Option<i64>,
}

impl TrackClock {
    /// The times of a frame that came at `arrival`, with its position in 90 kHz ticks, and the moment at which it was
    /// captured by the camera's clock in microseconds since 1970.
    pub(super) fn frame(
        &mut self,
        ticks: Option<i64>,
        capture_micros: Option<i64>,
        arrival: WallTime,
    ) -> FrameTime {
        let media = ticks.map_or(self.last, MediaTime::from_ticks);
        self.last = media;
        // Cameras whose clock was never set count from zero, or from their start.
        let capture = capture_micros.map(WallTime::from_micros).filter(|&moment| moment >= YEAR_2000);
        let paced = self.pace(media, arrival);
        FrameTime { media, arrival, capture, wall: capture.unwrap_or(paced) }
    }

    /// Spreads arrivals out as media time does.
    fn pace(&mut self, media: MediaTime, arrival: WallTime) -> WallTime {
        let position = media.micros_since(MediaTime::default());
        let offset = arrival.micros().saturating_sub(position);
        let offset = match self.offset_micros {
            // Slowly upwards too, after a camera whose clock is slower than ours.
            Some(least) if offset.abs_diff(least) <= MAX_JUMP_MICROS && offset > least => {
                least + (offset - least) / DRIFT_SHARE
            }
            _ => offset,
        };
        self.offset_micros = Some(offset);
        WallTime::from_micros(position.saturating_add(offset))
    }
}

const YEAR_2000: WallTime = WallTime::from_micros(946_684_800_000_000);
/// A larger step of the distance is a jump of media time.
const MAX_JUMP_MICROS: u64 = 2_000_000;
/// What share of a delay is taken for drift.
const DRIFT_SHARE: i64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> WallTime {
        WallTime::from_micros(1_700_000_000_000_000 + micros)
    }

    #[test]
    fn late_frames_are_put_where_they_belong() {
        let mut clock = TrackClock::default();
        assert_eq!(clock.frame(Some(0), None, at(0)).wall, at(0));
        let late = clock.frame(Some(3600), None, at(100_000)).wall.micros_since(at(0));
        assert!((40_000..41_000).contains(&late), "{late}");
        assert_eq!(clock.frame(Some(7200), None, at(70_000)).wall, at(70_000));
        // A jump of media time by an hour.
        assert_eq!(clock.frame(Some(90_000 * 3600), None, at(110_000)).wall, at(110_000));
    }

    #[test]
    fn capture_time_is_taken_if_it_is_one() {
        let mut clock = TrackClock::default();
        let time = clock.frame(Some(0), Some(at(-5).micros()), at(0));
        assert_eq!((time.capture, time.wall), (Some(at(-5)), at(-5)));
        let time = clock.frame(Some(0), Some(5_000_000), at(0));
        assert_eq!((time.capture, time.wall), (None, at(0)));
    }

    #[test]
    fn no_time_overflows() {
        let mut clock = TrackClock::default();
        for ticks in [i64::MIN, i64::MAX, 0] {
            for arrival in [i64::MAX, i64::MIN, 0] {
                clock.frame(Some(ticks), Some(i64::MIN), WallTime::from_micros(arrival));
            }
        }
    }
}
