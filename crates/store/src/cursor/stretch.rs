//! When a stream was recorded, for a timeline.

use std::ops::Range;
use std::sync::Arc;

use valkka_core::time::WallTime;

use crate::contents::{Contents, ItemKind};
use crate::damage::DamageReason;
use crate::error::StoreError;
use crate::format::BlockState;
use crate::reader::KnownParams;
use crate::record::{Gap, Record, StreamId};
use crate::store::Store;
use crate::walk::{OlderStep, OlderWalk, Window};

use super::stretches::Stretches;
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

/// When a stream was recorded, as far as that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// In the order of recording: where the clock was set back, a stretch begins before the one before it ends. The first and
    /// the last one are cut to the range.
    pub stretches: Vec<Stretch>,
    /// Why nothing was recorded at the end of the range, where it was recorded again later. What follows the last stretch is told
    /// by no other.
    pub gap_after: Option<Gap>,
    /// Times that were not looked at, within the range and in the order of recording: there, anything may have been recorded.
    pub unread: Vec<Range<WallTime>>,
}

impl Store {
    /// When stream `id` was recorded within `range`, as [`Overview::stretches`] tells it.
    ///
    /// It takes the table alone, besides what blocks with gaps and those shared by several streams say of themselves; those
    /// that are complete are read once. With many of them it takes a while: see [`Self::overview`].
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn stretches(
        self: &Arc<Self>,
        id: StreamId,
        range: Range<WallTime>,
    ) -> Result<Vec<Stretch>, StoreError> {
        Ok(self.overview(id, range, &mut || true)?.stretches)
    }

    /// When stream `id` was recorded within `range`, read as long as `goes_on` says so. It is asked before each block but the
    /// first that has to be read. The newest blocks are read first, and what they tell is kept: called again and again, it
    /// comes to an end.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn overview(
        self: &Arc<Self>,
        id: StreamId,
        range: Range<WallTime>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Overview, StoreError> {
        let mut cursor = self.cursor(id);
        cursor.update()?;
        let spans: Vec<usize> =
            (0..cursor.spans.len()).filter(|&span| cursor.overlap(span, &range).is_some()).collect();
        let (mut told, mut has_read) = (Vec::new(), false);
        for &span in spans.iter().rev() {
            told.push(cursor.told(span, &mut || !std::mem::replace(&mut has_read, true) || goes_on()));
        }
        // It tells of the gap in which the range may end.
        let next = spans.last().map_or(0, |last| last + 1);
        let next = (next..cursor.spans.len()).find(|&span| cursor.begins_after(span, range.end));
        let next = next.map(|span| cursor.told(span, &mut || !has_read || goes_on()));
        let (mut all, mut unread) = (Stretches::default(), Vec::<Range<WallTime>>::new());
        let mut was_unread = false;
        for (&span, told) in spans.iter().zip(told.into_iter().rev()) {
            match told {
                Told::Frames(first, last) => all.add(first, last),
                Told::Stretches(stretches) => all.append(&stretches),
                Told::Nothing => {
                    all.pass_over();
                    let times = cursor.overlap(span, &range).unwrap_or(range.clone());
                    match unread.last_mut().filter(|_| was_unread) {
                        Some(last) => *last = last.start.min(times.start)..last.end.max(times.end),
                        None => unread.push(times),
                    }
                    was_unread = true;
                    continue;
                }
            }
            was_unread = false;
        }
        match next {
            Some(Told::Frames(first, last)) => all.add(first, last),
            Some(Told::Stretches(stretches)) => all.append(&stretches),
            Some(Told::Nothing) | None => (),
        }
        let after = all.list.iter().find(|stretch| stretch.from >= range.end);
        let gap_after = after.and_then(|stretch| stretch.gap_before.clone());
        let gap_after = gap_after.filter(|gap| gap.from < range.end && gap.to >= range.end);
        let mut stretches = all.list;
        stretches.retain(|stretch| stretch.from < range.end && stretch.to >= range.start);
        for stretch in &mut stretches {
            if stretch.from < range.start {
                (stretch.from, stretch.gap_before) = (range.start, None);
            }
            stretch.to = stretch.to.min(range.end);
        }
        Ok(Overview { stretches, gap_after, unread })
    }
}

