//! Memory that processes share: the only unsafe code of this crate.
//!
//! Nothing is mapped that could shrink, so no access ends in SIGBUS: whoever maps a file sees to it that it is long
//! enough, and sealed against being cut. The control words are read and written as atomics alone, since other processes
//! change them at any time. Cells are written by their writer only, and only while nobody reads them: that is the
//! protocol of `pool.rs`.
#![allow(unsafe_code, reason = "mapping memory is beyond what the compiler can see")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// A file in memory of `len` bytes, zero at first, that nobody can make shorter or longer. It takes up memory as it is
/// written to.
pub(crate) fn memory_file(name: &str, len: u64) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&file, len)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

/// The bytes of a page, which mappings are made of.
pub(crate) fn page() -> usize {
    rustix::param::page_size()
}

/// Words that several processes read and write at the same time, and a bell.
#[derive(Debug)]
pub(crate) struct Words {
    mapping: Mapping,
    count: usize,
}

impl Words {
    /// The bytes of a file that holds `count` words and a bell.
    pub(crate) fn file_len(count: usize) -> u64 {
        BELL_BYTES as u64 + count as u64 * 8
    }

    /// Maps the bell and `count` words of `file`.
    pub(crate) fn map(file: &OwnedFd, count: usize) -> io::Result<Self> {
        let len = BELL_BYTES + count * 8;
        let mapping = Mapping::of(file, 0, len, ProtFlags::READ | ProtFlags::WRITE)?;
        Ok(Self { mapping, count })
    }

    /// What waiting processes sleep on.
    pub(crate) fn bell(&self) -> &AtomicU32 {
        // SAFETY: The mapping is larger than this, lives as long as `self`, and is aligned to pages. These bytes are
        // used as this atomic alone.
        unsafe { self.mapping.start.cast().as_ref() }
    }

    /// The words.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: The mapping has BELL_BYTES and then `count` words, lives as long as `self`, and BELL_BYTES keeps the
        // alignment. These bytes are used as atomics alone, here and in all other processes.
        unsafe { slice::from_raw_parts(self.mapping.start.add(BELL_BYTES).cast().as_ptr(), self.count) }
    }
}

/// A cell, as its writer sees it.
#[derive(Debug)]
pub(crate) struct Cell(Mapping);

impl Cell {
    /// Maps `len` bytes of `file` from `offset` on, a multiple of [`page`].
    pub(crate) fn map(file: &OwnedFd, offset: u64, len: usize) -> io::Result<Self> {
        Mapping::of(file, offset, len, ProtFlags::READ | ProtFlags::WRITE).map(Self)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: As below.
        unsafe { slice::from_raw_parts(self.0.start.as_ptr(), self.0.len) }
    }

    /// Its bytes. Readers see what is written: it must not be in anybody's hands.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: The mapping has `len` bytes and lives as long as `self`, which is borrowed exclusively. There is one
        // such mapping of a cell; readers have mappings of their own, which they look at only between publishing and
        // the next claim.
        unsafe { slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.len) }
    }
}

/// Places at fixed addresses, each of which shows a cell, read only. A place that shows none is zero.
#[derive(Debug)]
pub(crate) struct Windows {
    range: Arc<Range>,
}

impl Windows {
    /// Reserves `count` places for frames of up to `len` bytes.
    pub(crate) fn reserve(count: usize, len: usize) -> io::Result<Self> {
        let stride = len.next_multiple_of(page());
        let total = stride.checked_mul(count).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: A new mapping, at an address that the kernel chooses.
        let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), total, ProtFlags::READ, flags) }?;
        let mapping = Mapping { start: not_null(start)?, len: total };
        Ok(Self { range: Arc::new(Range { mapping, stride, len, count }) })
    }

    /// How many places there are.
    pub(crate) fn count(&self) -> usize {
        self.range.count
    }

    /// Has the place `index` show `len` bytes of `file` from `offset` on, a multiple of [`page`]. What it showed before
    /// is out of sight.
    pub(crate) fn show(&mut self, index: usize, file: &OwnedFd, offset: u64, len: usize) -> io::Result<()> {
        let range = &*self.range;
        if index >= range.count || len > range.len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        ensure_lasting(file, offset, len)?;
        // Readers see whole pages; the file has them, as cells start at pages and the last one is as long as the others.
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: It replaces pages of our own reservation, within its bounds. Rust's view of the place is only ever
        // `bytes`, which borrows what is borrowed exclusively here. `ensure_lasting` has seen that the file is that long
        // and stays so.
        unsafe {
            let place = range.mapping.start.as_ptr().add(index * range.stride);
            rustix::mm::mmap(place.cast(), len, ProtFlags::READ, flags, file.as_fd(), offset)?;
        }
        Ok(())
    }

    /// The first `len` bytes of the place `index`.
    pub(crate) fn bytes(&self, index: usize, len: usize) -> Option<&[u8]> {
        let range = &*self.range;
        if index >= range.count || len > range.len {
            return None;
        }
        // SAFETY: Within the reservation, which can be read everywhere, and which lives as long as `self`; `show` cannot
        // replace it meanwhile. That the bytes stay what they are is up to the caller, who pins the frame.
        Some(unsafe { slice::from_raw_parts(range.mapping.start.as_ptr().add(index * range.stride), len) })
    }

    /// Where the places are. It keeps them there.
    pub(crate) fn range(&self) -> Arc<Range> {
        self.range.clone()
    }
}

