//! From the older format to the current one.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use tracing::info;
use valkka_core::clock::SystemClock;

use crate::check::{FileBlock, older};
use crate::cursor::older_order;
use crate::directory::Manifest;
use crate::error::StoreError;
use crate::format::{BlockState, Row, TableHeader};
use crate::medium::{FileMedium, Medium as _};
use crate::table::{Format, Table};

/// Gives the store in `dir`, of the older format, a table of the current one: what is recorded from then on is in the
/// current format, and what there is stays where it is and can be read until it is overwritten. Programs of the older
/// format cannot read the store any more.
///
/// All records are gone over once. If it is cut off, the store is as it was before, or as it is afterwards. A store of the
/// current format is left alone.
///
/// # Errors
/// If there is no store, a writer has it, it may not be written, or its table cannot be read; and those of the system.
pub fn upgrade(dir: &Path) -> Result<(), StoreError> {
    let manifest = Manifest::load(dir)?;
    let geometry = manifest.geometry()?;
    let path = manifest.table_path(dir);
    let open = |path: &Path| FileMedium::open(path).map_err(StoreError::io("open", path));
    let medium = Arc::new(open(&path)?);
    let table = Table::open(medium.clone(), geometry)?;
    if table.format() == Format::V2 {
        return Ok(());
    }
    if !medium.lock().map_err(StoreError::io("write", &path))? {
        return Err(StoreError::Locked(path));
    }
    let data = open(&manifest.data_path(dir)?)?;
    let mut upgraded = Upgraded { rows: vec![Row::default(); table.rows().len()], ids: BTreeSet::new() };
    let first_sequence = SystemClock.now().micros().max(1).unsigned_abs();
    let mut sequence = first_sequence;
    for number in older_order(&table.rows()) {
        let found = older::examine(&FileBlock::new(&data, geometry, number));
        if found.records > 0 {
            upgraded.take(number, sequence, &found);
            sequence += 1;
        }
    }
    extend(&data, geometry.data_bytes())?;
    // Beside the old one, which is the store's until `valkkafs.json` says otherwise.
    let new = std::path::absolute(path.with_file_name(TABLE_NAME)).map_err(StoreError::io("find", &path))?;
    let mut bytes = TableHeader { geometry, first_sequence }.encode().to_vec();
    upgraded.rows.iter().for_each(|row| bytes.extend_from_slice(&row.encode()));
    let written =
        File::create(&new).and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
    written.map_err(StoreError::io("write", &new))?;
    let mut manifest = Manifest { blockfile: new, format: Some(2), ..manifest };
    for id in upgraded.ids {
        // A stream that is named later must not get its number.
        manifest.streams.entry(id).or_insert_with(|| format!("stream {id}"));
    }
    manifest.save(dir)?;
    info!(dir = %dir.display(), blocks = sequence - first_sequence, "the store is of the current format now");
    // It would be taken for the store's by nobody.
    let _ = fs::remove_file(&path);
    Ok(())
}

struct Upgraded {
    rows: Vec<Row>,
    ids: BTreeSet<u64>,
}

impl Upgraded {
    fn take(&mut self, number: u64, sequence: u64, found: &older::Found) {
        self.rows[number as usize] = row_of(sequence, found);
        self.ids.extend(&found.ids);
    }
}

/// What a table of the current format says of a block of the older one.
pub(crate) fn row_of(sequence: u64, found: &older::Found) -> Row {
    Row {
        sequence,
        lane: found.only_id().unwrap_or(0),
        first_keyframe: found.first_keyframe,
        last_keyframe: found.last_keyframe,
        first: found.first,
        last: found.last,
        used_bytes: u32::try_from(found.bytes).unwrap_or(u32::MAX),
        state: BlockState::Closed,
        has_gaps: false,
        is_older: true,
    }
}

/// The older program leaves its file shorter than it will be.
fn extend(data: &FileMedium, bytes: u64) -> Result<(), StoreError> {
    let path = data.place();
    let found = data.size().map_err(StoreError::io("read", path))?;
    if found >= bytes {
        return Ok(());
    }
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Err(StoreError::Size { path: path.to_owned(), found, wanted: bytes });
    }
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(bytes).and_then(|()| file.sync_all()))
        .map_err(StoreError::io("extend", path))
}

