//! The table of blocks, as it is on disk and in memory.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use valkka_core::time::WallTime;

use crate::error::StoreError;
use crate::format::{BlockState, Row, TableHeader, v1};
use crate::geometry::Geometry;
use crate::medium::{Medium, read_all, write_all};

/// Which program's bytes a store is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// That of the C++ libValkka: no check sums, no gaps, and nothing tells what a power cut has damaged.
    V1,
    /// The current one.
    V2,
}

/// The rows of a store.
#[derive(Debug)]
pub(crate) struct Table {
    medium: Arc<dyn Medium>,
    format: Format,
    geometry: Geometry,
    first_sequence: u64,
    /// As many as there are blocks.
    rows: RwLock<Vec<Row>>,
    /// Counts the changes of the rows.
    version: AtomicU64,
}

impl Table {
    /// How many bytes the table of a store has.
    pub(crate) fn bytes(format: Format, geometry: Geometry) -> u64 {
        match format {
            Format::V1 => geometry.blocks() * v1::Row::BYTES as u64,
            Format::V2 => Row::offset(geometry.blocks()),
        }
    }

    /// Begins a new table of the current format on `medium`, whatever is there. The sequences go on from those of the
    /// table there, or else from the time, for blocks of an earlier store may be left in the data.
    pub(crate) fn create(
        medium: Arc<dyn Medium>,
        geometry: Geometry,
        now: WallTime,
    ) -> Result<Self, StoreError> {
        let wanted = Self::bytes(Format::V2, geometry);
        check_size(&*medium, wanted)?;
        let earlier = Self::open(medium.clone(), geometry).map_or(0, |table| table.next_sequence());
        let first_sequence = earlier.max(now.micros().max(1).unsigned_abs());
        let header = TableHeader { geometry, first_sequence };
        let mut bytes = header.encode().to_vec();
        bytes.resize(wanted as usize, 0);
        let written = write_all(&*medium, 0, &mut [IoSlice::new(&bytes)]).and_then(|()| medium.sync());
        written.map_err(StoreError::io("write", medium.place()))?;
        let rows = RwLock::new(vec![Row::default(); geometry.blocks() as usize]);
        Ok(Self { medium, format: Format::V2, geometry, first_sequence, rows, version: AtomicU64::new(0) })
    }

    /// Reads the table on `medium`, which tells by its first bytes in which format it is.
    pub(crate) fn open(medium: Arc<dyn Medium>, geometry: Geometry) -> Result<Self, StoreError> {
        let size = medium.size().map_err(StoreError::io("read", medium.place()))?;
        let mut head = vec![0; (TableHeader::BYTES as u64).min(size) as usize];
        read_all(&*medium, 0, &mut head).map_err(StoreError::io("read", medium.place()))?;
        // Its size tells it too, should the first bytes be damaged: the older one is smaller.
        let is_current = head.starts_with(&TableHeader::MAGIC) || size == Self::bytes(Format::V2, geometry);
        let format = if is_current { Format::V2 } else { Format::V1 };
        check_size(&*medium, Self::bytes(format, geometry))?;
        // A damaged header costs nothing as long as the size is known.
        let first_sequence = TableHeader::decode(&head).map_or(0, |header| header.first_sequence);
        let (rows, version) = (RwLock::default(), AtomicU64::new(0));
        let table = Self { medium, format, geometry, first_sequence, rows, version };
        let rows = table.load()?;
        *table.write_rows() = rows;
        Ok(table)
    }

