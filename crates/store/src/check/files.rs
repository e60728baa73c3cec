//! The files of a store that may be damaged.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::info;

use crate::directory::{FILE_NAME, Manifest, partition_uuid};
use crate::error::StoreError;
use crate::format::TableHeader;
use crate::geometry::Geometry;
use crate::medium::{FileMedium, Medium, read_all};
use crate::table::{Format, Table};
use crate::upgrade::TABLE_NAME;

use super::CheckOptions;
use super::report::{Outcome, Place, Report};

/// What a store consists of, as far as it is there.
pub(super) struct Files {
    dir: PathBuf,
    pub(super) manifest: Manifest,
    /// Whether it has to be written.
    pub(super) is_manifest_new: bool,
    pub(super) geometry: Geometry,
    pub(super) format: Format,
    pub(super) data: Arc<dyn Medium>,
    pub(super) table: Arc<dyn Medium>,
    /// Whether there was no table, or a part of it only.
    pub(super) is_table_lost: bool,
    /// Whether somebody else writes the store.
    pub(super) is_written: bool,
    is_locked: bool,
}

impl Files {
    /// Opens the files of the store in `dir`. With `repair`, those that are missing are made, but for the data.
    pub(super) fn find(dir: &Path, options: &CheckOptions, report: &mut Report) -> Result<Self, StoreError> {
        let (repair, device) = (options.repair, options.device.as_deref());
        let outcome = if repair { Outcome::Mended } else { Outcome::Mendable };
        let (mut manifest, mut is_manifest_new) = match Manifest::load(dir) {
            Ok(manifest) if manifest.geometry().is_ok() => (manifest, false),
            Ok(_) => (guess(dir, device)?, true),
            Err(StoreError::NoStore(_) | StoreError::Manifest { .. }) => (guess(dir, device)?, true),
            Err(error) => return Err(error),
        };
        if is_manifest_new {
            let what = if dir.join(FILE_NAME).exists() { "it cannot be understood" } else { "it is missing" };
            report.add(Place::Manifest, what.to_owned(), outcome);
        }
        let data = manifest.data_path(dir)?;
        let data: Arc<dyn Medium> = Arc::new(FileMedium::open(&data).map_err(StoreError::io("open", &data))?);
        let mut table_path = manifest.table_path(dir);
        if !table_path.exists()
            && let Some(name) = table_path.file_name()
        {
            // Relative paths are not for where this runs.
            table_path = dir.join(name);
        }
        let mut geometry = manifest.geometry()?;
        let mut format =
            if manifest.format.is_some_and(|format| format >= 2) { Format::V2 } else { Format::V1 };
        let header = read_header(&table_path)?;
        if header.as_ref().is_some_and(|header| header.starts_with(&TableHeader::MAGIC))
            && format == Format::V1
        {
            report.add(Place::Manifest, "it names another format than the table has".to_owned(), outcome);
            (format, manifest.format, is_manifest_new) = (Format::V2, Some(2), true);
        }
        let told = header.as_deref().and_then(TableHeader::decode).filter(|_| format == Format::V2);
        if let Some(told) = told.filter(|told| told.geometry != geometry) {
            // The table's header has a check sum.
            report.add(Place::Manifest, "it names another size than the table".to_owned(), outcome);
            geometry = told.geometry;
            (manifest.blocksize, manifest.n_blocks) = (geometry.block_bytes(), geometry.blocks());
            is_manifest_new = true;
        }
        if manifest.current_block > geometry.blocks() {
            report.add(Place::Manifest, "its next block does not exist".to_owned(), outcome);
            (manifest.current_block, is_manifest_new) = (0, true);
        }
        let wanted = Table::bytes(format, geometry);
        let mut is_table_lost = false;
        let table: Arc<dyn Medium> = match fs::metadata(&table_path) {
            Ok(metadata) if metadata.len() >= wanted => {
                Arc::new(FileMedium::open(&table_path).map_err(StoreError::io("open", &table_path))?)
            }
            found => {
                let what = if found.is_ok() { "it is too short" } else { "it is missing" };
                report.add(Place::Table, what.to_owned(), outcome);
                is_table_lost = true;
                if repair {
                    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&table_path);
                    let made = file.and_then(|file| file.set_len(wanted).and_then(|()| file.sync_all()));
                    made.map_err(StoreError::io("make", &table_path))?;
                    Arc::new(FileMedium::open(&table_path).map_err(StoreError::io("open", &table_path))?)
                } else {
                    Arc::new(Missing { path: table_path.clone(), size: wanted })
                }
            }
        };
        let mut files = Self {
            dir: dir.to_owned(),
            manifest,
            is_manifest_new,
            geometry,
            format,
            data,
            table,
            is_table_lost,
            is_written: false,
            is_locked: false,
        };
        files.lock(repair)?;
        let found = files.data.size().map_err(StoreError::io("read", files.data.place()))?;
        if found < geometry.data_bytes() && format == Format::V2 {
            files.extend_data(found, repair, report)?;
        }
        Ok(files)
    }

    /// All of the table.
    pub(super) fn read_table(&self) -> Result<Vec<u8>, StoreError> {
        let failed = || StoreError::io("read", self.table.place());
        let size = self.table.size().map_err(failed())?;
        let mut bytes = vec![0; Table::bytes(self.format, self.geometry).min(size) as usize];
        read_all(&*self.table, 0, &mut bytes).map_err(failed())?;
        Ok(bytes)
    }

    pub(super) fn save_manifest(&mut self) -> Result<(), StoreError> {
        let path = self.dir.join(FILE_NAME);
        if self.is_manifest_new && path.exists() && Manifest::load(&self.dir).is_err() {
            // Somebody may find something in it yet.
            let aside = self.dir.join(DAMAGED_NAME);
            fs::copy(&path, &aside).map_err(StoreError::io("write", &aside))?;
        }
        self.manifest.save(&self.dir)
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.data.sync().map_err(StoreError::io("write", self.data.place()))?;
        self.table.sync().map_err(StoreError::io("write", self.table.place()))
    }

    pub(super) fn unlock(&self) {
        if self.is_locked {
            self.table.unlock();
        }
    }

    /// Takes the store for writing with `repair`; else looks whether a writer has it.
    fn lock(&mut self, repair: bool) -> Result<(), StoreError> {
        match self.table.lock() {
            Ok(true) if repair => self.is_locked = true,
            Ok(true) => self.table.unlock(),
            Ok(false) if repair => return Err(StoreError::Locked(self.table.place().to_owned())),
            Ok(false) => self.is_written = true,
            Err(error) if repair => return Err(StoreError::io("write", self.table.place())(error)),
            // Who may not write it cannot know.
            Err(_) => self.is_written = true,
        }
        Ok(())
    }

    fn extend_data(&self, found: u64, repair: bool, report: &mut Report) -> Result<(), StoreError> {
        let wanted = self.geometry.data_bytes();
        let what = format!("there are {found} bytes where {wanted} are needed");
        let path = self.data.place();
        let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        match (is_file, repair) {
            (false, _) => report.add(Place::Data, what, Outcome::Lasting),
            (true, false) => report.add(Place::Data, what, Outcome::Mendable),
            (true, true) => {
                info!(path = %path.display(), "extending the data of a store");
                let file = OpenOptions::new().write(true).open(path);
                let extended = file.and_then(|file| file.set_len(wanted));
                extended.map_err(StoreError::io("extend", path))?;
                report.add(Place::Data, what, Outcome::Mended);
            }
        }
        Ok(())
    }
}

