//! One `AVFormatContext` that reads.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use valkka_core::codec::{Codec, FrameRate};

use super::packet::VkPacket;
use super::{AvError, Pairs, RawPacket};

/// One of FFmpeg's demuxers at work. `I` says when it is to give up; see [`Self::open`].
pub(crate) struct Demuxer<I> {
    demuxer: NonNull<VkDemuxer>,
    /// FFmpeg holds a pointer to it. Declared after `demuxer` and freed after it was closed in `drop`.
    interrupt: NonNull<I>,
}

/// How something is opened.
pub(crate) struct DemuxerOptions<'a> {
    pub(crate) url: &'a str,
    /// The demuxer's name, if it is not to be guessed.
    pub(crate) format: Option<&'a str>,
    /// Options of demuxer and protocol.
    pub(crate) pairs: &'a [(&'a str, &'a str)],
    /// Packets come as the demuxer gets them: not parsed, with no times filled in, nothing held back.
    pub(crate) raw: bool,
}

/// The media that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Video,
    Audio,
    Other,
}

/// What a demuxer knows of a stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamFacts {
    /// `None` for codecs that Valkka does not carry.
    pub(crate) codec: Option<Codec>,
    /// FFmpeg's name of the codec.
    pub(crate) codec_name: String,
    pub(crate) medium: Medium,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_rate: Option<FrameRate>,
    /// A tick of its times, in seconds, as a fraction of positive numbers.
    pub(crate) time_base: (u32, u32),
    pub(crate) sample_rate_hz: u32,
    pub(crate) channels: u16,
    /// Its configuration record as the container holds it.
    pub(crate) extra: Vec<u8>,
}

impl<I: Fn() -> bool + Sync> Demuxer<I> {
    /// Opens a file or a stream. Every wait in here and in later calls ends soon after `interrupt` returns true.
    pub(crate) fn open(options: &DemuxerOptions<'_>, interrupt: I) -> Result<Self, AvError> {
        super::log::init();
        let url = super::c_string(options.url)?;
        let format = options.format.map(super::c_string).transpose()?;
        let pairs = Pairs::new(options.pairs.iter().copied())?;
        let interrupt = NonNull::from(Box::leak(Box::new(interrupt)));
        let mut demuxer = ptr::null_mut();
        // SAFETY: the strings are valid for the call and the pairs end in a null pointer. `interrupt` stays where it
        // is until the demuxer is closed, and `interrupted` is made for its type.
        let opened = unsafe {
            vk_demuxer_open(
                &mut demuxer,
                url.as_ptr(),
                format.as_ref().map_or(ptr::null(), |format| format.as_ptr()),
                pairs.as_ptr(),
                options.raw.into(),
                interrupted::<I>,
                interrupt.as_ptr().cast(),
            )
        };
        let demuxer = AvError::check(opened).and(NonNull::new(demuxer).ok_or_else(AvError::invalid));
        match demuxer {
            Ok(demuxer) => Ok(Self { demuxer, interrupt }),
            Err(error) => {
                // SAFETY: the box leaked above, to which FFmpeg holds no pointer any more.
                drop(unsafe { Box::from_raw(interrupt.as_ptr()) });
                Err(AvError::check(opened).err().unwrap_or(error))
            }
        }
    }

    /// Reads on until the parameters of all streams are known.
    pub(crate) fn probe(&mut self) -> Result<(), AvError> {
        // SAFETY: the pointer is valid while `self` lives.
        AvError::check(unsafe { vk_demuxer_probe(self.demuxer.as_ptr()) }).map(|_| ())
    }

    /// What is known of its streams, in their order.
    pub(crate) fn streams(&self) -> Vec<StreamFacts> {
        // SAFETY: the pointer is valid while `self` lives.
        let count = unsafe { vk_demuxer_streams(self.demuxer.as_ptr()) };
        (0..count).filter_map(|index| self.stream(index)).collect()
    }

    /// Has the stream at `index` dropped as early as possible.
    pub(crate) fn discard(&mut self, index: usize) {
        let index = c_int::try_from(index).unwrap_or(c_int::MAX);
        // SAFETY: the pointer is valid while `self` lives, and the shim checks the index.
        unsafe { vk_demuxer_discard(self.demuxer.as_ptr(), index) };
    }

    /// Reads the next packet of any stream.
    pub(crate) fn read(&mut self) -> Result<RawPacket, AvError> {
        let mut packet = ptr::null_mut();
        // SAFETY: the pointer is valid while `self` lives, and so is the target.
        AvError::check(unsafe { vk_demuxer_read(self.demuxer.as_ptr(), &mut packet) })?;
        RawPacket::from_raw(packet).ok_or_else(AvError::invalid)
    }

    /// When a file says that it begins, in microseconds since 1970.
    pub(crate) fn created_micros(&self) -> Option<i64> {
        // SAFETY: the pointer is valid while `self` lives.
        let micros = unsafe { vk_demuxer_created(self.demuxer.as_ptr()) };
        (micros > 0).then_some(micros)
    }

