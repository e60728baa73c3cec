//! A store as programs see it that wire their graphs themselves: a file of blocks, and two times for each block.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate};
use valkka_core::lock::lock;
use valkka_core::time::WallTime;
use valkka_store::format::{BlockState, Row};
use valkka_store::medium::{FileMedium, Medium as _};
use valkka_store::{Geometry, Record, Store, StoreError, StoreFiles, Writer};

/// A store without a directory of its own: a data file or partition, and a file with the table of its blocks.
///
/// It keeps two times for each block, by which programs choose what they read. They are as they were when the block was
/// closed; those of the block that is being written come with [`Self::update`] only. Reading and writing are the work of a
/// [`StoreReader`](super::StoreReader) and a [`StoreWriter`](super::StoreWriter).
///
/// All calls may come from any thread, also from within its own reports.
pub struct BlockStore {
    files: StoreFiles,
    geometry: Geometry,
    keys: KeyTime,
    /// Another one after the table was cleared.
    store: Mutex<Arc<Store>>,
    table: Mutex<Table>,
    /// Frames that writers have taken so far.
    taken: AtomicU64,
    report: Box<dyn Fn(BlockChange) + Send + Sync>,
}

/// Which key frame of a block is the one whose time is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTime {
    /// The first: for stores of one stream.
    First,
    /// The last: for stores of many streams, each of which has a key frame before it, in this block or the one before.
    Last,
}

/// The two times of a block, in milliseconds since the Unix epoch; both are 0 if it is not in use.
///
/// A block of frames that all depend on a key frame in an earlier block has that one's key time: the two belong together.
/// If there is no such block any more, it is the time of its first frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockTimes {
    /// The time of a key frame, see [`KeyTime`].
    pub key_ms: i64,
    /// The time of the last frame.
    pub last_ms: i64,
}

/// What a [`BlockStore`] reports: its table has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockChange {
    /// Whether it comes from the thread that writes, and not from a call that somebody waits for.
    pub by_writer: bool,
    /// What has changed.
    pub kind: BlockChangeKind,
}

/// What has changed in the table of a [`BlockStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockChangeKind {
    /// A block was closed.
    Closed {
        /// The block that is written next.
        next: u64,
    },
    /// A block without a key frame was closed.
    ClosedWithoutKeyframe,
    /// A block without a frame was closed.
    ClosedWithoutFrame,
    /// The times of the block that is being written were asked for.
    Updated,
}

struct Table {
    times: Vec<BlockTimes>,
    /// Where the next writer is to begin, if somebody has said.
    wanted: Option<u64>,
    /// Where the last writer would have gone on.
    next: Option<u64>,
    writer: Weak<Writer>,
    /// How many frames had been taken at the last update.
    updated_at: u64,
}

impl BlockStore {
    /// Opens the store in these files, with an empty table if it is to be `initial`ised or has none. `report` is called
    /// without any lock, and must return soon.
    ///
    /// # Errors
    /// If the files cannot be opened, or hold a store of another geometry; and if it is to be initialised while somebody
    /// writes it.
    pub fn open(
        files: StoreFiles,
        geometry: Geometry,
        keys: KeyTime,
        initial: bool,
        report: impl Fn(BlockChange) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let lock = if initial { lock_out_writers(&files)? } else { None };
        let store = Store::open_files(&files, geometry, initial)?;
        drop(lock);
        let times = times_of(&with_open_blocks(&store), keys);
        let table = Table { times, wanted: None, next: None, writer: Weak::new(), updated_at: 0 };
        Ok(Self {
            files,
            geometry,
            keys,
            store: Mutex::new(store),
            table: Mutex::new(table),
            taken: AtomicU64::new(0),
            report: Box::new(report),
        })
    }

    /// The size and number of its blocks.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The largest frame that is written, in bytes.
    pub fn max_frame_bytes(&self) -> usize {
        usize::try_from(self.geometry.data_bytes() / 10).unwrap_or(usize::MAX)
    }