    pub(crate) fn medium(&self) -> &Arc<dyn Medium> {
        &self.medium
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The rows on disk. Those that are damaged are open and without a sequence: the block itself has to tell.
    pub(crate) fn load(&self) -> Result<Vec<Row>, StoreError> {
        let mut bytes = vec![0; Self::bytes(self.format, self.geometry) as usize];
        read_all(&*self.medium, 0, &mut bytes).map_err(StoreError::io("read", self.medium.place()))?;
        let (path, wanted) = (self.medium.place(), self.geometry);
        match TableHeader::decode(&bytes) {
            Some(header) if self.format == Format::V1 || header.geometry != wanted => {
                let (found, wanted) = (header.geometry.blocks(), wanted.blocks());
                return Err(StoreError::OtherTable { path: path.to_owned(), found, wanted });
            }
            _ => (),
        }
        Ok(match self.format {
            Format::V1 => {
                let rows = bytes.chunks_exact(v1::Row::BYTES);
                rows.map(|row| v1::Row::decode(row).map(row_of).unwrap_or_default()).collect()
            }
            Format::V2 => {
                let rows = bytes[TableHeader::BYTES..].chunks_exact(Row::BYTES);
                (0..)
                    .zip(rows)
                    .map(|(block, row)| Row::decode(row).unwrap_or_else(|| self.load_row(block)))
                    .collect()
            }
        })
    }

    /// One row, again: it may have been read while another process was writing it.
    fn load_row(&self, block: u64) -> Row {
        let mut row = [0; Row::BYTES];
        let read = read_all(&*self.medium, Row::offset(block), &mut row);
        read.ok().and_then(|()| Row::decode(&row)).unwrap_or(DAMAGED)
    }

    /// No block of the store has a smaller sequence.
    pub(crate) fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// The rows in memory.
    pub(crate) fn rows(&self) -> RwLockReadGuard<'_, Vec<Row>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows in memory, to be changed.
    pub(crate) fn write_rows(&self) -> RwLockWriteGuard<'_, Vec<Row>> {
        let rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        self.version.fetch_add(1, Ordering::Release);
        rows
    }

    /// Another number whenever the rows in memory may have changed since.
    pub(crate) fn version(&self) -> u64 {
        // Behind whoever changes them.
        let _rows = self.rows();
        self.version.load(Ordering::Acquire)
    }

    /// The sequence that no block has had.
    pub(crate) fn next_sequence(&self) -> u64 {
        let newest = self.rows().iter().map(|row| row.sequence).max().unwrap_or(0);
        newest.saturating_add(1).max(self.first_sequence).max(1)
    }

