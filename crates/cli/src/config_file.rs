//! The file with the configuration and those that it names, and whether they have changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Notices when a file has changed, also when it was replaced by another one of the same name, as editors do; and when one
/// of the files that it names has.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// The file itself, then those that it names.
    paths: Vec<PathBuf>,
    /// As they were when they were read.
    read: Vec<Option<Stamp>>,
    /// As they were when they were last looked at.
    seen: Vec<Option<Stamp>>,
}

/// By which two states of a file differ: device, inode, size, and when it was written, in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl ConfigFile {
    /// The file at `path`, which is about to be read.
    pub(crate) fn new(path: &Path) -> Self {
        let stamp = stamp(path);
        Self { paths: vec![path.to_owned()], read: vec![stamp], seen: vec![stamp] }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.paths[0]
    }

    /// Looks after `files`, too, which have just been read because the file names them, or could not be, and no longer after
    /// others.
    pub(crate) fn names(&mut self, files: &[PathBuf]) {
        let known = |path: &PathBuf| {
            let at = self.paths.iter().position(|known| known == path);
            at.map_or_else(|| stamp(path), |at| self.read[at])
        };
        let mut paths = vec![self.paths[0].clone()];
        paths.extend_from_slice(files);
        self.read = paths.iter().map(known).collect();
        self.paths = paths;
        self.seen = self.read.clone();
    }

    /// To be called before they are read for another reason than that one has changed.
    pub(crate) fn note_reading(&mut self) {
        self.read = self.stamps();
        self.seen = self.read.clone();
    }

    /// Whether one is another one than when it was read, and all are the same as when this was asked last, so that nobody
    /// is writing them at this moment. True once per change.
    pub(crate) fn has_changed(&mut self) -> bool {
        let now = self.stamps();
        let settled = self.seen == now;
        self.seen.clone_from(&now);
        // While one is replaced, there may be none.
        let is_new = |(now, read): (&Option<Stamp>, &Option<Stamp>)| now.is_some() && now != read;
        let changed = settled && now.iter().zip(&self.read).any(is_new);
        if changed {
            self.read = now;
        }
        changed
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.paths.iter().map(|path| stamp(path)).collect()
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

    #[test]
    fn the_files_that_it_names_are_looked_after() {
        let directory = TempDir::new().unwrap();
        let [path, certificate, key] = ["valkka.toml", "c.pem", "k.pem"].map(|name| directory.join(name));
        for file in [&path, &certificate, &key] {
            fs::write(file, "1").unwrap();
        }
        let mut file = ConfigFile::new(&path);
        file.names(&[certificate.clone(), key.clone()]);
        assert_eq!([file.has_changed(), file.has_changed()], [false, false]);
        // A certificate without its key is not read.
        fs::write(&certificate, "12").unwrap();
        assert!(!file.has_changed());
        fs::write(&key, "12").unwrap();
        assert_eq!([file.has_changed(), file.has_changed(), file.has_changed()], [false, true, false]);
        // What changes while it is read is read again.
        fs::write(&key, "123").unwrap();
        file.names(&[certificate.clone(), key.clone()]);
        assert_eq!([file.has_changed(), file.has_changed()], [false, true]);
        fs::remove_file(&certificate).unwrap();
        assert_eq!([file.has_changed(), file.has_changed()], [false, false], "it is on its way");
        fs::write(&path, "12").unwrap();
        assert_eq!([file.has_changed(), file.has_changed()], [false, true], "or named no more");
        file.names(&[]);
        fs::write(&key, "1234").unwrap();
        assert_eq!([file.has_changed(), file.has_changed()], [false, false], "it is no longer named");
    }
}
