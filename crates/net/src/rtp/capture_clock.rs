//! Which moments sender reports tell.

use valkka_core::frame::FrameTime;
use valkka_core::time::WallTime;

/// Tells when the frames of one stream were captured, as far as its camera tells.
///
/// A frame's own moment (`wall`) may follow its arrival; the camera's clock (`capture`) says when it was taken. The second
/// is what viewers are told, if it can be true. A camera tells it late, for one track before the other, or not at all for
/// sound: frames without it are taken to lie as far from their own moments as the last frame of the stream that had it, so
/// that sound and pictures stay together. Nor does the relation change while a camera is away, or its clock is wrong for a
/// while after a restart.
///
/// When a stream begins, nothing is told until its camera has had the time to tell: programs that were told something else
/// before (`ffmpeg`, with sound) move the pictures.
#[derive(Debug, Default)]
pub(crate) struct CaptureClock {
    /// The own moment of the first frame.
    first: Option<WallTime>,
    /// How far the camera's clock was ahead of the frames' own moments last, in microseconds, if it has told.
    ahead_micros: Option<i64>,
}

impl CaptureClock {
    /// When the frame was captured, by its camera's clock if that is known, else by ours; `None` if it has no time at all,
    /// or that is not known yet.
    pub(crate) fn moment(&mut self, time: &FrameTime) -> Option<WallTime> {
        if time.wall == WallTime::default() {
            return None;
        }
        let ahead = time.capture.map(|capture| capture.micros_since(time.wall));
        if let Some(ahead) = ahead.filter(|ahead| ahead.unsigned_abs() <= MOST_OFF_MICROS) {
            self.ahead_micros = Some(ahead);
        }
        let since = time.wall.micros_since(*self.first.get_or_insert(time.wall));
        if self.ahead_micros.is_none() && (0..PATIENCE_MICROS).contains(&since) {
            return None;
        }
        Some(time.wall.offset_micros(self.ahead_micros.unwrap_or(0)))
    }
}

/// A clock that is further off than a minute was never set, or shows the time of somewhere else.
const MOST_OFF_MICROS: u64 = 60_000_000;

/// Cameras report every five seconds, and most of them sooner when they begin.
const PATIENCE_MICROS: i64 = 6_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;

    /// The moment of a frame that stands for `wall` and was captured at `capture`, in microseconds after some moment.
    fn moment(clock: &mut CaptureClock, wall: i64, capture: Option<i64>) -> Option<i64> {
        let at = |micros| WallTime::from_micros(NOW + micros);
        let time = FrameTime { wall: at(wall), capture: capture.map(at), ..FrameTime::default() };
        Some(clock.moment(&time)?.micros_since(at(0)))
    }

    #[test]
    fn the_camera_tells_and_its_tracks_stay_together() {
        let mut clock = CaptureClock::default();
        assert_eq!(moment(&mut clock, 0, None), None, "nothing is known yet");
        assert_eq!(moment(&mut clock, 40_000, Some(-110_000)), Some(-110_000));
        assert_eq!(moment(&mut clock, 50_000, None), Some(-100_000), "sound without a time of its own");
        assert_eq!(moment(&mut clock, 80_000, Some(-75_000)), Some(-75_000));
        assert_eq!(moment(&mut clock, 90_000, None), Some(-65_000));
    }

    #[test]
    fn a_camera_that_does_not_tell_is_not_waited_for() {
        let mut clock = CaptureClock::default();
        for (wall, told) in [(0, None), (5_900_000, None), (6_000_000, Some(6_000_000)), (-1, Some(-1))] {
            assert_eq!(moment(&mut clock, wall, None), told);
        }
        assert_eq!(moment(&mut clock, 7_000_000, Some(6_900_000)), Some(6_900_000), "it does after all");
    }

    #[test]
    fn what_cannot_be_true_is_not_told() {
        let mut clock = CaptureClock::default();
        for wrong in [-61_000_000, 3_600_000_000, i64::MIN / 2] {
            assert_eq!(moment(&mut clock, 0, Some(wrong)), None);
        }
        assert_eq!(moment(&mut clock, 0, Some(60_000_000)), Some(60_000_000));
        assert_eq!(moment(&mut clock, 1, Some(61_000_000)), Some(60_000_001), "it goes on as it was");
        assert_eq!(clock.moment(&FrameTime::default()), None);
        for wall in [i64::MIN, i64::MAX, 1] {
            for capture in [i64::MIN, i64::MAX, 0].map(WallTime::from_micros) {
                let wall = WallTime::from_micros(wall);
                let _ = clock.moment(&FrameTime { wall, capture: Some(capture), ..FrameTime::default() });
            }
        }
    }
}
