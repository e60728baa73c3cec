//! Walking over the records of a block by their headers, without reading what lies between them.

mod older;
mod window;

use std::io;
use std::time::{Duration, Instant};

use crate::damage::DamageReason;
use crate::format::{BlockHeader, RECORD_ALIGNMENT, RecordHeader, padded_bytes};

pub(crate) use older::{OlderStep, OlderWalk};
pub(crate) use window::{BlockBytes, Window};

/// Goes over the records of a block of the current format.
///
/// A block that is being written has no end that is known: the walk ends where there is no record yet, and can be gone on
/// with later.
#[derive(Debug)]
pub(crate) struct Walk {
    sequence: u64,
    position: u64,
    /// Where the records end, if that is known.
    end: Option<u64>,
    window: Window,
    /// Where there was no record, and how far behind it one was looked for in vain.
    stalled: Option<Stall>,
    /// Where a record at the end was told to be damaged.
    told: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Stall {
    at: u64,
    searched: u64,
    when: Instant,
}

/// What a walk comes to.
#[derive(Debug)]
pub(crate) enum Step {
    /// A record, and where in the block it starts. Its payload may be damaged.
    Record(u64, RecordHeader),
    /// Bytes that are no record.
    Damage(u64, DamageReason),
    /// Nothing more, so far.
    End,
}

/// How far to look for a record behind bytes that are none, in a block whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// Up to the end of the block: nobody writes it any more.
    Thorough,
    /// A little at a time, for all that is wrong is most likely that nothing has been written there yet.
    Little,
    /// Not at all: what was acknowledged has no holes.
    None,
}

impl Walk {
    /// A walk over the block of this sequence, whose records end at `end` if that is known.
    pub(crate) fn new(sequence: u64, end: Option<u64>) -> Self {
        let position = BlockHeader::BYTES as u64;
        Self { sequence, position, end, window: Window::default(), stalled: None, told: None }
    }

    /// Where the next record is looked for.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes back to `position`, where a record started whose payload was not there yet.
    pub(crate) fn go_back(&mut self, position: u64) {
        self.position = position;
        self.window.forget();
    }

    /// The next record or damage.
    pub(crate) fn next(&mut self, bytes: &dyn BlockBytes, search: Search) -> io::Result<Step> {
        let start = self.position;
        let end = self.end.unwrap_or(u64::MAX).min(bytes.size());
        if start >= end {
            return Ok(Step::End);
        }
        if let Some(header) = self.header_at(bytes, start, end)? {
            return Ok(self.record(start, header));
        }
        // What is in the window may be older than what is there by now.
        self.window.forget();
        if let Some(header) = self.header_at(bytes, start, end)? {
            return Ok(self.record(start, header));
        }
        match self.search(bytes, start, end, search)? {
            Some(next) => {
                // Blocks are written from front to back: this one may have come while the other was looked for.
                self.window.forget();
                if let Some(header) = self.header_at(bytes, start, end)? {
                    return Ok(self.record(start, header));
                }
                Ok(self.damage(start, next))
            }
            None if self.end.is_some() => Ok(self.damage(start, end)),
            // Should it be whole later, it is read nevertheless.
            None if self.told != Some(start) && self.is_begun(bytes, start)? => {
                self.told = Some(start);
                let header_bytes = RecordHeader::BYTES as u64;
                Ok(Step::Damage(start, DamageReason::NoRecord { bytes: header_bytes.min(end - start) }))
            }
            None => Ok(Step::End),
        }
    }

    /// Whether there is something at `at` that was a header, or is to be one: not what an earlier lap has left.
    fn is_begun(&mut self, bytes: &dyn BlockBytes, at: u64) -> io::Result<bool> {
        self.window.forget();
        let data = self.window.get(bytes, at, RecordHeader::BYTES, RecordHeader::BYTES)?;
        if RecordHeader::decode(data).is_some() {
            // It came just now; or an earlier lap has left it.
            return Ok(false);
        }
        let sequence = data.get(RecordHeader::SEQUENCE_AT..).and_then(|data| data.first_chunk());
        let is_ours = sequence.is_some_and(|sequence| u64::from_le_bytes(*sequence) == self.sequence);
        Ok(is_ours || data.starts_with(&RecordHeader::MAGIC))
    }

