//! Frames for the unit tests of this crate.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Codec, CodecParams};
use crate::filter::Filter;
use crate::frame::{Body, Frame, FrameTime, Packet, Signal};
use crate::payload::Payload;
use crate::source::StreamInfo;
use crate::stream::{Slot, Track};
use crate::time::{MediaTime, WallTime};

/// The slot of all frames here.
pub(crate) const SLOT: Slot = Slot::new(1);

/// A video packet called `name`; capital letters are key frames.
pub(crate) fn packet(name: char) -> Frame {
    let time = FrameTime { media: MediaTime::from_ticks(i64::from(u32::from(name))), ..FrameTime::default() };
    let packet = Packet {
        params: Arc::new(CodecParams::video(Codec::H264, Bytes::new())),
        payload: Payload::default(),
        keyframe: name.is_ascii_uppercase(),
        lost: 0,
    };
    Frame { slot: SLOT, track: Track::new(0), time, body: Body::Packet(packet) }
}

/// The same after a loss.
pub(crate) fn after_loss(name: char) -> Frame {
    with_packet(packet(name), |packet| packet.lost = 1)
}

/// An audio packet called `name` on track 1.
pub(crate) fn audio(name: char) -> Frame {
    let params = Arc::new(CodecParams::audio(Codec::Aac, 48_000, 2, Bytes::new()));
    let frame = with_packet(packet(name), |packet| (packet.params, packet.keyframe) = (params, true));
    Frame { track: Track::new(1), ..frame }
}

/// Packet `name` that stands for, and arrived at, `millis` milliseconds after the epoch.
pub(crate) fn packet_at(name: char, millis: i64) -> Frame {
    let now = WallTime::from_micros(millis * 1000);
    let frame = packet(name);
    Frame { time: FrameTime { arrival: now, wall: now, ..frame.time }, ..frame }
}

pub(crate) fn online() -> Frame {
    Frame::signal(SLOT, WallTime::default(), Signal::Online(Arc::new(StreamInfo::default())))
}

pub(crate) fn offline() -> Frame {
    Frame::signal(SLOT, WallTime::default(), Signal::Offline("gone".into()))
}

/// The names of frames; `!` is a signal.
pub(crate) fn names(frames: impl IntoIterator<Item = Frame>) -> String {
    let name = |frame: Frame| match frame.body {
        Body::Signal(_) => '!',
        _ => u32::try_from(frame.time.media.ticks()).ok().and_then(char::from_u32).unwrap_or('?'),
    };
    frames.into_iter().map(name).collect()
}

/// What `filter` makes of `frames`.
pub(crate) fn run(filter: &mut dyn Filter, frames: impl IntoIterator<Item = Frame>) -> Vec<Frame> {
    let mut out = Vec::new();
    for frame in frames {
        filter.push(frame, &mut |frame| out.push(frame));
    }
    out
}

/// [`run`] with packets called so, by their names.
pub(crate) fn run_names(filter: &mut dyn Filter, frames: &str) -> String {
    names(run(filter, frames.chars().map(packet)))
}

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

fn with_packet(mut frame: Frame, change: impl FnOnce(&mut Packet)) -> Frame {
    if let Body::Packet(packet) = &mut frame.body {
        change(packet);
    }
    frame
}
