//! The room that is to be left on the disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use crate::units;

/// Looks after the room where files are written: others may need it, too.
#[derive(Debug)]
pub(super) struct Room {
    directories: BTreeSet<PathBuf>,
    /// Bytes that are to be left.
    kept: u64,
    looked: Option<Instant>,
}

impl Room {
    /// Where `files` are; `kept` bytes are to be left there.
    pub(super) fn new<'a>(files: impl Iterator<Item = &'a Path>, kept: u64) -> Self {
        let around = |file: &Path| match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self { directories: files.map(around).collect(), kept, looked: None }
    }

    /// Where less is left than should be, in words. Looks once a second; a disk that cannot be looked at is no reason to end.
    pub(super) fn shortage(&mut self, now: Instant) -> Option<String> {
        let looked = self.looked.map(|looked| now.saturating_duration_since(looked));
        if self.kept == 0 || looked.is_some_and(|ago| ago < BETWEEN) {
            return None;
        }
        self.looked = Some(now);
        self.directories.iter().find_map(|directory| {
            let disk = statvfs(directory).ok()?;
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let [free_shown, kept_shown] = [free, self.kept].map(units::size);
            (free < self.kept).then(|| {
                format!("{} has {free_shown} free, and {kept_shown} are to stay free", directory.display())
            })
        })
    }
}

const BETWEEN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_noticed_where_the_files_are() {
        let files = [Path::new("a.mkv"), Path::new("/no/such/b.mkv"), Path::new("/tmp/c.mkv")];
        let room = |kept| Room::new(files.into_iter(), kept);
        let now = Instant::now();
        assert_eq!((room(0).shortage(now), room(1).shortage(now)), (None, None));
        let mut full = room(u64::MAX);
        let shortage = full.shortage(now).unwrap();
        assert!(shortage.contains(" free, and ") && shortage.ends_with("are to stay free"), "{shortage}");
        assert_eq!(full.shortage(now + BETWEEN / 2), None, "it is looked at once a second");
        assert!(full.shortage(now + BETWEEN).is_some());
    }
}
