//! Thinning a stream.

use std::time::Duration;

use super::Filter;
use super::tracks::TrackMap;
use crate::frame::{Body, Frame};
use crate::time::WallTime;

/// Passes a frame of a track only if the moment it stands for ([`FrameTime::wall`](crate::frame::FrameTime))
/// is an interval or more away from that of the last one it passed. The first frame passes, and so do
/// signals. Meant for pictures: packets would not decode.
#[derive(Debug)]
pub struct Interval {
    interval: Duration,
    last: TrackMap<WallTime>,
}

impl Interval {
    /// Passes at most one frame per `interval` and track.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: TrackMap::new(MAX_TRACKS) }
    }
}

impl Filter for Interval {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        if !matches!(frame.body, Body::Signal(_)) {
            let now = frame.time.wall;
            if let Some(&mut last) = self.last.get_mut(frame.slot, frame.track) {
                // A clock that was set back must not hold the stream up until it is there again.
                let distance = Duration::from_micros(now.micros_since(last).unsigned_abs());
                if distance < self.interval {
                    return;
                }
            }
            self.last.insert(frame.slot, frame.track, now);
        }
        emit(frame);
    }
}

const MAX_TRACKS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Slot;
    use crate::testing::{names, online, packet_at, run};

    fn thin(millis: u64, frames: &[(char, i64)]) -> String {
        let frames = frames.iter().map(|&(name, millis)| packet_at(name, millis));
        names(run(&mut Interval::new(Duration::from_millis(millis)), frames))
    }

    #[test]
    fn measures_from_the_last_frame_that_passed() {
        let frames = [('a', 0), ('b', 99), ('c', 100), ('d', 150), ('e', 199), ('f', 200), ('g', 900)];
        assert_eq!(thin(100, &frames), "acfg");
        assert_eq!(thin(0, &frames), "abcdefg");
    }

    #[test]
    fn a_clock_set_back_holds_nothing_up() {
        assert_eq!(thin(100, &[('a', 1000), ('b', 950), ('c', 500), ('d', 550), ('e', 600)]), "ace");
    }

    #[test]
    fn signals_and_other_streams_are_apart() {
        let other = Frame { slot: Slot::new(2), ..packet_at('b', 1) };
        let frames = [packet_at('a', 0), other, online(), packet_at('c', 2)];
        assert_eq!(names(run(&mut Interval::new(Duration::from_secs(1)), frames)), "ab!");
    }
}
