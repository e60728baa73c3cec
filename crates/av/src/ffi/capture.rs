//! One video capture device at work.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::time::Duration;

use valkka_core::codec::{Codec, FrameRate};

/// A device that captures.
pub(crate) struct RawCapture(NonNull<VkCapture>);

/// What a device said of itself when it was opened.
#[derive(Clone, Debug)]
pub(crate) struct DeviceFacts {
    /// What it calls itself; empty if it does not tell.
    pub(crate) name: String,
    pub(crate) codec: Codec,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_rate: Option<FrameRate>,
}

/// What failed while a device was opened.
#[derive(Debug)]
pub(crate) enum CaptureError {
    /// It cannot be opened at all.
    Open(io::Error),
    /// It is no video capture device.
    NoDevice,
    /// It has no format that we take; those that it has, in words.
    NoFormat(String),
    /// The named step failed.
    Step(&'static str, io::Error),
}

/// One encoded picture in the memory of the device.
pub(crate) struct Shot<'a> {
    pub(crate) data: &'a [u8],
    /// When it was captured, in microseconds of a clock that starts anywhere.
    pub(crate) micros: i64,
    /// How long ago that was.
    pub(crate) age: Option<Duration>,
    /// Counts the captured pictures. It wraps.
    pub(crate) sequence: u32,
    /// Whether the device knows that something is wrong with it.
    pub(crate) damaged: bool,
}

impl RawCapture {
    /// Opens the device at `path` and starts it, with pictures of about this size.
    pub(crate) fn open(path: &str, width: u32, height: u32) -> Result<(Self, DeviceFacts), CaptureError> {
        let invalid = || CaptureError::Open(io::ErrorKind::InvalidInput.into());
        let path = super::c_string(path).map_err(|_| invalid())?;
        let side = |side: u32| c_int::try_from(side).unwrap_or(c_int::MAX);
        let (mut capture, mut step, mut info) = (ptr::null_mut(), 0, VkDeviceInfo::default());
        // SAFETY: the path is terminated, and all targets are valid for the call.
        let opened = unsafe {
            vk_capture_open(&mut capture, path.as_ptr(), side(width), side(height), &mut info, &mut step)
        };
        if let Err(cause) = check(opened) {
            return Err(match step {
                STEP_OPEN => CaptureError::Open(cause),
                STEP_QUERY if cause.raw_os_error() == Some(ENOTTY) => CaptureError::NoDevice,
                STEP_CHOOSE => CaptureError::NoFormat(text(&info.offered)),
                _ => CaptureError::Step(step_name(step), cause),
            });
        }
        let capture = Self(NonNull::new(capture).ok_or_else(invalid)?);
        let positive = |number: i32| u32::try_from(number).unwrap_or(0);
        let facts = DeviceFacts {
            name: text(&info.name),
            codec: super::codec_of(info.codec).ok_or_else(invalid)?,
            width: positive(info.width),
            height: positive(info.height),
            frame_rate: FrameRate::new(positive(info.rate_num), positive(info.rate_den)),
        };
        Ok((capture, facts))
    }

    /// Waits for the next picture, until `wake` can be read, or for `timeout`. `None` if there is none.
    pub(crate) fn read(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
    ) -> Result<Option<Shot<'_>>, io::Error> {
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        let mut shot = VkShot::default();
        // SAFETY: the pointer is valid while `self` lives, the descriptor for the call, and so is the target.
        let read = unsafe { vk_capture_read(self.0.as_ptr(), wake.as_raw_fd(), timeout, &mut shot) };
        if check(read)? == 0 {
            return Ok(None);
        }
        // SAFETY: the shim tells a readable range of a mapping that stays as long as the device is open, and that the
        // device does not write before the next call, for which `self` is borrowed.
        let data = unsafe { super::bytes_at(shot.data, shot.size) };
        let age = u64::try_from(shot.age).ok().map(Duration::from_micros);
        let (micros, sequence, damaged) = (shot.micros, shot.sequence, shot.damaged != 0);
        Ok(Some(Shot { data, micros, age, sequence, damaged }))
    }
}

impl Drop for RawCapture {
    fn drop(&mut self) {
        // SAFETY: `self` owns it, and no picture of it is borrowed any more.
        unsafe { vk_capture_close(self.0.as_ptr()) };
    }
}

// SAFETY: it is a file descriptor and mappings, which belong to no thread; `&mut self` keeps two from using one at a
// time.
unsafe impl Send for RawCapture {}

/// Another file descriptor for what `number` stands for in this process, for those who are handed a mere number (by
/// Python, say).
///
/// # Errors
/// If the number stands for nothing, or the system has no file descriptor left.
pub fn duplicate_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes any number.
    let own = check(unsafe { vk_descriptor(number) })?;
    // SAFETY: it was made just now, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(own) })
}

fn check(returned: c_int) -> io::Result<c_int> {
    if returned < 0 { Err(io::Error::from_raw_os_error(-returned)) } else { Ok(returned) }
}

/// Text of C in a field of fixed size.
fn text(field: &[c_char]) -> String {
    // SAFETY: bytes and C's characters have the same size and alignment, and all values are valid.
    let bytes = unsafe { std::slice::from_raw_parts(field.as_ptr().cast::<u8>(), field.len()) };
    CStr::from_bytes_until_nul(bytes)
        .map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned())
}

const STEP_OPEN: c_int = 0;
const STEP_QUERY: c_int = 1;
const STEP_CHOOSE: c_int = 2;
const ENOTTY: i32 = 25;

fn step_name(step: c_int) -> &'static str {
    match step {
        STEP_QUERY => "asking what it is",
        3 => "setting the format",
        4 => "reserving buffers",
        _ => "starting to capture",
    }
}

#[repr(C)]
struct VkCapture {
    _opaque: [u8; 0],
}

#[repr(C)]
struct VkDeviceInfo {
    codec: i32,
    width: i32,
    height: i32,
    rate_num: i32,
    rate_den: i32,
    name: [c_char; 33],
    offered: [c_char; 256],
}

impl Default for VkDeviceInfo {
    fn default() -> Self {
        Self { codec: 0, width: 0, height: 0, rate_num: 0, rate_den: 0, name: [0; 33], offered: [0; 256] }
    }
}

#[repr(C)]
struct VkShot {
    data: *const u8,
    size: usize,
    micros: i64,
    age: i64,
    sequence: u32,
    damaged: i32,
}

impl Default for VkShot {
    fn default() -> Self {
        Self { data: ptr::null(), size: 0, micros: 0, age: i64::MIN, sequence: 0, damaged: 0 }
    }
}

unsafe extern "C" {
    fn vk_capture_open(
        capture: *mut *mut VkCapture,
        path: *const c_char,
        width: c_int,
        height: c_int,
        info: *mut VkDeviceInfo,
        step: *mut c_int,
    ) -> c_int;
    fn vk_capture_close(capture: *mut VkCapture);
    fn vk_capture_read(capture: *mut VkCapture, wake: c_int, timeout_ms: c_int, shot: *mut VkShot) -> c_int;
    fn vk_descriptor(number: c_int) -> c_int;
}