    /// Writes `row` to the disk, of a block that exists; not to memory. It survives a power cut after the next
    /// [`Self::sync`].
    pub(crate) fn write(&self, block: u64, row: &Row) -> io::Result<()> {
        match self.format {
            Format::V1 => {
                let bytes = older_row(row).encode();
                let offset = block * v1::Row::BYTES as u64;
                write_all(&*self.medium, offset, &mut [IoSlice::new(&bytes)])
            }
            Format::V2 => write_all(&*self.medium, Row::offset(block), &mut [IoSlice::new(&row.encode())]),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.medium.sync()
    }
}

/// Whether `row` stands for one that is damaged.
pub(crate) fn is_damaged(row: &Row) -> bool {
    *row == DAMAGED
}

/// Stands for a row that is damaged.
const DAMAGED: Row = Row {
    sequence: 0,
    lane: 0,
    first_keyframe: None,
    last_keyframe: None,
    first: None,
    last: None,
    used_bytes: 0,
    state: BlockState::Open,
    has_gaps: false,
    is_older: false,
};

fn check_size(medium: &dyn Medium, wanted: u64) -> Result<(), StoreError> {
    let found = medium.size().map_err(StoreError::io("read", medium.place()))?;
    if found < wanted {
        return Err(StoreError::Size { path: medium.place().to_owned(), found, wanted });
    }
    Ok(())
}

/// A row of the older format tells two moments only.
fn row_of(older: v1::Row) -> Row {
    let time = |millis: i64| (millis > 0).then(|| WallTime::from_micros(millis.saturating_mul(1000)));
    let (keyframe, last) = (time(older.keyframe_ms), time(older.last_ms));
    let used = keyframe.is_some() || last.is_some();
    Row {
        first_keyframe: keyframe,
        last_keyframe: keyframe,
        first: keyframe.or(last),
        last: last.or(keyframe),
        state: if used { BlockState::Closed } else { BlockState::Free },
        is_older: true,
        ..Row::default()
    }
}

/// What of `row` the older format tells.
fn older_row(row: &Row) -> v1::Row {
    let millis = |time: Option<WallTime>| time.map_or(0, WallTime::millis);
    let keyframe = if row.lane == 0 { row.last_keyframe } else { row.first_keyframe };
    v1::Row { keyframe_ms: millis(keyframe), last_ms: millis(row.last) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use valkka_testkit::temp::TempDir;

    use crate::medium::FileMedium;

    use super::*;

    fn medium(dir: &TempDir, bytes: &[u8]) -> Arc<dyn Medium> {
        let path = dir.join("table");
        fs::write(&path, bytes).unwrap();
        Arc::new(FileMedium::open(&path).unwrap())
    }

    fn geometry() -> Geometry {
        Geometry::new(8192, 4).unwrap()
    }

    #[test]
    fn sequences_go_on_where_a_table_is_begun_anew() {
        let dir = TempDir::new().unwrap();
        let medium = medium(&dir, &[0; 4096 + 4 * 64]);
        let table = Table::create(medium.clone(), geometry(), WallTime::from_micros(50)).unwrap();
        assert_eq!(table.next_sequence(), 50);
        let row = Row { sequence: 900, ..Row::default() };
        table.write(2, &row).unwrap();
        let table = Table::open(medium.clone(), geometry()).unwrap();
        assert_eq!((table.rows()[2], table.next_sequence()), (row, 901));
        let table = Table::create(medium.clone(), geometry(), WallTime::from_micros(50)).unwrap();
        assert_eq!((table.rows()[2], table.next_sequence()), (Row::default(), 901));
        let table = Table::open(medium.clone(), geometry()).unwrap();
        assert_eq!((table.rows()[2], table.next_sequence()), (Row::default(), 901));
        let other = Geometry::new(8192, 3).unwrap();
        assert!(matches!(Table::open(medium, other), Err(StoreError::OtherTable { found: 4, .. })));
    }

    #[test]
    fn damaged_rows_are_for_the_block_to_tell() {
        let dir = TempDir::new().unwrap();
        let medium = medium(&dir, &[0; 4096 + 4 * 64]);
        let table = Table::create(medium.clone(), geometry(), WallTime::default()).unwrap();
        let row = Row { sequence: 3, state: BlockState::Closed, ..Row::default() };
        table.write(1, &row).unwrap();
        write_all(&*medium, Row::offset(1) + 5, &mut [IoSlice::new(&[1])]).unwrap();
        // A damaged header does no harm.
        write_all(&*medium, 100, &mut [IoSlice::new(&[1])]).unwrap();
        let table = Table::open(medium, geometry()).unwrap();
        assert_eq!(*table.rows(), [Row::default(), DAMAGED, Row::default(), Row::default()]);
    }

    #[test]
    fn the_older_format_is_told_by_its_first_bytes() {
        let dir = TempDir::new().unwrap();
        let rows = [[0, 0], [5, 9], [0, 7], [0, 0]];
        let bytes: Vec<u8> = rows.iter().flatten().flat_map(|number: &i64| number.to_le_bytes()).collect();
        let table = Table::open(medium(&dir, &bytes), geometry()).unwrap();
        assert_eq!(table.format(), Format::V1);
        let found: Vec<_> =
            table.rows().iter().map(|row| (row.first_keyframe, row.last, row.state)).collect();
        let time = |millis: i64| Some(WallTime::from_micros(millis * 1000));
        let free = (None, None, BlockState::Free);
        assert_eq!(
            found,
            [free, (time(5), time(9), BlockState::Closed), (None, time(7), BlockState::Closed), free]
        );
        let row = Row { lane: 1, first_keyframe: time(3), last_keyframe: time(6), last: time(8), ..DAMAGED };
        table.write(0, &row).unwrap();
        table.write(3, &Row { lane: 0, ..row }).unwrap();
        let bytes = fs::read(dir.join("table")).unwrap();
        let number = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!([number(0), number(8), number(48), number(56)], [3, 8, 6, 8]);
        let short = Table::open(medium(&dir, &bytes[..60]), geometry());
        assert!(matches!(short, Err(StoreError::Size { found: 60, wanted: 64, .. })));
    }
}
