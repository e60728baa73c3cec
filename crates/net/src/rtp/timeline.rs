//! One timeline for viewers, whatever the source's does.

use std::collections::BTreeMap;
use std::time::Duration;

use valkka_core::time::{MediaTime, WallTime};

/// Joins the timelines of a source's connections into one that goes on, so that viewers stay when a camera
/// comes back with time stamps that start anew.
///
/// Tracks are moved by the same, so that they stay together, unless their times have nothing to do with each other: there
/// are cameras whose tracks count from zeros seconds apart. Then what arrives together stands together. So it does where
/// one track begins with some seconds that were kept for it and another does not; their times cannot tell that apart.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// By track; as many as it is asked about.
    lines: BTreeMap<u8, Line>,
}

/// The timeline of one track.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Added to the source's ticks.
    offset: i64,
    /// The last frame, by the source's time.
    media: MediaTime,
    arrival: WallTime,
    /// Whether the source has connected anew since.
    is_old: bool,
}

impl Timeline {
    /// The source has connected anew: what comes now may lie anywhere.
    pub(crate) fn reconnect(&mut self) {
        self.lines.values_mut().for_each(|line| line.is_old = true);
    }

    /// Where a frame of `track` lies for viewers.
    pub(crate) fn place(&mut self, track: u8, media: MediaTime, arrival: WallTime) -> MediaTime {
        let offset = match self.lines.get(&track) {
            Some(line) if line.goes_on_with(media, arrival) => line.offset,
            _ => self.new_offset(track, media, arrival),
        };
        self.lines.insert(track, Line { offset, media, arrival, is_old: false });
        MediaTime::from_ticks(media.ticks().saturating_add(offset))
    }

    /// The offset of a track that begins, or begins anew: that of other tracks, if it brings the frame to about where it is
    /// expected; else the one that it had; else the one that brings the frame there.
    fn new_offset(&self, track: u8, media: MediaTime, arrival: WallTime) -> i64 {
        let latest = || self.lines.values().max_by_key(|line| line.arrival);
        let Some(guide) = self.lines.get(&track).or_else(latest) else { return 0 };
        let wanted = guide.expected(arrival).saturating_add(guide.offset).saturating_sub(media.ticks());
        let nearest = |is_old, tolerance| {
            let offsets = self.lines.values().filter(|line| line.is_old == is_old).map(|line| line.offset);
            let nearest = offsets.min_by_key(|offset| offset.abs_diff(wanted))?;
            (nearest.abs_diff(wanted) <= tolerance).then_some(nearest)
        };
        nearest(false, ticks(BACKWARDS).unsigned_abs())
            .or_else(|| nearest(true, ticks(AFTER_RECONNECTION).unsigned_abs()))
            .unwrap_or(wanted)
    }
}

impl Line {
    /// Whether a frame is one that may follow.
    fn goes_on_with(&self, media: MediaTime, arrival: WallTime) -> bool {
        let step = media.ticks().saturating_sub(self.media.ticks());
        let surprise = media.ticks().saturating_sub(self.expected(arrival));
        !self.is_old && step >= -ticks(BACKWARDS) && surprise <= ticks(AHEAD)
    }

    /// The source's ticks at which a frame that comes at `arrival` is expected.
    fn expected(&self, arrival: WallTime) -> i64 {
        (self.media + arrival.saturating_since(self.arrival)).ticks()
    }
}

fn ticks(duration: Duration) -> i64 {
    (MediaTime::default() + duration).ticks()
}

