//! Announcing streams that nobody announced.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Filter;
use crate::codec::CodecParams;
use crate::frame::{Body, Frame, Signal};
use crate::source::{StreamInfo, TrackInfo};
use crate::stream::{Slot, Track};

/// Emits [`Signal::Online`] before the first packet of a track, and before one with another codec, unless such a signal
/// that passed has announced the track: for packets that come from a store without any. Everything passes.
///
/// The signal has the packet's times, and all tracks of the stream that are known by then.
#[derive(Debug, Default)]
pub struct Announce {
    /// What was announced. Bounded by the number of slots and tracks.
    streams: BTreeMap<Slot, BTreeMap<Track, Arc<CodecParams>>>,
}

impl Announce {
    /// Nothing is announced yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Filter for Announce {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        match &frame.body {
            Body::Packet(packet) => {
                let tracks = self.streams.entry(frame.slot).or_default();
                let before = tracks.insert(frame.track, packet.params.clone());
                if before.is_none_or(|before| before.codec != packet.params.codec) {
                    let info = Arc::new(StreamInfo { tracks: describe(tracks), ..StreamInfo::default() });
                    let body = Body::Signal(Signal::Online(info));
                    emit(Frame { slot: frame.slot, track: Track::default(), time: frame.time, body });
                }
            }
            Body::Signal(Signal::Online(info)) => {
                let known = |track: &TrackInfo| Some((track.track, track.params.clone()?));
                self.streams.insert(frame.slot, info.tracks.iter().filter_map(known).collect());
            }
            _ => {}
        }
        emit(frame);
    }
}

fn describe(tracks: &BTreeMap<Track, Arc<CodecParams>>) -> Vec<TrackInfo> {
    let describe = |(&track, params): (&Track, &Arc<CodecParams>)| TrackInfo {
        track,
        medium: if params.codec.is_video() { "video" } else { "audio" }.to_owned(),
        encoding: params.codec.name().to_owned(),
        params: Some(params.clone()),
        skipped: None,
    };
    tracks.iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::codec::Codec;
    use crate::testing::{audio, names, online, packet, packet_at, run, run_names};
    use crate::time::WallTime;

    fn announced(frame: &Frame) -> Vec<(u8, Codec)> {
        let Body::Signal(Signal::Online(info)) = &frame.body else { panic!("{frame:?} announces nothing") };
        let track = |track: &TrackInfo| (track.track.index(), track.params.as_ref().unwrap().codec);
        info.tracks.iter().map(track).collect()
    }

    #[test]
    fn each_track_is_announced_once() {
        let frames = [packet_at('A', 5), packet('b'), audio('x'), audio('y'), packet('c')];
        let out = run(&mut Announce::new(), frames);
        assert_eq!(names(out.clone()), "!Ab!xyc");
        assert_eq!(announced(&out[0]), [(0, Codec::H264)]);
        assert_eq!(out[0].time.wall, WallTime::from_micros(5000));
        assert_eq!(announced(&out[3]), [(0, Codec::H264), (1, Codec::Aac)]);
    }

    #[test]
    fn another_codec_and_another_slot_are_announced() {
        let mut announce = Announce::new();
        let mut other = packet('C');
        if let Body::Packet(packet) = &mut other.body {
            packet.params = Arc::new(CodecParams::video(Codec::H265, Bytes::new()));
        }
        assert_eq!(names(run(&mut announce, [packet('A'), other, packet('B')])), "!A!C!B");
        assert_eq!(names(run(&mut announce, [Frame { slot: Slot::new(9), ..packet('A') }])), "!A");
    }

    #[test]
    fn what_is_announced_already_is_not_again() {
        let params = packet('A').packet().unwrap().params.clone();
        let tracks = describe(&BTreeMap::from([(Track::new(0), params)]));
        let info = Arc::new(StreamInfo { tracks, ..StreamInfo::default() });
        let known = Frame { body: Body::Signal(Signal::Online(info)), ..online() };
        let mut announce = Announce::new();
        assert_eq!(names(run(&mut announce, [known, packet('A')])), "!A");
        // A connection that says nothing of its tracks.
        assert_eq!(names(run(&mut announce, [online()])), "!");
        assert_eq!(run_names(&mut announce, "Ab"), "!Ab");
    }
}
