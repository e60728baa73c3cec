//! How far a block was written that nobody completed.

use std::io;

use tracing::{info, warn};

use crate::check::{FileBlock, older, row_by_block};
use crate::contents::read_footer;
use crate::cursor::StoredBlock;
use crate::error::StoreError;
use crate::format::{BlockHeader, BlockState, RecordHeader, RecordKind, Row};
use crate::store::Store;
use crate::table::is_damaged;
use crate::times::Times;
use crate::walk::{BlockBytes, Search, Step, Walk, Window};

/// Looks how far the open blocks in `rows` were written. Rows that are damaged are made from their blocks, unless there are
/// very many: then they stay as they are, and whoever opens the store need not read all of it. So do those of blocks that
/// cannot be read, and of those of the older format, to whose place in the order it takes a check.
pub(crate) fn look_at_open(store: &Store, rows: &mut [Row]) -> Result<(), StoreError> {
    let mut damaged = 0;
    let has_older = rows.iter().any(|row| row.is_older);
    for (block, row) in (0..).zip(rows).filter(|(_, row)| row.state == BlockState::Open) {
        if !is_damaged(row) {
            // What is not there yet another process may be writing.
            *row = look(store, block, row, Search::None)?;
            continue;
        }
        damaged += 1;
        if damaged <= MAX_DAMAGED {
            warn!(place = %store.table().medium().place().display(), block, "a damaged row is made from its block");
            let bytes = StoredBlock::new(store, block);
            let made = row_by_block(&bytes, store.table().first_sequence());
            let may_be_older = |made: &Row| has_older && *made == Row::default();
            let made = made.filter(|made| !may_be_older(made) || older::examine(&bytes).records == 0);
            *row = made.unwrap_or(*row);
        }
    }
    Ok(())
}

/// Completes the rows of all blocks that a writer left open when it was cut off; what was acknowledged is in them. The
/// blocks themselves stay as they are, without index and footer. Only what the row does not tell is read. `empty` is what
/// becomes of those with nothing in them.
pub(crate) fn complete(store: &Store, empty: BlockState) -> Result<(), StoreError> {
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
        let found = look(store, block, &row, Search::Little)?;
        // An empty one can be used again, but its sequence cannot.
        let is_empty = found.used_bytes as usize <= BlockHeader::BYTES;
        let row = Row { state: if is_empty { empty } else { BlockState::Closed }, ..found };
        store.table().write(block, &row).map_err(StoreError::io("write", place))?;
        store.table().write_rows()[block as usize] = row;
    }
    store.table().sync().map_err(StoreError::io("write", place))
}

/// The row of the open `block` with what is on disk behind what `row` tells. What cannot be read ends it.
fn look(store: &Store, block: u64, row: &Row, search: Search) -> Result<Row, StoreError> {
    let bytes = FileBlock::new(&**store.data(), store.geometry(), block);
    match look_into(&bytes, row, search) {
        Ok(row) => Ok(row),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StoreError::io("read", store.data().place())(error))
        }
        Err(error) => {
            warn!(block, %error, "the end of a block cannot be read");
            Ok(*row)
        }
    }
}

fn look_into(bytes: &dyn BlockBytes, row: &Row, search: Search) -> io::Result<Row> {
    let mut row = *row;
    row.used_bytes = row.used_bytes.max(BlockHeader::BYTES as u32);
    let footer = if search == Search::None { None } else { read_footer(bytes, row.sequence)? };
    let mut walk = Walk::new(row.sequence, footer.map(|footer| footer.used_bytes.into()));
    walk.go_back(row.used_bytes.into());
    let (mut payloads, mut times) = (Window::default(), Times::default());
    loop {
        let (start, header) = match walk.next(bytes, search)? {
            Step::Record(start, header) => (start, header),
            Step::Damage(..) if search != Search::None => continue,
            Step::Damage(..) | Step::End => break,
        };
        let length = header.payload_bytes as usize;
        let payload = payloads.get(bytes, start + RecordHeader::BYTES as u64, length, AHEAD_BYTES)?;
        if !payload.get(..length).is_some_and(|payload| header.fits(payload)) {
            if search == Search::None {
                break;
            }
            continue;
        }
        row.used_bytes = u32::try_from(walk.position()).unwrap_or(row.used_bytes);
        row.has_gaps |= header.kind == RecordKind::Gap;
        if let (Some(codec), RecordKind::Packet) = (header.codec, header.kind) {
            times.add(header.id, header.track, codec.is_video(), header.wall, header.keyframe);
        }
    }
    times.widen(&mut row);
    Ok(row)
}

/// Read at once of what follows a header: its payload, and more of them.
const AHEAD_BYTES: usize = 256 << 10;
/// So many rows are made from their blocks when a store is opened: power cuts and rotten sectors damage fewer.
const MAX_DAMAGED: u64 = 64;
