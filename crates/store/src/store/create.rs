//! Makes the files of a store.

mod device;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;
use valkka_core::clock::SystemClock;

use crate::directory::{FILE_NAME, Manifest, partition_uuid};
use crate::error::StoreError;
use crate::geometry::Geometry;
use crate::medium::{FileMedium, Medium as _};
use crate::table::{Format, Table};

/// How a store is made.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The size and number of its blocks.
    pub geometry: Geometry,
    /// A partition or disk, or a file that is there already, for the data; else they are a file in the directory. All that is
    /// on it is lost. What is in use is never taken, e.g. what is mounted.
    pub device: Option<PathBuf>,
    /// The identifier of that partition, by which it is found again whatever its name is then.
    pub partition_uuid: Option<String>,
    /// Whether a device is taken that holds a file system, recordings or the like.
    pub overwrite_device: bool,
    /// Bytes that are to stay free on the file system.
    pub min_free_bytes: u64,
}

impl StoreOptions {
    /// A file of this size in the directory.
    pub fn new(geometry: Geometry) -> Self {
        Self { geometry, device: None, partition_uuid: None, overwrite_device: false, min_free_bytes: 0 }
    }

    /// The data on `device`, found again by its identifier if it is a partition.
    pub fn on_device(geometry: Geometry, device: impl Into<PathBuf>) -> Self {
        let device = device.into();
        let partition_uuid = partition_uuid(&device);
        Self { device: Some(device), partition_uuid, ..Self::new(geometry) }
    }
}

/// The files of a store that has no `valkkafs.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFiles {
    /// The data.
    pub data: PathBuf,
    /// The table.
    pub table: PathBuf,
}

/// Makes the files of an empty store in `dir`, `valkkafs.json` last: before it is there, there is no store. They get their
/// names when they are whole, so that what a making that was cut off has left is not taken for recordings.
pub(super) fn create(dir: &Path, options: &StoreOptions) -> Result<(), StoreError> {
    if Manifest::exists(dir) {
        return Err(StoreError::Exists(dir.join(FILE_NAME)));
    }
    fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
    // Programs of the older format take the paths for relative to where they run.
    let dir = std::path::absolute(dir).map_err(StoreError::io("find", dir))?;
    let lock = lock_directory(&dir)?;
    if Manifest::exists(&dir) {
        return Err(StoreError::Exists(dir.join(FILE_NAME)));
    }
    let mut made = Made::default();
    fill(&dir, &lock, options, &mut made)?;
    made.files.clear();
    Ok(())
}

/// Makes data and table where they are missing or too short. Returns whether the table has to be begun.
pub(super) fn prepare(files: &StoreFiles, geometry: Geometry, init: bool) -> Result<bool, StoreError> {
    let table = open_or_make(&files.table)?;
    let bytes = table.metadata().map_err(StoreError::io("read", &files.table))?.len();
    let init = init || bytes == 0;
    let wanted = Table::bytes(Format::V2, geometry);
    if init && bytes != wanted {
        table.set_len(wanted).map_err(StoreError::io("extend", &files.table))?;
    }
    if !init && files.data.exists() {
        return Ok(false);
    }
    let data = open_or_make(&files.data)?;
    let medium = FileMedium::open(&files.data).map_err(StoreError::io("open", &files.data))?;
    let bytes = medium.size().map_err(StoreError::io("read", &files.data))?;
    if bytes < geometry.data_bytes() {
        reserve(&data, geometry.data_bytes()).map_err(StoreError::io("reserve room for", &files.data))?;
    }
    Ok(init)
}

