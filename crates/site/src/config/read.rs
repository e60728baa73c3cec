//! Files that a configuration is made of, read so that none of them can hold the service up.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// The content of the regular file at `path`, which must not be larger than `limit` bytes.
///
/// Anything else is refused: a pipe waits for whoever writes to it, and a device may never end.
///
/// # Errors
/// In words, without the path.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is a pipe or a device, and must be a file".to_owned());
    }
    let mut content = Vec::new();
    // It may grow while it is read.
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("it has {} bytes, and may have {limit}", metadata.len().max(limit + 1)));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use valkka_testkit::temp::TempDir;
    use valkka_testkit::watchdog::Watchdog;

    use super::*;

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let _watchdog = Watchdog::start(Duration::from_secs(60));
        let directory = TempDir::new().unwrap();
        let (file, pipe) = (directory.join("file"), directory.join("pipe"));
        fs::write(&file, "12345678").unwrap();
        assert_eq!(read_bounded(&file, 8).unwrap(), b"12345678");
        assert_eq!(read_bounded(&file, 7).unwrap_err(), "it has 8 bytes, and may have 7");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for other in [pipe.as_path(), Path::new("/dev/zero"), directory.path(), Path::new("/nowhere")] {
            assert!(read_bounded(other, 8).is_err(), "{}", other.display());
        }
    }
}