    /// Its files.
    pub fn files(&self) -> &StoreFiles {
        &self.files
    }

    /// What reads and writes it.
    pub fn store(&self) -> Arc<Store> {
        lock(&self.store).clone()
    }

    /// The times of all blocks, by their numbers.
    pub fn times(&self) -> Vec<BlockTimes> {
        lock(&self.table).times.clone()
    }

    /// Reads the table from its file: another process may write. The times of a block that is being written are as far as
    /// it has come.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn reload(&self) -> Result<(), StoreError> {
        let store = self.store();
        store.refresh()?;
        self.show(|| with_open_blocks(&store));
        Ok(())
    }

    /// Makes all blocks empty: their table says so from now on.
    ///
    /// # Errors
    /// While somebody writes, and if the table cannot be written.
    pub fn clear_table(&self) -> Result<(), StoreError> {
        let _lock = lock_out_writers(&self.files)?;
        let store = Store::open_files(&self.files, self.geometry, true)?;
        *lock(&self.store) = store;
        self.show(Vec::new);
        Ok(())
    }

    /// Overwrites the data with zeros: the start of each block, or all of it. Waits for the disk.
    ///
    /// # Errors
    /// While somebody writes, and if the data cannot be written.
    pub fn clear_data(&self, all: bool) -> Result<(), StoreError> {
        let _lock = lock_out_writers(&self.files)?;
        let path = self.files.data.clone();
        self.overwrite(all).map_err(|source| StoreError::Io { action: "overwrite", path, source })
    }

    fn overwrite(&self, all: bool) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.files.data)?;
        let zeros = vec![0; ZEROS];
        let (block_bytes, end) = (self.geometry.block_bytes(), self.geometry.data_bytes());
        // Many file systems and disks can do so at once.
        if all && fallocate(&file, FallocateFlags::ZERO_RANGE, 0, end).is_err() {
            for start in (0..end).step_by(ZEROS) {
                let length = ZEROS.min(usize::try_from(end - start).unwrap_or(ZEROS));
                file.write_all_at(&zeros[..length], start)?;
            }
        }
        if !all {
            for block in 0..self.geometry.blocks() {
                file.write_all_at(&zeros[..BLOCK_START], block * block_bytes)?;
            }
        }
        file.sync_data()
    }

    /// Has the next writer begin with this block. Without it, it goes on where the last one ended; so it does if the last
    /// one was cut off within this block, of which nothing is to be lost.
    pub fn set_next_block(&self, block: u64) {
        lock(&self.table).wanted = Some(block % self.geometry.blocks());
    }

    /// The block that is written next, or just now.
    pub fn next_block(&self) -> Option<u64> {
        let (writer, next) = {
            let table = lock(&self.table);
            (table.writer.upgrade(), table.wanted.or(table.next))
        };
        let open = || {
            let rows = self.store().rows();
            let open = rows.iter().zip(0..).filter(|(row, _)| row.state == BlockState::Open);
            open.max_by_key(|(row, _)| row.sequence).map(|(_, block)| block)
        };
        writer.map(|writer| open().unwrap_or_else(|| writer.current_block())).or(next)
    }

    /// Puts the times of the block that is being written into the table, as far as it has come, after all that was taken so
    /// far is on disk. Nothing if no frame came since the last time. Waits for the disk. Where nobody writes by this store,
    /// it does the same as [`Self::reload`]: another process may.
    ///
    /// # Errors
    /// If the disk does not take it, or the table cannot be read.
    pub fn update(&self) -> Result<(), StoreError> {
        let (writer, updated_at) = {
            let table = lock(&self.table);
            (table.writer.upgrade(), table.updated_at)
        };
        let Some(writer) = writer else { return self.reload() };
        let taken = self.taken.load(Ordering::Acquire);
        if taken == updated_at {
            return Ok(());
        }
        writer.commit(Instant::now() + PATIENCE)?;
        lock(&self.table).updated_at = taken;
        self.show(|| with_open_blocks(writer.store()));
        (self.report)(BlockChange { by_writer: false, kind: BlockChangeKind::Updated });
        Ok(())
    }

    /// Has `writer` begin where it is to, and asked for what is not in the table yet, as long as it lives.
    pub(super) fn attach(&self, writer: &Arc<Writer>) {
        let newest = self.newest_block();
        let mut table = lock(&self.table);
        if let Some(wanted) = table.wanted.take().filter(|&wanted| newest != Some(wanted)) {
            writer.set_current_block(wanted);
        }
        table.writer = Arc::downgrade(writer);
    }

    /// Counts a frame that the writer has taken.
    pub(super) fn count_taken(&self) {
        self.taken.fetch_add(1, Ordering::Release);
    }

    /// The block that was written last.
    fn newest_block(&self) -> Option<u64> {
        let rows = self.store().rows();
        let used = rows.iter().zip(0..).filter(|(row, _)| row.state != BlockState::Free);
        used.max_by_key(|(row, _)| (row.sequence, row.last)).map(|(_, block)| block)
    }

    /// Takes notice of a block that was closed, by a writer that begins another one with the block `begins`.
    pub(super) fn closed(&self, block: u64, begins: u64, by_writer: bool) {
        let store = self.store();
        let is_open = |row: &Row| row.state == BlockState::Open;
        self.show(|| {
            let rows = store.rows().into_iter();
            rows.map(|row| if is_open(&row) { Row::default() } else { row }).collect()
        });
        let rows = store.rows();
        let next = after(&rows, block).unwrap_or(begins);
        lock(&self.table).next = Some(next);
        let row = usize::try_from(block).ok().and_then(|block| rows.get(block)).copied().unwrap_or_default();
        let kind = match (row.last_keyframe, row.last) {
            // In a small ring it may be begun anew already.
            _ if is_open(&row) => BlockChangeKind::Closed { next },
            (Some(_), _) => BlockChangeKind::Closed { next },
            (None, Some(_)) => BlockChangeKind::ClosedWithoutKeyframe,
            (None, None) => BlockChangeKind::ClosedWithoutFrame,
        };
        (self.report)(BlockChange { by_writer, kind });
    }

    /// Puts the times of the rows into the table. They are asked for under its lock: those of who comes later are newer.
    fn show(&self, rows: impl FnOnce() -> Vec<Row>) {
        let mut table = lock(&self.table);
        table.times = times_of(&rows(), self.keys);
        table.times.resize(usize::try_from(self.geometry.blocks()).unwrap_or(0), BlockTimes::default());
    }
}

