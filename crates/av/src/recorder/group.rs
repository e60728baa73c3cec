//! What a recording can begin with.

use std::collections::BTreeMap;
use std::sync::Arc;

use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::stream::{Slot, Track};

/// The tracks of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks {
    /// Their parameters, as far as they are known; bounded by the number of tracks.
    pub(super) params: BTreeMap<Track, Option<Arc<CodecParams>>>,
    /// Whether the source has said which there are. If not, more may come.
    pub(super) announced: bool,
}

/// Keeps the packets since the last key frame, and what is known of their tracks.
#[derive(Debug)]
pub(super) struct Group {
    limit_bytes: usize,
    slot: Option<Slot>,
    tracks: Tracks,
    frames: Vec<Frame>,
    bytes: usize,
}

impl Tracks {
    /// Notes what `frame` says of them.
    pub(super) fn note(&mut self, frame: &Frame) {
        match &frame.body {
            Body::Signal(Signal::Online(info)) => {
                let received = info.tracks.iter().filter(|track| track.skipped.is_none());
                self.params = received.map(|track| (track.track, track.params.clone())).collect();
                self.announced = true;
            }
            Body::Packet(packet) => {
                let known = self.params.entry(frame.track).or_default();
                if !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &packet.params)) {
                    *known = Some(packet.params.clone());
                }
            }
            _ => {}
        }
    }

    /// Whether a file can begin with `frame`: it is a key frame of the first video track, or of the first track of a
    /// stream without video.
    pub(super) fn begin_with(&self, frame: &Frame) -> bool {
        if !frame.packet().is_some_and(|packet| packet.keyframe) {
            return false;
        }
        let video = self.known().find(|(_, params)| params.codec.is_video());
        video.or_else(|| self.known().next()).is_some_and(|(track, _)| track == frame.track)
    }

    /// Those whose parameters are known, as far as a file needs them.
    pub(super) fn known(&self) -> impl Iterator<Item = (Track, &Arc<CodecParams>)> {
        let known = self.params.iter().filter_map(|(track, params)| Some((*track, params.as_ref()?)));
        known.filter(|(_, params)| suffice(params))
    }

    /// Whether nothing is left to be found out.
    pub(super) fn are_complete(&self) -> bool {
        self.announced && self.params.values().all(|params| params.as_deref().is_some_and(suffice))
    }
}

/// Whether all is there that a file has to tell.
fn suffice(params: &CodecParams) -> bool {
    let has_sets = !matches!(params.codec, Codec::H264 | Codec::H265) || !params.extra.is_empty();
    has_sets && params.as_video().is_none_or(|video| video.width > 0)
}

impl Group {
    /// Keeps so many bytes at most; of a longer group nothing is kept.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, slot: None, tracks: Tracks::default(), frames: Vec::new(), bytes: 0 }
    }

    /// The stream that came last.
    pub(super) fn slot(&self) -> Option<Slot> {
        self.slot
    }

    /// What is known of the tracks.
    pub(super) fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    /// The packets since the last key frame, that included.
    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Takes the next frame of the stream. When another stream comes, the one before is forgotten.
    pub(super) fn push(&mut self, frame: &Frame) {
        if matches!(frame.body, Body::Bitmap(_) | Body::Fragment(_)) {
            return;
        }
        if self.slot != Some(frame.slot) {
            *self = Self { slot: Some(frame.slot), ..Self::new(self.limit_bytes) };
        }
        self.tracks.note(frame);
        if matches!(frame.body, Body::Signal(Signal::Online(_))) {
            self.clear();
        }
        let Some(packet) = frame.packet() else { return };
        if self.tracks.begin_with(frame) {
            self.clear();
        } else if self.frames.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(packet.payload.len());
        if self.bytes > self.limit_bytes || self.frames.len() >= MAX_FRAMES {
            return self.clear();
        }
        self.frames.push(frame.clone());
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }
}

