//! Looking whether a store is whole, and mending what can be mended.

mod block;
mod files;
pub(crate) mod older;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::format::{BlockState, Row, TableHeader, v1};
use crate::geometry::Geometry;
use crate::medium::{Medium, read_or_zeros, write_all};
use crate::table::Format;
use crate::upgrade::row_of;
use crate::walk::BlockBytes;

pub(crate) use block::row_by_block;
use files::Files;

pub use report::{Finding, Outcome, Place, Report};

/// How a store is checked.
#[derive(Default)]
pub struct CheckOptions {
    /// Mend what can be mended. The store must not be written by anybody then.
    pub repair: bool,
    /// Read all records and verify their check sums, instead of the indexes of the blocks only. That takes as long as
    /// reading all of the data.
    pub deep: bool,
    /// Where the data are if they are not in the directory, in case `valkkafs.json` does not say it any more.
    pub device: Option<PathBuf>,
    /// Is told now and then how far it is.
    pub progress: Option<Box<dyn Fn(CheckProgress) + Send + Sync>>,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckProgress {
    /// Blocks that were looked at.
    pub blocks: u64,
    /// Blocks there are.
    pub of: u64,
}

impl fmt::Debug for CheckOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckOptions")
            .field("repair", &self.repair)
            .field("deep", &self.deep)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// Checks the store in `dir`: whether `valkkafs.json`, table and data agree, and whether the blocks are whole.
///
/// With `repair`, the table is mended by the data, which tell all that it does, and so is `valkkafs.json` as far as table
/// and data tell it; blocks that a writer did not complete get their index. No recording is ever changed: what is rotten
/// stays, and is stepped over by whoever reads.
///
/// # Errors
/// If there is nothing that could be a store; with `repair` if a writer has it, or it may not be written; and those of the
/// system.
pub fn check(dir: &Path, options: &CheckOptions) -> Result<Report, StoreError> {
    let mut report = Report::new(options.repair);
    let mut files = Files::find(dir, options, &mut report)?;
    let checked = Checker { files: &mut files, options, report: &mut report, names: BTreeMap::new() }.run();
    files.unlock();
    checked.map(|()| report)
}

struct Checker<'a> {
    files: &'a mut Files,
    options: &'a CheckOptions,
    report: &'a mut Report,
    /// The names that the records of streams tell, with the sequence of their block.
    names: BTreeMap<u64, (u64, String)>,
}

