//! `valkkafs.json`: what a store consists of, and the names of its streams.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::StoreError;
use crate::geometry::Geometry;

/// The contents of `valkkafs.json`. What others have put into it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The data; `None` for a partition that is known by its identifier.
    #[serde(default)]
    pub(crate) dumpfile: Option<PathBuf>,
    #[serde(default)]
    pub(crate) partition_uuid: Option<String>,
    /// The table.
    pub(crate) blockfile: PathBuf,
    /// Bytes of a block.
    pub(crate) blocksize: u64,
    pub(crate) n_blocks: u64,
    /// The block to be written next.
    #[serde(default)]
    pub(crate) current_block: u64,
    /// The file itself.
    #[serde(default)]
    pub(crate) jsonfile: Option<PathBuf>,
    /// Missing in stores of the older format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<u64>,
    /// The names of the streams by their numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) streams: BTreeMap<u64, String>,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl Manifest {
    /// Reads that of the store in `dir`.
    pub(crate) fn load(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE_NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StoreError::NoStore(dir.to_owned()));
            }
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        serde_json::from_slice(&text)
            .map_err(|error| StoreError::Manifest { path, reason: error.to_string() })
    }

    /// Puts it into `dir` in the place of the one there. After a power cut one of the two is there, whole.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(FILE_NAME);
        let mut text = serde_json::to_vec(self)
            .map_err(|error| StoreError::Manifest { path: path.clone(), reason: error.to_string() })?;
        text.push(b'\n');
        let temporary = dir.join(TEMPORARY_NAME);
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(dir)?.sync_all()
        };
        write().map_err(StoreError::io("write", &path))
    }

    /// Whether there is one in `dir`.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(FILE_NAME).exists()
    }

    /// The size that it tells.
    pub(crate) fn geometry(&self) -> Result<Geometry, StoreError> {
        Ok(Geometry::new(self.blocksize, self.n_blocks)?)
    }

    /// Where the data are, of the store in `dir`.
    pub(crate) fn data_path(&self, dir: &Path) -> Result<PathBuf, StoreError> {
        match (&self.dumpfile, &self.partition_uuid) {
            (Some(path), _) => Ok(find(dir, path)),
            (None, Some(uuid)) => find_partition(uuid),
            (None, None) => {
                let reason = "it names neither a dumpfile nor a partition_uuid".to_owned();
                Err(StoreError::Manifest { path: dir.join(FILE_NAME), reason })
            }
        }
    }

    /// Where the table is, of the store in `dir`.
    pub(crate) fn table_path(&self, dir: &Path) -> PathBuf {
        find(dir, &self.blockfile)
    }
}

/// Where the file called `path` in the store in `dir` is: in the directory itself, which may have been moved since the path
/// was written, or else as given, by whoever made the store, perhaps for where that program ran.
fn find(dir: &Path, path: &Path) -> PathBuf {
    let inside = path.file_name().map(|name| dir.join(name)).unwrap_or_default();
    let places = [inside, path.to_owned(), dir.join(path)];
    places.into_iter().find(|place| place.exists()).unwrap_or_else(|| path.to_owned())
}

fn find_partition(uuid: &str) -> Result<PathBuf, StoreError> {
    // The name of one file, whatever the text is.
    let is_name = Path::new(uuid).file_name().is_some_and(|name| name == uuid);
    let names = [uuid.to_owned(), uuid.to_lowercase(), uuid.to_uppercase()];
    let mut paths = names.iter().filter(|_| is_name).map(|name| Path::new(PARTITIONS).join(name));
    paths.find(|path| path.exists()).ok_or_else(|| StoreError::NoPartition(uuid.to_owned()))
}

/// The identifier of the partition `device`, by which it is found whatever its name is then; `None` if it has none.
pub fn partition_uuid(device: &Path) -> Option<String> {
    let device = fs::canonicalize(device).ok()?;
    let mut links = fs::read_dir(PARTITIONS).ok()?.flatten();
    let link = links.find(|link| fs::canonicalize(link.path()).is_ok_and(|path| path == device))?;
    link.file_name().into_string().ok()
}

pub(crate) const FILE_NAME: &str = "valkkafs.json";
const TEMPORARY_NAME: &str = "valkkafs.json.new";
const PARTITIONS: &str = "/dev/disk/by-partuuid";

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn what_others_put_there_stays() {
        let dir = TempDir::new().unwrap();
        let text = r#"{"dumpfile":"a/dump","partition_uuid":null,"blockfile":"table","blocksize":4096,
            "n_blocks":3,"current_block":2,"jsonfile":"x","mine":[1,2]}"#;
        fs::write(dir.join(FILE_NAME), text).unwrap();
        let mut manifest = Manifest::load(dir.path()).unwrap();
        assert_eq!((manifest.format, manifest.current_block, manifest.streams.len()), (None, 2, 0));
        manifest.streams.insert(7, "front".into());
        manifest.save(dir.path()).unwrap();
        assert_eq!(Manifest::load(dir.path()).unwrap(), manifest);
        let value: Value = serde_json::from_slice(&fs::read(dir.join(FILE_NAME)).unwrap()).unwrap();
        assert_eq!(value["mine"], serde_json::json!([1, 2]));
        assert_eq!(value["streams"], serde_json::json!({"7": "front"}));
        assert_eq!(value["partition_uuid"], Value::Null);
        assert!(value.get("format").is_none());
    }

    #[test]
    fn files_are_found_where_they_are() {
        let dir = TempDir::new().unwrap();
        for name in ["dump", "elsewhere"] {
            fs::write(dir.join(name), []).unwrap();
        }
        fs::create_dir(dir.join("store")).unwrap();
        let store = dir.join("store");
        assert_eq!(find(&store, &dir.join("elsewhere")), dir.join("elsewhere"));
        assert_eq!(find(&store, &dir.join("dump")), dir.join("dump"));
        fs::write(store.join("dump"), []).unwrap();
        for path in [dir.join("dump"), "dump".into(), "moved/away/dump".into()] {
            assert_eq!(find(&store, &path), store.join("dump"));
        }
        assert_eq!(find(&store, Path::new("../elsewhere")), store.join("../elsewhere"));
        assert_eq!(find(&store, Path::new("/nowhere/x")), Path::new("/nowhere/x"));
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let dir = TempDir::new().unwrap();
        assert!(matches!(Manifest::load(dir.path()), Err(StoreError::NoStore(_))));
        for text in ["", "[]", "{}", r#"{"blockfile":"t","blocksize":-1,"n_blocks":1}"#] {
            fs::write(dir.join(FILE_NAME), text).unwrap();
            let message = Manifest::load(dir.path()).unwrap_err().to_string();
            assert!(message.contains("valkkafs.json: "), "{message}");
        }
        for uuid in ["../../sda", "", "no-such-partition"] {
            assert!(matches!(find_partition(uuid), Err(StoreError::NoPartition(_))), "{uuid}");
        }
    }
}
