//! Opens a store, or makes it.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use valkka::reason::reason;
use valkka::store::medium::{FileMedium, Medium as _};
use valkka::store::{Geometry, Store, StoreError, StoreOptions};

use crate::config::RecordConfig;
use crate::known_stores::KnownStores;

/// Opens the store of a site, time and again.
#[derive(Debug)]
pub(super) struct Opening {
    known: KnownStores,
    /// Whether it was told that nobody will know of the store.
    told: bool,
}

impl Opening {
    pub(super) fn new(record: &RecordConfig) -> Self {
        Self { known: KnownStores::new(record.known_stores.as_deref()), told: false }
    }

    /// Opens the store. If there is none, and never was, it is made, large enough for so many cameras. `tell` is told what
    /// people should know of it.
    ///
    /// # Errors
    /// In words.
    pub(super) fn open(
        &mut self,
        record: &RecordConfig,
        cameras: usize,
        tell: impl FnOnce(String),
    ) -> Result<Arc<Store>, String> {
        let directory = record.store.as_path();
        // By what it is known, wherever this runs.
        let known_as = std::path::absolute(directory).map_err(|error| error.to_string())?;
        let store = match Store::open(directory) {
            Err(StoreError::NoStore(_)) => {
                self.known.check_new(&known_as)?;
                self.make(record, cameras)?
            }
            opened => opened.map_err(|error| reason(&error))?,
        };
        self.known.check_same(&known_as, store.made())?;
        if let Err(failure) = self.known.note(&known_as, store.made())
            && !self.told
        {
            self.told = true;
            tell(failure);
        }
        Ok(store)
    }

    fn make(&self, record: &RecordConfig, cameras: usize) -> Result<Arc<Store>, String> {
        let directory = record.store.as_path();
        let size = match (&record.device, record.size) {
            (_, Some(size)) => size,
            (Some(device), None) => FileMedium::open(device)
                .and_then(|medium| medium.size())
                .map_err(|error| format!("cannot open {}: {error}", device.display()))?,
            (None, None) => {
                return Err(format!(
                    "{} holds no store, and [record] says no size to make one of",
                    directory.display()
                ));
            }
        };
        let block = record.block_bytes(size, cameras);
        let geometry = Geometry::new(block, size / block).map_err(|error| reason(&error))?;
        self.known.check_writable()?;
        let is_new = make_directory(directory)?;
        let options = match &record.device {
            Some(device) => StoreOptions::on_device(geometry, device),
            None => StoreOptions { min_free_bytes: record.min_free, ..StoreOptions::new(geometry) },
        };
        Store::create(directory, &options).map_err(|error| {
            if is_new {
                // It goes only if nothing is in it.
                let _ = fs::remove_dir(directory);
            }
            reason(&error)
        })
    }
}

/// Makes `directory`, but not the one around it. Returns whether it was not there.
fn make_directory(directory: &Path) -> Result<bool, String> {
    match fs::DirBuilder::new().mode(0o750).create(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(format!("cannot make {}: {error}", directory.display())),
    }
}