impl Checker<'_> {
    fn run(mut self) -> Result<(), StoreError> {
        let of = self.files.geometry.blocks();
        (self.report.format, self.report.blocks) = (self.files.format, of);
        match self.files.format {
            Format::V1 => self.older()?,
            Format::V2 => self.current()?,
        }
        self.names()?;
        self.tell(of);
        Ok(())
    }

    fn current(&mut self) -> Result<(), StoreError> {
        let first_sequence = self.table_header()?;
        let geometry = self.files.geometry;
        let table = self.files.read_table()?;
        // Those of the older format whose rows are damaged.
        let mut older = Vec::new();
        for number in 0..geometry.blocks() {
            self.tell(number);
            let at = Row::offset(number) as usize;
            let row = table.get(at..).and_then(Row::decode).filter(|_| !self.files.is_table_lost);
            if row.is_some_and(|row| row.is_older) {
                self.older_block_in_table(number, row.unwrap_or_default());
                continue;
            }
            let is_written = self.files.is_written && row.is_none_or(|row| row.state == BlockState::Open);
            let bytes = FileBlock::new(&*self.files.data, geometry, number);
            let found = block::examine(&bytes, row, first_sequence, self.options.deep || is_written);
            if row.is_none() && found.row == Row::default() {
                let found = older::examine(&bytes);
                if found.records > 0 {
                    self.count_older(number, &found);
                    older.push((number, found));
                    continue;
                }
            }
            self.count(&found);
            for &(offset, reason) in &found.damage {
                self.report.add(
                    Place::Record { block: number, offset },
                    reason.to_string(),
                    Outcome::Lasting,
                );
            }
            if let Some((id, name)) = &found.name
                && !name.is_empty()
            {
                let known = self.names.entry(*id).or_default();
                if known.0 <= found.row.sequence {
                    *known = (found.row.sequence, name.clone());
                }
            }
            if !is_written {
                self.mend_block(number, row, &found)?;
            }
        }
        self.mend_older_rows(&table, older, first_sequence)?;
        if self.options.repair {
            self.files.sync()?;
        }
        Ok(())
    }

    /// Makes rows for blocks of the older format in a table of the current one. They were numbered one after the other, so
    /// the numbers that are missing are theirs.
    fn mend_older_rows(
        &mut self,
        table: &[u8],
        mut older: Vec<(u64, older::Found)>,
        first_sequence: u64,
    ) -> Result<(), StoreError> {
        let blocks = (0..self.files.geometry.blocks()).filter(|_| !self.files.is_table_lost);
        let known = blocks.filter_map(|block| table.get(Row::offset(block) as usize..).and_then(Row::decode));
        let mut known: Vec<Row> = known.collect();
        let mut taken: BTreeSet<u64> = known.iter().map(|row| row.sequence).collect();
        known.retain(|row| row.is_older && row.state == BlockState::Closed);
        older.sort_by_key(|(_, found)| found.last);
        let mut rows = Vec::new();
        for (number, found) in older {
            let before = known.iter().filter(|row| row.last <= found.last).max_by_key(|row| row.last);
            let from = before.map_or(first_sequence, |row| row.sequence.saturating_add(1));
            let Some(sequence) = (from..=u64::MAX).find(|sequence| !taken.contains(sequence)) else {
                continue;
            };
            let row = row_of(sequence, &found);
            taken.insert(sequence);
            known.push(row);
            rows.push((number, row));
        }
        for (number, row) in rows {
            self.report.add(Place::Block(number), DAMAGED_ROW.to_owned(), self.outcome());
            self.write_row(Row::offset(number), &row.encode())?;
        }
        Ok(())
    }

    /// Mends what of block `number` is not as it was found to be.
    fn mend_block(&mut self, number: u64, row: Option<Row>, found: &block::Found) -> Result<(), StoreError> {
        let place = Place::Block(number);
        let outcome = self.outcome();
        for problem in &found.problems {
            self.report.add(place, problem.to_string(), outcome);
        }
        let start = number * self.files.geometry.block_bytes();
        if self.options.repair {
            if let Some(header) = &found.new_header {
                self.write_data(start, &header.encode())?;
            }
            if let Some(tail) = &found.new_tail {
                // The data before the row that says that they are complete.
                let end = start + self.files.geometry.block_bytes();
                self.write_data(end - tail.len() as u64, tail)?;
                self.files.sync()?;
            }
        }
        let what = match row {
            Some(row) if row == found.row => return Ok(()),
            // Zeros are what the new table has.
            None if self.files.is_table_lost && found.row == Row::default() => return Ok(()),
            None => DAMAGED_ROW,
            Some(row) if row.state == BlockState::Open => "it was not completed",
            Some(row) if row.state == BlockState::Free => {
                "it holds recordings that the table does not know of"
            }
            Some(_) => "its row in the table is not what it holds",
        };
        self.report.add(place, what.to_owned(), outcome);
        self.write_row(Row::offset(number), &found.row.encode())
    }

    /// The smallest sequence that blocks of the store can have.
    fn table_header(&mut self) -> Result<u64, StoreError> {
        let table = self.files.read_table()?;
        match TableHeader::decode(&table) {
            Some(header) if header.geometry == self.files.geometry => return Ok(header.first_sequence),
            _ => self.report.add(Place::Table, "its header is damaged".to_owned(), self.outcome()),
        }
        let rows = table.get(TableHeader::BYTES..).unwrap_or_default().chunks_exact(Row::BYTES);
        // Whatever is found is taken then: better too much than too little.
        let first_sequence =
            rows.filter_map(Row::decode).map(|row| row.sequence).filter(|&sequence| sequence > 0);
        let first_sequence = first_sequence.min().unwrap_or(1);
        let header = TableHeader { geometry: self.files.geometry, first_sequence };
        self.write_row(0, &header.encode())?;
        Ok(first_sequence)
    }

    fn older(&mut self) -> Result<(), StoreError> {
        let geometry = self.files.geometry;
        let table = self.files.read_table()?;
        for number in 0..geometry.blocks() {
            self.tell(number);
            let at = number as usize * v1::Row::BYTES;
            let row = table.get(at..).and_then(v1::Row::decode).unwrap_or_default();
            let found = older::examine(&FileBlock::new(&*self.files.data, geometry, number));
            self.count_older(number, &found);
            if found.fits(&row) || self.files.is_written {
                continue;
            }
            self.report.add(
                Place::Block(number),
                "its row in the table is not what it holds".into(),
                self.outcome(),
            );
            self.write_row(at as u64, &found.row().encode())?;
        }
        if self.options.repair {
            self.files.sync()?;
        }
        Ok(())
    }

    /// A block of the older format in a table of the current one.
    fn older_block_in_table(&mut self, number: u64, row: Row) {
        if row.state == BlockState::Free {
            return;
        }
        let found = older::examine(&FileBlock::new(&*self.files.data, self.files.geometry, number));
        self.count_older(number, &found);
    }

    fn count_older(&mut self, block: u64, found: &older::Found) {
        self.report.used_blocks += u64::from(found.records > 0);
        self.report.records += found.records;
        self.report.bytes += found.bytes;
        if let Some((offset, reason)) = found.damage {
            self.report.add(Place::Record { block, offset }, reason.to_string(), Outcome::Lasting);
        }
    }

    fn count(&mut self, found: &block::Found) {
        self.report.used_blocks += u64::from(found.records > 0);
        self.report.records += found.records;
        self.report.bytes += u64::from(found.row.used_bytes);
    }

    /// Gives streams the names that their records tell, if they lost theirs.
    fn names(&mut self) -> Result<(), StoreError> {
        let mut is_changed = self.files.is_manifest_new;
        let told = std::mem::take(&mut self.names);
        for (&id, (_, name)) in &told {
            let streams = &mut self.files.manifest.streams;
            if streams.contains_key(&id) {
                continue;
            }
            // Two streams of one name were recorded one after the other; but not if there is only one.
            let holder = streams.iter().find(|(_, known)| *known == name).map(|(&holder, _)| holder);
            match holder {
                Some(holder) if told.contains_key(&holder) => continue,
                Some(holder) => drop(streams.remove(&holder)),
                None => (),
            }
            streams.insert(id, name.clone());
            is_changed = true;
            let outcome = self.outcome();
            self.report.add(
                Place::Manifest,
                format!("the name of stream {id}, \"{name}\", is missing"),
                outcome,
            );
        }
        if is_changed && self.options.repair {
            self.files.save_manifest()?;
        }
        Ok(())
    }

    fn outcome(&self) -> Outcome {
        if self.options.repair { Outcome::Mended } else { Outcome::Mendable }
    }

    fn write_row(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if !self.options.repair {
            return Ok(());
        }
        let table = &*self.files.table;
        write_all(table, offset, &mut [IoSlice::new(bytes)]).map_err(StoreError::io("write", table.place()))
    }

    fn write_data(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let data = &*self.files.data;
        write_all(data, offset, &mut [IoSlice::new(bytes)]).map_err(StoreError::io("write", data.place()))
    }

    fn tell(&self, blocks: u64) {
        if let Some(progress) = &self.options.progress {
            progress(CheckProgress { blocks, of: self.files.geometry.blocks() });
        }
    }
}