    /// The length of a file, if it tells.
    pub(crate) fn duration(&self) -> Option<Duration> {
        // SAFETY: the pointer is valid while `self` lives.
        let micros = unsafe { vk_demuxer_duration(self.demuxer.as_ptr()) };
        u64::try_from(micros).ok().map(Duration::from_micros)
    }

    /// Goes to the last key frame of the stream at `index` at or before `time`, in units of the stream.
    pub(crate) fn seek(&mut self, index: usize, time: i64) -> Result<(), AvError> {
        let index = c_int::try_from(index).map_err(|_| AvError::invalid())?;
        // SAFETY: the pointer is valid while `self` lives, and the shim checks the index.
        AvError::check(unsafe { vk_demuxer_seek(self.demuxer.as_ptr(), index, time) }).map(|_| ())
    }

    fn stream(&self, index: c_int) -> Option<StreamFacts> {
        let mut info = VkStreamInfo::default();
        // SAFETY: the pointer is valid while `self` lives, and so is the target.
        AvError::check(unsafe { vk_demuxer_stream(self.demuxer.as_ptr(), index, &mut info) }).ok()?;
        // SAFETY: the shim tells a readable range, which stays at least until the next packet is read.
        let extra = unsafe { super::bytes_at(info.extra, info.extra_size) }.to_vec();
        let codec_name = if info.codec_name.is_null() {
            String::new()
        } else {
            // SAFETY: one of FFmpeg's constant strings.
            unsafe { CStr::from_ptr(info.codec_name) }.to_string_lossy().into_owned()
        };
        let positive = |number: i32| u32::try_from(number).unwrap_or(0);
        Some(StreamFacts {
            codec: super::codec_of(info.codec),
            codec_name,
            medium: match info.medium {
                1 => Medium::Video,
                2 => Medium::Audio,
                _ => Medium::Other,
            },
            width: positive(info.width),
            height: positive(info.height),
            frame_rate: FrameRate::new(positive(info.rate_num), positive(info.rate_den)),
            time_base: (positive(info.time_base_num).max(1), positive(info.time_base_den).max(1)),
            sample_rate_hz: positive(info.sample_rate),
            channels: u16::try_from(info.channels).unwrap_or(0),
            extra,
        })
    }
}

impl<I> Drop for Demuxer<I> {
    fn drop(&mut self) {
        // SAFETY: `self` owns the demuxer, and the box to which FFmpeg holds no pointer once that is closed.
        unsafe {
            vk_demuxer_close(self.demuxer.as_ptr());
            drop(Box::from_raw(self.interrupt.as_ptr()));
        }
    }
}

// SAFETY: FFmpeg's contexts belong to no thread; `&mut self` keeps two from using one at a time. The interrupt is
// called on the thread that is in a call.
unsafe impl<I: Send> Send for Demuxer<I> {}

extern "C" fn interrupted<I: Fn() -> bool + Sync>(context: *mut c_void) -> c_int {
    // SAFETY: `open` handed the pointer in with this function, and it is valid until the demuxer is closed.
    let interrupt = unsafe { &*context.cast::<I>() };
    interrupt().into()
}

#[repr(C)]
struct VkDemuxer {
    _opaque: [u8; 0],
}

#[repr(C)]
struct VkStreamInfo {
    codec: i32,
    medium: i32,
    codec_name: *const c_char,
    width: i32,
    height: i32,
    rate_num: i32,
    rate_den: i32,
    time_base_num: i32,
    time_base_den: i32,
    sample_rate: i32,
    channels: i32,
    extra: *const u8,
    extra_size: usize,
}

impl Default for VkStreamInfo {
    fn default() -> Self {
        Self {
            codec: 0,
            medium: 0,
            codec_name: ptr::null(),
            width: 0,
            height: 0,
            rate_num: 0,
            rate_den: 0,
            time_base_num: 0,
            time_base_den: 0,
            sample_rate: 0,
            channels: 0,
            extra: ptr::null(),
            extra_size: 0,
        }
    }
}

unsafe extern "C" {
    fn vk_demuxer_open(
        demuxer: *mut *mut VkDemuxer,
        url: *const c_char,
        format: *const c_char,
        pairs: *const *const c_char,
        raw: c_int,
        interrupt: extern "C" fn(*mut c_void) -> c_int,
        context: *mut c_void,
    ) -> c_int;
    fn vk_demuxer_close(demuxer: *mut VkDemuxer);
    fn vk_demuxer_probe(demuxer: *mut VkDemuxer) -> c_int;
    fn vk_demuxer_streams(demuxer: *const VkDemuxer) -> c_int;
    fn vk_demuxer_stream(demuxer: *const VkDemuxer, index: c_int, info: *mut VkStreamInfo) -> c_int;
    fn vk_demuxer_discard(demuxer: *mut VkDemuxer, index: c_int);
    fn vk_demuxer_read(demuxer: *mut VkDemuxer, packet: *mut *mut VkPacket) -> c_int;
    fn vk_demuxer_created(demuxer: *const VkDemuxer) -> i64;
    fn vk_demuxer_duration(demuxer: *const VkDemuxer) -> i64;
    fn vk_demuxer_seek(demuxer: *mut VkDemuxer, index: c_int, time: i64) -> c_int;
}
