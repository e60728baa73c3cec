//! The file by which receivers of what is sent unasked find it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::retry::Retry;

/// A file that is to hold the newest description of a stream.
pub(super) struct DescriptionFile {
    path: PathBuf,
    written: Option<String>,
    retry: Retry,
}

impl DescriptionFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, written: None, retry: Retry::default() }
    }

    /// Writes `sdp`, unless it was written already, or it is too early to try again what has failed. Returns what is worth
    /// telling: what was written, or a failure that is not the same as the last.
    pub(super) fn write(&mut self, sdp: String, now: Instant) -> Option<Result<&Path, String>> {
        if !self.retry.is_due(now) || self.written.as_ref() == Some(&sdp) {
            return None;
        }
        let Err(error) = replace_file(&self.path, &sdp) else {
            self.written = Some(sdp);
            self.retry.forget();
            return Some(Ok(&self.path));
        };
        let message = format!("the description cannot be written to {}: {error}", self.path.display());
        self.retry.fail(message, now).map(Err)
    }
}

/// Writes a file so that whoever reads it sees the old content or the new, never a part.
fn replace_file(path: &Path, content: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let replaced = fs::write(&new, content).and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // There may be a part of it, where the file system is full. It may not be there either.
        let _ = fs::remove_file(&new);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing_behind() {
        let directory = TempDir::new().unwrap();
        let (file, folder) = (directory.join("a.sdp"), directory.join("b.sdp"));
        replace_file(&file, "v=0").unwrap();
        replace_file(&file, "v=1").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "v=1");
        fs::create_dir(&folder).unwrap();
        assert!(replace_file(&folder, "v=0").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_has_failed_is_told_once_and_tried_again() {
        let directory = TempDir::new().unwrap();
        let path = directory.join("a.sdp");
        fs::create_dir(&path).unwrap();
        let mut file = DescriptionFile::new(path.clone());
        let start = Instant::now();
        let mut write = |second| {
            let told = file.write("v=0".to_owned(), start + Duration::from_secs(second));
            told.map(|result| result.map(Path::to_owned))
        };
        assert!(write(0).unwrap().unwrap_err().contains("a.sdp: "));
        assert_eq!((write(1), write(2)), (None, None), "the same failure");
        fs::remove_dir(&path).unwrap();
        assert_eq!(write(2), None, "too early after two failures");
        assert!(!path.exists());
        assert_eq!(write(3), Some(Ok(path.clone())));
        assert_eq!(fs::read_to_string(&path).unwrap(), "v=0");
        assert_eq!(write(4), None, "it is written");
    }
}
