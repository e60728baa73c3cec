//! How far a block was written that nobody completed.

use std::io;

use tracing::{info, warn};

use crate::check::row_by_block;
use crate::cursor::StoredBlock;
use crate::error::StoreError;
use crate::format::{
    BlockHeader, BlockState, Footer, RECORD_ALIGNMENT, RecordHeader, RecordKind, Row, padded_bytes,
};
use crate::store::Store;
use crate::table::is_damaged;
use crate::times::Times;

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// Up to the first bytes that are no record: another process may be writing them.
    Little,
    /// Past damage too: nobody writes there any more.
    Thorough,
}

/// Looks how far the open blocks in `rows` were written. Rows that are damaged are made from their blocks, unless there are
/// very many: then they stay as they are, and whoever opens the store need not read all of it.
pub(crate) fn look_at_open(store: &Store, rows: &mut [Row]) -> Result<(), StoreError> {
    let mut damaged = 0;
    for (block, row) in (0..).zip(rows).filter(|(_, row)| row.state == BlockState::Open) {
        if !is_damaged(row) {
            *row = look(store, block, row, Effort::Little)?;
            continue;
        }
        damaged += 1;
        if damaged <= MAX_DAMAGED {
            warn!(place = %store.table().medium().place().display(), block, "a damaged row is made from its block");
            *row = row_by_block(&StoredBlock::new(store, block), store.table().first_sequence());
        }
    }
    Ok(())
}

/// Completes the rows of all blocks that a writer left open when it was cut off; what was acknowledged is in them. The
/// blocks themselves stay as they are, without index and footer. Only what the row does not tell is read.
pub(crate) fn complete(store: &Store) -> Result<(), StoreError> {
    let place = store.table().medium().place();
    let open: Vec<(u64, Row)> = {
        let rows = store.table().rows();
        (0..).zip(rows.iter().copied()).filter(|(_, row)| row.state == BlockState::Open).collect()
    };
    let damaged = open.iter().filter(|(_, row)| is_damaged(row)).count();
    if damaged > 0 {
        return Err(StoreError::DamagedTable { path: place.to_owned(), rows: damaged as u64 });
    }
    let on_disk = store.table().load()?;
    let rows = store.rows();
    let made: Vec<(u64, Row)> =
        (0..).zip(rows).filter(|(block, _)| is_damaged(&on_disk[*block as usize])).collect();
    for (block, row) in &made {
        store.table().write(*block, row).map_err(StoreError::io("write", place))?;
    }
    if open.is_empty() && made.is_empty() {
        return Ok(());
    }
    info!(place = %place.display(), blocks = open.len(), "completing what was cut off");
    for (block, row) in open {
        let found = look(store, block, &row, Effort::Thorough)?;
        // An empty one can be used again, but its sequence cannot.
        let is_empty = found.used_bytes as usize <= BlockHeader::BYTES;
        let row = Row { state: if is_empty { BlockState::Free } else { BlockState::Closed }, ..found };
        store.table().write(block, &row).map_err(StoreError::io("write", place))?;
        store.table().write_rows()[block as usize] = row;
    }
    store.table().sync().map_err(StoreError::io("write", place))
}

/// The row of the open `block` with what is on disk behind what `row` tells. What cannot be read ends it.
fn look(store: &Store, block: u64, row: &Row, effort: Effort) -> Result<Row, StoreError> {
    let mut bytes = Bytes { store, block, start: 0, data: Vec::new() };
    let found = bytes.look(row, effort);
    match found {
        Ok(row) => Ok(row),
        Err(StoreError::Io { source, .. }) if source.kind() != io::ErrorKind::NotFound => {
            warn!(block, error = %source, "the end of a block cannot be read");
            Ok(*row)
        }
        Err(error) => Err(error),
    }
}

/// Bytes of a block, read some at a time.
struct Bytes<'a> {
    store: &'a Store,
    block: u64,
    start: usize,
    data: Vec<u8>,
}

