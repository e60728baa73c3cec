//! Where the bytes of a store lie.

mod file;

use std::fmt::Debug;
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;

pub use file::FileMedium;

/// Bytes of a fixed size that outlast the process: a file, a partition, or in tests one that fails on demand.
///
/// All methods may be called from any threads at the same time.
pub trait Medium: Send + Sync + Debug {
    /// Where it is, for messages.
    fn place(&self) -> &Path;

    /// Its size in bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn size(&self) -> io::Result<u64>;

    /// Reads what lies at `offset` into the beginning of `data`, and returns how many bytes: 0 at the end, else at least
    /// one.
    ///
    /// # Errors
    /// Those of the system.
    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<usize>;

    /// Writes the beginning of `slices`, one after the other, from `offset` on, and returns how many bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Returns once all that was written before survives a power cut.
    ///
    /// # Errors
    /// Those of the system. Whatever was written since the last success may be lost then, and must be written again.
    fn sync(&self) -> io::Result<()>;

    /// Takes it for one writer; `false` if another one has it, in this process or another. It is given back by
    /// [`Self::unlock`], and when the process ends.
    ///
    /// # Errors
    /// If it may not be written to, and those of the system.
    fn lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Gives back what [`Self::lock`] took.
    fn unlock(&self) {}

    /// Looks whether what is at its place is still what was opened.
    ///
    /// # Errors
    /// If it is not: what is written would go nowhere.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// Opens anew what is at its place now: a disk that was gone may be back. Returns whether it is another one than before.
    /// A lock is not carried over.
    ///
    /// # Errors
    /// If nothing is there, and those of the system.
    fn reopen(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// Fills `data` with what lies at `offset`.
///
/// # Errors
/// [`ErrorKind::UnexpectedEof`] if the medium ends before, and those of the system.
pub(crate) fn read_all(medium: &dyn Medium, mut offset: u64, mut data: &mut [u8]) -> io::Result<()> {
    while !data.is_empty() {
        match medium.read_at(offset, data) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                data = &mut data[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `data` with what lies at `offset`, and with zeros where the medium has ended: data of the older format may be shorter
/// than their blocks.
///
/// # Errors
/// Those of the system.
pub(crate) fn read_or_zeros(medium: &dyn Medium, offset: u64, data: &mut [u8]) -> io::Result<()> {
    let there = medium.size()?.saturating_sub(offset).min(data.len() as u64);
    let (there, missing) = data.split_at_mut(there as usize);
    missing.fill(0);
    read_all(medium, offset, there)
}

/// Writes all of `slices` from `offset` on.
///
/// # Errors
/// [`ErrorKind::WriteZero`] if the medium is full, and those of the system.
pub(crate) fn write_all(
    medium: &dyn Medium,
    mut offset: u64,
    mut slices: &mut [IoSlice<'_>],
) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match medium.write_at(offset, &slices[..slices.len().min(MAX_SLICES)]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                IoSlice::advance_slices(&mut slices, count);
                offset += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many slices the kernel takes at once (`IOV_MAX`).
const MAX_SLICES: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fs::File;

    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn any_number_of_slices_is_written() {
        let dir = TempDir::new().unwrap();
        let path = dir.join("data");
        File::create(&path).unwrap().set_len(100_000).unwrap();
        let medium = FileMedium::open(&path).unwrap();
        let parts: Vec<Vec<u8>> = (0..3000).map(|number| vec![number as u8; number % 7]).collect();
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        write_all(&medium, 5, &mut slices).unwrap();
        let expected = parts.concat();
        let mut found = vec![0; expected.len()];
        read_all(&medium, 5, &mut found).unwrap();
        assert_eq!(found, expected);
        let error = read_all(&medium, 99_990, &mut [0; 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        write_all(&medium, 99_998, &mut [IoSlice::new(b"ab")]).unwrap();
        let mut data = [7; 4];
        read_or_zeros(&medium, 99_998, &mut data).unwrap();
        assert_eq!(&data, b"ab\0\0");
        read_or_zeros(&medium, 100_001, &mut data).unwrap();
        assert_eq!(data, [0; 4]);
        write_all(&medium, 0, &mut []).unwrap();
        write_all(&medium, 0, &mut [IoSlice::new(&[])]).unwrap();
    }
}
