//! The moments that a row of the table tells.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::format::Row;
use crate::record::StreamId;

/// The moments of the packets of a block: of the first video track of each stream, or, if there is no video at all, of the
/// first audio tracks. Where one of these does not go on from the one before, as where a clock was set, the row says that there
/// is a gap: from the moments of the row alone it would seem that all between them was recorded.
#[derive(Debug, Default)]
pub(crate) struct Times {
    video: Range,
    audio: Range,
    /// With the latest moment of what goes on.
    tracks: BTreeMap<(StreamId, bool), (Track, WallTime)>,
}

#[derive(Debug, Default)]
struct Range {
    /// The one that was taken first, which need not be the earliest.
    start: Option<WallTime>,
    has_breaks: bool,
    first_keyframe: Option<WallTime>,
    last_keyframe: Option<WallTime>,
    first: Option<WallTime>,
    last: Option<WallTime>,
}

impl Times {
    /// Takes a packet into account.
    pub(crate) fn add(&mut self, id: StreamId, track: Track, is_video: bool, wall: WallTime, keyframe: bool) {
        let range = if is_video { &mut self.video } else { &mut self.audio };
        match self.tracks.entry((id, is_video)) {
            Entry::Vacant(entry) => {
                entry.insert((track, wall));
                range.start.get_or_insert(wall);
            }
            Entry::Occupied(entry) => {
                let (known, last) = entry.into_mut();
                if *known != track {
                    return;
                }
                let goes_on = goes_on(*last, wall);
                range.has_breaks |= !goes_on;
                *last = if goes_on { (*last).max(wall) } else { wall };
            }
        }
        widen(&mut range.first, &mut range.last, Some(wall), Some(wall));
        if keyframe {
            widen(&mut range.first_keyframe, &mut range.last_keyframe, Some(wall), Some(wall));
        }
    }

    /// Widens the moments in `row` by these, which are of what stands behind what it tells of.
    pub(crate) fn widen(&self, row: &mut Row) {
        let range = if self.video.first.is_some() { &self.video } else { &self.audio };
        // As long as there is no gap, the latest moment is that of the end.
        let follows = row.last.zip(range.start).is_none_or(|(last, start)| goes_on(last, start));
        row.has_gaps |= range.has_breaks || !follows;
        widen(&mut row.first, &mut row.last, range.first, range.last);
        widen(&mut row.first_keyframe, &mut row.last_keyframe, range.first_keyframe, range.last_keyframe);
    }
}

/// Whether a frame of the moment `next` goes on with a recording up to `last`.
pub(crate) fn goes_on(last: WallTime, next: WallTime) -> bool {
    next.saturating_since(last) <= LONGEST_BREAK && last.saturating_since(next) <= LONGEST_STEP_BACK
}

/// The clock may have been set back meanwhile: the earliest and the latest moment count, not the first and the last.
fn widen(
    first: &mut Option<WallTime>,
    last: &mut Option<WallTime>,
    new_first: Option<WallTime>,
    new_last: Option<WallTime>,
) {
    *first = [*first, new_first].into_iter().flatten().min();
    *last = (*last).max(new_last);
}

/// Cameras may send a frame every few seconds only.
const LONGEST_BREAK: Duration = Duration::from_secs(10);
/// Frames may be a little out of order.
const LONGEST_STEP_BACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_counts_or_else_audio() {
        let id = StreamId::new(1).unwrap();
        let time = WallTime::from_micros;
        let row = |times: &Times| {
            let mut row = Row::default();
            times.widen(&mut row);
            [row.first, row.first_keyframe, row.last_keyframe, row.last]
                .map(|time| time.map(WallTime::micros))
        };
        let mut times = Times::default();
        assert_eq!(row(&times), [None; 4]);
        times.add(id, Track::new(1), false, time(3), true);
        times.add(id, Track::new(2), false, time(1), true);
        assert_eq!(row(&times), [Some(3); 4]);
        times.add(id, Track::new(0), true, time(5), false);
        times.add(id, Track::new(0), true, time(7), true);
        times.add(id, Track::new(1), false, time(20), true);
        assert_eq!(row(&times), [Some(5), Some(7), Some(7), Some(7)]);
        times.add(id, Track::new(0), true, time(2), true);
        times.add(id, Track::new(0), true, time(6), true);
        assert_eq!(row(&times), [Some(2), Some(2), Some(7), Some(7)]);
    }

    #[test]
    fn what_does_not_go_on_is_a_gap() {
        let id = StreamId::new(1).unwrap();
        let millis = |millis: i64| WallTime::from_micros(millis * 1000);
        let has_gaps = |row: Row, moments: &[i64]| {
            let (mut row, mut times) = (row, Times::default());
            for &moment in moments {
                times.add(id, Track::new(0), true, millis(moment), true);
                // Of other tracks it does not matter.
                times.add(id, Track::new(1), true, millis(0), true);
                times.add(id, Track::new(2), false, millis(moment * 7), true);
            }
            times.widen(&mut row);
            row.has_gaps
        };
        let new = Row::default();
        assert!(!has_gaps(new, &[0, 120, 40, 80, 10_120, 9_200, 9_120, 19_000]));
        assert!(has_gaps(new, &[0, 10_001]) && has_gaps(new, &[1001, 0]));
        assert!(has_gaps(new, &[5000, 5040, 18_000_000, 5080, 5120]));
        // Behind what is known already.
        let known = Row { first: Some(millis(0)), last: Some(millis(5000)), ..new };
        assert!(!has_gaps(known, &[4960, 5040, 15_000]));
        assert!(has_gaps(known, &[15_001, 15_040]) && has_gaps(known, &[3999]));
        assert!(has_gaps(Row { has_gaps: true, ..known }, &[5040]));
    }
}
