//! When a stream was recorded, for a timeline.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use valkka_core::time::WallTime;

use crate::contents::ItemKind;
use crate::error::StoreError;
use crate::format::BlockState;
use crate::reader::KnownParams;
use crate::record::{Gap, Record, StreamId};
use crate::store::Store;
use crate::walk::{OlderStep, OlderWalk, Window};

use super::{Cursor, StoredBlock};

/// A time in which a stream was recorded without a break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The moment of its first frame.
    pub from: WallTime,
    /// The moment of its last frame, so far.
    pub to: WallTime,
    /// Why nothing was recorded just before it. `None` where it was cut off, and where nobody has said so: before the oldest
    /// recording, where the clock was set, and in the older format.
    pub gap_before: Option<Gap>,
}

impl Store {
    /// When stream `id` was recorded within `range`, in the order of recording: where the clock was set back, a stretch
    /// begins before the one before it ends. The first and the last one are cut to the range.
    ///
    /// It takes the table alone, besides what blocks with gaps and those shared by several streams say of themselves.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn stretches(
        self: &Arc<Self>,
        id: StreamId,
        range: Range<WallTime>,
    ) -> Result<Vec<Stretch>, StoreError> {
        let mut cursor = self.cursor(id);
        cursor.update()?;
        let mut stretches = Stretches::default();
        for span in 0..cursor.spans.len() {
            if cursor.may_overlap(span, &range) {
                cursor.add_to(&mut stretches, span);
            }
        }
        let mut stretches = stretches.list;
        stretches.retain(|stretch| stretch.from < range.end && stretch.to >= range.start);
        for stretch in &mut stretches {
            if stretch.from < range.start {
                (stretch.from, stretch.gap_before) = (range.start, None);
            }
            stretch.to = stretch.to.min(range.end);
        }
        Ok(stretches)
    }
}

impl Cursor {
    fn may_overlap(&self, span: usize, range: &Range<WallTime>) -> bool {
        let span = &self.spans[span];
        let moments = match span.times {
            Some(times) => times.frames,
            None => span.bounds.or(Some((WallTime::from_micros(i64::MIN), WallTime::from_micros(i64::MAX)))),
        };
        moments.is_some_and(|(first, last)| first < range.end && last >= range.start)
    }

    fn add_to(&mut self, stretches: &mut Stretches, span: usize) {
        let (block, row) = (self.spans[span].block, self.spans[span].row);
        let told = self.spans[span].times.and_then(|times| times.frames);
        if !row.has_gaps
            && let Some((first, last)) = told.or_else(|| self.of_older_row(span))
        {
            stretches.add(first);
            stretches.extend(last);
            return;
        }
        let contents = self.contents_of(span);
        let main = contents.main_track();
        let count = contents.items().len();
        for index in 0..count {
            let contents = self.contents(block, &row);
            let item = contents.items()[index];
            match item.kind {
                ItemKind::Packet { .. } if Some(item.track) == main => stretches.add(item.wall),
                ItemKind::Gap => {
                    let bytes = StoredBlock::new(&self.store, block);
                    let known = self.cache.iter().find(|known| known.is_of(block, &row));
                    let window = (&mut Window::default(), 0);
                    let read = known.map(|known| known.read(index, &bytes, window, &mut KnownParams::new()));
                    if let Some(Ok(Record::Gap { gap, .. })) = read {
                        stretches.gap(gap);
                    }
                }
                _ => (),
            }
        }
    }