    fn record(&mut self, start: u64, header: RecordHeader) -> Step {
        self.position = start + padded_bytes(header.payload_bytes as usize) as u64;
        self.stalled = None;
        Step::Record(start, header)
    }

    fn damage(&mut self, start: u64, next: u64) -> Step {
        self.position = next;
        self.stalled = None;
        Step::Damage(start, DamageReason::NoRecord { bytes: next - start })
    }

    fn header_at(&mut self, bytes: &dyn BlockBytes, at: u64, end: u64) -> io::Result<Option<RecordHeader>> {
        let data = self.window.get(bytes, at, RecordHeader::BYTES, WALK_BYTES)?;
        Ok(header_in(data, self.sequence).filter(|header| record_end(at, header) <= end))
    }

    /// Where the next record behind `start` is.
    fn search(
        &mut self,
        bytes: &dyn BlockBytes,
        start: u64,
        end: u64,
        search: Search,
    ) -> io::Result<Option<u64>> {
        let behind = start.saturating_add(RECORD_ALIGNMENT as u64);
        let thorough = search == Search::Thorough || self.end.is_some();
        if search == Search::None && !thorough {
            return Ok(None);
        }
        let (from, until) = match self.stalled.filter(|stall| stall.at == start && !thorough) {
            None if thorough => (behind, end),
            None => (behind, start.saturating_add(LITTLE_BYTES)),
            Some(stall) if stall.when.elapsed() < SEARCH_INTERVAL => return Ok(None),
            // From the beginning again after the end: much may have been written since.
            Some(stall) => {
                let from = if stall.searched < end { stall.searched } else { behind };
                (from, from.saturating_add(LITTLE_BYTES))
            }
        };
        let until = until.min(end);
        let mut at = from;
        while at < until {
            let data = self.window.get(bytes, at, RecordHeader::BYTES, SEARCH_BYTES)?;
            let found = (0..data.len()).step_by(RECORD_ALIGNMENT).find(|&skip| {
                let start = at + skip as u64;
                header_in(&data[skip..], self.sequence)
                    .is_some_and(|header| record_end(start, &header) <= end)
            });
            if let Some(skip) = found {
                return Ok(Some(at + skip as u64));
            }
            // A header may begin in what was read and end behind it.
            let whole = data.len().saturating_sub(RecordHeader::BYTES - RECORD_ALIGNMENT);
            if whole == 0 {
                break;
            }
            at += (whole / RECORD_ALIGNMENT * RECORD_ALIGNMENT).max(RECORD_ALIGNMENT) as u64;
        }
        self.stalled = Some(Stall { at: start, searched: until, when: Instant::now() });
        Ok(None)
    }
}

/// The header that `data` starts with, if it is of the block's own.
fn header_in(data: &[u8], sequence: u64) -> Option<RecordHeader> {
    RecordHeader::decode(data).filter(|header| header.sequence == sequence)
}

/// Where the payload of the record at `start` ends.
fn record_end(start: u64, header: &RecordHeader) -> u64 {
    start + RecordHeader::BYTES as u64 + u64::from(header.payload_bytes)
}

