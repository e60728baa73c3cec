//! Which block is written next, and which are given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use valkka_core::clock::SystemClock;
use valkka_core::time::WallTime;

use crate::format::{BlockHeader, BlockState, Row};
use crate::store::Store;
use crate::table::Format;

use super::Retention;
use super::block::{CurrentBlock, OlderBlock, OpenBlock};
use super::cycle::Cycle;

/// The ring of blocks.
#[derive(Debug)]
pub(super) struct Space {
    store: Arc<Store>,
    /// Where the ring goes on.
    position: u64,
    next_sequence: u64,
    /// Blocks that are completed in this cycle, by their sequences. In a very small ring they may have to be begun anew
    /// before they were ever on disk.
    closing: BTreeMap<u64, u64>,
}

impl Space {
    pub(super) fn new(store: Arc<Store>) -> Self {
        let (position, next_sequence) = (position(&store), store.table().next_sequence());
        Self { store, position, next_sequence, closing: BTreeMap::new() }
    }

    /// All that was completed is on disk.
    pub(super) fn end_cycle(&mut self) {
        self.closing.clear();
    }

    /// The block that is begun next.
    pub(super) fn next(&self) -> u64 {
        match self.store.format() {
            Format::V1 => self.position,
            Format::V2 => {
                let chosen = choose(&self.store.table().rows(), self.position);
                chosen.or_else(|| self.closing.values().next().copied()).unwrap_or(self.position)
            }
        }
    }

    /// Begins a block for `lane`; the one that is `wanted`, if it can be had. `None` if all are being written.
    pub(super) fn begin(&mut self, lane: u64, wanted: Option<u64>, cycle: &mut Cycle) -> Option<OpenBlock> {
        let geometry = self.store.geometry();
        let mut rows = self.store.table().write_rows();
        let wanted =
            wanted.filter(|&block| rows.get(block as usize).is_some_and(|row| row.state != BlockState::Open));
        let block = match self.store.format() {
            Format::V1 => wanted.unwrap_or(self.position),
            Format::V2 => wanted
                .or_else(|| choose(&rows, self.position))
                .or_else(|| self.closing.pop_first().map(|(_, block)| block))?,
        };
        self.position = (block + 1) % geometry.blocks();
        let begun = match self.store.format() {
            Format::V1 => {
                rows[block as usize] = Row { state: BlockState::Open, is_older: true, ..Row::default() };
                cycle.begin(block, Row::default());
                OpenBlock::Older(OlderBlock::begin(geometry, block))
            }
            Format::V2 => {
                let header = BlockHeader { sequence: self.next_sequence, lane, created: SystemClock.now() };
                self.next_sequence += 1;
                let begun = CurrentBlock::begin(&mut cycle.batch, geometry, block, header);
                let row = begun.row();
                rows[block as usize] = row;
                cycle.begin(block, row);
                OpenBlock::Current(begun)
            }
        };
        Some(begun)
    }

    /// Completes `open`.
    pub(super) fn close(&mut self, open: OpenBlock, cycle: &mut Cycle) {
        let block = open.number();
        let row = open.close(&mut cycle.batch);
        cycle.rows.insert(block, row);
        cycle.closed.push((block, row.lane));
        match self.store.format() {
            Format::V1 => {
                // The beginning of the next one was emptied.
                let next = (block + 1) % self.store.geometry().blocks();
                if next != block {
                    self.store.table().write_rows()[next as usize] = Row::default();
                    cycle.begin(next, Row::default());
                }
            }
            Format::V2 => {
                self.closing.insert(row.sequence, block);
            }
        }
    }

    /// Whether a block of this sequence has been open for so long that its records, new as they are, would soon be given up
    /// for the oldest. `lanes` is how many lanes there are.
    pub(super) fn is_stale(&self, sequence: u64, lanes: u64) -> bool {
        let limit = stale_after(self.store.geometry().blocks(), lanes);
        sequence > 0 && limit.is_some_and(|limit| self.next_sequence.saturating_sub(sequence) > limit)
    }

    /// Gives up what the streams, by their lanes, are not to keep at the moment `now`.
    pub(super) fn expire(&mut self, retentions: &BTreeMap<u64, Retention>, now: WallTime, cycle: &mut Cycle) {
        if self.store.format() == Format::V1 {
            return;
        }
        let mut rows = self.store.table().write_rows();
        for block in expired(&rows, retentions, now, self.store.geometry().block_bytes()) {
            // Its sequence stays: it is never given again.
            let row = Row { sequence: rows[block].sequence, ..Row::default() };
            rows[block] = row;
            cycle.rows.remove(&(block as u64));
            cycle.begin(block as u64, row);
        }
    }
}

/// Where the ring goes on in a store that is opened.
fn position(store: &Store) -> u64 {
    let rows = store.table().rows();
    let after = |block: usize| (block as u64 + 1) % rows.len() as u64;
    match store.format() {
        Format::V1 => {
            let newest = || rows.iter().enumerate().max_by_key(|(_, row)| row.last).map(|(block, _)| block);
            let is_used =
                |block: u64| rows.get(block as usize).is_none_or(|row| row.state != BlockState::Free);
            let told = store.told_block().filter(|&block| block < rows.len() as u64);
            match told {
                // Something was written there before the writer ended.
                Some(block) if is_used(block) => after(block as usize),
                Some(block) => block,
                None => newest().filter(|&block| is_used(block as u64)).map_or(0, after),
            }
        }
        Format::V2 => {
            let used = rows.iter().enumerate().filter(|(_, row)| row.sequence > 0);
            let newest = used.max_by_key(|(_, row)| row.sequence).map(|(block, _)| after(block));
            newest.or_else(|| store.told_block().filter(|&block| block < rows.len() as u64)).unwrap_or(0)
        }
    }
}

