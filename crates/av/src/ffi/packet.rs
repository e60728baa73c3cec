//! One `AVPacket`.

use std::ptr::NonNull;

/// An encoded packet in FFmpeg's own memory.
pub(crate) struct RawPacket(NonNull<VkPacket>);

/// What an `AVPacket` says beside its bytes. Times are in ticks of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketFacts {
    pub(crate) stream: usize,
    pub(crate) keyframe: bool,
    pub(crate) corrupt: bool,
    pub(crate) pts: Option<i64>,
    pub(crate) dts: Option<i64>,
    pub(crate) duration: i64,
    /// When the sender captured it, in microseconds since 1970.
    pub(crate) wallclock_micros: Option<i64>,
}

impl RawPacket {
    /// Takes over what the shim made; `None` for a null pointer.
    pub(super) fn from_raw(packet: *mut VkPacket) -> Option<Self> {
        NonNull::new(packet).map(Self)
    }

    pub(crate) fn facts(&self) -> PacketFacts {
        let info = self.info();
        let known = |ticks: i64| (ticks != i64::MIN).then_some(ticks);
        PacketFacts {
            stream: usize::try_from(info.stream).unwrap_or(usize::MAX),
            keyframe: info.key != 0,
            corrupt: info.corrupt != 0,
            pts: known(info.pts),
            dts: known(info.dts),
            duration: info.duration,
            wallclock_micros: known(info.wallclock),
        }
    }

    /// Its bytes.
    pub(crate) fn data(&self) -> &[u8] {
        let info = self.info();
        // SAFETY: the shim tells a readable range of the packet's buffer, which lives as long as `self`, and which
        // nobody writes to once the packet is handed out.
        unsafe { super::bytes_at(info.data, info.size) }
    }

    /// Its bytes and `padding` bytes behind them, if the buffer goes that far.
    pub(crate) fn padded(&self, padding: usize) -> Option<&[u8]> {
        let info = self.info();
        if info.data.is_null() || info.padding < padding {
            return None;
        }
        // SAFETY: as in `data`, and the buffer has `info.padding` more bytes behind the packet's.
        Some(unsafe { super::bytes_at(info.data, info.size + padding) })
    }

    fn info(&self) -> VkPacketInfo {
        let mut info = VkPacketInfo::default();
        // SAFETY: the pointer is valid while `self` lives.
        unsafe { vk_packet_info(self.0.as_ptr(), &mut info) };
        info
    }
}

impl Drop for RawPacket {
    fn drop(&mut self) {
        // SAFETY: `self` owns the packet.
        unsafe { vk_packet_free(self.0.as_ptr()) };
    }
}

// SAFETY: an `AVPacket` is plain data with buffers counted atomically, and through `&self` it is only read.
unsafe impl Send for RawPacket {}
// SAFETY: as above.
unsafe impl Sync for RawPacket {}

#[repr(C)]
pub(super) struct VkPacket {
    _opaque: [u8; 0],
}

#[repr(C)]
struct VkPacketInfo {
    data: *const u8,
    size: usize,
    padding: usize,
    stream: i32,
    key: i32,
    corrupt: i32,
    pts: i64,
    dts: i64,
    duration: i64,
    wallclock: i64,
}

impl Default for VkPacketInfo {
    fn default() -> Self {
        Self {
            data: std::ptr::null(),
            size: 0,
            padding: 0,
            stream: 0,
            key: 0,
            corrupt: 0,
            pts: i64::MIN,
            dts: i64::MIN,
            duration: 0,
            wallclock: i64::MIN,
        }
    }
}

unsafe extern "C" {
    fn vk_packet_free(packet: *mut VkPacket);
    fn vk_packet_info(packet: *const VkPacket, info: *mut VkPacketInfo);
}