/// What `valkkafs.json` must have said, by the table.
fn guess(dir: &Path, device: Option<&Path>) -> Result<Manifest, StoreError> {
    let dir = std::path::absolute(dir).map_err(StoreError::io("find", dir))?;
    let data = match device {
        Some(device) => std::path::absolute(device).map_err(StoreError::io("find", device))?,
        None => dir.join("dumpfile"),
    };
    let partition_uuid = device.and_then(partition_uuid);
    let tables = ["blockfile", TABLE_NAME].map(|name| dir.join(name));
    let told = tables.into_iter().find_map(|table| {
        let header = read_header(&table).ok()??;
        Some((TableHeader::decode(&header)?, table))
    });
    let Some((header, table)) = told.filter(|_| data.exists()) else { return Err(StoreError::NoStore(dir)) };
    Ok(Manifest {
        dumpfile: partition_uuid.is_none().then_some(data),
        partition_uuid,
        blockfile: table,
        blocksize: header.geometry.block_bytes(),
        n_blocks: header.geometry.blocks(),
        current_block: 0,
        jsonfile: Some(dir.join(FILE_NAME)),
        format: Some(2),
        streams: Default::default(),
        other: Default::default(),
    })
}

/// What a table begins with, if it is there.
fn read_header(table: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let Ok(medium) = FileMedium::open(table) else { return Ok(None) };
    let size = medium.size().map_err(StoreError::io("read", table))?;
    let mut header = vec![0; size.min(TableHeader::BYTES as u64) as usize];
    read_all(&medium, 0, &mut header).map_err(StoreError::io("read", table))?;
    Ok(Some(header))
}

/// A table that is not there: zeros.
#[derive(Debug)]
struct Missing {
    path: PathBuf,
    size: u64,
}

impl Medium for Missing {
    fn place(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> std::io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> std::io::Result<usize> {
        let count = self.size.saturating_sub(offset).min(data.len() as u64) as usize;
        data[..count].fill(0);
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> std::io::Result<()> {
        Ok(())
    }
}

const DAMAGED_NAME: &str = "valkkafs.json.damaged";
