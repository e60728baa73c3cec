//! A store: its blocks and what is in them.

mod create;
mod names;
mod streams;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use valkka_core::clock::SystemClock;
use valkka_core::lock::lock;
use valkka_core::time::WallTime;

use crate::cursor::KeptStretches;
use crate::directory::Manifest;
use crate::error::StoreError;
use crate::format::{BlockHeader, BlockState, Footer, Row};
use crate::geometry::Geometry;
use crate::medium::{FileMedium, Medium, read_all, read_or_zeros};
use crate::reader::BlockReader;
use crate::record::StreamId;
use crate::recovery;
use crate::table::{Format, Table};

use names::Names;
use streams::{SharedStreams, Totals};

pub use create::{StoreFiles, StoreOptions};
pub use streams::StreamSummary;

/// A store of recordings, for reading; a [`Writer`](crate::Writer) writes into it. It can be shared by any threads, and be
/// opened by any number of processes, also while one of them writes.
///
/// What another process writes is seen after [`Self::refresh`]; what a writer of this very object writes, at once when it
/// is on disk.
pub struct Store {
    geometry: Geometry,
    data: Arc<dyn Medium>,
    table: Table,
    directory: Option<Directory>,
    /// The names of the streams. Nobody who holds them or the rows waits for the other.
    names: Mutex<Names>,
    shared_streams: SharedStreams,
    /// As they were when somebody last asked.
    totals: Mutex<Option<Arc<Totals>>>,
    kept_stretches: KeptStretches,
    /// Whether a writer of this process writes through this object.
    is_writing: AtomicBool,
    /// Held while table and names are read again, and while writing begins: what was read before must not replace what is
    /// written.
    loading: Mutex<()>,
}

/// What was read of a store, and is not taken for true yet.
pub(crate) struct Loaded {
    rows: Vec<Row>,
    manifest: Option<Manifest>,
    names: Names,
}

/// Where a store's `valkkafs.json` is, and what it said when it was last read or written.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    manifest: Mutex<Manifest>,
}

impl Store {
    /// Makes an empty store of the current format in `dir`, which is made if it is missing, and reserves its room on the
    /// disk. That takes as long as writing all of it where the file system cannot reserve.
    ///
    /// # Errors
    /// If `dir` holds a store already, there is too little room, and those of the system. What was begun is removed then.
    pub fn create(dir: &Path, options: &StoreOptions) -> Result<Arc<Self>, StoreError> {
        create::create(dir, options)?;
        Self::open(dir)
    }

    /// Opens the store in `dir` by its `valkkafs.json`. Of the data, at most what was not closed properly is read.
    ///
    /// # Errors
    /// If there is none, its files are missing or too small, and those of the system.
    pub fn open(dir: &Path) -> Result<Arc<Self>, StoreError> {
        let manifest = Manifest::load(dir)?;
        let geometry = manifest.geometry()?;
        let data = open_medium(&manifest.data_path(dir)?)?;
        let table = open_medium(&manifest.table_path(dir))?;
        let directory = Directory { path: dir.to_owned(), manifest: Mutex::new(manifest) };
        let store = Self::from_parts(data, Table::open(table, geometry)?, geometry, Some(directory))?;
        store.take(store.rows())?;
        Ok(Arc::new(store))
    }

    /// Opens a store that has no `valkkafs.json`. With `init`, or if there is no table, it gets an empty one of the current
    /// format; the data file is made and extended if it is missing or too short.
    ///
    /// # Errors
    /// If the files cannot be read, or made, and if the table is of another size.
    pub fn open_files(files: &StoreFiles, geometry: Geometry, init: bool) -> Result<Arc<Self>, StoreError> {
        let init = create::prepare(files, geometry, init)?;
        Self::from_media(open_medium(&files.data)?, open_medium(&files.table)?, geometry, init)
    }

    /// Opens a store on any media. With `init` it gets an empty table of the current format.
    ///
    /// # Errors
    /// If the media are too small or cannot be read, or written.
    pub fn from_media(
        data: Arc<dyn Medium>,
        table: Arc<dyn Medium>,
        geometry: Geometry,
        init: bool,
    ) -> Result<Arc<Self>, StoreError> {
        let table = if init {
            Table::create(table, geometry, SystemClock.now())?
        } else {
            Table::open(table, geometry)?
        };
        let store = Self::from_parts(data, table, geometry, None)?;
        store.take(store.rows())?;
        Ok(Arc::new(store))
    }

