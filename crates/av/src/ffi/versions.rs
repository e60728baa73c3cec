//! Which FFmpeg is loaded.

use std::ffi::{CStr, c_char, c_int};

/// `enum vk_library`.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub(crate) enum Library {
    Format = 0,
    Codec = 1,
    Scale = 2,
    Util = 3,
}

/// What the distribution calls its FFmpeg.
pub(crate) fn release() -> String {
    // SAFETY: takes nothing.
    let release = unsafe { vk_release() };
    // SAFETY: a constant of libavutil, which stays loaded.
    unsafe { CStr::from_ptr(release) }.to_string_lossy().into_owned()
}

/// The version of a library, in three parts.
pub(crate) fn library_version(library: Library) -> [u32; 3] {
    // SAFETY: takes a number, of which it knows all.
    let version = unsafe { vk_library_version(library as c_int) };
    [version >> 16, version >> 8 & 0xff, version & 0xff]
}

unsafe extern "C" {
    fn vk_release() -> *const c_char;
    fn vk_library_version(library: c_int) -> u32;
}