/// Tracks may be interleaved, and pictures reordered, by less than this.
const BACKWARDS: Duration = Duration::from_secs(2);
/// A track may be ahead of its arrival by less than this (a file that is read faster than it plays).
const AHEAD: Duration = Duration::from_secs(10);
/// A source that connects anew on the same timeline is off by less than this.
const AFTER_RECONNECTION: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Where frames of one track lie: their times and arrivals in milliseconds, and whether the source connected before.
    fn run(steps: &[(i64, i64, bool)]) -> Vec<i64> {
        let mut timeline = Timeline::default();
        let place = |&(media_ms, arrival_ms, reconnected): &(i64, i64, bool)| {
            if reconnected {
                timeline.reconnect();
            }
            place(&mut timeline, 0, media_ms, arrival_ms)
        };
        steps.iter().map(place).collect()
    }

    fn place(timeline: &mut Timeline, track: u8, media_ms: i64, arrival_ms: i64) -> i64 {
        let media = MediaTime::from_ticks(media_ms * 90);
        timeline.place(track, media, WallTime::from_micros(arrival_ms * 1000)).ticks() / 90
    }

    /// Two tracks that count from different zeros, frame by frame in turn from `at_ms` on. Returns how far the second lies
    /// behind the first, which is the same all the time.
    fn pair(timeline: &mut Timeline, zeros_ms: [i64; 2], at_ms: i64) -> i64 {
        let mut gaps = Vec::new();
        let mut last = None;
        for at in (at_ms..at_ms + 20_000).step_by(40) {
            let places = [0, 1].map(|track| {
                place(timeline, track, zeros_ms[usize::from(track)] + at, at + i64::from(track))
            });
            if let Some(last) = last.replace(places) {
                assert_eq!(places.map(|place| place - 40), last, "at {at}");
            }
            gaps.push(places[1] - places[0]);
        }
        assert!(gaps.iter().all(|&gap| gap == gaps[0]), "{gaps:?}");
        gaps[0]
    }

    #[test]
    fn ordinary_streams_stay_as_they_are() {
        // Reordered pictures, a stall with a burst behind it, a file read at once.
        let steps = [(5000, 0, false), (5120, 40, false), (5040, 80, false), (5160, 4000, false)];
        assert_eq!(run(&steps), [5000, 5120, 5040, 5160]);
        assert_eq!(run(&[(0, 0, true), (4000, 0, false), (8000, 1, false)]), [0, 4000, 8000]);
    }

    #[test]
    fn a_camera_that_starts_anew_goes_on_where_it_was() {
        let steps = [(50_000, 0, true), (50_040, 40, false), (0, 3040, true), (40, 3080, false)];
        assert_eq!(run(&steps), [50_000, 50_040, 53_040, 53_080]);
        // Also without a word, backwards and far ahead.
        assert_eq!(run(&[(50_000, 0, false), (0, 40, false), (90_000, 80, false)]), [50_000, 50_040, 50_080]);
    }

    #[test]
    fn a_camera_that_kept_its_timeline_keeps_it() {
        assert_eq!(run(&[(50_000, 0, true), (53_100, 3000, true)]), [50_000, 53_100]);
    }

    #[test]
    fn tracks_far_apart_each_have_a_line_of_their_own() {
        for apart in [3000, 5000, 50_000] {
            for zeros in [[70_000, 70_000 + apart], [70_000 + apart, 70_000]] {
                let mut timeline = Timeline::default();
                assert_eq!(pair(&mut timeline, zeros, 0), 1, "what arrives a millisecond later lies there");
                let before = place(&mut timeline, 0, zeros[0] + 20_000, 20_000);
                assert_eq!(before, zeros[0] + 20_000, "the first track stays as it is");
                // Connected anew on the same lines: nothing moves.
                timeline.reconnect();
                assert_eq!(pair(&mut timeline, zeros, 23_000), 1);
                let after = place(&mut timeline, 0, zeros[0] + 43_000, 43_000);
                assert_eq!(after, zeros[0] + 43_000);
                // From zero, still apart.
                timeline.reconnect();
                let begins = zeros.map(|zero| zero - 116_000);
                assert_eq!(pair(&mut timeline, begins, 46_000), 1);
                let after = place(&mut timeline, 0, begins[0] + 66_000, 66_000);
                assert!((after - zeros[0] - 66_000).abs() <= 1, "{after}");
            }
        }
    }

    #[test]
    fn tracks_that_belong_together_stay_together() {
        for apart in [-1500, 0, 200, 1900] {
            let mut timeline = Timeline::default();
            let zeros = [70_000, 70_000 + apart];
            assert_eq!(pair(&mut timeline, zeros, 0), apart);
            timeline.reconnect();
            assert_eq!(pair(&mut timeline, zeros.map(|zero| zero - 500_000), 23_000), apart);
            // A jump of all of them without a word.
            assert_eq!(pair(&mut timeline, zeros.map(|zero| zero + 40_000), 43_000), apart);
            let place = place(&mut timeline, 0, zeros[0] + 103_000, 63_000);
            assert!((place - zeros[0] - 63_000).abs() <= 1, "it went on: {place}");
        }
    }

    #[test]
    fn a_track_that_comes_late_takes_its_place_beside_the_others() {
        let mut timeline = Timeline::default();
        for at in (0..60_000).step_by(40) {
            place(&mut timeline, 0, 1_000_000 + at, at);
        }
        assert_eq!(place(&mut timeline, 1, 1_060_100, 60_000), 1_060_100, "the same zero");
        assert_eq!(place(&mut timeline, 2, 0, 60_040), 1_060_140, "another one");
        assert_eq!(place(&mut timeline, 2, 20, 60_060), 1_060_160);
    }

    #[test]
    fn absurd_times_do_no_harm() {
        let extremes = [i64::MIN, -1, 0, i64::MAX];
        let mut timeline = Timeline::default();
        for media in extremes {
            for arrival in extremes {
                for track in 0..3 {
                    timeline.place(track, MediaTime::from_ticks(media), WallTime::from_micros(arrival));
                }
                timeline.reconnect();
            }
        }
    }
}
