//! The picture for streams that have none.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};

/// Why a file is no background.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// It cannot be read.
    #[error("cannot read the background {path}: {cause}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// It has another size.
    #[error(
        "the background {path} is no raw YUV 4:2:0 picture of {WIDTH}x{HEIGHT}: it has {found} bytes, not {BYTES}",
        path = path.display()
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// How many bytes it has, in words.
        found: String,
    },
}

/// Reads a picture of 1280 × 720 pixels from a file that holds its Y, U and V planes, one behind the other, and nothing
/// else.
///
/// # Errors
/// If the file cannot be read or has another size.
pub fn read_background(path: &Path) -> Result<Bitmap, BackgroundError> {
    let failed = |cause| BackgroundError::Read { path: path.to_owned(), cause };
    let mut data = Vec::with_capacity(BYTES);
    // Opening something else, a pipe, may take for ever.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    // One byte more than wanted tells a file that is too long.
    File::open(path).map_err(failed)?.take(BYTES as u64 + 1).read_to_end(&mut data).map_err(failed)?;
    if data.len() != BYTES {
        let found = if data.len() > BYTES { "too many".to_owned() } else { data.len().to_string() };
        return Err(BackgroundError::Size { path: path.to_owned(), found });
    }
    Ok(Bitmap::from_packed(PixelFormat::Yuv420, WIDTH, HEIGHT, ColorSpec::default(), data)
        .expect("it has as many bytes as such a picture"))
}

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const BYTES: usize = (WIDTH * HEIGHT * 3 / 2) as usize;

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn a_file_of_the_right_size_and_others() {
        let dir = TempDir::new().unwrap();
        let path = dir.join("background.yuv");
        let write = |bytes: usize| fs::write(&path, vec![128; bytes]).unwrap();
        write(BYTES);
        let bitmap = read_background(&path).unwrap();
        assert_eq!((bitmap.width(), bitmap.height()), (WIDTH, HEIGHT));
        write(BYTES - 1);
        let error = read_background(&path).unwrap_err().to_string();
        assert!(error.ends_with("it has 1382399 bytes, not 1382400"), "{error}");
        write(BYTES * 2);
        let error = read_background(&path).unwrap_err().to_string();
        assert!(error.ends_with("it has too many bytes, not 1382400"), "{error}");
        let error = read_background(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.ends_with("no regular file"), "{error}");
        let error = read_background(&dir.join("none")).unwrap_err().to_string();
        assert!(error.contains("none: No such file"), "{error}");
    }
}