impl Bytes<'_> {
    fn look(&mut self, row: &Row, effort: Effort) -> Result<Row, StoreError> {
        let mut row = *row;
        let mut at = (row.used_bytes as usize).max(BlockHeader::BYTES);
        let size = self.store.geometry().block_bytes() as usize;
        let mut end = size;
        if effort == Effort::Thorough {
            let last = self.get(size - Footer::BYTES, Footer::BYTES)?;
            let footer = last.and_then(|last| Footer::decode_last(last, size as u64));
            end = footer
                .filter(|footer| footer.sequence == row.sequence)
                .map_or(size, |footer| footer.used_bytes as usize);
        }
        let mut times = Times::default();
        while let Some((start, header)) = self.record_from(at, end, row.sequence, effort)? {
            at = start + padded_bytes(header.payload_bytes as usize);
            row.used_bytes = at as u32;
            row.has_gaps |= header.kind == RecordKind::Gap;
            let codec = header.codec.filter(|_| header.kind == RecordKind::Packet);
            if let Some(codec) = codec {
                times.add(header.id, header.track, codec.is_video(), header.wall, header.keyframe);
            }
        }
        row.used_bytes = row.used_bytes.max(BlockHeader::BYTES as u32);
        times.widen(&mut row);
        Ok(row)
    }

    /// The record at `at`, or, with the effort, one behind it, and where it starts.
    fn record_from(
        &mut self,
        at: usize,
        end: usize,
        sequence: u64,
        effort: Effort,
    ) -> Result<Option<(usize, RecordHeader)>, StoreError> {
        let last = match effort {
            Effort::Little => at,
            Effort::Thorough => at.saturating_add(SEARCH_BYTES),
        };
        for start in (at..=last.min(end)).step_by(RECORD_ALIGNMENT) {
            if let Some(header) = self.record_at(start, end, sequence)? {
                return Ok(Some((start, header)));
            }
        }
        Ok(None)
    }

    /// The whole record at `start`.
    fn record_at(
        &mut self,
        start: usize,
        end: usize,
        sequence: u64,
    ) -> Result<Option<RecordHeader>, StoreError> {
        if start.saturating_add(RecordHeader::BYTES) > end {
            return Ok(None);
        }
        let header = self.get(start, RecordHeader::BYTES)?.and_then(RecordHeader::decode);
        let Some(header) = header.filter(|header| header.sequence == sequence) else { return Ok(None) };
        let length = header.payload_bytes as usize;
        if padded_bytes(length) > end - start {
            return Ok(None);
        }
        let payload = self.get(start + RecordHeader::BYTES, length)?;
        Ok(payload.is_some_and(|payload| header.fits(payload)).then_some(header))
    }

    /// `length` bytes at `at`; `None` if the block ends before.
    fn get(&mut self, at: usize, length: usize) -> Result<Option<&[u8]>, StoreError> {
        let size = self.store.geometry().block_bytes() as usize;
        if at.saturating_add(length) > size {
            return Ok(None);
        }
        if at < self.start || at + length > self.start + self.data.len() {
            // A little at first: most often there is nothing.
            let ahead = if self.data.is_empty() { FIRST_BYTES } else { AHEAD_BYTES };
            self.data.resize(length.max(ahead).min(size - at), 0);
            self.start = at;
            if let Err(error) = self.store.read(self.block, at as u64, &mut self.data) {
                self.data.clear();
                return Err(error);
            }
        }
        let skip = at - self.start;
        Ok(self.data.get(skip..skip + length))
    }
}

const FIRST_BYTES: usize = 4096;
const AHEAD_BYTES: usize = 256 << 10;
/// How far to look for a record behind bytes that are none.
const SEARCH_BYTES: usize = 1 << 20;
/// So many rows are made from their blocks when a store is opened: power cuts and rotten sectors damage fewer.
const MAX_DAMAGED: u64 = 64;