impl fmt::Debug for BlockStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockStore").field("files", &self.files).field("geometry", &self.geometry).finish()
    }
}

/// Keeps writers out, of this process and of others, as long as what is returned lives. There may be no table yet.
fn lock_out_writers(files: &StoreFiles) -> Result<Option<FileMedium>, StoreError> {
    let path = &files.table;
    let failed = |source| StoreError::Io { action: "lock", path: path.clone(), source };
    if !path.is_file() {
        return Ok(None);
    }
    let table = FileMedium::open(path).map_err(failed)?;
    if table.lock().map_err(failed)? { Ok(Some(table)) } else { Err(StoreError::Locked(path.clone())) }
}

/// The block that was begun after `block`, if there is one.
fn after(rows: &[Row], block: u64) -> Option<u64> {
    let row = rows.get(usize::try_from(block).ok()?)?;
    if row.is_older {
        return Some((block + 1) % rows.len() as u64);
    }
    let later = rows.iter().zip(0..).filter(|(other, _)| other.sequence > row.sequence);
    later.min_by_key(|(other, _)| other.sequence).map(|(_, block)| block)
}

/// The rows of all blocks; those of blocks that are being written, or were when a writer was cut off, as far as they have
/// come.
fn with_open_blocks(store: &Store) -> Vec<Row> {
    let mut rows = store.rows();
    for (row, block) in rows.iter_mut().zip(0..) {
        if row.state == BlockState::Open && row.last.is_none() {
            look_into(store, block, row);
        }
    }
    rows
}