/// The name of a table that took the place of one of the older format.
pub(crate) const TABLE_NAME: &str = "blockfile.2";

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::check::{CheckOptions, check};
    use crate::store::Store;
    use crate::testing::*;
    use crate::writer::{Retention, Writer, WriterOptions};

    use super::*;

    /// Three blocks of a ring that went round; the newest one was not completed.
    fn older() -> Image {
        let rows = [older_row(2000, 2040), older_row(0, 0), older_row(0, 0), older_row(1000, 1040)];
        let blocks = [
            (3, older_block(&[(1, 1000, 0x67), (1, 1000, 0x68), (1, 1000, 0x65), (1, 1040, 0x41)])),
            (0, older_block(&[(1, 2000, 0x67), (2, 2000, 0x65), (1, 2000, 0x65), (1, 2040, 0x41)])),
            (1, older_block(&[(1, 3000, 0x65)])),
        ];
        Image::older(4096, &rows, &blocks)
    }

    const ALL: &str = "K1000 P1040 K2000 P2040 K3000";

    #[test]
    fn recordings_stay_and_new_ones_follow() {
        let image = older();
        assert_eq!((image.store().format(), read(&mut image.cursor())), (Format::V1, ALL.to_owned()));
        let short = OpenOptions::new().write(true).open(image.dir.join("dumpfile")).unwrap();
        short.set_len(3 * 4096 + 300).unwrap();
        upgrade(image.dir.path()).unwrap();
        upgrade(image.dir.path()).unwrap();
        let store = image.store();
        assert_eq!((store.format(), read(&mut store.cursor(ID))), (Format::V2, ALL.to_owned()));
        assert_eq!(seek(&mut store.cursor(ID), 2500), "K2000");
        assert_eq!((store.stream("stream 1"), store.stream("stream 2")), (Some(ID), Some(OTHER)));
        let deep = CheckOptions { deep: true, ..CheckOptions::default() };
        assert!(check(image.dir.path(), &deep).unwrap().is_clean());
        let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
        let lane = writer.lane("stream 1", Retention::default()).unwrap();
        assert_eq!(lane.id(), Some(ID));
        lane.put(&frame(VIDEO, 5000, true));
        writer.commit(Instant::now() + Duration::from_secs(60)).unwrap();
        let all = read(&mut store.cursor(ID));
        assert!(all.starts_with(ALL) && all.ends_with(" K5000"), "{all}");
        drop((lane, writer));
        // The oldest ones make way for new ones.
        let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
        let lane = writer.lane("stream 1", Retention::default()).unwrap();
        for number in 0..60 {
            lane.put(&frame(VIDEO, 6000 + number * 40, true));
        }
        writer.commit(Instant::now() + Duration::from_secs(60)).unwrap();
        let all = read(&mut store.cursor(ID));
        assert!(!all.contains("K1000") && all.ends_with("K8360"), "{all}");
    }

    #[test]
    fn a_damaged_row_is_made_from_the_older_block() {
        let image = older();
        upgrade(image.dir.path()).unwrap();
        let path = image.dir.join(TABLE_NAME);
        let whole = fs::read(&path).unwrap();
        for damage in [&[0][..], &[3], &[0, 1, 3]] {
            let mut table = whole.clone();
            damage.iter().for_each(|&block| table[Row::offset(block) as usize + 3] ^= 1);
            fs::write(&path, table).unwrap();
            let repair = CheckOptions { repair: true, ..CheckOptions::default() };
            assert_eq!(check(image.dir.path(), &repair).unwrap().findings.len(), damage.len());
            assert!(check(image.dir.path(), &CheckOptions::default()).unwrap().is_clean());
            assert_eq!(read(&mut image.cursor()), ALL);
        }
        fs::remove_file(&path).unwrap();
        let repair = CheckOptions { repair: true, ..CheckOptions::default() };
        check(image.dir.path(), &repair).unwrap();
        assert_eq!(read(&mut image.cursor()), ALL);
        fs::remove_file(image.dir.join("valkkafs.json")).unwrap();
        check(image.dir.path(), &repair).unwrap();
        assert_eq!(read(&mut image.cursor()), ALL);
    }

    #[test]
    fn nobody_writes_where_a_check_can_mend_an_older_row() {
        let image = older();
        upgrade(image.dir.path()).unwrap();
        let path = image.dir.join(TABLE_NAME);
        let mut table = fs::read(&path).unwrap();
        table[Row::offset(3) as usize + 3] ^= 1;
        fs::write(&path, &table).unwrap();
        let refused = Writer::open(image.store(), WriterOptions::default());
        assert!(matches!(refused, Err(StoreError::DamagedTable { rows: 1, .. })), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), table, "nothing has changed");
        // One that was never used holds nothing of the older format.
        table[Row::offset(2) as usize + 3] ^= 1;
        fs::write(&path, &table).unwrap();
        let refused = Writer::open(image.store(), WriterOptions::default());
        assert!(matches!(refused, Err(StoreError::DamagedTable { rows: 1, .. })), "{refused:?}");
        check(image.dir.path(), &CheckOptions { repair: true, ..CheckOptions::default() }).unwrap();
        drop(Writer::open(image.store(), WriterOptions::default()).unwrap());
        assert_eq!(read(&mut image.cursor()), ALL);
    }

    #[test]
    fn whatever_it_is_cut_off_at_the_store_is_whole() {
        let image = older();
        let json = fs::read(image.dir.join("valkkafs.json")).unwrap();
        let table = fs::read(image.dir.join("blockfile")).unwrap();
        // The new table is there, in part.
        fs::write(image.dir.join(TABLE_NAME), b"VALKTAB\x02").unwrap();
        assert_eq!((image.store().format(), read(&mut image.cursor())), (Format::V1, ALL.to_owned()));
        upgrade(image.dir.path()).unwrap();
        // The old one is still there.
        fs::write(image.dir.join("blockfile"), &table).unwrap();
        assert_eq!((image.store().format(), read(&mut image.cursor())), (Format::V2, ALL.to_owned()));
        assert_ne!(fs::read(image.dir.join("valkkafs.json")).unwrap(), json);
    }

    #[test]
    fn a_store_that_is_written_is_left_alone() {
        let image = older();
        let _writer = Writer::open(image.store(), WriterOptions::default()).unwrap();
        assert!(matches!(upgrade(image.dir.path()), Err(StoreError::Locked(_))));
        assert_eq!(Store::open(image.dir.path()).unwrap().format(), Format::V1);
    }
}