const DAMAGED_ROW: &str = "its row in the table is damaged";

/// A block in a file; behind the end of the file there are zeros.
pub(crate) struct FileBlock<'a> {
    data: &'a dyn Medium,
    start: u64,
    size: u64,
}

impl<'a> FileBlock<'a> {
    pub(crate) fn new(data: &'a dyn Medium, geometry: Geometry, block: u64) -> Self {
        Self { data, start: block * geometry.block_bytes(), size: geometry.block_bytes() }
    }
}

impl BlockBytes for FileBlock<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> std::io::Result<()> {
        read_or_zeros(self.data, self.start + offset, data)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::format::BlockHeader;
    use crate::store::Store;
    use crate::testing::*;
    use crate::writer::{Writer, WriterOptions};

    use super::*;

    fn three() -> Image {
        let image = Image::new(4096, 5);
        image.close(2, &Block::video(3, (1000..1160).step_by(40), &[1000, 1080]));
        image.close(3, &Block::video(4, (1160..1320).step_by(40), &[1240]));
        image.close(0, &Block::video(5, (1320..1480).step_by(40), &[1400]));
        image.name("name");
        image
    }

    fn run(image: &Image, repair: bool) -> Vec<String> {
        let options = CheckOptions { repair, deep: true, ..CheckOptions::default() };
        let report = check(image.dir.path(), &options).unwrap();
        report.findings.iter().map(ToString::to_string).collect()
    }

