//! Whether the files that are written are still those that everybody finds.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The files of a store as they were when it was opened.
///
/// Who writes a file that was removed gets no error: what is recorded would be lost without a word. So would it be when
/// another disk is mounted over it.
#[derive(Debug)]
pub(super) struct Presence {
    files: Vec<(PathBuf, Identity)>,
}

/// A file system, and the number of a file on it.
type Identity = (u64, u64);

impl Presence {
    /// Looks at the store in `directory`.
    ///
    /// # Errors
    /// If it is not there, in words.
    pub(super) fn of(directory: &Path) -> Result<Self, String> {
        let own = FILES.map(|name| directory.join(name)).into_iter().filter(|path| path.exists());
        let files = std::iter::once(directory.to_owned()).chain(own);
        let files: Result<_, _> =
            files.map(|path| identity(&path).map(|identity| (path, identity))).collect();
        Ok(Self { files: files? })
    }

    /// Whether everything is where it was.
    ///
    /// # Errors
    /// What is gone, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        for (path, was) in &self.files {
            if identity(path)? != *was {
                return Err(format!("{} is another one than was opened", path.display()));
            }
        }
        Ok(())
    }
}

fn identity(path: &Path) -> Result<Identity, String> {
    match fs::metadata(path) {
        Ok(metadata) => Ok((metadata.dev(), metadata.ino())),
        Err(error) => Err(format!("{} is gone: {error}", path.display())),
    }
}

/// What is opened once, unless it lies elsewhere. The file with the names of the streams is replaced whenever one is added.
const FILES: [&str; 2] = ["dumpfile", "blockfile"];

#[cfg(test)]
mod tests {
    use super::*;
    use valkka_testkit::temp::TempDir;

    #[test]
    fn what_is_gone_or_another_is_noticed() {
        let temp = TempDir::new().unwrap();
        let store = temp.join("store");
        assert!(Presence::of(&store).unwrap_err().contains("store is gone"));
        fs::create_dir(&store).unwrap();
        for name in FILES {
            fs::write(store.join(name), "1").unwrap();
        }
        let presence = Presence::of(&store).unwrap();
        fs::write(store.join("blockfile"), "22").unwrap();
        fs::write(store.join("valkkafs.json"), "{}").unwrap();
        presence.check().unwrap();
        // While the old one is there, its number is not given to the new one.
        fs::rename(store.join("blockfile"), store.join("old")).unwrap();
        assert!(presence.check().unwrap_err().contains("blockfile is gone"));
        fs::write(store.join("blockfile"), "22").unwrap();
        assert!(presence.check().unwrap_err().contains("another one"));
        fs::remove_dir_all(&store).unwrap();
        assert!(presence.check().unwrap_err().contains("store is gone"));
    }
}
