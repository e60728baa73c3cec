//! One `AVFormatContext` that writes.

use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};

use valkka_core::codec::Codec;

use super::{AvError, Pairs};

/// One of FFmpeg's muxers at work.
pub(crate) struct RawMuxer(NonNull<VkMuxer>);

/// What a container is told of a track.
#[derive(Clone, Debug)]
pub(crate) struct TrackFacts {
    pub(crate) codec: Codec,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) sample_rate_hz: u32,
    pub(crate) channels: u16,
    /// Its configuration record as the container holds it.
    pub(crate) extra: Vec<u8>,
}

/// One access unit as the container holds it. Times are in units of the track.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) track: usize,
    pub(crate) keyframe: bool,
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) duration: i64,
}

impl RawMuxer {
    /// Opens the file `url`, which is emptied, or memory without one.
    pub(crate) fn open(format: &str, url: Option<&str>, created_micros: i64) -> Result<Self, AvError> {
        super::log::init();
        let format = super::c_string(format)?;
        let url = url.map(super::c_string).transpose()?;
        let url = url.as_ref().map_or(ptr::null(), |url| url.as_ptr());
        let mut muxer = ptr::null_mut();
        // SAFETY: the strings are valid for the call, and so is the target.
        AvError::check(unsafe { vk_muxer_open(&mut muxer, format.as_ptr(), url, created_micros) })?;
        NonNull::new(muxer).map(Self).ok_or_else(AvError::invalid)
    }

    /// Whether the container has a place for `codec`.
    pub(crate) fn takes(&self, codec: Codec) -> bool {
        // SAFETY: the pointer is valid while `self` lives.
        unsafe { vk_muxer_takes(self.0.as_ptr(), super::number_of(codec)) != 0 }
    }

    /// Adds a track; returns its index.
    pub(crate) fn add(&mut self, track: &TrackFacts) -> Result<usize, AvError> {
        let int = |number: u32| i32::try_from(number).map_err(|_| AvError::invalid());
        let track = VkTrack {
            codec: super::number_of(track.codec),
            width: int(track.width)?,
            height: int(track.height)?,
            sample_rate: int(track.sample_rate_hz)?,
            channels: track.channels.into(),
            extra: track.extra.as_ptr(),
            extra_size: int(u32::try_from(track.extra.len()).unwrap_or(u32::MAX))
                .map(|_| track.extra.len())?,
        };
        // SAFETY: the pointers are valid for the call; the shim copies the record.
        let index = AvError::check(unsafe { vk_muxer_add(self.0.as_ptr(), &track) })?;
        usize::try_from(index).map_err(|_| AvError::invalid())
    }

    /// Writes the head; no track can be added any more.
    pub(crate) fn start(&mut self, options: &[(&str, &str)]) -> Result<(), AvError> {
        let pairs = Pairs::new(options.iter().copied())?;
        // SAFETY: the pointer is valid while `self` lives, and the pairs end in a null pointer.
        AvError::check(unsafe { vk_muxer_start(self.0.as_ptr(), pairs.as_ptr()) }).map(|_| ())
    }

    /// Units per second of the times of a track, as a fraction of positive numbers. Known once it has started.
    pub(crate) fn units_per_second(&self, track: usize) -> Result<(i64, i64), AvError> {
        let track = c_int::try_from(track).map_err(|_| AvError::invalid())?;
        let (mut num, mut den) = (0, 0);
        // SAFETY: the pointer is valid while `self` lives, and so are the targets.
        AvError::check(unsafe { vk_muxer_time_base(self.0.as_ptr(), track, &mut num, &mut den) })?;
        if num > 0 && den > 0 { Ok((den.into(), num.into())) } else { Err(AvError::invalid()) }
    }

