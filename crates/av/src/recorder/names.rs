//! What the files of a recording are called.

use std::fs;
use std::path::{Path, PathBuf};

use valkka_core::time::WallTime;

use super::segment::SegmentNames;

/// Names the files of one recording, one after the other.
#[derive(Debug)]
pub(super) struct Names {
    path: PathBuf,
    /// `None` if only a change of the stream makes further files.
    style: Option<SegmentNames>,
    /// Of the last file.
    number: u32,
}

impl Names {
    pub(super) fn new(path: PathBuf, style: Option<SegmentNames>) -> Self {
        Self { path, style, number: 0 }
    }

    /// The path of the next file, which begins at `start`.
    pub(super) fn next(&mut self, start: WallTime) -> PathBuf {
        let first = self.number == 0;
        if first && self.style == Some(SegmentNames::Number) {
            self.number = highest(&self.path);
        }
        self.number = self.number.saturating_add(1);
        match self.style {
            None if first => self.path.clone(),
            None => self.free(|number| format!("-{number}")),
            Some(SegmentNames::Number) => self.free(|number| format!("-{number:0DIGITS$}")),
            Some(SegmentNames::Time) => {
                // Colons mean something else to many a program and file system.
                let start = start.to_string().replace(':', "-");
                self.number = 1;
                self.free(
                    |number| if number == 1 { format!("-{start}") } else { format!("-{start}-{number}") },
                )
            }
        }
    }

    /// The path with a suffix after its stem, for the first number from the present one on for which there is no such
    /// file.
    fn free(&mut self, suffix: impl Fn(u32) -> String) -> PathBuf {
        let mut numbers = self.number..self.number.saturating_add(MAX_NAMES);
        let free = numbers.find(|&number| self.named(&suffix(number)).symlink_metadata().is_err());
        self.number = free.unwrap_or(self.number);
        self.named(&suffix(self.number))
    }

    fn named(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(suffix);
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        self.path.with_file_name(name)
    }
}

/// The highest number of a file beside `path` that is named like it; 0 if there is none, or nobody may look.
fn highest(path: &Path) -> u32 {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let (stem, extension) = (path.file_stem().unwrap_or_default(), path.extension());
    let number = |name: &Path| {
        let numbered = name.extension() == extension;
        let number = name.file_stem()?.to_str()?.strip_prefix(stem.to_str()?)?.strip_prefix('-')?;
        let is_ours =
            numbered && number.len() <= MAX_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
        is_ours.then(|| number.parse().ok()).flatten()
    };
    entries.flatten().filter_map(|entry| number(Path::new(&entry.file_name()))).max().unwrap_or(0)
}

/// So many names are looked at.
const MAX_NAMES: u32 = 10_000;

/// Numbers have so many digits, so that names sort like them; a recording of a file a minute gets by with them for years.
const DIGITS: usize = 6;

/// What is longer is no number of ours.
const MAX_DIGITS: usize = 9;

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    const START: WallTime = WallTime::from_micros(1_795_416_062_125_000);

    fn touch(directory: &TempDir, names: &[&str]) {
        names.iter().for_each(|name| fs::write(directory.join(name), "").unwrap());
    }

    #[test]
    fn further_files_take_names_that_are_free() {
        let directory = TempDir::new().unwrap();
        touch(&directory, &["camera.one.mkv", "camera.one-2.mkv", "camera.one-3.mkv"]);
        let mut names = Names::new(directory.join("camera.one.mkv"), None);
        assert_eq!(names.next(START), directory.join("camera.one.mkv"));
        assert_eq!(names.next(START), directory.join("camera.one-4.mkv"));
        assert_eq!(names.next(START), directory.join("camera.one-5.mkv"));
        let mut bare = Names::new(directory.join("camera"), None);
        assert_eq!(
            [bare.next(START), bare.next(START)],
            ["camera", "camera-2"].map(|name| directory.join(name))
        );
    }

    #[test]
    fn numbers_go_on_after_the_highest() {
        let directory = TempDir::new().unwrap();
        let mut names = Names::new(directory.join("a.mkv"), Some(SegmentNames::Number));
        assert_eq!(names.next(START), directory.join("a-000001.mkv"));
        // Neither a gap, nor others' files, nor what is too large for a number.
        let others = ["a-9.mp4", "b-9.mkv", "a-x9.mkv", "a-+9.mkv", "a-.mkv", "a-99999999999.mkv", "a.mkv"];
        touch(&directory, &others);
        touch(&directory, &["a-000001.mkv", "a-7.mkv"]);
        let mut names = Names::new(directory.join("a.mkv"), Some(SegmentNames::Number));
        assert_eq!(names.next(START), directory.join("a-000008.mkv"));
        touch(&directory, &["a-000009.mkv"]);
        assert_eq!(names.next(START), directory.join("a-000010.mkv"));
        let mut nowhere = Names::new(directory.join("none/a.mkv"), Some(SegmentNames::Number));
        assert_eq!(nowhere.next(START), directory.join("none/a-000001.mkv"));
    }

    #[test]
    fn moments_are_those_of_the_first_packet() {
        let directory = TempDir::new().unwrap();
        let mut names = Names::new(directory.join("a.mp4"), Some(SegmentNames::Time));
        let first = "a-2026-11-23T06-41-02.125Z.mp4";
        assert_eq!(names.next(START), directory.join(first));
        touch(&directory, &[first]);
        assert_eq!(names.next(START), directory.join("a-2026-11-23T06-41-02.125Z-2.mp4"));
        let later = START.offset_micros(60_000_000);
        assert_eq!(names.next(later), directory.join("a-2026-11-23T06-42-02.125Z.mp4"));
    }
}