fn fill(dir: &Path, opened: &File, options: &StoreOptions, made: &mut Made) -> Result<(), StoreError> {
    let (data_file, table_file) = (dir.join("dumpfile"), dir.join("blockfile"));
    let own_data = options.device.is_none().then_some(&data_file);
    if let Some(path) = own_data.into_iter().chain([&table_file]).find(|path| path.exists()) {
        return Err(StoreError::Orphan(path.clone()));
    }
    for path in [&data_file, &table_file] {
        remove_if_there(&temporary(path))?;
    }
    let geometry = options.geometry;
    let table_bytes = Table::bytes(Format::V2, geometry);
    let data_bytes = if options.device.is_some() { 0 } else { geometry.data_bytes() };
    check_free(dir, data_bytes.saturating_add(table_bytes), options.min_free_bytes)?;
    let data_path = match &options.device {
        Some(device) => {
            let path = std::path::absolute(device).map_err(StoreError::io("find", device))?;
            device::take(&path, options)?;
            path
        }
        None => {
            let file = made.file(&temporary(&data_file))?;
            let reserved = reserve(&file, data_bytes).and_then(|()| file.sync_all());
            reserved.map_err(StoreError::io("reserve room for", &data_file))?;
            data_file.clone()
        }
    };
    let table_temporary = temporary(&table_file);
    let file = made.file(&table_temporary)?;
    let reserved = reserve(&file, table_bytes).and_then(|()| file.sync_all());
    reserved.map_err(StoreError::io("reserve room for", &table_file))?;
    let medium = FileMedium::open(&table_temporary).map_err(StoreError::io("open", &table_file))?;
    Table::create(Arc::new(medium), geometry, SystemClock.now())?;
    if options.device.is_none() {
        made.name(&data_file)?;
    }
    made.name(&table_file)?;
    opened.sync_all().map_err(StoreError::io("write", dir))?;
    let manifest = Manifest {
        dumpfile: options.partition_uuid.is_none().then_some(data_path),
        partition_uuid: options.partition_uuid.clone(),
        blockfile: table_file,
        blocksize: geometry.block_bytes(),
        n_blocks: geometry.blocks(),
        current_block: 0,
        jsonfile: Some(dir.join(FILE_NAME)),
        format: Some(2),
        streams: Default::default(),
        other: Default::default(),
    };
    manifest.save(dir)
}

/// Files that go again unless all goes well.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
}

impl Made {
    fn file(&mut self, path: &Path) -> Result<File, StoreError> {
        match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
            Ok(file) => {
                self.files.push(path.to_owned());
                Ok(file)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(StoreError::Exists(path.to_owned()))
            }
            Err(error) => Err(StoreError::io("make", path)(error)),
        }
    }

    /// Gives the file that is called [`temporary`] of it the name `path`, which nobody has.
    fn name(&mut self, path: &Path) -> Result<(), StoreError> {
        let before = temporary(path);
        fs::rename(&before, path).map_err(StoreError::io("make", path))?;
        self.files.retain(|file| *file != before);
        self.files.push(path.to_owned());
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.files {
            // The error that led here is what counts.
            let _ = fs::remove_file(path);
        }
    }
}

/// What `path` is called until it is whole.
fn temporary(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Opens `dir`. While it is open, nobody else makes a store in it.
fn lock_directory(dir: &Path) -> Result<File, StoreError> {
    let opened = File::open(dir).map_err(StoreError::io("open", dir))?;
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(StoreError::Locked(dir.to_owned())),
        // Not every file system can lock directories: it is as if nobody else were there.
        _ => Ok(opened),
    }
}

fn open_or_make(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(StoreError::io("make", path))
}

fn check_free(dir: &Path, wanted: u64, kept: u64) -> Result<(), StoreError> {
    let system = rustix::fs::statvfs(dir).map_err(io::Error::from).map_err(StoreError::io("look at", dir))?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    if free < wanted.saturating_add(kept) {
        return Err(StoreError::NoSpace { path: dir.to_owned(), free, wanted, kept });
    }
    Ok(())
}

