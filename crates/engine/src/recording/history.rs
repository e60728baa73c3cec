//! The last seconds of a stream, for events that come later.

use std::collections::VecDeque;
use std::time::Duration;

use valkka_core::frame::Frame;
use valkka_core::time::WallTime;

/// The packets of a stream from a key frame on that lies a given time back, by reference. They are numbered from 0 on.
///
/// It is bounded in bytes and packets: when there are more, whole groups of pictures leave at the far end, and of a group that
/// is too large nothing is kept.
#[derive(Debug)]
pub(super) struct History {
    frames: VecDeque<Frame>,
    /// The number of the first of them.
    first: u64,
    /// The numbers of the key frames that groups begin with, with their moments. That of the first group may have left.
    keyframes: VecDeque<(u64, WallTime)>,
    bytes: usize,
    max_bytes: usize,
    /// The moment of the newest key frame that has left for want of room.
    squeezed: Option<WallTime>,
}

impl History {
    /// A history of `max_bytes` at most.
    pub(super) fn new(max_bytes: usize) -> Self {
        let (frames, keyframes) = (VecDeque::new(), VecDeque::new());
        Self { frames, first: 0, keyframes, bytes: 0, max_bytes, squeezed: None }
    }

    /// The number that the next packet gets.
    pub(super) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// The number of the oldest packet.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Adds a packet. `keyframe` says that a recording can begin with it; those before number `done` are not needed any more
    /// when there are too many.
    pub(super) fn push(&mut self, frame: Frame, keyframe: bool, done: u64) {
        if keyframe {
            self.keyframes.push_back((self.end(), frame.time.wall));
        }
        self.bytes = self.bytes.saturating_add(size(&frame));
        self.frames.push_back(frame);
        self.squeeze(done);
    }

    /// May have so many bytes from now on; packets before number `done` are not needed any more when there are too many.
    pub(super) fn set_max_bytes(&mut self, max_bytes: usize, done: u64) {
        self.max_bytes = max_bytes;
        self.squeeze(done);
    }

    /// The bytes that it has.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// For how long before `now` it reaches back, `before` at most, and whether that is less for want of room.
    pub(super) fn reach(&self, now: WallTime, before: Duration) -> (Duration, bool) {
        let oldest = self.keyframes.front().map(|(_, moment)| *moment);
        let reach = oldest.map_or(Duration::ZERO, |oldest| now.saturating_since(oldest)).min(before);
        (reach, reach < before && self.squeezed.is_some_and(|moment| moment + before + before > now))
    }

    /// Drops what is not needed to begin `before` ahead of `now`; nothing from number `kept` on.
    pub(super) fn trim(&mut self, now: WallTime, before: Duration, kept: u64) {
        // One that is later than now was recorded before the clock was set back.
        while let Some(&(number, moment)) = self.keyframes.get(1)
            && number <= kept
            && (moment + before <= now || self.keyframes[0].1 > now + CLOCK_SLACK)
        {
            self.drop_group();
        }
    }

    /// The number of the key frame to begin with, `before` ahead of `now`, or of the oldest.
    pub(super) fn start(&self, now: WallTime, before: Duration) -> u64 {
        let earlier = self.keyframes.iter().rev().find(|(_, moment)| *moment + before <= now);
        earlier.or(self.keyframes.front()).map_or(self.end(), |(number, _)| *number)
    }

    /// The number of the first key frame from number `from` on.
    pub(super) fn keyframe_from(&self, from: u64) -> Option<u64> {
        self.keyframes.iter().map(|(number, _)| *number).find(|&number| number >= from)
    }

    /// The packet of this number, while it is there.
    pub(super) fn get(&self, number: u64) -> Option<&Frame> {
        self.frames.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Drops everything; numbers go on.
    pub(super) fn clear(&mut self) {
        self.first = self.end();
        self.frames.clear();
        self.keyframes.clear();
        self.bytes = 0;
    }

    /// Drops what there is no room for: what is before number `done` if that is enough, else whole groups.
    fn squeeze(&mut self, done: u64) {
        while self.is_full() && self.first < done && self.drop_frame() {}
        while self.is_full() {
            self.squeezed = self.keyframes.front().map(|(_, moment)| *moment).or(self.squeezed);
            self.drop_group();
        }
        if self.keyframes.is_empty() {
            self.clear();
        }
    }

    /// Drops the oldest group of pictures.
    fn drop_group(&mut self) {
        self.keyframes.pop_front();
        let until = self.keyframes.front().map_or(self.end(), |(number, _)| *number);
        while self.first < until && self.drop_frame() {}
    }

    /// Drops the oldest packet; returns whether there was one.
    fn drop_frame(&mut self) -> bool {
        let Some(frame) = self.frames.pop_front() else { return false };
        self.bytes -= size(&frame);
        self.first += 1;
        true
    }

    fn is_full(&self) -> bool {
        self.bytes > self.max_bytes || self.frames.len() > MAX_FRAMES
    }
}

/// Bytes that a packet holds.
pub(super) fn size(frame: &Frame) -> usize {
    frame.packet().map_or(0, |packet| packet.payload.len())
}

/// So many packets at most: some minutes of video and audio.
const MAX_FRAMES: usize = 16_384;

/// Moments that are so much later than now are of before the clock was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(60);
