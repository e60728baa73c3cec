//! What is to be recorded, and where to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use valkka::reason::reason;
use valkka::store::medium::{FileMedium, Medium as _};
use valkka::store::{Geometry, Retention};

use super::problem::Problem;
use super::size::Size;
use crate::known_stores::KnownStores;

/// Where recordings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordConfig {
    /// The directory of the store. If there is none, and never was, one is made; the directory that it is to be in must be
    /// there.
    pub store: PathBuf,
    /// A partition or disk for the data of a new store, which must hold nothing; `None` for a file in the directory.
    pub device: Option<PathBuf>,
    /// Bytes that are reserved when the store is made; `None` if it is not to be made, or with a device for all of that. A store
    /// that is there keeps its size.
    pub size: Option<u64>,
    /// Bytes of a block of a new store; `None` for [`Self::block_bytes`] to choose.
    pub block_size: Option<u64>,
    /// Bytes that a new store must leave free on its file system, else it is not made.
    pub min_free: u64,
    /// Bytes of memory for what precedes events, of all cameras together. Who needs little leaves more to the others.
    pub event_memory: u64,
    /// How much is kept of cameras that the configuration does not name, of each.
    pub others: Retention,
    /// The file that remembers which stores there were, so that a disk that is not mounted is noticed: it must not be on that
    /// disk. `None` to remember it only for as long as recordings go to the same directory.
    pub known_stores: Option<PathBuf>,
}

/// How a camera is recorded, if there is a [`RecordConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingConfig {
    /// When.
    pub mode: RecordMode,
    /// How much from before an event is recorded with it, from its key frame on, as far as there is memory for it. At most
    /// [`Self::MAX_BEFORE`].
    pub before: Duration,
    /// For how long recording goes on after an event. At most [`Self::MAX_AFTER`].
    pub after: Duration,
    /// Bytes that are kept of this camera at most; `None` for as many as the store has room for.
    pub quota: Option<u64>,
    /// For how long recordings are kept at most; `None` for as long as the store has room for.
    pub keep: Option<Duration>,
    /// How little movement counts, from 1 to 100.
    pub sensitivity: u8,
}

/// When a camera is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordMode {
    /// Never.
    Off,
    /// Always.
    #[default]
    Always,
    /// When something moves, and on events.
    Motion,
    /// On events that the API is told of.
    Events,
}

impl RecordConfig {
    /// What is left free if nothing else is said: 1 GB.
    pub const MIN_FREE: u64 = 1_000_000_000;
    /// Memory for what precedes events if nothing else is said: 512 MB.
    pub const EVENT_MEMORY: u64 = 512_000_000;

    /// A store in the directory `store`, of so many bytes if it is to be made.
    pub fn new(store: impl Into<PathBuf>, size: Option<u64>) -> Self {
        Self {
            store: store.into(),
            device: None,
            size,
            block_size: None,
            min_free: Self::MIN_FREE,
            event_memory: Self::EVENT_MEMORY,
            others: Retention::default(),
            known_stores: None,
        }
    }

    /// Bytes of a block of a new store of `size` bytes for so many cameras: each has a block to itself at any time, and
    /// what is deleted goes by blocks.
    pub fn block_bytes(&self, size: u64, cameras: usize) -> u64 {
        let blocks = (cameras as u64).saturating_mul(GOOD_BLOCKS_PER_CAMERA).max(GOOD_BLOCKS);
        self.block_size.unwrap_or_else(|| Geometry::suitable_block_bytes(size, blocks))
    }

