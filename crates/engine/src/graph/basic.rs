//! Frames in small pieces: what programs written for the C++ libValkka see of a frame.
//!
//! In our graphs a packet is a whole access unit, and one signal announces all tracks of a stream. Where frames are shown
//! as text or exported, programs expect one piece for each NAL unit, each track and each box.

use valkka_core::bitmap::Bitmap;
use valkka_core::codec::{Codec, h264, h265, nal};
use valkka_core::frame::{Body, Fragment, Frame, Packet, Signal};
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;

/// A piece of a frame. With `{}` it is written as the text that users know, see [`super::text`].
#[derive(Clone, Debug)]
pub struct BasicFrame<'a> {
    /// The stream.
    pub slot: Slot,
    /// The track.
    pub track: Track,
    /// The moment it stands for.
    pub time: WallTime,
    /// What it holds.
    pub content: Content<'a>,
}

/// What a piece of a frame holds.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// A NAL unit, or a whole payload of a codec that has none.
    Unit(Unit<'a>),
    /// A track is announced. `None` if its codec is none that we know.
    Setup {
        /// Whether it is a video track.
        video: bool,
        /// Its codec.
        codec: Option<Codec>,
    },
    /// The playback of a recording changes its state.
    State(State),
    /// A recording begins to come, or has come.
    Marker(Marker),
    /// A decoded picture.
    Bitmap(&'a Bitmap),
    /// A box of fragmented MP4, header included.
    Box(Fragment),
}

/// A NAL unit with a start code of four bytes, or a whole payload of a codec without NAL units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// The codec.
    pub codec: Codec,
    /// The start code, or nothing.
    pub start_code: &'static [u8],
    /// What follows it.
    pub data: &'a [u8],
}

impl Unit<'_> {
    /// Bytes, with the start code.
    pub fn size(&self) -> usize {
        self.start_code.len() + self.data.len()
    }

    /// The type of the NAL unit as its codec numbers them. `None` if it is none.
    pub fn nal_type(&self) -> Option<u8> {
        match self.codec {
            Codec::H264 => h264::NalType::of(self.data).map(|kind| kind.0),
            Codec::H265 => h265::NalType::of(self.data).map(|kind| kind.0),
            _ => None,
        }
    }
}

/// The state of a playback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The position jumps.
    Seek,
    /// The last picture stays.
    Stop,
    /// Pictures follow.
    Play,
}

/// A place among the frames of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Frames of a block follow.
    TransmissionStart,
    /// All frames of the block have come.
    TransmissionEnd,
}

/// Takes `frame` apart. Signals that such programs do not know have no pieces.
pub fn basic_frames(frame: &Frame) -> Vec<BasicFrame<'_>> {
    let piece = |track, content| BasicFrame { slot: frame.slot, track, time: frame.time.wall, content };
    let own = |content| piece(frame.track, content);
    match &frame.body {
        Body::Packet(packet) => units(packet).map(|unit| own(Content::Unit(unit))).collect(),
        Body::Bitmap(bitmap) => vec![own(Content::Bitmap(bitmap))],
        Body::Fragment(fragment) => fragment.boxes().map(|one| own(Content::Box(one))).collect(),
        Body::Signal(Signal::Online(info)) => {
            announced(info).map(|track| piece(track.track, setup(track))).collect()
        }
        Body::Signal(Signal::Seek) => vec![own(Content::State(State::Seek))],
        Body::Signal(Signal::Stop) => vec![own(Content::State(State::Stop))],
        Body::Signal(Signal::Play) => vec![own(Content::State(State::Play))],
        Body::Signal(Signal::TransmissionStart) => vec![own(Content::Marker(Marker::TransmissionStart))],
        Body::Signal(Signal::TransmissionEnd) => vec![own(Content::Marker(Marker::TransmissionEnd))],
        Body::Signal(Signal::Offline(_) | Signal::Silent(_) | Signal::End) => Vec::new(),
    }
}