/// What is known of a block.
enum Told {
    /// That everything was recorded from one moment to the other.
    Frames(WallTime, WallTime),
    Stretches(Arc<Stretches>),
    /// It would have to be read.
    Nothing,
}

impl Cursor {
    /// The part of `range` in which there may be frames of a span.
    fn overlap(&self, span: usize, range: &Range<WallTime>) -> Option<Range<WallTime>> {
        let span = &self.spans[span];
        let moments = match span.times {
            Some(times) => times.frames,
            None => span.bounds.or(Some((WallTime::from_micros(i64::MIN), WallTime::from_micros(i64::MAX)))),
        };
        let (first, last) = moments?;
        (first < range.end && last >= range.start).then(|| first.max(range.start)..last.min(range.end))
    }

    /// Whether all frames of a span are of `moment` or later.
    fn begins_after(&self, span: usize, moment: WallTime) -> bool {
        let frames = self.spans[span].times.and_then(|times| times.frames);
        frames.is_some_and(|(first, _)| first >= moment)
    }

    /// What the block of a span tells. It is read, if that is necessary and `may_read` says so.
    fn told(&mut self, span: usize, may_read: &mut dyn FnMut() -> bool) -> Told {
        let (block, row, is_open) = (self.spans[span].block, self.spans[span].row, self.spans[span].is_open);
        if !row.has_gaps
            && let Some((first, last)) = self.spans[span].times.and_then(|times| times.frames)
        {
            return Told::Frames(first, last);
        }
        if let Some(stretches) = self.store.kept_stretches().get(block, &row, self.id) {
            return Told::Stretches(stretches);
        }
        if !may_read() {
            return Told::Nothing;
        }
        let (stretches, is_sound) = match self.of_older_row(span) {
            Some((first, last)) => {
                let mut stretches = Stretches::default();
                stretches.add(first, last);
                (Arc::new(stretches), true)
            }
            None => self.look_into(span),
        };
        if is_sound && !is_open {
            self.store.kept_stretches().put(block, row, self.id, stretches.clone());
        }
        Told::Stretches(stretches)
    }

