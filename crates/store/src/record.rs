//! What a block holds.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use valkka_core::codec::CodecParams;
use valkka_core::frame::Frame;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

/// Identifies a stream within a store, whatever slot it had when it was recorded. It is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(NonZeroU64);

impl StreamId {
    /// The stream with this number; `None` if it is zero.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One thing that was recorded.
#[derive(Clone, Debug)]
pub enum Record {
    /// One access unit.
    Packet {
        /// Its stream.
        id: StreamId,
        /// The packet, in slot 0. Its arrival is not recorded, and is its wall time.
        frame: Frame,
    },
    /// The parameters of the packets of a track that follow.
    Params {
        /// The stream.
        id: StreamId,
        /// Its track.
        track: Track,
        /// The name of the stream; empty if it has none.
        name: String,
        /// The parameters; the packets that follow have the same `Arc`.
        params: Arc<CodecParams>,
    },
    /// Before the first packet after a gap.
    Gap {
        /// The stream.
        id: StreamId,
        /// When and why nothing was recorded.
        gap: Gap,
    },
}

/// A time in which nothing of a stream was recorded, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When the last packet before it was recorded, or recording should have begun.
    pub from: WallTime,
    /// When recording went on.
    pub to: WallTime,
    /// The reason in words, without credentials.
    pub reason: String,
}
