//! A partition, a disk or a file that is given to a store.

use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::StoreOptions;
use crate::error::StoreError;
use crate::geometry::Geometry;
use crate::medium::{FileMedium, Medium, write_all};

/// Takes the device at `path` for the data of a new store, and makes it empty.
pub(super) fn take(path: &Path, options: &StoreOptions) -> Result<(), StoreError> {
    let (geometry, failed) = (options.geometry, |action| StoreError::io(action, path));
    let medium = FileMedium::open(path).map_err(failed("open"))?;
    let (found, wanted) = (medium.size().map_err(failed("read"))?, geometry.data_bytes());
    if found < wanted {
        return Err(StoreError::Size { path: path.to_owned(), found, wanted });
    }
    if fs::metadata(path).map_err(failed("read"))?.file_type().is_block_device() {
        if options.partition_uuid.is_none() && path.parent() == Some(Path::new("/dev")) {
            return Err(StoreError::UnsteadyName(path.to_owned()));
        }
        check_unused(path)?;
    }
    let mut head = vec![0; HEAD_BYTES.min(wanted) as usize];
    let held = contents(&medium, &mut head).map_err(failed("read"))?;
    if let Some(found) = held.filter(|_| !options.overwrite_device) {
        return Err(StoreError::Occupied { path: path.to_owned(), found });
    }
    // What was there is not to be taken for what it was, nor blocks of an earlier store for those of this one when a table
    // is made from the data.
    head.fill(0);
    let zeros = [0; Geometry::GRAIN_BYTES as usize];
    let blocks = (0..geometry.blocks()).map(|block| (block * geometry.block_bytes(), &zeros[..]));
    for (offset, zeros) in blocks.chain([(0, &head[..])]) {
        write_all(&medium, offset, &mut [IoSlice::new(zeros)]).map_err(failed("write"))?;
    }
    medium.sync().map_err(failed("write"))
}

/// Fails if the system uses the device: a file system is mounted from it, or it is swap, a part of a RAID, or the like.
fn check_unused(path: &Path) -> Result<(), StoreError> {
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()) {
        Ok(_) => Ok(()),
        Err(Errno::BUSY) => Err(StoreError::InUse(path.to_owned())),
        Err(error) => Err(StoreError::io("open", path)(error.into())),
    }
}

/// What the device holds, in words, if it is known; `head` is for its beginning.
fn contents(medium: &dyn Medium, head: &mut [u8]) -> io::Result<Option<&'static str>> {
    crate::medium::read_all(medium, 0, head)?;
    let is_there = |&&(offset, bytes, _): &&(usize, &[u8], _)| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(bytes))
    };
    Ok(SIGNATURES.iter().find(is_there).map(|&(_, _, found)| found))
}

/// What the beginnings of devices tell. Recordings of the older format have nothing that tells them.
const SIGNATURES: [(usize, &[u8], &str); 16] = [
    (0, b"VALKBLK", "recordings"),
    (0x438, &[0x53, 0xef], "a file system (ext2, ext3 or ext4)"),
    (0, b"XFSB", "a file system (XFS)"),
    (0x1_0040, b"_BHRfS_M", "a file system (Btrfs)"),
    (0x400, &[0x10, 0x20, 0xf5, 0xf2], "a file system (F2FS)"),
    (3, b"NTFS    ", "a file system (NTFS)"),
    (3, b"EXFAT   ", "a file system (exFAT)"),
    (0x8001, b"CD001", "a file system (ISO 9660)"),
    (0, b"LUKS\xba\xbe", "what is encrypted (LUKS)"),
    (0, b"BitLocker", "what is encrypted (BitLocker)"),
    (0x200, b"LABELONE", "a volume of LVM"),
    (0x1000, &[0xfc, 0x4e, 0x2b, 0xa9], "a part of a RAID"),
    (0xff6, b"SWAPSPACE2", "swap space"),
    (0x200, b"EFI PART", "a table of partitions"),
    (0x52, b"FAT32   ", "a file system (FAT)"),
    (0x1fe, &[0x55, 0xaa], "a table of partitions, or a file system (FAT)"),
];

/// The beginning in which all of [`SIGNATURES`] lie.
const HEAD_BYTES: u64 = 128 << 10;
