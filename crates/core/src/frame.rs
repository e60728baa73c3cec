//! The one type that flows through the graph.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::bitmap::Bitmap;
use crate::codec::CodecParams;
use crate::payload::Payload;
use crate::source::StreamInfo;
use crate::stream::{Slot, Track};
use crate::time::{MediaTime, WallTime};

/// One thing on its way from a source to sinks. Cloning it counts references and copies no samples.
///
/// Graphs are wired at run time, so every stage takes every frame, and passes on what is not for it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The stream.
    pub slot: Slot,
    /// The track within the stream.
    pub track: Track,
    /// Its times.
    pub time: FrameTime,
    /// What it carries.
    pub body: Body,
}

/// The times of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTime {
    /// Presentation time on the stream's own timeline.
    pub media: MediaTime,
    /// When its last byte reached this machine.
    pub arrival: WallTime,
    /// When the camera captured it, by the camera's clock, if its sender reports tell (RFC 3550, section 6.4.1).
    pub capture: Option<WallTime>,
    /// The moment it stands for, by which it is presented, recorded and thinned. Sources set it to `capture`,
    /// or else to the arrival paced by `media`; timestamp filters correct it.
    pub wall: WallTime,
}

/// What a frame carries.
#[derive(Clone, Debug)]
pub enum Body {
    /// One encoded access unit.
    Packet(Packet),
    /// One decoded picture.
    Bitmap(Bitmap),
    /// One box pair of fragmented MP4.
    Fragment(Fragment),
    /// A change of the stream's state.
    Signal(Signal),
}

/// One encoded access unit: all that belongs to one picture, or one run of audio samples.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The parameters it was encoded with; the same `Arc` until they change.
    pub params: Arc<CodecParams>,
    /// The bytes, laid out as [`Codec`](crate::codec::Codec) says.
    pub payload: Payload,
    /// Whether decoding can start here. Always true for audio and MJPEG.
    pub keyframe: bool,
    /// How many network packets (or other units of the source) were lost just before or in it. It may be
    /// incomplete if not zero.
    pub lost: u32,
}

/// One top-level box, or pair of boxes, of fragmented MP4.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// The four characters of the first box, e.g. `moof`.
    pub kind: [u8; 4],
    /// Whether it starts with a key frame.
    pub keyframe: bool,
    /// The complete box, or pair of boxes, headers included.
    pub data: Bytes,
}

/// A change of the state of a whole stream, or a mark between frames.
#[derive(Clone, Debug)]
pub enum Signal {
    /// The source is connected; frames follow.
    Online(Arc<StreamInfo>),
    /// The connection ended; the reason in words, without credentials.
    Offline(Arc<str>),
    /// Nothing has come for so long, which is longer than the stream's owner bears, whether it is connected or not. It
    /// is told once, until a frame comes.
    Silent(Duration),
    /// The position is about to jump: pictures until the next [`Signal::Play`] are not to be shown.
    Seek,
    /// Playing goes on.
    Play,
    /// Playing is paused: the last picture stays.
    Stop,
    /// The stream is at its end; no frames follow unless it is sought.
    End,
    /// Recorded frames follow, of any slots and as fast as they are read, up to [`Signal::TransmissionEnd`]. For a
    /// cache: they are not to be shown as they come, and take the place of those transmitted before.
    TransmissionStart,
    /// The recorded frames that were asked for have been sent, all of them.
    TransmissionEnd,
}

impl Frame {
    /// A signal about the whole stream `slot`, now.
    pub fn signal(slot: Slot, now: WallTime, signal: Signal) -> Self {
        let time = FrameTime { arrival: now, wall: now, ..FrameTime::default() };
        Self { slot, track: Track::default(), time, body: Body::Signal(signal) }
    }

    /// The packet it carries, if it carries one.
    pub fn packet(&self) -> Option<&Packet> {
        match &self.body {
            Body::Packet(packet) => Some(packet),
            _ => None,
        }
    }

    /// The picture it carries, if it carries one.
    pub fn bitmap(&self) -> Option<&Bitmap> {
        match &self.body {
            Body::Bitmap(bitmap) => Some(bitmap),
            _ => None,
        }
    }
}
