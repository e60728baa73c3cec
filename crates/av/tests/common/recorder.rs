//! A recorder that is fed by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bytes::Bytes;
use valkka_av::{Recorder, RecorderEvent, RecorderOptions};
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::payload::Payload;
use valkka_core::sink::{Discard, Sink as _};
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::stream::Track;
use valkka_testkit::media::Clip;

use super::read_all;

/// A recorder without anything downstream, and what happens to it. It may be fed faster than any camera does.
pub(crate) fn recorder(options: RecorderOptions) -> (Recorder, Receiver<RecorderEvent>) {
    let options = RecorderOptions { capacity: 100_000, ..options };
    let (tx, rx) = mpsc::channel();
    let on_event = move |event| drop(tx.send(event));
    (Recorder::new("recorder", options, Arc::new(Discard), on_event), rx)
}

pub(crate) fn clip(clip: &Clip) -> Vec<Frame> {
    read_all(&clip.file().unwrap())
}

pub(crate) fn feed(recorder: &Recorder, frames: &[Frame]) {
    frames.iter().for_each(|frame| recorder.put(frame.clone()));
}

/// The same frames later, as of a connection of which `Online` tells.
pub(crate) fn later(frames: &[Frame], seconds: i64) -> Vec<Frame> {
    let mut frames = frames.to_vec();
    frames.iter_mut().for_each(|frame| frame.time.wall = frame.time.wall.offset_micros(seconds * 1_000_000));
    frames
}

pub(crate) fn online(frames: &[Frame]) -> Frame {
    let mut tracks: Vec<TrackInfo> = Vec::new();
    for frame in frames {
        if tracks.iter().all(|track| track.track != frame.track) {
            let params = frame.packet().map(|packet| packet.params.clone());
            let (medium, encoding) = (String::new(), String::new());
            tracks.push(TrackInfo { track: frame.track, medium, encoding, params, skipped: None });
        }
    }
    let info = StreamInfo { tracks, ..StreamInfo::default() };
    Frame::signal(frames[0].slot, frames[0].time.wall, Signal::Online(Arc::new(info)))
}

/// Files that were finished, in order.
pub(crate) fn finished(events: &Receiver<RecorderEvent>) -> Vec<PathBuf> {
    let path = |event| match event {
        RecorderEvent::Finished { path, dropped } => {
            assert_eq!(dropped, 0);
            Some(path)
        }
        RecorderEvent::Failed(error) => panic!("{error}"),
        _ => None,
    };
    events.try_iter().filter_map(path).collect()
}

/// Packets of an audio track: 20 ms each, from the moment of `frame` on.
pub(crate) fn audio(frame: &Frame, codec: Codec, count: i64) -> Vec<Frame> {
    let rate = if codec == Codec::Opus { 48_000 } else { 8000 };
    let params = Arc::new(CodecParams::audio(codec, rate, 1, Bytes::new()));
    let packet = |n: i64| {
        let payload = match codec {
            // Silence of 20 ms (RFC 6716, section 3.1: configuration 31, one frame).
            Codec::Opus => Payload::copy_from_slice(&[0xf8, 0xff, 0xfe]),
            _ => Payload::copy_from_slice(&[0xd5; 160]),
        };
        let mut frame = frame.clone();
        frame.track = Track::new(1);
        frame.time.wall = frame.time.wall.offset_micros(n * 20_000);
        frame.time.media = frame.time.media + Duration::from_millis(n as u64 * 20);
        frame.body = Body::Packet(Packet { params: params.clone(), payload, keyframe: true, lost: 0 });
        frame
    };
    (0..count).map(packet).collect()
}

/// Frames of several tracks in the order of their moments.
pub(crate) fn interleaved(mut frames: Vec<Frame>) -> Vec<Frame> {
    frames.sort_by_key(|frame| frame.time.wall);
    frames
}
