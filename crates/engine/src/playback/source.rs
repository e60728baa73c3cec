//! Where recorded packets come from.

mod file;
mod memory;
mod store;

pub use file::FilePackets;
pub use memory::MemoryPackets;

use std::sync::Arc;

use valkka_core::frame::Frame;
use valkka_core::time::WallTime;

use super::error::PlaybackError;

/// The recorded packets of one stream, in the order in which they were recorded, with the moments at which they were
/// ([`FrameTime::wall`](valkka_core::frame::FrameTime::wall)): the *archive time*.
///
/// The key frames that are meant are those of the first video track; of the first track, if there is no video.
///
/// Where a clock was set back, times exist twice. Which of them a search finds is the source's choice, as long as it is
/// always the same.
pub trait PacketSource: Send {
    /// Stands before the last key frame at or before `to`; if there is none, before the first one after it. `false` if
    /// nothing is recorded.
    ///
    /// # Errors
    /// If the recording cannot be read.
    fn seek(&mut self, to: WallTime) -> Result<bool, PlaybackError>;

    /// What was recorded next; `None` if nothing more was, so far. It may be asked again later.
    ///
    /// # Errors
    /// If the recording cannot be read.
    fn next(&mut self) -> Result<Option<Entry>, PlaybackError>;

    /// When the last key frame strictly before `time` was recorded. Does not change what [`Self::next`] gives.
    ///
    /// # Errors
    /// If the recording cannot be read.
    fn keyframe_before(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError>;

    /// When the first key frame strictly after `time` was recorded. Does not change what [`Self::next`] gives.
    ///
    /// # Errors
    /// If the recording cannot be read.
    fn keyframe_after(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError>;
}

/// One thing in a recording.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A packet.
    Frame(Frame),
    /// Before the first packet after a time in which nothing was recorded.
    Gap(Gap),
    /// Something that was recorded here cannot be read; why, in words.
    Damage(Arc<str>),
}

/// A time in which nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When the last packet before it was recorded.
    pub from: WallTime,
    /// When recording went on.
    pub to: WallTime,
    /// Why, in words.
    pub reason: Arc<str>,
}