/// Fills in the times of a block by what is in it.
fn look_into(store: &Store, block: u64, row: &mut Row) {
    let Ok(records) = store.block(block) else { return };
    for record in records.flatten() {
        let Record::Packet { frame, .. } = record else { continue };
        let Some(packet) = frame.packet().filter(|_| frame.track.index() == 0) else { continue };
        let time = Some(frame.time.wall);
        row.first = row.first.or(time);
        row.last = row.last.max(time);
        if packet.keyframe {
            row.first_keyframe = row.first_keyframe.or(time);
            row.last_keyframe = row.last_keyframe.max(time);
        }
    }
}

fn times_of(rows: &[Row], keys: KeyTime) -> Vec<BlockTimes> {
    let mut times = vec![BlockTimes::default(); rows.len()];
    let mut order: Vec<usize> = (0..rows.len()).filter(|&index| rows[index].last.is_some()).collect();
    // Blocks of the older format have no sequence, but a time; they follow each other in one ring.
    let lane = |row: &Row| if row.is_older { 0 } else { row.lane };
    order.sort_by_key(|&index| (lane(&rows[index]), rows[index].sequence, rows[index].last));
    let mut before: Option<(u64, WallTime)> = None;
    for index in order {
        let row = &rows[index];
        let key = match keys {
            KeyTime::First => row.first_keyframe,
            KeyTime::Last => row.last_keyframe,
        };
        let earlier = before.filter(|&(of, _)| of == lane(row)).map(|(_, key)| key);
        let Some(key) = key.or(earlier).or(row.first).or(row.last) else { continue };
        before = Some((lane(row), key));
        times[index] = BlockTimes { key_ms: in_use(key), last_ms: row.last.map_or(0, in_use) };
    }
    times
}

/// Milliseconds that are not taken for those of a block that is not in use.
fn in_use(time: WallTime) -> i64 {
    time.millis().max(1)
}

/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is written at once, in bytes.
const ZEROS: usize = 1 << 20;
/// So many bytes tell whether there is something in a block.
const BLOCK_START: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sequence: u64, key: Option<i64>, last: i64) -> Row {
        let at = |ms: i64| WallTime::from_micros(ms * 1000);
        Row {
            sequence,
            first_keyframe: key.map(at),
            last_keyframe: key.map(|key| at(key + 10)),
            first: Some(at(last - 100)),
            last: Some(at(last)),
            state: BlockState::Closed,
            ..Row::default()
        }
    }

    fn pairs(rows: &[Row], keys: KeyTime) -> Vec<(i64, i64)> {
        times_of(rows, keys).iter().map(|times| (times.key_ms, times.last_ms)).collect()
    }

    #[test]
    fn a_block_has_the_time_of_its_first_or_last_key_frame() {
        let rows = [row(1, Some(100), 199), Row::default(), row(2, Some(200), 299)];
        assert_eq!(pairs(&rows, KeyTime::First), [(100, 199), (0, 0), (200, 299)]);
        assert_eq!(pairs(&rows, KeyTime::Last), [(110, 199), (0, 0), (210, 299)]);
    }

    #[test]
    fn a_block_without_a_key_frame_belongs_to_the_one_before_it() {
        // The ring has wrapped: the third was written first, and depends on a block that is no more.
        let rows = [row(5, Some(500), 599), row(6, None, 699), row(3, None, 399), row(4, None, 499)];
        assert_eq!(pairs(&rows, KeyTime::First), [(500, 599), (500, 699), (299, 399), (299, 499)]);
        // Another stream's block is none before it.
        let other = Row { lane: 7, ..row(7, None, 799) };
        assert_eq!(pairs(&[row(6, Some(600), 699), other], KeyTime::First)[1], (699, 799));
    }

    #[test]
    fn what_was_recorded_at_the_epoch_is_in_use() {
        assert_eq!(pairs(&[row(1, Some(0), 0)], KeyTime::First), [(1, 1)]);
    }
}
