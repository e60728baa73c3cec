//! Opens a store, or makes it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use valkka::reason::reason;
use valkka::store::{Geometry, Store, StoreError, StoreOptions};

use crate::config::{RecordConfig, directory_around};

/// Opens the store of a site, time and again.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// The directory around the store when it was there, and the file system of that. An empty mount point is on another:
    /// there, no second store is made while the disk is away.
    home: Option<(PathBuf, u64)>,
}

impl Opening {
    /// Opens the store, and makes it if there is none, large enough for so many cameras.
    ///
    /// # Errors
    /// In words.
    pub(super) fn open(&mut self, record: &RecordConfig, cameras: usize) -> Result<Arc<Store>, String> {
        let directory = record.store.as_path();
        let store = match Store::open(directory) {
            Err(StoreError::NoStore(_)) => self.make(record, cameras)?,
            opened => opened.map_err(|error| reason(&error))?,
        };
        let parent = directory_around(directory);
        if let Ok(metadata) = fs::metadata(parent) {
            self.home = Some((parent.to_owned(), metadata.dev()));
        }
        Ok(store)
    }

    fn make(&self, record: &RecordConfig, cameras: usize) -> Result<Arc<Store>, String> {
        let directory = record.store.as_path();
        let Some(size) = record.size else {
            return Err(format!(
                "{} holds no store, and [record] says no size to make one of",
                directory.display()
            ));
        };
        let parent = directory_around(directory);
        let metadata = fs::metadata(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        if let Some((home, device)) = &self.home
            && home == parent
            && *device != metadata.dev()
        {
            return Err(format!("the disk of {} is not there: another one is", directory.display()));
        }
        let block = record.block_bytes(size, cameras);
        let geometry = Geometry::new(block, size / block).map_err(|error| reason(&error))?;
        let made = match fs::DirBuilder::new().mode(0o750).create(directory) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(format!("cannot make {}: {error}", directory.display())),
        };
        let options = StoreOptions { min_free_bytes: record.min_free, ..StoreOptions::new(geometry) };
        Store::create(directory, &options).map_err(|error| {
            if made {
                // It goes only if nothing is in it.
                let _ = fs::remove_dir(directory);
            }
            reason(&error)
        })
    }
}
