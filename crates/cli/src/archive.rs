//! Stores on the command line.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use valkka::store::{Geometry, Store, StoreError, StoreOptions, StreamId};

use crate::units;

/// Opens the store in `dir`; if there is none and a size is given, makes one of so many bytes, with blocks of `block_size` or
/// a size that suits so many streams.
pub(crate) fn open_or_create(
    dir: &Path,
    size: Option<u64>,
    block_size: Option<u64>,
    streams: usize,
) -> anyhow::Result<Arc<Store>> {
    let size = match (Store::open(dir), size) {
        (Err(StoreError::NoStore(_)), Some(size)) => size,
        (Err(StoreError::NoStore(_)), None) => {
            bail!("there is no store in {}; --size, such as --size 10G, makes one", dir.display());
        }
        (opened, _) => return Ok(opened?),
    };
    let block = block_size.unwrap_or_else(|| good_block(size, streams));
    let geometry = Geometry::new(block, size / block.max(1))
        .with_context(|| format!("{} in blocks of {}", units::size(size), units::size(block)))?;
    Ok(Store::create(dir, &StoreOptions::new(geometry))?)
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

/// Each stream has a block to itself at any time, and recordings are given up by blocks: there should be many.
fn good_block(size: u64, streams: usize) -> u64 {
    Geometry::suitable_block_bytes(size, (streams as u64).saturating_mul(16).max(64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_suit_the_store() {
        assert_eq!(good_block(10 << 30, 2), 64 << 20);
        assert_eq!(good_block(1 << 30, 2), 16 << 20);
        assert_eq!(good_block(1 << 20, 2), 1 << 20);
        assert_eq!(good_block(10 << 30, 256), 2 << 20);
        assert_eq!(good_block(128 << 40, 2), 128 << 20);
    }
}
