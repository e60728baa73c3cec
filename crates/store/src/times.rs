//! The moments that a row of the table tells.

use std::collections::BTreeMap;

use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::format::Row;
use crate::record::StreamId;

/// The moments of the packets of a block: of the first video track of each stream, or, if there is no video at all, of the
/// first audio tracks.
#[derive(Debug, Default)]
pub(crate) struct Times {
    video: Range,
    audio: Range,
    tracks: BTreeMap<(StreamId, bool), Track>,
}

#[derive(Debug, Default)]
struct Range {
    first_keyframe: Option<WallTime>,
    last_keyframe: Option<WallTime>,
    first: Option<WallTime>,
    last: Option<WallTime>,
}

impl Times {
    /// Takes a packet into account.
    pub(crate) fn add(&mut self, id: StreamId, track: Track, is_video: bool, wall: WallTime, keyframe: bool) {
        if *self.tracks.entry((id, is_video)).or_insert(track) != track {
            return;
        }
        let range = if is_video { &mut self.video } else { &mut self.audio };
        widen(&mut range.first, &mut range.last, Some(wall), Some(wall));
        if keyframe {
            widen(&mut range.first_keyframe, &mut range.last_keyframe, Some(wall), Some(wall));
        }
    }

    /// Widens the moments in `row` by these.
    pub(crate) fn widen(&self, row: &mut Row) {
        let range = if self.video.first.is_some() { &self.video } else { &self.audio };
        widen(&mut row.first, &mut row.last, range.first, range.last);
        widen(&mut row.first_keyframe, &mut row.last_keyframe, range.first_keyframe, range.last_keyframe);
    }
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
}
