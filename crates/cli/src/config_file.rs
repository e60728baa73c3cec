//! The file with the configuration, and whether it has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Notices when a file has changed, also when it was replaced by another one of the same name, as editors do.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    /// As it was when it was read.
    read: Option<Stamp>,
    /// As it was when it was last looked at.
    seen: Option<Stamp>,
}

/// By which two states of a file differ: device, inode, size, and when it was written, in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl ConfigFile {
    /// The file at `path`, which is about to be read.
    pub(crate) fn new(path: &Path) -> Self {
        let stamp = stamp(path);
        Self { path: path.to_owned(), read: stamp, seen: stamp }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// To be called before it is read for another reason than that it has changed.
    pub(crate) fn note_reading(&mut self) {
        self.read = stamp(&self.path);
        self.seen = self.read;
    }

    /// Whether it is another one than when it was read, and the same as when this was asked last, so that nobody is
    /// writing it at this moment. True once per change.
    pub(crate) fn has_changed(&mut self) -> bool {
        let now = stamp(&self.path);
        let settled = now == std::mem::replace(&mut self.seen, now);
        // While it is replaced, there may be none.
        let changed = settled && now.is_some() && now != self.read;
        if changed {
            self.read = now;
        }
        changed
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn changes_are_noticed_once_they_have_settled() {
        let directory = TempDir::new().unwrap();
        let (path, new) = (directory.join("valkka.toml"), directory.join("new"));
        fs::write(&path, "1").unwrap();
        let mut file = ConfigFile::new(&path);
        assert_eq!((file.has_changed(), file.path()), (false, path.as_path()));
        fs::write(&path, "12").unwrap();
        assert_eq!([file.has_changed(), file.has_changed(), file.has_changed()], [false, true, false]);
        // Replaced by another file of the same content.
        fs::write(&new, "12").unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!([file.has_changed(), file.has_changed(), file.has_changed()], [false, true, false]);
        fs::remove_file(&path).unwrap();
        assert_eq!([file.has_changed(), file.has_changed()], [false, false], "it is on its way");
        fs::write(&path, "123").unwrap();
        assert_eq!([file.has_changed(), file.has_changed()], [false, true]);
        fs::write(&path, "1234").unwrap();
        file.note_reading();
        assert_eq!([file.has_changed(), file.has_changed()], [false, false]);
    }
}