/// Extends `file` to `bytes` bytes that the disk cannot run out of.
fn reserve(mut file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => (),
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; 1 << 20];
    let there = file.seek(SeekFrom::End(0))?;
    let mut left = bytes.saturating_sub(there);
    while left > 0 {
        let count = left.min(zeros.len() as u64);
        file.write_all(&zeros[..count as usize])?;
        left -= count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use crate::store::Store;

    use super::*;

    fn options() -> StoreOptions {
        StoreOptions::new(Geometry::new(8192, 5).unwrap())
    }

    #[test]
    fn a_new_store_is_empty_and_has_its_room() {
        let dir = TempDir::new().unwrap();
        let path = dir.join("new/store");
        let store = Store::create(&path, &options()).unwrap();
        assert_eq!((store.format(), store.geometry()), (Format::V2, options().geometry));
        assert_eq!((store.streams(), store.rows().len()), (vec![], 5));
        assert_eq!(fs::metadata(path.join("dumpfile")).unwrap().len(), 5 * 8192);
        assert_eq!(store.block(4).unwrap().count(), 0);
        assert!(matches!(store.block(5), Err(StoreError::NoBlock { block: 5, blocks: 5 })));
        assert!(matches!(Store::create(&path, &options()), Err(StoreError::Exists(_))));
        fs::rename(&path, dir.join("moved")).unwrap();
        let moved = Store::open(&dir.join("moved")).unwrap();
        assert!(moved.made().is_some() && moved.made() == store.made());
        let another = Store::create(&path, &options()).unwrap();
        assert_ne!(another.made(), store.made());
    }

    #[test]
    fn what_cannot_be_made_leaves_nothing() {
        let dir = TempDir::new().unwrap();
        let full = StoreOptions { min_free_bytes: u64::MAX, ..options() };
        let message = Store::create(&dir.join("full"), &full).unwrap_err().to_string();
        assert!(message.contains("bytes free: 45376 are needed"), "{message}");
        fs::create_dir(dir.join("other")).unwrap();
        fs::write(dir.join("other/blockfile"), "mine").unwrap();
        assert!(matches!(Store::create(&dir.join("other"), &options()), Err(StoreError::Orphan(_))));
        let left: Vec<_> = fs::read_dir(dir.join("other")).unwrap().map(|file| file.unwrap()).collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn a_making_that_was_cut_off_is_done_again() {
        let dir = TempDir::new().unwrap();
        let path = dir.join("store");
        fs::create_dir(&path).unwrap();
        for name in ["dumpfile.new", "blockfile.new", "valkkafs.json.new"] {
            fs::write(path.join(name), "half").unwrap();
        }
        Store::create(&path, &options()).unwrap();
        let files = fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<_> = files.collect();
        files.sort();
        assert_eq!(files, ["blockfile", "dumpfile", "valkkafs.json"]);
        // Cut off just before the last step; or it is a store that lost the file.
        fs::remove_file(path.join("valkkafs.json")).unwrap();
        let message = Store::create(&path, &options()).unwrap_err().to_string();
        assert!(message.contains("dumpfile") && message.contains("valkka fsck --repair"), "{message}");
        assert_eq!(fs::metadata(path.join("dumpfile")).unwrap().len(), 5 * 8192);
    }

    #[test]
    fn one_at_a_time_makes_a_store() {
        let dir = TempDir::new().unwrap();
        let making = lock_directory(&dir.join(".")).unwrap();
        assert!(matches!(Store::create(&dir.join("."), &options()), Err(StoreError::Locked(_))));
        drop(making);
        Store::create(&dir.join("."), &options()).unwrap();
    }

    #[test]
    fn a_device_is_taken_as_it_is() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.join("device"), vec![7; 5 * 8192]).unwrap();
        let given = StoreOptions { device: Some(dir.join("device")), ..options() };
        let store = Store::create(&dir.join("store"), &given).unwrap();
        assert_eq!(store.block(0).unwrap().count(), 0);
        assert!(!dir.join("store/dumpfile").exists());
        fs::write(dir.join("device"), vec![7; 5 * 8192 - 1]).unwrap();
        assert!(matches!(Store::open(&dir.join("store")), Err(StoreError::Size { found: 40959, .. })));
    }

    #[test]
    fn files_without_a_directory_are_made() {
        let dir = TempDir::new().unwrap();
        let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
        let geometry = options().geometry;
        let store = Store::open_files(&files, geometry, false).unwrap();
        assert_eq!(store.format(), Format::V2);
        assert_eq!(fs::metadata(&files.data).unwrap().len(), geometry.data_bytes());
        drop(store);
        fs::write(&files.table, [0; 5 * 16]).unwrap();
        assert_eq!(Store::open_files(&files, geometry, false).unwrap().format(), Format::V1);
        assert_eq!(Store::open_files(&files, geometry, true).unwrap().format(), Format::V2);
    }
}