/// Addresses of places, reserved as long as this lives.
#[derive(Debug)]
pub(crate) struct Range {
    mapping: Mapping,
    stride: usize,
    len: usize,
    count: usize,
}

impl Range {
    /// The address and size of the place `index`.
    pub(crate) fn place(&self, index: usize) -> Option<(usize, usize)> {
        (index < self.count).then(|| (self.mapping.start.as_ptr() as usize + index * self.stride, self.len))
    }
}

/// Mapped memory, unmapped when dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: Memory of the process, bound to no thread. Who may use it when is up to the owners above.
unsafe impl Send for Mapping {}
// SAFETY: As above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` from `offset` on.
    fn of(file: &OwnedFd, offset: u64, len: usize, protection: ProtFlags) -> io::Result<Self> {
        ensure_lasting(file, offset, len)?;
        // SAFETY: A new mapping, at an address that the kernel chooses.
        let start = unsafe {
            rustix::mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, file.as_fd(), offset)
        }?;
        Ok(Self { start: not_null(start)?, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: It was mapped as it is, and nobody has references into it any more: they borrow from the owner.
        // Failing is impossible for such a range; there would be nothing to be done about it either.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// That `file` has these bytes, and always will.
fn ensure_lasting(file: &OwnedFd, offset: u64, len: usize) -> io::Result<()> {
    let file: BorrowedFd<'_> = file.as_fd();
    let size = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
    let end = offset.checked_add(len as u64).ok_or(io::ErrorKind::InvalidInput)?;
    if end > size {
        return Err(io::Error::other(format!("the memory ends at {size} bytes, before {end}")));
    }
    if !rustix::fs::fcntl_get_seals(file)?.contains(SealFlags::SHRINK) {
        return Err(io::Error::other("the memory could be cut short"));
    }
    Ok(())
}

fn not_null(start: *mut core::ffi::c_void) -> io::Result<NonNull<u8>> {
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// The bell has a cache line for itself.
const BELL_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn words_are_seen_through_every_mapping() {
        let file = memory_file("test", Words::file_len(3)).unwrap();
        let [one, other] = [0, 1].map(|_| Words::map(&file, 3).unwrap());
        one.words()[2].store(7, Ordering::SeqCst);
        one.bell().store(8, Ordering::SeqCst);
        let seen: Vec<_> = other.words().iter().map(|word| word.load(Ordering::SeqCst)).collect();
        assert_eq!((seen, other.bell().load(Ordering::SeqCst)), (vec![0, 0, 7], 8));
    }

    #[test]
    fn what_could_be_cut_short_is_not_mapped() {
        let file = memory_file("test", 64).unwrap();
        assert!(Words::map(&file, 1).unwrap_err().to_string().contains("ends at 64 bytes"));
        assert!(rustix::fs::ftruncate(&file, 0).is_err());
        let open = rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&open, 4096).unwrap();
        assert!(Cell::map(&open, 0, 4096).unwrap_err().to_string().contains("cut short"));
    }

    #[test]
    fn a_place_shows_what_it_is_told_to() {
        let page = page();
        let file = memory_file("test", 3 * page as u64).unwrap();
        for index in 0..3 {
            let mut cell = Cell::map(&file, (index * page) as u64, page).unwrap();
            cell.bytes_mut().fill(index as u8 + 1);
        }
        let mut windows = Windows::reserve(2, page + 10).unwrap();
        assert_eq!(windows.bytes(1, page + 10).unwrap(), vec![0; page + 10]);
        windows.show(1, &file, page as u64, page).unwrap();
        let expected = [vec![2; page], vec![0; 10]].concat();
        assert_eq!(windows.bytes(1, page + 10).unwrap(), expected);
        windows.show(1, &file, 2 * page as u64, page).unwrap();
        assert_eq!(windows.bytes(1, 1).unwrap(), [3]);
        assert_eq!(windows.bytes(0, 1).unwrap(), [0]);
        assert!(windows.bytes(2, 1).is_none() && windows.bytes(0, page + 11).is_none());
        assert!(windows.show(1, &file, 3 * page as u64, page).is_err());
        assert!(windows.show(2, &file, 0, page).is_err());
        let range = windows.range();
        assert_eq!(range.place(1).unwrap().0 - range.place(0).unwrap().0, 2 * page);
        drop(windows);
        assert!(range.place(2).is_none());
    }
}