/// Ten seconds of video at 50 frames per second with audio, and some more.
const MAX_FRAMES: usize = 2000;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::{MediaParams, VideoParams};
    use valkka_core::frame::{FrameTime, Packet};
    use valkka_core::payload::Payload;
    use valkka_core::source::{StreamInfo, TrackInfo};
    use valkka_core::time::WallTime;

    use super::*;

    /// A packet of 10 bytes: video in track 0, a key frame if `K`; audio in track 1 for `a`.
    fn packet(kind: char) -> Frame {
        let params = match kind {
            'a' => CodecParams::audio(Codec::PcmAlaw, 8000, 1, Bytes::new()),
            _ => {
                let video = VideoParams { width: 640, height: 360, frame_rate: None };
                CodecParams { codec: Codec::Mjpeg, media: MediaParams::Video(video), extra: Bytes::new() }
            }
        };
        let keyframe = kind != 'p';
        let packet =
            Packet { params: params.into(), payload: Payload::copy_from_slice(&[0; 10]), keyframe, lost: 0 };
        Frame {
            slot: Slot::new(1),
            track: Track::new((kind == 'a').into()),
            time: FrameTime::default(),
            body: Body::Packet(packet),
        }
    }

    fn online() -> Frame {
        let track = |number, params| TrackInfo {
            track: Track::new(number),
            medium: String::new(),
            encoding: String::new(),
            params,
            skipped: (number == 2).then(String::new),
        };
        let audio = CodecParams::audio(Codec::PcmAlaw, 8000, 1, Bytes::new());
        let tracks = vec![track(0, None), track(1, Some(audio.into())), track(2, None)];
        let info = StreamInfo { tracks, ..StreamInfo::default() };
        Frame::signal(Slot::new(1), WallTime::default(), Signal::Online(info.into()))
    }

    /// The kinds of packets that are kept after `kinds`.
    fn kept(limit_bytes: usize, kinds: &str) -> String {
        let mut group = Group::new(limit_bytes);
        kinds.chars().for_each(|kind| group.push(&if kind == '!' { online() } else { packet(kind) }));
        let kind = |frame: &Frame| match frame.packet() {
            Some(packet) if !packet.params.codec.is_video() => 'a',
            Some(packet) if packet.keyframe => 'K',
            _ => 'p',
        };
        group.frames().iter().map(kind).collect()
    }

    #[test]
    fn it_starts_with_the_last_key_frame() {
        assert_eq!(kept(1000, "ppaKpapKpa"), "Kpa");
        assert_eq!(kept(1000, "pp"), "");
        assert_eq!(kept(1000, "Kp!"), "");
        assert_eq!(kept(1000, "aaa"), "a");
        assert_eq!(kept(1000, "aaaKaa"), "Kaa");
    }

    #[test]
    fn of_what_is_too_much_nothing_is_kept() {
        assert_eq!(kept(30, "Kpp"), "Kpp");
        assert_eq!(kept(30, "Kppppp"), "");
        assert_eq!(kept(30, "KpppppKp"), "Kp");
    }

    #[test]
    fn tracks_are_complete_when_all_that_were_announced_are_known() {
        let mut tracks = Tracks::default();
        tracks.note(&packet('K'));
        assert!(!tracks.are_complete());
        tracks.note(&online());
        assert!(!tracks.are_complete());
        assert_eq!(tracks.known().count(), 1);
        tracks.note(&packet('K'));
        assert!(tracks.are_complete());
    }

    #[test]
    fn nothing_begins_without_parameter_sets() {
        let mut tracks = Tracks::default();
        let mut frame = packet('K');
        if let Body::Packet(packet) = &mut frame.body {
            packet.params = CodecParams { codec: Codec::H264, ..(*packet.params).clone() }.into();
        }
        tracks.note(&frame);
        assert!(!tracks.begin_with(&frame));
    }

    #[test]
    fn another_stream_starts_anew() {
        let mut group = Group::new(1000);
        group.push(&packet('K'));
        let other = Frame { slot: Slot::new(2), ..packet('K') };
        group.push(&other);
        assert_eq!((group.frames().len(), group.frames()[0].slot), (1, Slot::new(2)));
    }
}