    const ALL: &str = "K1000 P1040 K1080 P1120 P1160 P1200 K1240 P1280 P1320 P1360 K1400 P1440";

    /// That a check finds `problem`, that it is mended, and that all is there then.
    fn is_mended(image: &Image, problem: &str) {
        let found = run(image, false);
        assert!(
            found.iter().any(|line| line.contains(problem) && line.ends_with("(can be mended)")),
            "{found:?}"
        );
        let found = run(image, true);
        assert!(found.iter().any(|line| line.contains(problem) && line.ends_with("(mended)")), "{found:?}");
        assert_eq!(run(image, false), [""; 0], "after {found:?}");
        assert_eq!(read(&mut image.cursor()), ALL);
        let mut cursor = image.cursor();
        assert_eq!((seek(&mut cursor, 1250), image.store().stream("name")), ("K1240".into(), Some(ID)));
        drop(Writer::open(image.store(), WriterOptions::default()).unwrap());
    }

    #[test]
    fn a_whole_store_has_no_findings() {
        let image = three();
        let mut report = check(image.dir.path(), &CheckOptions::default()).unwrap();
        assert_eq!((report.used_blocks, report.blocks, report.records), (3, 5, 15));
        assert!(report.is_clean() && report.findings.is_empty());
        report = check(image.dir.path(), &CheckOptions { deep: true, ..CheckOptions::default() }).unwrap();
        assert!(report.is_clean() && report.records == 15, "{report:?}");
        let tables = fs::read(image.dir.join("blockfile")).unwrap();
        assert_eq!(run(&image, true), [""; 0]);
        assert_eq!(fs::read(image.dir.join("blockfile")).unwrap(), tables);
    }

    #[test]
    fn rows_are_made_from_the_data() {
        let image = three();
        image.flip_table(Row::offset(3) as usize + 20);
        is_mended(&image, "block 3: its row in the table is damaged");
        let image = three();
        image.row(3, &Row::default());
        is_mended(&image, "block 3: it holds recordings that the table does not know of");
        let image = three();
        let row = image.store().row(3).unwrap();
        image.row(3, &Row { first: Some(at(5)), ..row });
        is_mended(&image, "block 3: its row in the table is not what it holds");
        let image = three();
        image.flip_table(9);
        is_mended(&image, "the table: its header is damaged");
    }