    fn from_parts(
        data: Arc<dyn Medium>,
        table: Table,
        geometry: Geometry,
        directory: Option<Directory>,
    ) -> Result<Self, StoreError> {
        let found = data.size().map_err(StoreError::io("read", data.place()))?;
        // The older program leaves its file shorter than it will be.
        if found < geometry.data_bytes() && table.format() == Format::V2 {
            let (path, wanted) = (data.place().to_owned(), geometry.data_bytes());
            return Err(StoreError::Size { path, found, wanted });
        }
        Ok(Self {
            geometry,
            data,
            table,
            directory,
            names: Mutex::default(),
            shared_streams: SharedStreams::default(),
            totals: Mutex::default(),
            kept_stretches: KeptStretches::default(),
            is_writing: AtomicBool::new(false),
            loading: Mutex::default(),
        })
    }

    /// The size and number of its blocks.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The format of its table, and of what is written into it.
    pub fn format(&self) -> Format {
        self.table.format()
    }

    /// Its directory, if it has one.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(|directory| directory.path.as_path())
    }

    /// When its table was made, about: no two stores have this moment in common, to the microsecond. `None` if nothing tells
    /// it, as in the older format and where the head of the table is damaged.
    pub fn made(&self) -> Option<WallTime> {
        let first = i64::try_from(self.table.first_sequence()).ok()?;
        (first > 0).then(|| WallTime::from_micros(first))
    }

    /// Looks whether data and table are still those that everybody finds at their places. Who writes into a file that was
    /// removed, or that a disk was mounted over, gets no error from the system: it would be lost without a word.
    ///
    /// # Errors
    /// If one is gone, or another one is there.
    pub fn check_places(&self) -> Result<(), StoreError> {
        [&self.data, self.table.medium()]
            .into_iter()
            .try_for_each(|medium| medium.check().map_err(StoreError::io("write to", medium.place())))
    }

    /// Reads the table and the names again, which another process may have written. Does nothing while this process
    /// writes.
    ///
    /// # Errors
    /// If they cannot be read; the store stays as it is then.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let _loading = lock(&self.loading);
        if self.is_writing.load(Ordering::Acquire) {
            return Ok(());
        }
        self.load()
    }

    /// Reads table and names, and of blocks that are being written how far that is.
    pub(crate) fn load(&self) -> Result<(), StoreError> {
        self.take(self.table.load()?)
    }

    /// As [`Self::load`], of rows that were just read.
    fn take(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        let loaded = self.look(rows)?;
        self.go_on(loaded, &BTreeSet::new())
    }

    /// Reads what there is now, which may be another store, for [`Self::go_on`].
    pub(crate) fn read_anew(&self) -> Result<Loaded, StoreError> {
        self.look(self.table.load()?)
    }

    fn look(&self, mut rows: Vec<Row>) -> Result<Loaded, StoreError> {
        let manifest =
            self.directory.as_ref().map(|directory| Manifest::load(&directory.path)).transpose()?;
        recovery::look_at_open(self, &mut rows)?;
        let names = match &manifest {
            Some(manifest) => self.names_with(&manifest.streams, &rows),
            // They are not written anywhere: whoever gives them knows them.
            None => lock(&self.names).clone(),
        };
        Ok(Loaded { rows, manifest, names })
    }

    /// Goes on with what was read, in which the streams `kept` are called what they are called now. Reads and writes nothing.
    ///
    /// # Errors
    /// If they are called otherwise there. Nothing has changed then.
    pub(crate) fn go_on(&self, loaded: Loaded, kept: &BTreeSet<StreamId>) -> Result<(), StoreError> {
        self.take_names(loaded.names, kept)?;
        if let (Some(directory), Some(manifest)) = (&self.directory, loaded.manifest) {
            *lock(&directory.manifest) = manifest;
        }
        let changed = *self.table.rows() != loaded.rows;
        if changed {
            *self.table.write_rows() = loaded.rows;
        }
        Ok(())
    }

    /// Another number whenever [`Self::rows`] may have changed since.
    pub(crate) fn version(&self) -> u64 {
        self.table.version()
    }

    /// How many bytes of `block` there are to read: where this process writes it, those that are on disk.
    pub(crate) fn readable_bytes(&self, block: u64) -> u64 {
        let whole = self.geometry.block_bytes();
        let is_writing = self.is_writing.load(Ordering::Acquire);
        match self.row(block) {
            Some(row) if is_writing && row.state == BlockState::Open && row.sequence > 0 => {
                u64::from(row.used_bytes).clamp(BlockHeader::BYTES as u64, whole)
            }
            _ => whole,
        }
    }

    /// What the table says of `block`; `None` if there is no such block. Of a block that is being written it tells what is
    /// on disk already.
    pub fn row(&self, block: u64) -> Option<Row> {
        self.table.rows().get(usize::try_from(block).ok()?).copied()
    }

    /// What the table says of all blocks, in their order.
    pub fn rows(&self) -> Vec<Row> {
        self.table.rows().clone()
    }

    /// The records of `block`. It is read as a whole; of one that is being written, what is on disk already.
    ///
    /// # Errors
    /// If there is no such block, and those of the system.
    pub fn block(&self, block: u64) -> Result<BlockReader, StoreError> {
        let (Some(range), Some(row)) = (self.geometry.range(block), self.row(block)) else {
            return Err(StoreError::NoBlock { block, blocks: self.geometry.blocks() });
        };
        let sequence = (row.sequence > 0).then_some(row.sequence);
        let is_begun = u64::from(row.used_bytes) > BlockHeader::BYTES as u64;
        if row.state == BlockState::Free || (!row.is_older && sequence.is_some() && !is_begun) {
            // Not even the header may be there.
            return Ok(BlockReader::new(block, Bytes::new(), None));
        }
        let whole = (range.end - range.start) as usize;
        let bytes = match row.state {
            BlockState::Open if sequence.is_some() => {
                (row.used_bytes as usize).clamp(BlockHeader::BYTES, whole)
            }
            _ => whole,
        };
        let mut data = vec![0; bytes];
        self.read(block, 0, &mut data)?;
        // One that was not completed properly has no end but the row's: what lies behind it was never acknowledged.
        let is_whole = |sequence| Footer::decode(&data).is_some_and(|footer| footer.sequence == sequence);
        if sequence.is_some_and(|sequence| !is_whole(sequence)) {
            data.truncate((row.used_bytes as usize).max(BlockHeader::BYTES));
        }
        let data = Bytes::from(data);
        Ok(if row.is_older {
            BlockReader::older(block, data)
        } else {
            BlockReader::new(block, data, sequence)
        })
    }

    pub(crate) fn data(&self) -> &Arc<dyn Medium> {
        &self.data
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// What complete blocks were found to tell.
    pub(crate) fn kept_stretches(&self) -> &KeptStretches {
        &self.kept_stretches
    }

    /// Takes the store for the one writer that there may be, as long as what is returned lives.
    pub(crate) fn begin_writing(self: &Arc<Self>) -> Result<WriteLock, StoreError> {
        let _loading = lock(&self.loading);
        if self.is_writing.swap(true, Ordering::AcqRel) {
            return Err(StoreError::Locked(self.table.medium().place().to_owned()));
        }
        let taken = WriteLock { store: self.clone() };
        taken.renew()?;
        Ok(taken)
    }

    /// The block that `valkkafs.json` names as the next one.
    pub(crate) fn told_block(&self) -> Option<u64> {
        self.directory.as_ref().map(|directory| lock(&directory.manifest).current_block)
    }

    /// Writes `valkkafs.json` if streams were named, or `is_due`.
    pub(crate) fn save_manifest(&self, current_block: u64, is_due: bool) -> Result<(), StoreError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let streams = self.names_by_number();
        let mut manifest = lock(&directory.manifest);
        if manifest.streams == streams && (!is_due || manifest.current_block == current_block) {
            return Ok(());
        }
        let changed = Manifest { streams, current_block, ..manifest.clone() };
        changed.save(&directory.path)?;
        *manifest = changed;
        Ok(())
    }

    /// Fills `data` with what lies at `offset` in `block`. Behind the end of data of the older format there are zeros.
    ///
    /// # Errors
    /// If there is no such block or it is shorter than that, and those of the system.
    pub(crate) fn read(&self, block: u64, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        let no_block = || StoreError::NoBlock { block, blocks: self.geometry.blocks() };
        let range = self.geometry.range(block).ok_or_else(no_block)?;
        let start = range.start.saturating_add(offset);
        if start.saturating_add(data.len() as u64) > range.end {
            return Err(no_block());
        }
        let read = match self.format() {
            Format::V1 => read_or_zeros(&*self.data, start, data),
            Format::V2 => read_all(&*self.data, start, data),
        };
        read.map_err(StoreError::io("read", self.data.place()))
    }
}

/// Keeps other writers out.
#[derive(Debug)]
pub(crate) struct WriteLock {
    store: Arc<Store>,
}

impl WriteLock {
    /// Takes the table again, which was opened anew.
    pub(crate) fn renew(&self) -> Result<(), StoreError> {
        let table = self.store.table.medium();
        match table.lock() {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Locked(table.place().to_owned())),
            Err(error) => Err(StoreError::io("write", table.place())(error)),
        }
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        self.store.table.medium().unlock();
        self.store.is_writing.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, format) = (self.data.place(), self.format());
        f.debug_struct("Store").field("data", &place).field("format", &format).finish_non_exhaustive()
    }
}

fn open_medium(path: &Path) -> Result<Arc<dyn Medium>, StoreError> {
    Ok(Arc::new(FileMedium::open(path).map_err(StoreError::io("open", path))?))
}