/// The first free block in the ring from `position` on, or else the oldest one that is complete.
fn choose(rows: &[Row], position: u64) -> Option<u64> {
    let ring = || (position as usize..rows.len()).chain(0..(position as usize).min(rows.len()));
    let free = ring().find(|&block| rows[block].state == BlockState::Free);
    let oldest = || {
        let closed = ring().filter(|&block| rows[block].state == BlockState::Closed);
        closed.min_by_key(|&block| rows[block].sequence)
    };
    free.or_else(oldest).map(|block| block as u64)
}

/// How many blocks of a ring with so many are begun after one before that is completed, so that it is kept for a while then.
/// `None` where there are less than four for each of the `lanes`: what is open is safe, and blocks that were completed after
/// fewer others than there are lanes would have all lanes go on completing theirs.
fn stale_after(blocks: u64, lanes: u64) -> Option<u64> {
    let spare = blocks.saturating_sub(lanes);
    (blocks / 4 >= lanes).then(|| (blocks / 8).max(lanes.saturating_mul(4)).min(spare / 2))
}

/// The blocks that are to be given up.
fn expired(
    rows: &[Row],
    retentions: &BTreeMap<u64, Retention>,
    now: WallTime,
    block_bytes: u64,
) -> Vec<usize> {
    let mut expired = Vec::new();
    // Blocks of each stream with a quota, to be sorted by age.
    let mut kept: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
    for (block, row) in rows.iter().enumerate().filter(|(_, row)| row.state != BlockState::Free) {
        let Some(retention) = retentions.get(&row.lane) else { continue };
        let is_closed = row.state == BlockState::Closed;
        // Nothing that is too old can be read, so all of a block goes with its first frame.
        let too_old = |age| row.first.is_some_and(|first| now.saturating_since(first) > age);
        if is_closed && retention.max_age.is_some_and(too_old) {
            expired.push(block);
        } else if retention.max_bytes.is_some() {
            // The one that is being written is the last to go.
            let age = if is_closed { row.sequence } else { u64::MAX };
            kept.entry(row.lane).or_default().push((age, block));
        }
    }
    for (lane, mut blocks) in kept {
        let max_bytes = retentions.get(&lane).and_then(|retention| retention.max_bytes).unwrap_or(u64::MAX);
        let surplus = blocks.len().saturating_sub((max_bytes / block_bytes).max(1) as usize);
        blocks.sort_unstable();
        let closed = blocks.iter().filter(|(age, _)| *age != u64::MAX);
        expired.extend(closed.take(surplus).map(|(_, block)| *block));
    }
    expired
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(sequence: u64, lane: u64, state: BlockState) -> Row {
        let first = Some(WallTime::from_micros(sequence as i64 * 1_000_000));
        Row { sequence, lane, state, first, last: first, ..Row::default() }
    }

    #[test]
    fn free_blocks_come_first_then_the_oldest() {
        use BlockState::{Closed, Free, Open};
        let rows = [row(5, 1, Closed), row(6, 1, Open), row(0, 0, Free), row(3, 2, Open), row(4, 1, Closed)];
        assert_eq!(choose(&rows, 0), Some(2));
        assert_eq!(choose(&rows, 3), Some(2));
        let mut full = rows;
        full[2] = row(7, 1, Open);
        assert_eq!(choose(&full, 0), Some(4));
        full[0].state = Open;
        full[4].state = Open;
        assert_eq!(choose(&full, 0), None);
        // Of blocks without a sequence, as an upgrade leaves them, the next one in the ring.
        assert_eq!(choose(&[row(0, 0, Closed); 4], 2), Some(2));
        assert_eq!(choose(&rows, 99), Some(2), "there are fewer blocks");
    }

    #[test]
    fn streams_lose_what_is_too_old_or_too_much() {
        use BlockState::{Closed, Open};
        let rows =
            [row(3, 1, Closed), row(1, 1, Closed), row(4, 1, Open), row(2, 2, Closed), row(1, 3, Closed)];
        let expired = |max_bytes, max_age: Option<u64>| {
            let retention = Retention { max_bytes, max_age: max_age.map(Duration::from_secs) };
            let retentions = [(1, retention), (2, Retention::default())].into();
            expired(&rows, &retentions, WallTime::from_micros(5_000_000), 100)
        };
        assert_eq!(expired(None, None), [0; 0]);
        assert_eq!(expired(Some(300), None), [0; 0]);
        assert_eq!(expired(Some(299), None), [1]);
        assert_eq!(expired(Some(0), None), [1, 0], "the open one stays");
        assert_eq!(expired(None, Some(3)), [1]);
        assert_eq!(expired(Some(100), Some(3)), [1, 0]);
    }
}