    /// Reads what is in the block of a span. The second is whether the disk gave all of it.
    fn look_into(&mut self, span: usize) -> (Arc<Stretches>, bool) {
        let (store, block) = (self.store.clone(), self.spans[span].block);
        let bytes = StoredBlock::new(&store, block);
        let contents: &Contents = self.contents_of(span);
        let main = contents.main_track();
        let (mut stretches, mut is_sound) = (Stretches::default(), true);
        for (index, item) in contents.items().iter().enumerate() {
            match item.kind {
                ItemKind::Packet { .. } if Some(item.track) == main => stretches.add(item.wall, item.wall),
                ItemKind::Gap => {
                    let window = (&mut Window::default(), 0);
                    match contents.read(index, &bytes, window, &mut KnownParams::new()) {
                        Ok(Record::Gap { gap, .. }) => stretches.gap(gap),
                        Err(damage) => is_sound &= !matches!(damage.reason, DamageReason::Unreadable(_)),
                        Ok(_) => (),
                    }
                }
                ItemKind::Damage(DamageReason::Unreadable(_)) => is_sound = false,
                _ => (),
            }
        }
        (Arc::new(stretches), is_sound)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::store::Store;
    use crate::testing::*;

    use super::Overview;

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
    fn the_gap_in_which_a_range_ends_is_told() {
        let image = Image::new(4096, 9);
        image.close(0, &Block::video(1, (0..2000).step_by(100), &[0]));
        let block = Block::new(2, ID.number()).params(ID, VIDEO).gap(ID, 1900, 60_000, "no disk");
        let block = block.packet(ID, VIDEO, 60_000, true).gap(ID, 60_000, 90_000, "nothing moved");
        image.close(1, &block.packet(ID, VIDEO, 90_000, true));
        image.close(2, &Block::video(3, (190_000..191_000).step_by(100), &[190_000]));
        let told = |from, to| {
            let overview = image.store().overview(ID, at(from)..at(to), &mut || true).unwrap();
            (overview.stretches.len(), overview.gap_after.map(|gap| gap.reason))
        };
        let [no_disk, still] = ["no disk", "nothing moved"].map(|reason| Some(reason.to_owned()));
        // From within it, from before it, and from before another one.
        assert_eq!(told(10_000, 20_000), (0, no_disk.clone()));
        assert_eq!(told(1000, 20_000), (1, no_disk));
        assert_eq!(told(1000, 70_000), (2, still.clone()));
        assert_eq!(told(60_500, 70_000), (0, still));
        // There is none, nobody has told why, and nothing came after it.
        assert_eq!(
            (told(0, 1500), told(100_000, 110_000), told(195_000, 200_000)),
            ((1, None), (0, None), (0, None))
        );
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

    type Times = Vec<(i64, i64)>;

    /// The overview of stream 1 with so many blocks read, in milliseconds.
    fn overview(store: &Arc<Store>, blocks: usize) -> (Times, Times) {
        let mut left = blocks;
        // The first is read without asking.
        let mut goes_on = || {
            left = left.saturating_sub(1);
            left > 0
        };
        let Overview { stretches, unread, .. } =
            store.overview(ID, at(0)..at(999_000), &mut goes_on).unwrap();
        let stretches = stretches.iter().map(|stretch| (stretch.from.millis(), stretch.to.millis()));
        (stretches.collect(), unread.iter().map(|times| (times.start.millis(), times.end.millis())).collect())
    }

    /// Five blocks of events of a second; all but the second tell of a gap.
    fn events() -> Image {
        let image = Image::new(4096, 6);
        for number in 0..5 {
            let from = 20_000 * number;
            let block = Block::new(1 + number as u64, ID.number()).params(ID, VIDEO);
            let block = match number {
                1 => block,
                _ => block.gap(ID, from - 19_000, from, "nothing moved"),
            };
            image.close(
                number as u64,
                &block.packet(ID, VIDEO, from, true).packet(ID, VIDEO, from + 1000, false),
            );
        }
        image
    }

    #[test]
    fn what_was_not_looked_at_is_told_and_comes_the_next_time() {
        let image = events();
        let store = image.store();
        let (third, fourth, fifth) = ((40_000, 41_000), (60_000, 61_000), (80_000, 81_000));
        // What the table tells alone is told at once.
        let second = (20_000, 21_000);
        assert_eq!(overview(&store, 1), (vec![second, fifth], vec![(0, 1000), (40_000, 61_000)]));
        assert_eq!(overview(&store, 1), (vec![second, fourth, fifth], vec![(0, 1000), (40_000, 41_000)]));
        let all = vec![(0, 1000), second, third, fourth, fifth];
        assert_eq!(overview(&store, 2), (all.clone(), vec![]));
        assert_eq!(overview(&store, 0), (all.clone(), vec![]), "it is kept");
        let whole = image.store().stretches(ID, at(0)..at(999_000)).unwrap();
        assert_eq!(store.stretches(ID, at(0)..at(999_000)).unwrap(), whole, "with the reasons");
        // A block that was overwritten is read again.
        image.close(
            0,
            &Block::video(6, (100_000..101_000).step_by(100), &[100_000]).gap(ID, 101_000, 102_000, "x"),
        );
        store.refresh().unwrap();
        let newer = overview(&store, 1).0;
        assert_eq!(newer, [second, third, fourth, fifth, (100_000, 100_900)]);
    }

    #[test]
    fn a_block_that_is_being_written_is_looked_at_anew() {
        let image = events();
        let block = Block::new(6, ID.number()).params(ID, VIDEO).packet(ID, VIDEO, 100_000, true);
        image.open(5, &block);
        let store = image.store();
        assert_eq!(overview(&store, 9).0.last(), Some(&(100_000, 100_000)));
        image.open(5, &block.packet(ID, VIDEO, 100_500, false));
        store.refresh().unwrap();
        assert_eq!(overview(&store, 9).0.last(), Some(&(100_000, 100_500)));
    }
}
