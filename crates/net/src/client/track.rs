//! The tracks of a session, and their frames.

use std::sync::Arc;

use bytes::Bytes;
use retina::client::Stream;
use retina::codec::{AudioFrame, ParametersRef, VideoFrame};
use valkka_core::codec::{AudioParams, Codec, CodecParams, FrameRate, MediaParams, VideoParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::source::TrackInfo;
use valkka_core::stream::{Slot, Track};

use super::timing::TrackClock;

/// One track that is received.
#[derive(Debug)]
pub(super) struct LiveTrack {
    slot: Slot,
    track: Track,
    codec: Codec,
    /// Those of the last frame.
    params: Arc<CodecParams>,
    /// Whether `params` came from the stream, not only from its name.
    known: bool,
    pub(super) clock: TrackClock,
}

impl LiveTrack {
    pub(super) fn new(slot: Slot, track: Track, codec: Codec, stream: &Stream) -> Self {
        let read = read_params(codec, stream);
        let known = read.is_some();
        let params = Arc::new(read.unwrap_or_else(|| bare_params(codec, stream)));
        Self { slot, track, codec, params, known, clock: TrackClock::default() }
    }

    /// What is told of it when the stream comes online.
    pub(super) fn info(&self, stream: &Stream) -> TrackInfo {
        TrackInfo { params: self.known.then(|| self.params.clone()), ..describe(self.track, stream, None) }
    }

    /// The frame of a picture. `stream` is the track's in the session that gave it.
    pub(super) fn video(&mut self, frame: VideoFrame, time: FrameTime, stream: &Stream) -> Frame {
        if frame.has_new_parameters() || !self.known {
            self.update(stream);
        }
        // retina knows IDR pictures only; there are cameras that send none, or one at the very beginning.
        let keyframe = frame.is_random_access_point() || self.codec.is_keyframe(frame.data());
        let lost = frame.loss().into();
        self.frame(Payload::from_vec(frame.into_data()), keyframe, lost, time)
    }

    /// The frame of some samples.
    pub(super) fn audio(&mut self, frame: &AudioFrame, time: FrameTime, stream: &Stream) -> Frame {
        if !self.known {
            self.update(stream);
        }
        self.frame(Payload::copy_from_slice(frame.data()), true, frame.loss().into(), time)
    }

    fn frame(&self, payload: Payload, keyframe: bool, lost: u32, time: FrameTime) -> Frame {
        let packet = Packet { params: self.params.clone(), payload, keyframe, lost };
        Frame { slot: self.slot, track: self.track, time, body: Body::Packet(packet) }
    }

    fn update(&mut self, stream: &Stream) {
        let Some(params) = read_params(self.codec, stream) else { return };
        self.known = true;
        if params != *self.params {
            self.params = Arc::new(params);
        }
    }
}

/// What the description says of a track.
pub(super) fn describe(track: Track, stream: &Stream, skipped: Option<String>) -> TrackInfo {
    TrackInfo {
        track,
        medium: stream.media().to_owned(),
        encoding: stream.encoding_name().to_ascii_uppercase(),
        params: None,
        skipped,
    }
}

/// The codec of a track, or why it is not received.
pub(super) fn codec(stream: &Stream) -> Result<Codec, String> {
    match (stream.media(), stream.encoding_name()) {
        ("video", "h264") => Ok(Codec::H264),
        ("video", "h265") => Ok(Codec::H265),
        ("video" | "image", "jpeg") => Ok(Codec::Mjpeg),
        ("audio", "mpeg4-generic") => Ok(Codec::Aac),
        ("audio", "pcmu") => Ok(Codec::PcmMulaw),
        ("audio", "pcma") => Ok(Codec::PcmAlaw),
        ("video" | "audio", encoding) => {
            Err(format!("{} is not received over TCP", encoding.to_ascii_uppercase()))
        }
        (medium, _) => Err(format!("{medium} tracks are not received")),
    }
}

/// The parameters of a track as the session knows them by now.
fn read_params(codec: Codec, stream: &Stream) -> Option<CodecParams> {
    match stream.parameters()? {
        ParametersRef::Video(video) => {
            let (width, height) = video.pixel_dimensions();
            // retina's frame rate is the duration of a frame: (2, 50) is 25 frames per second.
            let frame_rate = match video.frame_rate() {
                Some((seconds, scale)) => FrameRate::new(scale, seconds),
                None => announced_rate(stream),
            };
            let extra = match codec {
                Codec::Mjpeg => Bytes::new(),
                _ => Bytes::copy_from_slice(video.extra_data()),
            };
            let media = MediaParams::Video(VideoParams { width, height, frame_rate });
            Some(CodecParams { codec, media, extra })
        }
        ParametersRef::Audio(audio) => {
            let media = MediaParams::Audio(AudioParams {
                sample_rate_hz: audio.clock_rate(),
                channels: audio.channels().get(),
            });
            Some(CodecParams { codec, media, extra: Bytes::copy_from_slice(audio.extra_data()) })
        }
        ParametersRef::Message(_) => None,
    }
}

/// Parameters of a track of which only the codec is known.
fn bare_params(codec: Codec, stream: &Stream) -> CodecParams {
    let media = if codec.is_video() {
        MediaParams::Video(VideoParams { frame_rate: announced_rate(stream), ..VideoParams::default() })
    } else {
        MediaParams::Audio(AudioParams {
            sample_rate_hz: stream.clock_rate_hz(),
            channels: stream.channels().map_or(1, |channels| channels.get()),
        })
    };
    CodecParams { codec, media, extra: Bytes::new() }
}

/// The frame rate in the description (`a=framerate`), in thousandths.
fn announced_rate(stream: &Stream) -> Option<FrameRate> {
    let rate = stream.framerate().filter(|rate| rate.is_finite() && (0.001..=1000.0).contains(rate))?;
    FrameRate::new((rate * 1000.0).round() as u32, 1000)
}
