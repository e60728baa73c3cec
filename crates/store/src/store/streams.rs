//! Which streams a store holds.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use valkka_core::lock::lock;
use valkka_core::time::WallTime;

use crate::contents::read_footer;
use crate::cursor::{StoredBlock, older_order};
use crate::format::{BlockState, Footer, Row};
use crate::record::StreamId;
use crate::walk::{BlockBytes as _, OlderStep, OlderWalk, Search, Step, Walk};

use super::Store;

/// What a store has of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// Its number.
    pub id: StreamId,
    /// Its name; empty if it has none.
    pub name: String,
    /// The moment of its first frame; `None` if there is none. Of a stream that shares its blocks with others, that of the
    /// first frame of any of them.
    pub first: Option<WallTime>,
    /// The moment of the last frame, likewise.
    pub last: Option<WallTime>,
    /// Bytes of the blocks that hold it alone, as far as they are used.
    pub bytes: u64,
}

impl Store {
    /// The streams that it holds or that have a name, by number. Of blocks that hold many streams only the newest few are
    /// looked into.
    pub fn streams(&self) -> Vec<StreamSummary> {
        let totals = self.totals();
        let summary = |id, total: Option<&Total>| {
            let Total { first, last, bytes } = total.copied().unwrap_or_default();
            StreamSummary { id, name: String::new(), first, last, bytes }
        };
        let named = self.named().into_iter().map(|id| (id, totals.lanes.get(&id.number())));
        let recorded =
            totals.lanes.iter().filter_map(|(&lane, total)| Some((StreamId::new(lane)?, Some(total))));
        let mut streams: BTreeMap<StreamId, StreamSummary> =
            named.chain(recorded).map(|(id, total)| (id, summary(id, total))).collect();
        let shared = totals.lanes.get(&0).copied().unwrap_or_default();
        for id in self.shared_streams.look(self, &totals.shared) {
            let stream = streams.entry(id).or_insert_with(|| summary(id, None));
            stream.first = [stream.first, shared.first].into_iter().flatten().min();
            stream.last = stream.last.max(shared.last);
        }
        let names = lock(&self.names);
        for (id, stream) in &mut streams {
            stream.name = names.by_id.get(id).cloned().unwrap_or_default();
        }
        streams.into_values().collect()
    }

    /// The bytes of the blocks in which nothing is recorded now.
    pub fn free_bytes(&self) -> u64 {
        self.totals().free * self.geometry.block_bytes()
    }

    /// What all rows come to: they are gone over once for all who ask until they change.
    fn totals(&self) -> Arc<Totals> {
        // Should they change before they are gone over, they are gone over once more.
        let version = self.version();
        let mut known = lock(&self.totals);
        if let Some(totals) = known.as_ref().filter(|totals| totals.version == version) {
            return totals.clone();
        }
        let totals = Arc::new(Totals::of(version, &self.table.rows()));
        *known = Some(totals.clone());
        totals
    }
}

/// What the rows of a store come to.
#[derive(Debug)]
pub(super) struct Totals {
    version: u64,
    /// By lane; 0 is that of blocks that hold many streams.
    lanes: BTreeMap<u64, Total>,
    /// Blocks that hold nothing.
    free: u64,
    /// The newest blocks that hold many streams, with their rows.
    shared: Vec<(u64, Row)>,
}

/// What there is of one lane.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    first: Option<WallTime>,
    last: Option<WallTime>,
    bytes: u64,
}

impl Totals {
    fn of(version: u64, rows: &[Row]) -> Self {
        let (mut lanes, mut free) = (BTreeMap::<u64, Total>::new(), 0);
        for row in rows {
            if row.state == BlockState::Free {
                free += 1;
                continue;
            }
            let total = lanes.entry(row.lane).or_default();
            total.first = [total.first, row.first].into_iter().flatten().min();
            total.last = total.last.max(row.last);
            total.bytes += u64::from(row.used_bytes);
        }
        let shared = if lanes.contains_key(&0) { newest_shared(rows) } else { Vec::new() };
        Self { version, lanes, free, shared }
    }
}

/// What was found in blocks that hold many streams.
#[derive(Debug, Default)]
pub(super) struct SharedStreams(Mutex<BTreeMap<u64, (Row, BTreeSet<StreamId>)>>);