    /// Of a complete block of the older format, what its row tells, if the stream is in it. That is so if it begins with
    /// it, which spares going over all of it.
    fn of_older_row(&mut self, span: usize) -> Option<(WallTime, WallTime)> {
        let span = &self.spans[span];
        let last = span.row.last.filter(|_| span.row.is_older && span.row.state == BlockState::Closed)?;
        let bytes = StoredBlock::new(&self.store, span.block);
        match OlderWalk::default().next(&bytes, None) {
            Ok(OlderStep::Record(record)) if record.id == self.id && record.wall <= last => {
                Some((record.wall, last))
            }
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Stretches {
    list: Vec<Stretch>,
    /// What stands before the next frame.
    gap: Option<Gap>,
}

impl Stretches {
    /// Takes the next frame.
    fn add(&mut self, moment: WallTime) {
        let gap_before = self.gap.take();
        match self.list.last_mut() {
            Some(last) if gap_before.is_none() && goes_on(last.to, moment) => last.to = last.to.max(moment),
            _ => self.list.push(Stretch { from: moment, to: moment, gap_before }),
        }
    }

    /// Takes all frames from the one taken last up to `moment`.
    fn extend(&mut self, moment: WallTime) {
        if let Some(last) = self.list.last_mut() {
            last.to = last.to.max(moment);
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.gap = Some(gap);
    }
}

/// Whether a frame of the moment `next` goes on with a recording up to `last`.
fn goes_on(last: WallTime, next: WallTime) -> bool {
    next.saturating_since(last) <= LONGEST_BREAK && last.saturating_since(next) <= LONGEST_STEP_BACK
}

/// Cameras may send a frame every few seconds only.
const LONGEST_BREAK: Duration = Duration::from_secs(10);
/// Frames may be a little out of order.
const LONGEST_STEP_BACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The stretches of stream 1 within a range, in milliseconds.
    fn stretches(image: &Image, from: i64, to: i64) -> Vec<(i64, i64, Option<String>)> {
        let found = image.store().stretches(ID, at(from)..at(to)).unwrap();
        let tuple = |stretch: super::Stretch| {
            (stretch.from.millis(), stretch.to.millis(), stretch.gap_before.map(|gap| gap.reason))
        };
        found.into_iter().map(tuple).collect()
    }

    #[test]
    fn blocks_are_joined_and_gaps_have_reasons() {
        let image = Image::new(4096, 9);
        image.close(4, &Block::video(1, (0..2000).step_by(100), &[0]));
        image.close(5, &Block::video(2, (2000..4000).step_by(100), &[2000]));
        let block = Block::video(3, (4000..4100).step_by(100), &[4000]).gap(ID, 4100, 60_000, "no disk");
        image.close(6, &block.packet(ID, VIDEO, 60_000, true));
        image.close(7, &Block::video(4, (60_100..61_000).step_by(100), &[]));
        image.open(8, &Block::video(5, (90_000..90_500).step_by(100), &[90_000]));
        image.close(0, &Block::new(6, 2).params(OTHER, VIDEO).packet(OTHER, VIDEO, 200_000, true));
        let reason = Some("no disk".to_owned());
        assert_eq!(
            stretches(&image, 0, i64::MAX / 1000),
            [(0, 4000, None), (60_000, 60_900, reason.clone()), (90_000, 90_400, None)]
        );
        assert_eq!(stretches(&image, 1000, 3000), [(1000, 3000, None)]);
        assert_eq!(stretches(&image, 60_500, 70_000), [(60_500, 60_900, None)]);
        assert_eq!(stretches(&image, 10_000, 50_000), []);
        assert_eq!(stretches(&image, 10_000, 70_000), [(60_000, 60_900, reason)]);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_another_stretch() {
        let image = Image::new(4096, 4);
        image.close(0, &Block::video(1, (50_000..52_000).step_by(100), &[50_000]));
        image.close(1, &Block::video(2, (20_000..22_000).step_by(100), &[20_000]));
        assert_eq!(stretches(&image, 0, 99_000), [(50_000, 51_900, None), (20_000, 21_900, None)]);
    }

    #[test]
    fn streams_that_share_blocks_have_their_own() {
        let image = Image::new(8192, 4);
        let block = Block::new(1, 0).params(ID, VIDEO).packet(ID, VIDEO, 1000, true);
        image.close(0, &block.params(OTHER, VIDEO).packet(OTHER, VIDEO, 9000, true));
        image.close(1, &Block::new(2, 0).params(ID, VIDEO).packet(ID, VIDEO, 60_000, true));
        assert_eq!(stretches(&image, 0, 99_000), [(1000, 1000, None), (60_000, 60_000, None)]);
        assert_eq!(image.store().stretches(OTHER, at(0)..at(99_000)).unwrap().len(), 1);
    }

    #[test]
    fn the_older_format_tells_what_it_can() {
        let rows = [older_row(1000, 2000), older_row(2500, 3000), older_row(60_000, 61_000), older_row(0, 0)];
        let blocks = [
            (0, older_block(&[(1, 1000, 0x65), (1, 2000, 0x41)])),
            (1, older_block(&[(2, 2500, 0x65), (1, 2600, 0x41), (2, 3000, 0x41)])),
            (2, older_block(&[(1, 60_000, 0x65), (1, 61_000, 0x41)])),
        ];
        let image = Image::older(4096, &rows, &blocks);
        assert_eq!(stretches(&image, 0, 99_000), [(1000, 2600, None), (60_000, 61_000, None)]);
    }
}
