//! The blocks that may hold a stream, in the order in which they were recorded.

use std::collections::HashMap;
use std::time::Duration;

use valkka_core::time::WallTime;

use crate::contents::Moments;
use crate::format::{BlockHeader, BlockState, Row};
use crate::record::StreamId;

/// A block that may hold a stream.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) block: u64,
    pub(crate) row: Row,
    /// Whether it may still be written.
    pub(crate) is_open: bool,
    /// Between which moments its frames can lie; `None` if that is not known.
    pub(super) bounds: Moments,
    /// What is known of the stream in it.
    pub(crate) times: Option<Times>,
}

/// When there is something of a stream in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The earliest and the latest frame.
    pub(crate) frames: Moments,
    /// The earliest and the latest key frame.
    pub(crate) keyframes: Moments,
}

impl Span {
    /// Whether there may be a frame of the moment `at` in it.
    pub(crate) fn may_hold(&self, at: WallTime) -> bool {
        match (self.times, self.bounds) {
            (Some(times), _) => holds(times.frames, at),
            (None, Some(_)) => holds(self.bounds, at),
            (None, None) => true,
        }
    }

    /// The earliest moment that a key frame in it may have; `None` if it has none.
    pub(crate) fn earliest_keyframe(&self) -> Option<WallTime> {
        match self.times {
            Some(times) => times.keyframes.map(|(first, _)| first),
            None => Some(self.bounds.map_or(WallTime::from_micros(i64::MIN), |(first, _)| first)),
        }
    }

    /// The latest moment that a key frame in it may have; `None` if it has none.
    pub(crate) fn latest_keyframe(&self) -> Option<WallTime> {
        match self.times {
            Some(times) => times.keyframes.map(|(_, last)| last),
            None => Some(self.bounds.map_or(WallTime::from_micros(i64::MAX), |(_, last)| last)),
        }
    }

    /// Whether it is the block that was read as `block` with the row `row`, and was not overwritten meanwhile.
    pub(crate) fn is_same(&self, block: u64, row: &Row) -> bool {
        // The older format has no sequences, and its row tells nothing until the block is complete.
        let same = match self.row.is_older {
            true => row.is_older && (row.state != BlockState::Closed || row.last == self.row.last),
            false => row.sequence == self.row.sequence,
        };
        self.block == block && same
    }
}

/// The spans of stream `id` by the table; `known` are those of before. Of a row that is damaged, `header` gives what the
/// block itself says.
pub(crate) fn spans(
    rows: &[Row],
    id: StreamId,
    known: Vec<Span>,
    mut header: impl FnMut(u64) -> Option<BlockHeader>,
) -> Vec<Span> {
    let mut spans = Vec::new();
    for (block, row) in rows.iter().enumerate() {
        let block = block as u64;
        let mut row = *row;
        if row.is_older && row.sequence == 0 {
            continue;
        }
        if row.state == BlockState::Open && row.sequence == 0 {
            let Some(header) = header(block) else { continue };
            (row.sequence, row.lane) = (header.sequence, header.lane);
        }
        if row.state != BlockState::Free && (row.lane == id.number() || row.lane == 0) {
            spans.push(of_row(block, row, id));
        }
    }
    spans.sort_by_key(|span| span.row.sequence);
    spans.splice(0..0, older_spans(rows));
    let mut known: HashMap<u64, Span> = known.into_iter().map(|span| (span.block, span)).collect();
    for span in &mut spans {
        let before = known.remove(&span.block);
        let same = before.filter(|before| before.is_same(span.block, &span.row) && !before.is_open);
        span.times = span.times.or(same.and_then(|before| before.times));
    }
    spans
}

fn of_row(block: u64, row: Row, id: StreamId) -> Span {
    let is_open = row.state == BlockState::Open;
    let frames = row.first.zip(row.last);
    let own = Times { frames, keyframes: row.first_keyframe.zip(row.last_keyframe) };
    let is_told = !is_open && row.lane == id.number();
    // With many streams in it, some may begin earlier or end later than those by which the row was made.
    let bounds =
        frames.filter(|_| !is_open && !row.is_older).map(|(first, last)| (first - SLACK, last + SLACK));
    Span { block, row, is_open, bounds, times: is_told.then_some(own) }
}

