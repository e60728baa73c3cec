//! A file or a block device.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{FlockOperation, SeekFrom};
use rustix::io::Errno;

use super::Medium;

/// A file or a block device, opened for writing too if the user may.
#[derive(Debug)]
pub struct FileMedium {
    path: PathBuf,
    file: RwLock<Opened>,
}

#[derive(Clone, Debug)]
struct Opened {
    file: Arc<File>,
    writable: bool,
}

impl FileMedium {
    /// Opens what is at `path`.
    ///
    /// # Errors
    /// If nothing is there or it may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: RwLock::new(Opened::open(path)?) })
    }

    fn opened(&self) -> Opened {
        self.file.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        match options.read(true).write(true).open(path) {
            Ok(file) => Ok(Self { file: Arc::new(file), writable: true }),
            Err(error) if is_read_only(&error) => {
                Ok(Self { file: Arc::new(options.write(false).open(path)?), writable: false })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether `now` is of another file or device.
    fn is_replaced(&self, now: &Metadata) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        if now.file_type().is_block_device() && ours.file_type().is_block_device() {
            return Ok(now.rdev() != ours.rdev());
        }
        Ok((now.dev(), now.ino()) != (ours.dev(), ours.ino()))
    }
}

impl Medium for FileMedium {
    fn place(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> io::Result<u64> {
        // Of a block device the metadata tell nothing. Nothing here depends on the position.
        Ok(rustix::fs::seek(&*self.opened().file, SeekFrom::End(0))?)
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<usize> {
        self.opened().file.read_at(data, offset)
    }

    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&*self.opened().file, slices, offset)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.opened().file.sync_data()
    }

    fn lock(&self) -> io::Result<bool> {
        let opened = self.opened();
        if !opened.writable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        match rustix::fs::flock(&*opened.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn unlock(&self) {
        // It fails for files only that cannot be locked either.
        let _ = rustix::fs::flock(&*self.opened().file, FlockOperation::Unlock);
    }

    fn check(&self) -> io::Result<()> {
        if self.opened().is_replaced(&std::fs::metadata(&self.path)?)? {
            return Err(io::Error::other("it was replaced by another one"));
        }
        Ok(())
    }

    fn reopen(&self) -> io::Result<bool> {
        let opened = Opened::open(&self.path)?;
        let is_replaced = self.opened().is_replaced(&opened.file.metadata()?)?;
        // Also if it is the same: a file system that failed and was mounted again does not know what was open before.
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(is_replaced)
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn one_writer_has_it() {
        let dir = TempDir::new().unwrap();
        let path = dir.join("table");
        std::fs::write(&path, [0; 10]).unwrap();
        let (one, other) = (FileMedium::open(&path).unwrap(), FileMedium::open(&path).unwrap());
        assert!(one.lock().unwrap());
        assert!(!other.lock().unwrap());
        one.unlock();
        assert!(other.lock().unwrap());
        assert_eq!(one.size().unwrap(), 10);
    }

    #[test]
    fn one_that_is_gone_or_replaced_is_noticed() {
        let dir = TempDir::new().unwrap();
        let path = dir.join("data");
        std::fs::write(&path, b"one").unwrap();
        let medium = FileMedium::open(&path).unwrap();
        medium.check().unwrap();
        assert!(!medium.reopen().unwrap());
        std::fs::rename(&path, dir.join("moved")).unwrap();
        assert_eq!(medium.check().unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(medium.reopen().unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::write(&path, b"two").unwrap();
        medium.check().unwrap_err();
        assert!(medium.reopen().unwrap());
        medium.check().unwrap();
        let mut data = [0; 3];
        assert_eq!((medium.read_at(0, &mut data).unwrap(), &data), (3, b"two"));
    }
}
