//! One `AVCodecContext` that decodes.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use bytes::Bytes;
use valkka_core::payload::{PADDING_BYTES, Payload};

use super::picture::VkPicture;
use super::{AvError, RawPicture};

/// One of FFmpeg's decoders.
pub(crate) struct RawDecoder(NonNull<VkDecoder>);

/// A picture as it comes out.
pub(crate) struct RawOutput {
    /// The tag of the access unit it was decoded from.
    pub(crate) tag: i64,
    /// Whether FFmpeg marked it as incomplete.
    pub(crate) damaged: bool,
    pub(crate) picture: RawPicture,
}

/// How often a decoder noticed something that it does not mark in a picture. Both wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Complaints {
    /// A reference was missing.
    pub(crate) missing: u32,
    /// The data of a picture broke off.
    pub(crate) broken: u32,
}

impl RawDecoder {
    /// Opens the decoder that FFmpeg calls `name`.
    pub(crate) fn open(
        name: &str,
        threads: usize,
        show_damaged: bool,
        extra: &[u8],
        max_side: u32,
    ) -> Result<Self, AvError> {
        super::log::init();
        let name = super::c_string(name)?;
        let threads = c_int::try_from(threads).unwrap_or(c_int::MAX);
        let max_side = c_int::try_from(max_side).unwrap_or(c_int::MAX);
        let mut decoder = ptr::null_mut();
        // SAFETY: all pointers are valid for the call, with the length told.
        AvError::check(unsafe {
            vk_decoder_open(
                &mut decoder,
                name.as_ptr(),
                threads,
                show_damaged.into(),
                extra.as_ptr(),
                extra.len(),
                max_side,
            )
        })?;
        NonNull::new(decoder).map(Self).ok_or_else(AvError::invalid)
    }

    /// Feeds one access unit, by reference.
    pub(crate) fn send(&mut self, payload: &Payload, tag: i64) -> Result<(), AvError> {
        let padded = payload.padded().clone();
        let Some(length) = padded.len().checked_sub(PADDING_BYTES) else {
            // The default payload has neither bytes nor padding.
            return Ok(());
        };
        let data = padded.as_ptr();
        let owner = Box::into_raw(Box::new(padded)).cast();
        // SAFETY: `data` points to `length` bytes and the padding, which `owner` keeps until it is released; moving
        // `Bytes` does not move what it points to. The shim calls `release` exactly once with `owner`.
        AvError::check(unsafe { vk_decoder_send(self.0.as_ptr(), data, length, tag, release, owner) })?;
        Ok(())
    }

    /// Says that nothing follows: the pictures still inside come out, then the end.
    pub(crate) fn drain(&mut self) -> Result<(), AvError> {
        // SAFETY: the pointer is valid while `self` lives.
        AvError::check(unsafe { vk_decoder_drain(self.0.as_ptr()) }).map(|_| ())
    }

    /// Forgets everything, ready for a key frame.
    pub(crate) fn flush(&mut self) {
        // SAFETY: the pointer is valid while `self` lives.
        unsafe { vk_decoder_flush(self.0.as_ptr()) };
    }

    /// Takes the next picture out.
    pub(crate) fn receive(&mut self) -> Result<RawOutput, AvError> {
        let (mut picture, mut tag, mut damaged) = (ptr::null_mut(), 0, 0);
        // SAFETY: the pointer is valid while `self` lives, and so are the targets.
        AvError::check(unsafe { vk_decoder_receive(self.0.as_ptr(), &mut picture, &mut tag, &mut damaged) })?;
        Ok(RawOutput { tag, damaged: damaged != 0, picture: RawPicture::from_raw(picture)? })
    }

    /// What the decoder noticed so far.
    pub(crate) fn complaints(&self) -> Complaints {
        let mut complaints = Complaints::default();
        // SAFETY: the pointer is valid while `self` lives, and so are the targets.
        unsafe {
            vk_decoder_complaints(self.0.as_ptr(), &mut complaints.missing, &mut complaints.broken);
        }
        complaints
    }

    /// Width and height of the last picture that was refused for its size; zeros before.
    pub(crate) fn refused(&self) -> (i32, i32) {
        let (mut width, mut height) = (0, 0);
        // SAFETY: the pointer is valid while `self` lives, and so are the targets.
        unsafe { vk_decoder_refused(self.0.as_ptr(), &mut width, &mut height) };
        (width, height)
    }
}

impl Drop for RawDecoder {
    fn drop(&mut self) {
        // SAFETY: `self` owns the decoder.
        unsafe { vk_decoder_close(self.0.as_ptr()) };
    }
}

// SAFETY: FFmpeg's contexts belong to no thread; `&mut self` keeps two from using one at a time.
unsafe impl Send for RawDecoder {}

/// Drops the bytes of an access unit, from whichever thread read them last.
extern "C" fn release(owner: *mut c_void) {
    // SAFETY: `send` made the pointer of such a box, and the shim hands it back once.
    drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}

#[repr(C)]
struct VkDecoder {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn vk_decoder_open(
        decoder: *mut *mut VkDecoder,
        name: *const c_char,
        threads: c_int,
        show_damaged: c_int,
        extra: *const u8,
        extra_size: usize,
        max_side: c_int,
    ) -> c_int;
    fn vk_decoder_close(decoder: *mut VkDecoder);
    fn vk_decoder_send(
        decoder: *mut VkDecoder,
        data: *const u8,
        size: usize,
        tag: i64,
        release: extern "C" fn(*mut c_void),
        owner: *mut c_void,
    ) -> c_int;
    fn vk_decoder_drain(decoder: *mut VkDecoder) -> c_int;
    fn vk_decoder_flush(decoder: *mut VkDecoder);
    fn vk_decoder_receive(
        decoder: *mut VkDecoder,
        picture: *mut *mut VkPicture,
        tag: *mut i64,
        damaged: *mut c_int,
    ) -> c_int;
    fn vk_decoder_complaints(decoder: *mut VkDecoder, missing: *mut u32, broken: *mut u32);
    fn vk_decoder_refused(decoder: *mut VkDecoder, width: *mut c_int, height: *mut c_int);
}
