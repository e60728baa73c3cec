//! Memory that we share with the X server.
#![allow(unsafe_code, reason = "memory is mapped")]

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapped piece of memory without a name, zeroed at first.
#[derive(Debug)]
pub(super) struct Segment {
    address: NonNull<u32>,
    pixels: usize,
}

impl Segment {
    /// Maps room for `pixels` pixels (at least one); the descriptor is for the X server.
    pub(super) fn new(pixels: usize) -> io::Result<(Self, OwnedFd)> {
        let pixels = pixels.max(1);
        let bytes = pixels.checked_mul(size_of::<u32>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let fd = memfd_create("valkka-tile", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, bytes as u64)?;
        // Nobody who holds the descriptor can make it shorter than what we have mapped.
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let address = unsafe {
            mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0)
        }?;
        let address = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok((Self { address, pixels }, fd))
    }

    /// How many pixels it holds.
    pub(super) fn len(&self) -> usize {
        self.pixels
    }

    /// The pixels. The X server may be reading them; it shows a mixture then, which is why the caller waits
    /// for its fence.
    pub(super) fn pixels_mut(&mut self) -> &mut [u32] {
        // SAFETY: the mapping is ours until it is dropped, holds `pixels` aligned and initialised (zeroed)
        // values, and cannot shrink; within this process it is reached through `self` only, and the X server
        // maps it for reading.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.pixels) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this size, and nothing refers to it any more.
        // It fails only for arguments that are no mapping.
        let _ = unsafe { munmap(self.address.as_ptr().cast(), self.pixels * size_of::<u32>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_there_and_cannot_be_cut_off() {
        let (mut segment, fd) = Segment::new(5000).unwrap();
        assert_eq!(segment.len(), 5000);
        assert!(ftruncate(&fd, 1).is_err());
        segment.pixels_mut().fill(7);
        assert!(segment.pixels_mut().iter().all(|&pixel| pixel == 7));
        assert!(Segment::new(usize::MAX).is_err());
        assert_eq!(Segment::new(0).unwrap().0.len(), 1);
    }
}