/// The NAL units of a packet, or its whole payload.
pub fn units(packet: &Packet) -> impl Iterator<Item = Unit<'_>> {
    let codec = packet.params.codec;
    let cut = matches!(codec, Codec::H264 | Codec::H265);
    let stream: &[u8] = if cut { &packet.payload } else { &[] };
    let cut = nal::annex_b(stream).map(move |data| Unit { codec, start_code: &nal::START_CODE, data });
    let mut cut = cut.peekable();
    // What has no NAL units, though it should, is shown as it is.
    let whole = Unit { codec, start_code: &[], data: &packet.payload };
    let whole = cut.peek().is_none().then_some(whole);
    cut.chain(whole)
}

/// The tracks that frames come of.
fn announced(info: &StreamInfo) -> impl Iterator<Item = &TrackInfo> {
    info.tracks.iter().filter(|track| track.skipped.is_none())
}

fn setup(track: &TrackInfo) -> Content<'_> {
    let codec = track.params.as_ref().map(|params| params.codec).or_else(|| codec_named(&track.encoding));
    let video = codec.map_or(track.medium == "video", Codec::is_video);
    Content::Setup { video, codec }
}

/// The codec that session descriptions call `encoding`.
fn codec_named(encoding: &str) -> Option<Codec> {
    let named = |name: &str| encoding.eq_ignore_ascii_case(name);
    CODEC_NAMES.iter().find(|(name, _)| named(name)).map(|&(_, codec)| codec)
}

const CODEC_NAMES: &[(&str, Codec)] = &[
    ("H264", Codec::H264),
    ("H265", Codec::H265),
    ("JPEG", Codec::Mjpeg),
    ("MPEG4-GENERIC", Codec::Aac),
    ("PCMU", Codec::PcmMulaw),
    ("PCMA", Codec::PcmAlaw),
    ("OPUS", Codec::Opus),
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use valkka_core::codec::CodecParams;
    use valkka_core::frame::FrameTime;
    use valkka_core::payload::Payload;

    use super::*;
    use crate::graph::text;

    #[test]
    fn garbage_has_pieces_and_a_text_too() {
        let mut random = fastrand::Rng::with_seed(5);
        let codecs = [Codec::H264, Codec::H265, Codec::Mjpeg, Codec::Aac, Codec::PcmMulaw];
        for _ in 0..20_000 {
            let bytes: Vec<u8> =
                (0..random.usize(..40)).map(|_| *random.choice(&SPITEFUL).unwrap()).collect();
            let body = if random.bool() {
                let params = Arc::new(CodecParams::video(random.choice(codecs).unwrap(), Bytes::new()));
                let payload = Payload::copy_from_slice(&bytes);
                Body::Packet(Packet { params, payload, keyframe: true, lost: 0 })
            } else {
                Body::Fragment(Fragment { kind: *b"moof", keyframe: true, data: bytes.clone().into() })
            };
            let (slot, track, time) = (Slot::new(1), Track::default(), FrameTime::default());
            let frame = Frame { slot, track, time, body };
            let pieces = basic_frames(&frame);
            assert_eq!(pieces.is_empty(), matches!(frame.body, Body::Fragment(_)) && bytes.is_empty());
            let size = |piece: &BasicFrame<'_>| match &piece.content {
                Content::Unit(unit) => unit.data.len(),
                Content::Box(one) => one.data.len(),
                _ => 0,
            };
            assert!(pieces.iter().map(size).sum::<usize>() <= bytes.len());
            let lines = text::info("all", &frame, WallTime::default());
            assert_eq!(lines.lines().count(), 5 * pieces.len());
        }
    }

    /// What start codes, lengths and types are made of.
    const SPITEFUL: [u8; 8] = [0, 0, 0, 1, 8, 0x40, 0x65, 0xff];

    #[test]
    fn encodings_have_codecs() {
        assert_eq!(codec_named("h264"), Some(Codec::H264));
        assert_eq!(codec_named("onvif.metadata"), None);
    }
}
