//! Stores on the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use valkka::store::medium::{FileMedium, Medium as _};
use valkka::store::{Geometry, Store, StoreError, StoreOptions, StreamId};
use valkka_site::RecordConfig;

/// A store to be made where there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewStore {
    /// Bytes of its data; by default all of the device.
    pub(crate) size: Option<u64>,
    /// Bytes of a block; by default what suits the streams.
    pub(crate) block_size: Option<u64>,
    /// Where the data are to be, if not in the directory.
    pub(crate) device: Option<PathBuf>,
    /// Whether a device is taken that holds something.
    pub(crate) overwrite_device: bool,
}

/// Opens the store in `dir`; if there is none, and `new` says how large it is to be, makes one for so many streams, if
/// it has room for these.
pub(crate) fn open_or_create(dir: &Path, new: &NewStore, streams: usize) -> anyhow::Result<Arc<Store>> {
    match Store::open(dir) {
        Err(StoreError::NoStore(_)) => {}
        opened => return Ok(opened?),
    }
    let Some(size) = new.data_size()? else {
        bail!("there is no store in {}; --size, such as --size 10G, makes one", dir.display());
    };
    let record = RecordConfig { block_size: new.block_size, ..RecordConfig::new(dir, Some(size)) };
    record.check_size(streams).map_err(|(field, message)| match field {
        "block_size" => anyhow!("--block-size: {message}"),
        _ if new.size.is_none() => anyhow!("--device: {message}"),
        _ => anyhow!("--size: {message}"),
    })?;
    let block = record.block_bytes(size, streams);
    let geometry = Geometry::new(block, size / block)?;
    let options = match &new.device {
        Some(device) => StoreOptions::on_device(geometry, device),
        None => StoreOptions::new(geometry),
    };
    let options = StoreOptions { overwrite_device: new.overwrite_device, ..options };
    match Store::create(dir, &options) {
        Err(error @ StoreError::Occupied { .. }) => bail!("{error} (--overwrite-device)"),
        made => Ok(made?),
    }
}

impl NewStore {
    fn data_size(&self) -> anyhow::Result<Option<u64>> {
        match (&self.device, self.size) {
            (Some(device), None) => {
                let size = FileMedium::open(device).and_then(|medium| medium.size());
                size.map(Some).with_context(|| format!("cannot open {}", device.display()))
            }
            (_, size) => Ok(size),
        }
    }
}

/// The stream called `name`; of those that have none, their number is.
pub(crate) fn stream(store: &Store, name: &str) -> anyhow::Result<StreamId> {
    let streams = store.streams();
    if let Some(stream) = streams.iter().find(|stream| title(&stream.name, stream.id) == name) {
        return Ok(stream.id);
    }
    let titles: Vec<_> = streams.iter().map(|stream| title(&stream.name, stream.id)).collect();
    match titles[..] {
        [] => bail!("there is no camera \"{name}\": nothing is recorded"),
        _ => bail!("there is no camera \"{name}\": there are {}", titles.join(", ")),
    }
}

/// What a stream is called: its name, or else its number.
pub(crate) fn title(name: &str, id: StreamId) -> String {
    if name.is_empty() { id.to_string() } else { name.to_owned() }
}