    #[test]
    fn a_lost_table_is_made_anew() {
        let image = three();
        fs::remove_file(image.dir.join("blockfile")).unwrap();
        is_mended(&image, "the table: it is missing");
        let image = three();
        let table = fs::read(image.dir.join("blockfile")).unwrap();
        fs::write(image.dir.join("blockfile"), &table[..5000 - 800]).unwrap();
        is_mended(&image, "the table: it is too short");
    }

    #[test]
    fn a_lost_description_is_made_anew() {
        for text in [None, Some("{\"blockfile\""), Some("")] {
            let image = three();
            let path = image.dir.join("valkkafs.json");
            match text {
                None => fs::remove_file(&path).unwrap(),
                Some(text) => fs::write(&path, text).unwrap(),
            }
            is_mended(&image, "valkkafs.json: ");
        }
        let image = three();
        fs::remove_file(image.dir.join("valkkafs.json")).unwrap();
        fs::remove_file(image.dir.join("blockfile")).unwrap();
        assert!(matches!(check(image.dir.path(), &CheckOptions::default()), Err(StoreError::NoStore(_))));
    }

    #[test]
    fn blocks_get_their_header_and_index_back() {
        let image = three();
        image.flip(3, 12);
        is_mended(&image, "block 3: the header of the block is damaged");
        for offset in [4096 - 1, 4096 - 30] {
            let image = three();
            image.flip(3, offset);
            is_mended(&image, "block 3: it has no index");
        }
        let image = three();
        image.flip(3, 4096 - 64 - 5);
        is_mended(&image, "block 3: the index of the block is damaged");
        let image = three();
        image.open(3, &Block::video(4, (1160..1320).step_by(40), &[1240]));
        is_mended(&image, "block 3: it was not completed");
        assert_eq!(image.store().block(3).unwrap().footer().map(|footer| footer.count), Some(5));
    }

    #[test]
    fn what_is_rotten_is_told_and_stays() {
        let image = three();
        let starts = Block::video(4, (1160..1320).step_by(40), &[1240]).starts();
        image.flip(3, starts[2] + RECORD_HEADER);
        image.flip(0, starts[1] + 9);
        let expected = [
            format!("block 0, byte {}: 80 bytes are no valid record (lost)", starts[1]),
            format!("block 3, byte {}: the payload of a record is rotten or torn (lost)", starts[2]),
        ];
        assert_eq!(run(&image, false), expected);
        assert_eq!(run(&image, true), expected);
        let options = CheckOptions { repair: true, ..CheckOptions::default() };
        assert!(check(image.dir.path(), &options).unwrap().is_clean(), "only a deep check reads records");
        let all = read(&mut image.cursor());
        assert!(all.contains("P1160 <block 3") && all.contains("> K1240"), "{all}");
    }

    #[test]
    fn what_is_of_an_earlier_store_is_left_alone() {
        let image = Image::new(4096, 5);
        image.begin(100);
        image.close(1, &Block::video(99, 0..1, &[0]));
        image.row(1, &Row::default());
        assert_eq!(run(&image, true), [""; 0]);
        assert_eq!(read(&mut image.cursor()), "");
    }

    #[test]
    fn a_block_that_was_given_up_stays_so() {
        let image = three();
        let row = image.store().row(2).unwrap();
        image.row(2, &Row { sequence: row.sequence, lane: row.lane, ..Row::default() });
        assert_eq!(run(&image, true), [""; 0]);
        assert!(read(&mut image.cursor()).starts_with("P1160 "));
    }

    #[test]
    fn a_store_that_is_written_is_left_alone() {
        let image = three();
        let writer = Writer::open(image.store(), WriterOptions::default()).unwrap();
        let options = CheckOptions { repair: true, ..CheckOptions::default() };
        assert!(matches!(check(image.dir.path(), &options), Err(StoreError::Locked(_))));
        image.open(4, &Block::video(6, 2000..2001, &[2000]));
        assert_eq!(run(&image, false), [""; 0]);
        drop(writer);
        assert!(!run(&image, false).is_empty());
    }