    /// Writes an access unit. It is not held back for those of other tracks, only as the container's layout demands.
    pub(crate) fn write(&mut self, sample: &Sample<'_>) -> Result<(), AvError> {
        let sample = VkSample {
            data: sample.data.as_ptr(),
            size: sample.data.len(),
            track: i32::try_from(sample.track).map_err(|_| AvError::invalid())?,
            key: sample.keyframe.into(),
            pts: sample.pts,
            dts: sample.dts,
            duration: sample.duration,
        };
        // SAFETY: the pointers are valid for the call; FFmpeg copies what it keeps.
        AvError::check(unsafe { vk_muxer_write(self.0.as_ptr(), &sample) }).map(|_| ())
    }

    /// Has everything written that is held back.
    pub(crate) fn flush(&mut self) -> Result<(), AvError> {
        // SAFETY: the pointer is valid while `self` lives.
        AvError::check(unsafe { vk_muxer_flush(self.0.as_ptr()) }).map(|_| ())
    }

    /// Changes an option of the container at work.
    pub(crate) fn set_option(&mut self, key: &str, value: &str) -> Result<(), AvError> {
        let (key, value) = (super::c_string(key)?, super::c_string(value)?);
        // SAFETY: the pointer is valid while `self` lives, and the strings for the call.
        AvError::check(unsafe { vk_muxer_option(self.0.as_ptr(), key.as_ptr(), value.as_ptr()) }).map(|_| ())
    }

    /// Writes the end of the file and closes that.
    pub(crate) fn finish(self) -> Result<(), AvError> {
        // SAFETY: the pointer is valid while `self` lives, and nothing but closing follows.
        AvError::check(unsafe { vk_muxer_finish(self.0.as_ptr()) }).map(|_| ())
    }

    /// What was written to memory since the last call.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let (mut data, mut size) = (ptr::null(), 0);
        // SAFETY: the pointer is valid while `self` lives, and so are the targets; what they point at then is copied
        // before the next call.
        unsafe {
            vk_muxer_written(self.0.as_ptr(), &mut data, &mut size);
            super::bytes_at(data, size).to_vec()
        }
    }
}

impl Drop for RawMuxer {
    fn drop(&mut self) {
        // SAFETY: `self` owns the muxer.
        unsafe { vk_muxer_close(self.0.as_ptr()) };
    }
}

// SAFETY: FFmpeg's contexts belong to no thread; `&mut self` keeps two from using one at a time.
unsafe impl Send for RawMuxer {}

#[repr(C)]
struct VkMuxer {
    _opaque: [u8; 0],
}

#[repr(C)]
struct VkTrack {
    codec: i32,
    width: i32,
    height: i32,
    sample_rate: i32,
    channels: i32,
    extra: *const u8,
    extra_size: usize,
}

#[repr(C)]
struct VkSample {
    data: *const u8,
    size: usize,
    track: i32,
    key: i32,
    pts: i64,
    dts: i64,
    duration: i64,
}

unsafe extern "C" {
    fn vk_muxer_open(
        muxer: *mut *mut VkMuxer,
        format: *const c_char,
        url: *const c_char,
        created: i64,
    ) -> c_int;
    fn vk_muxer_close(muxer: *mut VkMuxer);
    fn vk_muxer_takes(muxer: *const VkMuxer, codec: c_int) -> c_int;
    fn vk_muxer_add(muxer: *mut VkMuxer, track: *const VkTrack) -> c_int;
    fn vk_muxer_start(muxer: *mut VkMuxer, pairs: *const *const c_char) -> c_int;
    fn vk_muxer_time_base(muxer: *const VkMuxer, track: c_int, num: *mut i32, den: *mut i32) -> c_int;
    fn vk_muxer_write(muxer: *mut VkMuxer, sample: *const VkSample) -> c_int;
    fn vk_muxer_flush(muxer: *mut VkMuxer) -> c_int;
    fn vk_muxer_option(muxer: *mut VkMuxer, key: *const c_char, value: *const c_char) -> c_int;
    fn vk_muxer_finish(muxer: *mut VkMuxer) -> c_int;
    fn vk_muxer_written(muxer: *mut VkMuxer, data: *mut *const u8, size: *mut usize);
}
