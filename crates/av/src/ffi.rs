//! The border to FFmpeg and to capture devices: all unsafe code of this crate, behind owned types.
//!
//! FFmpeg itself is spoken to in C (`shim/`), which keeps its source compatible from release to release. Here are
//! the declarations of that shim, one file per noun, each with a type that owns what C made and frees it.
#![allow(unsafe_code, reason = "FFmpeg is a library of C, and devices are spoken to in C")]

mod capture;
mod decode;
mod demux;
mod encode;
mod error;
mod log;
mod mux;
mod packet;
mod picture;
mod scale;
mod versions;

pub use capture::duplicate_descriptor;
pub(crate) use capture::{CaptureError, DeviceFacts, RawCapture, Shot};
pub(crate) use decode::{Complaints, RawDecoder};
pub(crate) use demux::{Demuxer, DemuxerOptions, Medium, StreamFacts};
pub(crate) use encode::{EncoderFacts, RawEncoder};
pub(crate) use error::{AvError, AvErrorKind};
pub(crate) use log::{LogNotes, with_notes};
pub(crate) use mux::{RawMuxer, Sample, TrackFacts};
pub(crate) use packet::RawPacket;
pub(crate) use picture::{Planes, RawPicture};
pub(crate) use scale::{RawSampling, RawScaler};
pub(crate) use versions::{Library, library_version, release};

use std::ffi::{CString, c_char};
use std::ptr;

use valkka_core::codec::Codec;

/// The codec with the shim's number (`enum vk_codec`).
fn codec_of(number: i32) -> Option<Codec> {
    Some(match number {
        1 => Codec::H264,
        2 => Codec::H265,
        3 => Codec::Mjpeg,
        4 => Codec::Aac,
        5 => Codec::PcmMulaw,
        6 => Codec::PcmAlaw,
        7 => Codec::Opus,
        _ => return None,
    })
}

/// The shim's number of a codec.
fn number_of(codec: Codec) -> i32 {
    (1..).find(|&number| codec_of(number).is_none_or(|found| found == codec)).unwrap_or_default()
}

/// Keys and values in turn, as C takes them: the strings, and pointers to them ended by a null pointer.
struct Pairs {
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Pairs {
    /// Fails if a string has a zero byte in it.
    fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, AvError> {
        let mut strings = Vec::new();
        for (key, value) in pairs {
            strings.push(c_string(key)?);
            strings.push(c_string(value)?);
        }
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { _strings: strings, pointers })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

fn c_string(text: &str) -> Result<CString, AvError> {
    CString::new(text).map_err(|_| AvError::invalid())
}

/// A slice of what C points at; empty for a null pointer.
///
/// # Safety
/// `data` is null, or `size` bytes from there on are readable and unchanged for `'a`.
unsafe fn bytes_at<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: as the caller says.
    unsafe { std::slice::from_raw_parts(data, size) }
}