    #[test]
    fn the_older_format_is_checked_too() {
        let rows = [older_row(1000, 1040), older_row(9, 9), older_row(0, 0)];
        let blocks = [
            (0, older_block(&[(1, 1000, 0x67), (1, 1000, 0x68), (1, 1000, 0x65), (1, 1040, 0x41)])),
            (1, older_block(&[(1, 2000, 0x67), (1, 2000, 0x65), (1, 2080, 0x67), (1, 2080, 0x65)])),
        ];
        let image = Image::older(4096, &rows, &blocks);
        let problem = "block 1: its row in the table is not what it holds";
        assert_eq!(run(&image, false), [format!("{problem} (can be mended)")]);
        assert_eq!(run(&image, true), [format!("{problem} (mended)")]);
        assert_eq!(run(&image, false), [""; 0]);
        let table = fs::read(image.dir.join("blockfile")).unwrap();
        assert_eq!(v1::Row::decode(&table[16..]), Some(older_row(2000, 2080)));
        image.flip(0, 40 + 36);
        image.put(0, &[&older_block(&[(1, 1000, 0x65)])[..43], &[1; 60]].concat());
        let found = run(&image, false);
        assert!(found[0].starts_with("block 0, byte 43: 4053 bytes are no valid record"), "{found:?}");
        fs::remove_file(image.dir.join("blockfile")).unwrap();
        run(&image, true);
        assert!(read(&mut Store::open(image.dir.path()).unwrap().cursor(ID)).contains("K2000 K2080"));
    }

    #[test]
    fn progress_is_told() {
        let image = three();
        let (sender, told) = std::sync::mpsc::channel();
        let progress = move |now: CheckProgress| sender.send((now.blocks, now.of)).unwrap();
        let options = CheckOptions { progress: Some(Box::new(progress)), ..CheckOptions::default() };
        check(image.dir.path(), &options).unwrap();
        drop(options);
        assert_eq!(told.iter().collect::<Vec<_>>(), [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    }

    #[test]
    fn a_block_that_the_disk_refused_is_whole_with_nothing_in_it() {
        let image = three();
        let refused = |sequence| {
            let (lane, used_bytes) = (ID.number(), BlockHeader::BYTES as u32);
            Row { sequence, lane, used_bytes, state: BlockState::Closed, ..Row::default() }
        };
        // Nothing was ever written there; or an earlier lap has left something.
        image.row(1, &refused(6));
        image.put(4, &Block::video(2, (500..600).step_by(40), &[500]).data);
        image.row(4, &refused(7));
        assert_eq!(run(&image, true), [""; 0]);
        let store = image.store();
        assert_eq!((store.row(1), store.row(4)), (Some(refused(6)), Some(refused(7))));
        assert_eq!([1, 4].map(|block| store.block(block).unwrap().count()), [0, 0]);
        assert_eq!(read(&mut image.cursor()), ALL);
    }

    #[test]
    fn of_two_laps_in_a_block_the_later_one_counts() {
        let image = Image::new(4096, 5);
        image.close(3, &Block::video(4, (1000..2000).step_by(40), &[1000]));
        image.open(3, &Block::video(9, (5000..5080).step_by(40), &[5000]));
        image.name("name");
        // Its header and its row are damaged; the index of the earlier lap is not.
        image.flip(3, 12);
        image.flip_table(Row::offset(3) as usize + 20);
        let found = run(&image, true);
        assert!(found[0].ends_with("the header of the block is damaged (mended)"), "{found:?}");
        assert_eq!((run(&image, false), read(&mut image.cursor())), (vec![], "K5000 P5040".to_owned()));
        assert_eq!(image.store().row(3).unwrap().sequence, 9);
    }
}