/// The blocks that are used, or may have been begun, of a store of the older format, in the order of recording.
pub(crate) fn older_order(rows: &[Row]) -> Vec<u64> {
    older_spans(rows).into_iter().map(|span| span.block).collect()
}

/// The blocks of a store of the older format. It has no sequences: the ring goes on behind the blocks that are not used.
fn older_spans(rows: &[Row]) -> Vec<Span> {
    if !rows.iter().any(|row| row.is_older && row.sequence == 0) {
        return Vec::new();
    }
    let is = |block: usize, state| rows[block].is_older && rows[block].state == state;
    let is_used = |block: usize| is(block, BlockState::Closed);
    let count = rows.len();
    let before = |block: usize| (block + count - 1) % count;
    // The one to be written next, or being written: behind the newest one.
    let open = (0..count).find(|&block| is(block, BlockState::Open));
    let ends = (0..count).filter(|&block| !is_used(block) && is_used(before(block)));
    let next = open.or_else(|| ends.max_by_key(|&block| rows[before(block)].last));
    let newest = (0..count).filter(|&block| is_used(block)).max_by_key(|&block| rows[block].last);
    let start = match (next, newest) {
        (Some(next), _) => next + 1,
        (None, Some(newest)) => newest + 1,
        (None, None) => 1,
    };
    let ring = (start..start + count).map(|block| block % count);
    let mut spans: Vec<Span> = Vec::new();
    for block in
        ring.filter(|&block| is_used(block) || (next.is_none_or(|next| next == block) && !is_used(block)))
    {
        let row = rows[block];
        let since = spans.last().and_then(|span| span.row.last);
        let bounds = since.zip(row.last).filter(|(since, last)| since <= last);
        let is_open = row.state != BlockState::Closed;
        spans.push(Span { block: block as u64, row, is_open, bounds, times: None });
    }
    // The row of a block that is being written may tell something already.
    if let Some(newest) = spans.iter_mut().rfind(|span| !span.is_open) {
        (newest.row.state, newest.is_open, newest.bounds) = (BlockState::Open, true, None);
    }
    spans
}

fn holds(moments: Moments, at: WallTime) -> bool {
    moments.is_some_and(|(first, last)| first <= at && at <= last)
}

const SLACK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn older(keyframe: i64, last: i64) -> Row {
        let time = |seconds: i64| (seconds > 0).then(|| WallTime::from_micros(seconds * 1_000_000));
        let state = if last > 0 { BlockState::Closed } else { BlockState::Free };
        let (keyframe, last) = (time(keyframe), time(last));
        Row { first_keyframe: keyframe, first: keyframe, last, state, is_older: true, ..Row::default() }
    }

    fn blocks(rows: &[Row]) -> Vec<u64> {
        spans(rows, StreamId::new(1).unwrap(), Vec::new(), |_| None).iter().map(|span| span.block).collect()
    }

    #[test]
    fn the_older_ring_begins_behind_the_hole() {
        let (a, b, c, free) = (older(1, 2), older(3, 4), older(5, 6), older(0, 0));
        assert_eq!(blocks(&[a, b, free, free]), [0, 1, 2]);
        assert_eq!(blocks(&[c, free, a, b]), [2, 3, 0, 1]);
        assert_eq!(blocks(&[free, a, b, c]), [1, 2, 3, 0]);
        assert_eq!(blocks(&[b, c, a]), [2, 0, 1], "no hole: by time");
        assert_eq!(blocks(&[free, free]), [1, 0], "something may have been begun");
        // The clock was set back: still in the order of the ring.
        assert_eq!(blocks(&[c, a, free]), [0, 1, 2]);
    }

    #[test]
    fn others_lanes_are_left_out() {
        let row = |lane, sequence, state| Row { lane, sequence, state, ..Row::default() };
        let rows = [
            row(1, 9, BlockState::Closed),
            row(2, 8, BlockState::Closed),
            row(0, 7, BlockState::Closed),
            row(1, 0, BlockState::Open),
            row(1, 5, BlockState::Free),
        ];
        let id = StreamId::new(1).unwrap();
        let header = |_| Some(BlockHeader { sequence: 6, lane: 1, created: WallTime::default() });
        let found = spans(&rows, id, Vec::new(), header);
        assert_eq!(found.iter().map(|span| span.block).collect::<Vec<_>>(), [3, 2, 0]);
        assert_eq!(blocks(&rows), [2, 0], "the one that says nothing of itself is left out");
    }
}