    /// What is in the way of making the store, if it is not there. Looks at the disk.
    pub(crate) fn doubts(&self) -> Option<Problem> {
        let problem =
            |key: &str, message: String| Some(Problem::new(vec!["record".into(), key.into()], message));
        if self.store.join("valkkafs.json").exists() {
            return None;
        }
        let known_as = std::path::absolute(&self.store).unwrap_or_else(|_| self.store.clone());
        if let Err(message) = KnownStores::new(self.known_stores.as_deref()).check_new(&known_as) {
            return problem("store", message);
        }
        let shown = self.store.display();
        if let Some(device) = &self.device {
            let found = FileMedium::open(device).and_then(|medium| medium.size());
            return match (found, self.size) {
                (Err(error), _) => problem("device", format!("cannot open {}: {error}", device.display())),
                (Ok(found), Some(size)) if found < size => {
                    let [found, size] = [found, size].map(Size);
                    problem("size", format!("{} has {found}, and not {size}", device.display()))
                }
                _ => None,
            };
        }
        let Some(size) = self.size else {
            return problem(
                "store",
                format!("{shown} holds no store yet, and there is no size to make one of"),
            );
        };
        let around = directory_around(&self.store);
        if let Err(error) = fs::metadata(around) {
            return problem("store", format!("{shown} cannot be made: {}: {error}", around.display()));
        }
        let free = statvfs(around).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))?;
        let needed = size.saturating_add(self.min_free);
        let [free_shown, needed_shown] = [free, needed].map(Size);
        let message =
            format!("{free_shown} are free on the disk of {shown}, and {needed_shown} needed with min_free");
        if free < needed { problem("size", message) } else { None }
    }

    /// Whether a new store can hold recordings of so many cameras.
    ///
    /// # Errors
    /// The field that is in the way, and why, in words.
    pub fn check_size(&self, cameras: usize) -> Result<(), (&'static str, String)> {
        if let Some(block) = self.block_size
            && !(MIN_BLOCK..=MAX_CHOSEN_BLOCK).contains(&block)
        {
            return Err(("block_size", format!("{block} bytes are not 1 MB to 1 GiB")));
        }
        let Some(size) = self.size else { return Ok(()) };
        let (block, needed) =
            (self.block_bytes(size, cameras), cameras.max(1) as u64 * MIN_BLOCKS_PER_CAMERA);
        if size / block >= needed {
            let made = Geometry::new(block, size / block);
            return made.map(drop).map_err(|error| ("size", reason(&error)));
        }
        let needed = match cameras {
            0 | 1 => format!("a camera needs {needed}"),
            _ => format!("{cameras} cameras need {needed}, four each"),
        };
        Err(("size", format!("it makes {} blocks of {block} bytes, and {needed}", size / block)))
    }
}

impl RecordingConfig {
    /// The longest time from before an event: it is kept in memory.
    pub const MAX_BEFORE: Duration = Duration::from_secs(60);
    /// The longest time after an event.
    pub const MAX_AFTER: Duration = Duration::from_secs(3600);

    /// How much is kept.
    pub(crate) fn retention(&self) -> Retention {
        Retention { max_bytes: self.quota, max_age: self.keep }
    }
}

impl Default for RecordingConfig {
    /// Always, and kept as long as there is room.
    fn default() -> Self {
        Self {
            mode: RecordMode::default(),
            before: Duration::from_secs(5),
            after: Duration::from_secs(10),
            quota: None,
            keep: None,
            sensitivity: 50,
        }
    }
}

/// The directory that `path` is in.
fn directory_around(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A store has so many blocks, or so many per camera, if it is large enough.
const GOOD_BLOCKS: u64 = 256;
const GOOD_BLOCKS_PER_CAMERA: u64 = 16;
/// One that is written, and some to keep.
const MIN_BLOCKS_PER_CAMERA: u64 = 4;
const MIN_BLOCK: u64 = 1_000_000;
const MAX_CHOSEN_BLOCK: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_the_size_and_the_cameras() {
        let record = RecordConfig::new("store", None);
        let block = |size, cameras| record.block_bytes(size, cameras) >> 20;
        assert_eq!((block(100 << 30, 4), block(1 << 30, 4), block(64 << 20, 4)), (64, 4, 1));
        assert_eq!(block(100 << 30, 400), 16);
        assert_eq!(RecordConfig { block_size: Some(8 << 20), ..record }.block_bytes(1 << 40, 4), 8 << 20);
    }

    #[test]
    fn a_store_that_is_too_small_is_refused_in_words() {
        let of = |size, cameras| RecordConfig::new("store", Some(size)).check_size(cameras);
        assert_eq!((of(16 << 20, 4), of(1 << 40, 1000)), (Ok(()), Ok(())));
        let (key, message) = of(15 << 20, 4).unwrap_err();
        assert_eq!(key, "size");
        assert!(
            message.starts_with("it makes 15 blocks of 1048576 bytes, and 4 cameras need 16"),
            "{message}"
        );
        let (_, message) = of(1000, 1).unwrap_err();
        assert!(message.ends_with("and a camera needs 4"), "{message}");
        assert_eq!(of(100_000_000_000_000, 4), Ok(()));
        let (key, message) = of(u64::MAX, 4).unwrap_err();
        assert!(key == "size" && message.starts_with("a store cannot have"), "{message}");
        let small_blocks =
            RecordConfig { block_size: Some(1 << 20), ..RecordConfig::new("store", Some(2 << 40)) };
        let (_, message) = small_blocks.check_size(4).unwrap_err();
        assert_eq!(message, "a store cannot have 2097152 blocks: 1 to 1048576 are possible");
        let odd = RecordConfig { block_size: Some(4096), ..RecordConfig::new("store", None) };
        assert_eq!(odd.check_size(1).unwrap_err().0, "block_size");
    }
}
