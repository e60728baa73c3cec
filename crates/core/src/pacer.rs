//! The times of frames as they arrive.

use crate::frame::FrameTime;
use crate::time::{MediaTime, WallTime};

/// Gives the frames of one track their times, in the order of their arrival.
///
/// The moment a frame stands for is its capture time, if the camera tells one that can be true. Otherwise it is
/// the arrival, spread out as media time is: frames that were held up on the way are put where they belong, and
/// frames that come in a burst (the kept group of pictures that a server begins with) catch up at double speed.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    /// The least distance from media time to arrival so far, in microseconds: that of the frames that were held
    /// up least.
    offset_micros: Option<i64>,
    /// The latest frame so far: its media time, and the moment it was given.
    latest: Option<(MediaTime, WallTime)>,
}

impl Pacer {
    /// The times of a frame that came at `arrival`; `capture` is what the camera's clock showed when it was
    /// taken.
    pub fn times(&mut self, media: MediaTime, capture: Option<WallTime>, arrival: WallTime) -> FrameTime {
        let paced = self.pace(media, arrival);
        // Cameras whose clock was never set send zero, or count from their start.
        let capture = capture.filter(|moment| {
            (-MOST_BEHIND_MICROS..MOST_AHEAD_MICROS).contains(&moment.micros_since(arrival))
        });
        FrameTime { media, arrival, capture, wall: capture.unwrap_or(paced) }
    }

    /// The arrival, spread out as media time is.
    pub fn pace(&mut self, media: MediaTime, arrival: WallTime) -> WallTime {
        let on_time = self.on_time(media, arrival);
        let Some((latest, wall)) = self.latest else {
            self.latest = Some((media, on_time));
            return on_time;
        };
        let step = media.micros_since(latest);
        // Frames that are shown out of the order of their arrival (B frames) go where they belong.
        if step <= 0 && step.unsigned_abs() <= MAX_JUMP_MICROS {
            return on_time.max(wall.offset_micros(step));
        }
        let earliest = wall.offset_micros(step / 2);
        let waits = earliest.micros_since(on_time);
        let paced = if waits > 0 && waits.unsigned_abs() <= MAX_JUMP_MICROS { earliest } else { on_time };
        self.latest = Some((media, paced));
        paced
    }

    /// Where a frame belongs that was held up no longer than the fastest so far.
    fn on_time(&mut self, media: MediaTime, arrival: WallTime) -> WallTime {
        let position = media.micros_since(MediaTime::default());
        let offset = arrival.micros().saturating_sub(position);
        let offset = match self.offset_micros {
            // Creeps up on a camera whose clock is slower than ours.
            Some(least) if offset > least && offset.abs_diff(least) <= MAX_JUMP_MICROS => {
                least + (offset - least) / DRIFT_SHARE
            }
            // The first, the fastest so far, or a jump of media time.
            _ => offset,
        };
        self.offset_micros = Some(offset);
        WallTime::from_micros(position.saturating_add(offset))
    }
}

const YEAR_MICROS: i64 = 365 * 86_400 * 1_000_000;
/// Many cameras begin in 2000.
const MOST_BEHIND_MICROS: i64 = 50 * YEAR_MICROS;
/// NTP's count of seconds begins anew in 2036.
const MOST_AHEAD_MICROS: i64 = 5 * YEAR_MICROS;
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

    fn wall(pacer: &mut Pacer, ticks: i64, arrival: i64) -> WallTime {
        pacer.times(MediaTime::from_ticks(ticks), None, at(arrival)).wall
    }

    #[test]
    fn a_burst_catches_up_at_double_speed() {
        let mut pacer = Pacer::default();
        // A second of pictures comes at once, then one every 40 ms.
        let walls: Vec<i64> = (0..60)
            .map(|n| wall(&mut pacer, n * 3600, (n - 24).max(0) * 40_000).micros_since(at(0)))
            .collect();
        assert_eq!(walls[..4], [0, 20_000, 40_000, 60_000]);
        // Caught up: as far behind media time as the fastest.
        assert_eq!(walls[59], 35 * 40_000);
        assert!(walls.windows(2).all(|pair| pair[1] - pair[0] >= 20_000), "{walls:?}");
    }

    #[test]
    fn late_frames_are_put_where_they_belong() {
        let mut pacer = Pacer::default();
        assert_eq!(wall(&mut pacer, 0, 0), at(0));
        // 40 ms of media time later, 60 ms late.
        let late = wall(&mut pacer, 3600, 100_000).micros_since(at(0));
        assert!((40_000..41_000).contains(&late), "{late}");
        // Came faster than any before.
        assert_eq!(wall(&mut pacer, 7200, 70_000), at(70_000));
        // Media time jumps by an hour, and back.
        assert_eq!(wall(&mut pacer, 90_000 * 3600, 110_000), at(110_000));
        assert_eq!(wall(&mut pacer, 10_800, 150_000), at(150_000));
    }

    #[test]
    fn capture_time_is_taken_if_it_can_be_true() {
        let mut pacer = Pacer::default();
        for (capture, told) in [(at(-5), true), (at(3_600_000_000), true), (WallTime::default(), false)] {
            let time = pacer.times(MediaTime::default(), Some(capture), at(0));
            assert_eq!((time.capture, time.wall == capture), (told.then_some(capture), told));
        }
    }

    #[test]
    fn no_time_overflows() {
        let mut pacer = Pacer::default();
        for ticks in [i64::MIN, i64::MAX, 0] {
            for arrival in [i64::MAX, i64::MIN, 0].map(WallTime::from_micros) {
                for capture in [i64::MAX, i64::MIN].map(WallTime::from_micros) {
                    pacer.times(MediaTime::from_ticks(ticks), Some(capture), arrival);
                }
            }
        }
    }
}
