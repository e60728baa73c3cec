//! A recording in memory.

use std::fmt;
use std::sync::{Arc, Mutex};

use valkka_core::lock::lock;
use valkka_core::time::WallTime;

use super::{Entry, PacketSource};
use crate::playback::error::PlaybackError;

/// A recording in memory, to which more may be added while it is played. Clones are of the same recording, each with a
/// position of its own.
///
/// Where times exist twice, a search finds what was recorded last.
#[derive(Clone, Default)]
pub struct MemoryPackets {
    entries: Arc<Mutex<Vec<Entry>>>,
    next: usize,
}

impl MemoryPackets {
    /// Of these entries, in the order of their recording.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries: Arc::new(Mutex::new(entries)), next: 0 }
    }

    /// Records one entry more.
    pub fn record(&self, entry: Entry) {
        lock(&self.entries).push(entry);
    }

    /// The indices and times of the key frames.
    fn keyframes(entries: &[Entry]) -> impl DoubleEndedIterator<Item = (usize, WallTime)> {
        let frames = || {
            entries.iter().enumerate().filter_map(|(index, entry)| match entry {
                Entry::Frame(frame) => frame.packet().map(|packet| (index, frame, packet)),
                _ => None,
            })
        };
        let video = frames().find(|(_, _, packet)| packet.params.codec.is_video());
        let track = video.or_else(|| frames().next()).map(|(_, frame, _)| frame.track);
        frames()
            .filter(move |(_, frame, packet)| Some(frame.track) == track && packet.keyframe)
            .map(|(index, frame, _)| (index, frame.time.wall))
    }
}

impl PacketSource for MemoryPackets {
    fn seek(&mut self, to: WallTime) -> Result<bool, PlaybackError> {
        let entries = lock(&self.entries);
        // The latest time wins; of equal times, the last.
        let before = Self::keyframes(&entries).filter(|&(_, time)| time <= to).max_by_key(|&(_, time)| time);
        let found = before.or_else(|| Self::keyframes(&entries).min_by_key(|&(_, time)| time));
        self.next = found.map_or(0, |(index, _)| index);
        Ok(found.is_some())
    }

    fn next(&mut self) -> Result<Option<Entry>, PlaybackError> {
        let entry = lock(&self.entries).get(self.next).cloned();
        self.next += usize::from(entry.is_some());
        Ok(entry)
    }

    fn keyframe_before(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        let entries = lock(&self.entries);
        Ok(Self::keyframes(&entries).map(|(_, found)| found).filter(|&found| found < time).max())
    }

    fn keyframe_after(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        let entries = lock(&self.entries);
        Ok(Self::keyframes(&entries).map(|(_, found)| found).filter(|&found| found > time).min())
    }
}

impl fmt::Debug for MemoryPackets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryPackets({} entries, at {})", lock(&self.entries).len(), self.next)
    }
}
