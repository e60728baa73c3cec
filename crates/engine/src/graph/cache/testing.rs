//! Frames for the unit tests of the cache.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet, Signal};
use valkka_core::lock::lock;
use valkka_core::payload::Payload;
use valkka_core::sink::Sink;
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};

/// Packet `name` (a capital letter is a key frame), recorded at `millis`.
pub(super) fn frame(slot: u16, name: char, millis: i64) -> Frame {
    let wall = WallTime::from_micros(millis * 1000);
    let media = MediaTime::from_ticks(i64::from(u32::from(name)));
    let packet = Packet {
        params: Arc::new(CodecParams::video(Codec::H264, Bytes::new())),
        payload: Payload::default(),
        keyframe: name.is_ascii_uppercase(),
        lost: 0,
    };
    let time = FrameTime { media, wall, ..FrameTime::default() };
    Frame { slot: Slot::new(slot), track: Track::new(0), time, body: Body::Packet(packet) }
}

/// The names of packets; signals are `@` online, `?` seek, `>` play, `.` stop.
pub(super) fn names<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> String {
    frames.into_iter().map(name).collect()
}

fn name(frame: &Frame) -> char {
    match &frame.body {
        Body::Signal(Signal::Online(_)) => '@',
        Body::Signal(Signal::Seek) => '?',
        Body::Signal(Signal::Play) => '>',
        Body::Signal(Signal::Stop) => '.',
        Body::Signal(_) => '!',
        _ => u32::try_from(frame.time.media.ticks()).ok().and_then(char::from_u32).unwrap_or('_'),
    }
}

/// Keeps what it is given.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Vec<Frame>>);

impl Record {
    /// The names of what came since the last call.
    pub(super) fn names(&self) -> String {
        names(&self.take())
    }

    /// What came since the last call.
    pub(super) fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl Sink for Record {
    fn put(&self, frame: Frame) {
        lock(&self.0).push(frame);
    }
}
