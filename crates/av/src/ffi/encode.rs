//! One `AVCodecContext` that encodes.

use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};

use valkka_core::bitmap::ColorSpec;
use valkka_core::codec::FrameRate;

use super::packet::VkPacket;
use super::picture::{VkPlanes, matrix_number, range_number};
use super::{AvError, Pairs, Planes, RawPacket};

/// One of FFmpeg's encoders.
pub(crate) struct RawEncoder(NonNull<VkEncoder>);

/// What an encoder is to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncoderFacts {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_rate: FrameRate,
    pub(crate) bitrate_bps: u32,
    pub(crate) gop: u32,
    pub(crate) color: ColorSpec,
}

impl RawEncoder {
    /// Opens the encoder that FFmpeg calls `name`.
    pub(crate) fn open(name: &str, facts: &EncoderFacts, options: &[(&str, &str)]) -> Result<Self, AvError> {
        super::log::init();
        let name = super::c_string(name)?;
        let pairs = Pairs::new(options.iter().copied())?;
        let int = |number: u32| i32::try_from(number).map_err(|_| AvError::invalid());
        let facts = VkEncoderOptions {
            width: int(facts.width)?,
            height: int(facts.height)?,
            rate_num: int(facts.frame_rate.numerator())?,
            rate_den: int(facts.frame_rate.denominator())?,
            bitrate: facts.bitrate_bps.into(),
            gop: int(facts.gop)?,
            matrix: matrix_number(facts.color.matrix),
            range: range_number(facts.color.range),
        };
        let mut encoder = ptr::null_mut();
        // SAFETY: all pointers are valid for the call, and the pairs end in a null pointer.
        AvError::check(unsafe { vk_encoder_open(&mut encoder, name.as_ptr(), &facts, pairs.as_ptr()) })?;
        NonNull::new(encoder).map(Self).ok_or_else(AvError::invalid)
    }

    /// Feeds one picture with its time in ticks of 90 kHz.
    pub(crate) fn send(&mut self, planes: &Planes<'_>, pts: i64) -> Result<(), AvError> {
        // SAFETY: the planes are readable for as long as the bitmap is borrowed; the shim copies them.
        AvError::check(unsafe { vk_encoder_send(self.0.as_ptr(), &planes.raw, pts) }).map(|_| ())
    }

    /// Says that nothing follows: the packets still inside come out, then the end.
    pub(crate) fn finish(&mut self) -> Result<(), AvError> {
        // SAFETY: the pointer is valid while `self` lives.
        AvError::check(unsafe { vk_encoder_finish(self.0.as_ptr()) }).map(|_| ())
    }

    /// Takes the next packet out.
    pub(crate) fn receive(&mut self) -> Result<RawPacket, AvError> {
        let mut packet = ptr::null_mut();
        // SAFETY: the pointer is valid while `self` lives, and so is the target.
        AvError::check(unsafe { vk_encoder_receive(self.0.as_ptr(), &mut packet) })?;
        RawPacket::from_raw(packet).ok_or_else(AvError::invalid)
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        // SAFETY: `self` owns the encoder.
        unsafe { vk_encoder_close(self.0.as_ptr()) };
    }
}

// SAFETY: FFmpeg's contexts belong to no thread; `&mut self` keeps two from using one at a time.
unsafe impl Send for RawEncoder {}

#[repr(C)]
struct VkEncoder {
    _opaque: [u8; 0],
}

#[repr(C)]
struct VkEncoderOptions {
    width: i32,
    height: i32,
    rate_num: i32,
    rate_den: i32,
    bitrate: i64,
    gop: i32,
    matrix: i32,
    range: i32,
}

unsafe extern "C" {
    fn vk_encoder_open(
        encoder: *mut *mut VkEncoder,
        name: *const c_char,
        options: *const VkEncoderOptions,
        pairs: *const *const c_char,
    ) -> c_int;
    fn vk_encoder_close(encoder: *mut VkEncoder);
    fn vk_encoder_send(encoder: *mut VkEncoder, planes: *const VkPlanes, pts: i64) -> c_int;
    fn vk_encoder_finish(encoder: *mut VkEncoder) -> c_int;
    fn vk_encoder_receive(encoder: *mut VkEncoder, packet: *mut *mut VkPacket) -> c_int;
}