impl SharedStreams {
    /// The streams in `blocks`. Those that have not changed since are not looked into again.
    fn look(&self, store: &Store, blocks: &[(u64, Row)]) -> BTreeSet<StreamId> {
        let mut known = lock(&self.0);
        let mut found = BTreeMap::new();
        for &(block, row) in blocks {
            let ids = known.remove(&block).filter(|(before, _)| *before == row).map(|(_, ids)| ids);
            // What cannot be read tells nothing.
            let ids = ids.or_else(|| look(store, block, &row).ok()).unwrap_or_default();
            found.insert(block, (row, ids));
        }
        let all = found.values().flat_map(|(_, ids)| ids).copied().collect();
        *known = found;
        all
    }
}

/// The newest blocks that hold many streams, with their rows.
fn newest_shared(rows: &[Row]) -> Vec<(u64, Row)> {
    let with_row = |block: u64| rows.get(block as usize).map(|row| (block, *row));
    let is_shared = |row: &Row| row.lane == 0 && row.state != BlockState::Free;
    let older = older_order(rows).into_iter().filter_map(with_row);
    let mut current: Vec<_> =
        (0..).zip(rows.iter().copied()).filter(|(_, row)| is_shared(row) && row.sequence > 0).collect();
    current.sort_unstable_by_key(|(_, row)| row.sequence);
    let mut blocks: Vec<_> = older.filter(|(_, row)| is_shared(row)).chain(current).collect();
    blocks.drain(..blocks.len().saturating_sub(SHARED_BLOCKS));
    blocks
}

/// The streams in `block`, by its index if it has one, else by the headers of its records.
fn look(store: &Store, block: u64, row: &Row) -> io::Result<BTreeSet<StreamId>> {
    let bytes = StoredBlock::new(store, block);
    let mut ids = BTreeSet::new();
    if row.is_older {
        let mut walk = OlderWalk::default();
        while let OlderStep::Record(record) = walk.next(&bytes, None)? {
            ids.insert(record.id);
        }
        return Ok(ids);
    }
    if let Some(footer) = read_footer(&bytes, row.sequence)? {
        let tail = Footer::tail_bytes(footer.count as usize);
        let mut index = vec![0; tail - Footer::BYTES];
        bytes.read_at(bytes.size() - tail as u64, &mut index)?;
        if let Some(entries) = footer.entries(&index) {
            return Ok(entries.iter().filter_map(|entry| StreamId::new(entry.id)).collect());
        }
    }
    let mut walk = Walk::new(row.sequence, Some(row.used_bytes.into()));
    loop {
        match walk.next(&bytes, Search::Little)? {
            Step::Record(_, header) => drop(ids.insert(header.id)),
            Step::Damage(..) => (),
            Step::End => return Ok(ids),
        }
    }
}

/// How many blocks are looked into.
const SHARED_BLOCKS: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use valkka_testkit::temp::TempDir;
    use valkka_testkit::watchdog::Watchdog;

    use crate::geometry::Geometry;
    use crate::store::StoreOptions;

    use super::*;

    #[test]
    fn streams_are_listed_and_named_while_rows_change() {
        let _watchdog = Watchdog::start(Duration::from_secs(300));
        let dir = TempDir::new().unwrap();
        let options = StoreOptions::new(Geometry::new(4096, 200).unwrap());
        let store = Store::create(&dir.join("store"), &options).unwrap();
        // Lanes without a name.
        for (lane, row) in (100_000..).zip(store.table().write_rows().iter_mut()) {
            *row = Row { lane, sequence: lane, state: BlockState::Closed, ..Row::default() };
        }
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Acquire) {
                    store.table().write_rows()[0].used_bytes ^= 1;
                }
            });
            scope.spawn(|| {
                while !is_done.load(Ordering::Acquire) {
                    assert!(store.streams().len() >= 200);
                }
            });
            for number in 0..20_000 {
                store.name_stream(&format!("camera {number}")).unwrap();
                if number % 8 == 7 {
                    lock(&store.names).by_id.clear();
                }
            }
            store.name_stream("the last").unwrap();
            is_done.store(true, Ordering::Release);
        });
        let streams = store.streams();
        let named = |stream: &StreamSummary| (stream.id.number(), stream.name.clone());
        assert_eq!((streams.len(), named(&streams[0])), (201, (100_000, String::new())));
        assert_eq!(named(&streams[200]), (100_200, "the last".to_owned()));
    }
}
