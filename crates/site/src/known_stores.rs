//! Which stores there were.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use valkka::time::WallTime;

use crate::config::read_bounded;

/// Knows of directories that there was a store in them, and which one.
///
/// An empty directory looks the same where nothing was ever recorded and where the disk with the recordings is not mounted.
/// In the second case a new store would fill the wrong disk and hide that the right one is missing. So it is written down,
/// elsewhere than on that disk, that there was one.
#[derive(Debug)]
pub(crate) struct KnownStores {
    /// Where it is written down. Read whenever it is asked for: who removes it wants a new store.
    file: Option<PathBuf>,
    /// What is not written down.
    unwritten: Known,
}

/// By directories, when the store in it was made; empty if that is not known.
type Known = BTreeMap<String, String>;

impl KnownStores {
    /// Those that `file` tells of. Without a file, only this object knows.
    pub(crate) fn new(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_owned), unwritten: Known::new() }
    }

    /// Whether there never was a store in `directory`.
    ///
    /// # Errors
    /// If there was one, or that cannot be known, in words.
    pub(crate) fn check_new(&self, directory: &Path) -> Result<(), String> {
        if self.made(directory)?.is_none() {
            return Ok(());
        }
        let shown = directory.display();
        let again = self.file.as_ref().map_or_else(String::new, |file| {
            format!("; to have a new one made, remove {} first", file.display())
        });
        Err(format!(
            "the store in {shown} is not there: perhaps its disk is not mounted. It is waited for, and no other one is made{again}"
        ))
    }

    /// Whether the store in `directory`, which was made at the moment `made`, is the one of before, as far as is known.
    ///
    /// # Errors
    /// If it is another one, in words.
    pub(crate) fn check_same(&self, directory: &Path, made: Option<WallTime>) -> Result<(), String> {
        // Who cannot know it does not keep anybody from recording.
        let known = self.made(directory).ok().flatten().unwrap_or_default();
        match made.map(|made| made.to_string()) {
            Some(made) if !known.is_empty() && made != known => {
                let file = self.file.as_ref().map_or_else(String::new, |file| {
                    format!("; to record into it, remove {}", file.display())
                });
                let shown = directory.display();
                Err(format!(
                    "{shown} holds another store than before, made at {made} and not at {known}{file}"
                ))
            }
            _ => Ok(()),
        }
    }

    /// Whether [`Self::note`] could write now.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn check_writable(&self) -> Result<(), String> {
        let Some(file) = &self.file else { return Ok(()) };
        let temporary = temporary(file);
        File::create(&temporary).and_then(|_| fs::remove_file(&temporary)).map_err(|error| {
            format!(
                "{}: {error}: where it cannot be noted that there is a store, none is made",
                temporary.display()
            )
        })
    }

    /// Notes that the store in `directory` was made at the moment `made`, if that is not known yet.
    ///
    /// # Errors
    /// If it cannot be written down, in words; then only this object knows.
    pub(crate) fn note(&mut self, directory: &Path, made: Option<WallTime>) -> Result<(), String> {
        let (key, made) = (key(directory), made.map(|made| made.to_string()).unwrap_or_default());
        // What cannot be understood is written anew.
        let mut known = self.read().unwrap_or_default();
        if known.get(&key).is_some_and(|known| made.is_empty() || *known == made) {
            return Ok(());
        }
        known.insert(key.clone(), made.clone());
        let written = self.file.as_ref().map(|file| (file, write(file, &known)));
        match written {
            Some((_, Ok(()))) => drop(self.unwritten.remove(&key)),
            _ => drop(self.unwritten.insert(key, made)),
        }
        match written {
            Some((file, Err(error))) => {
                Err(format!("it cannot be noted in {} that there is a store: {error}", file.display()))
            }
            _ => Ok(()),
        }
    }

    /// When the store in `directory` was made, which there was.
    fn made(&self, directory: &Path) -> Result<Option<String>, String> {
        let key = key(directory);
        let unwritten = self.unwritten.get(&key).cloned();
        Ok(self.read()?.remove(&key).or(unwritten))
    }

    fn read(&self) -> Result<Known, String> {
        let Some(file) = &self.file else { return Ok(Known::new()) };
        if !fs::exists(file).unwrap_or(true) {
            return Ok(Known::new());
        }
        let text = read_bounded(file, MAX_BYTES);
        let known = text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        known.map_err(|error| format!("{}: {error}", file.display()))
    }
}

fn key(directory: &Path) -> String {
    directory.to_string_lossy().into_owned()
}

/// After a power cut, either the old or the new one is there.
fn write(path: &Path, known: &Known) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(known).map_err(io::Error::other)?;
    text.push(b'\n');
    let temporary = temporary(path);
    let mut file = File::create(&temporary)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Some hundred directories: nobody had so many.
const MAX_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn what_was_there_is_known_by_the_next_one() {
        let temp = TempDir::new().unwrap();
        let (file, directory) = (temp.join("valkka.toml.stores"), temp.join("store"));
        let mut known = KnownStores::new(Some(&file));
        known.check_new(&directory).unwrap();
        known.check_same(&directory, Some(WallTime::from_micros(5))).unwrap();
        known.check_writable().unwrap();
        assert!(!file.exists(), "looking leaves nothing behind");
        known.note(&directory, Some(WallTime::from_micros(5))).unwrap();
        known.note(&temp.join("other"), None).unwrap();

        let known = KnownStores::new(Some(&file));
        let refused = known.check_new(&directory).unwrap_err();
        assert!(refused.contains("not mounted") && refused.contains("valkka.toml.stores"), "{refused}");
        known.check_same(&directory, Some(WallTime::from_micros(5))).unwrap();
        // Not known of the one, not told by the other.
        known.check_same(&temp.join("other"), Some(WallTime::from_micros(5))).unwrap();
        known.check_same(&directory, None).unwrap();
        let other = known.check_same(&directory, Some(WallTime::from_micros(5_000_000))).unwrap_err();
        assert!(other.contains("another store than before, made at 1970-01-01T00:00:05.000Z"), "{other}");
        fs::remove_file(&file).unwrap();
        known.check_new(&directory).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_known_as_long_as_this_lives() {
        let temp = TempDir::new().unwrap();
        let (file, directory) = (temp.join("no/such/file"), temp.join("store"));
        let mut known = KnownStores::new(Some(&file));
        assert!(known.check_writable().unwrap_err().contains("no/such/file"));
        assert!(known.note(&directory, None).unwrap_err().contains("no/such/file"));
        known.check_new(&directory).unwrap_err();
        let mut alone = KnownStores::new(None);
        alone.note(&directory, Some(WallTime::from_micros(5))).unwrap();
        let refused = alone.check_new(&directory).unwrap_err();
        assert!(!refused.contains("remove"), "{refused}");
        alone.check_same(&directory, Some(WallTime::from_micros(5_000_000))).unwrap_err();
    }

    #[test]
    fn nonsense_keeps_stores_from_being_made_but_not_from_being_opened() {
        let temp = TempDir::new().unwrap();
        let file = temp.join("stores");
        fs::write(&file, "[7]").unwrap();
        let mut known = KnownStores::new(Some(&file));
        known.check_new(&temp.join("store")).unwrap_err();
        known.check_same(&temp.join("store"), None).unwrap();
        known.note(&temp.join("store"), None).unwrap();
        known.check_new(&temp.join("another")).unwrap();
    }
}