/// Read at once while walking: headers lie some 20 kB apart.
const WALK_BYTES: usize = 16 << 10;
/// Read at once while searching.
const SEARCH_BYTES: usize = 256 << 10;
/// How far is looked at a time where most likely nothing has been written yet.
const LITTLE_BYTES: u64 = 1 << 20;
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use valkka_core::time::WallTime;

    use crate::format::write_gap;
    use crate::record::{Gap, StreamId};

    use super::*;

    const ID: StreamId = StreamId::new(3).unwrap();

    /// A block with `count` records in `block_bytes` bytes, and where they start and end.
    fn block(count: usize, block_bytes: usize) -> (Vec<u8>, Vec<usize>) {
        let mut block = BlockHeader { sequence: 4, lane: 3, created: WallTime::default() }.encode().to_vec();
        let mut starts = vec![block.len()];
        for number in 0..count {
            let reason = "x".repeat(number % 90);
            write_gap(&mut block, 4, ID, &Gap { from: WallTime::default(), to: WallTime::default(), reason });
            starts.push(block.len());
        }
        block.resize(block_bytes, 0);
        (block, starts)
    }

    fn steps(walk: &mut Walk, block: &[u8], search: Search) -> (Vec<usize>, Vec<(u64, u64)>) {
        let (mut records, mut damage) = (Vec::new(), Vec::new());
        loop {
            match walk.next(&block, search).unwrap() {
                Step::Record(at, _) => records.push(at as usize),
                Step::Damage(at, DamageReason::NoRecord { bytes }) => damage.push((at, bytes)),
                Step::Damage(_, other) => panic!("{other:?}"),
                Step::End => return (records, damage),
            }
        }
    }

    #[test]
    fn every_record_is_found_past_damage() {
        let (block, starts) = block(2000, 1 << 20);
        let end = *starts.last().unwrap() as u64;
        for known in [Some(end), None] {
            let (records, damage) = steps(&mut Walk::new(4, known), &block, Search::Little);
            assert_eq!((&records[..], damage.len()), (&starts[..2000], 0));
            let mut rotten = block.clone();
            for victim in [3, 4, 900] {
                rotten[starts[victim]] ^= 1;
            }
            let (records, damage) = steps(&mut Walk::new(4, known), &rotten, Search::Little);
            assert_eq!(records.len(), 1997);
            let hole = |from: usize, to: usize| (starts[from] as u64, (starts[to] - starts[from]) as u64);
            assert_eq!(damage, [hole(3, 5), hole(900, 901)]);
        }
        let mut rotten = block.clone();
        rotten[starts[1999]] ^= 1;
        let (records, damage) = steps(&mut Walk::new(4, Some(end)), &rotten, Search::Little);
        assert_eq!((records.len(), damage), (1999, vec![(starts[1999] as u64, end - starts[1999] as u64)]));
    }

    #[test]
    fn a_walk_goes_on_when_more_is_written() {
        let (block, starts) = block(10, 1 << 16);
        let mut growing = vec![0; block.len()];
        let mut walk = Walk::new(4, None);
        for count in 0..10 {
            growing[..starts[count]].copy_from_slice(&block[..starts[count]]);
            let (records, damage) = steps(&mut walk, &growing, Search::Little);
            assert_eq!((records.len(), damage.len()), (usize::from(count > 0), 0));
            // A header without its end is told of once.
            let half = starts[count] + 30;
            growing[..half].copy_from_slice(&block[..half]);
            let (records, damage) = steps(&mut walk, &growing, Search::Little);
            assert_eq!((records.len(), damage), (0, vec![(starts[count] as u64, 56)]));
            assert_eq!(steps(&mut walk, &growing, Search::Little), (vec![], vec![]));
        }
    }

    #[test]
    fn what_lies_far_behind_damage_is_found_by_a_thorough_search() {
        let (mut block, starts) = block(2, 4 << 20);
        let far = (3 << 20) + 64;
        let record = block[starts[1]..starts[2]].to_vec();
        block[far..far + record.len()].copy_from_slice(&record);
        assert_eq!(steps(&mut Walk::new(4, None), &block, Search::Little).0.len(), 2);
        let (records, damage) = steps(&mut Walk::new(4, None), &block, Search::Thorough);
        assert_eq!(
            (records, damage),
            (vec![64, starts[1], far], vec![(starts[2] as u64, (far - starts[2]) as u64)])
        );
    }
}
