//! Packets from generated pictures.

use std::fmt;

use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec};
use valkka_core::clock::SystemClock;
use valkka_core::codec::{Codec, CodecParams, FrameRate};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::MediaTime;

use crate::ffi::{AvError, AvErrorKind, EncoderFacts, Planes, RawEncoder, RawPacket};
use crate::reason::Reason;
use crate::track::TrackParams;

/// What an encoder makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderOptions {
    /// The codec; a video one.
    pub codec: Codec,
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// Pictures per second.
    pub frame_rate: FrameRate,
    /// About so many bits per second.
    pub bitrate_bps: u32,
    /// Pictures from one key frame to the next.
    pub gop: u32,
}

/// Encodes pictures on the caller's thread: one packet per picture, without B frames, with parameter sets before each
/// key frame.
pub struct Encoder {
    options: EncoderOptions,
    /// FFmpeg's encoders for the codec that are still to be tried, first the current one.
    candidates: &'static [Candidate],
    /// Opened with the colours of the first picture.
    raw: Option<(RawEncoder, ColorSpec)>,
    params: TrackParams,
}

/// Why a picture was not encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// FFmpeg has no encoder for the codec.
    #[error("FFmpeg has no encoder for {codec} (tried: {tried})")]
    NoEncoder {
        /// The codec.
        codec: Codec,
        /// The names of those that were looked for.
        tried: String,
    },
    /// An encoder refuses what it is asked for.
    #[error("cannot encode {codec} at {width}x{height} with {encoder}: {cause}")]
    Refused {
        /// FFmpeg's name of the encoder.
        encoder: &'static str,
        /// The codec.
        codec: Codec,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// FFmpeg's reason.
        cause: Reason,
    },
    /// A picture has another size.
    #[error("the encoder takes pictures of {width}x{height}, not of {got_width}x{got_height}")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Width of the picture in pixels.
        got_width: u32,
        /// Height of the picture in pixels.
        got_height: u32,
    },
}

/// An encoder of FFmpeg, and how it is told to be quick and to hold nothing back.
struct Candidate {
    codec: Codec,
    name: &'static str,
    options: &'static [(&'static str, &'static str)],
}

/// Tried in this order; those of one codec stand together.
const CANDIDATES: &[Candidate] = &[
    Candidate {
        codec: Codec::H264,
        name: "libx264",
        options: &[
            ("preset", "superfast"),
            ("tune", "zerolatency"),
            ("sc_threshold", "0"),
            ("forced-idr", "1"),
        ],
    },
    Candidate { codec: Codec::H264, name: "libopenh264", options: &[] },
    Candidate {
        codec: Codec::H265,
        name: "libx265",
        options: &[
            ("preset", "ultrafast"),
            ("tune", "zerolatency"),
            ("forced-idr", "1"),
            (
                "x265-params",
                "log-level=none:bframes=0:scenecut=0:open-gop=0:repeat-headers=1:pools=none:frame-threads=1",
            ),
        ],
    },
    // RTP carries no Huffman tables (RFC 2435, section 3.1): only the default ones can be sent.
    Candidate { codec: Codec::Mjpeg, name: "mjpeg", options: &[("huffman", "default")] },
];

impl Encoder {
    /// An encoder for `options`, opened with typical colours to see whether it works.
    ///
    /// # Errors
    /// If FFmpeg has no encoder for the codec, or refuses the size.
    pub fn new(options: EncoderOptions) -> Result<Self, EncodeError> {
        let codec = options.codec;
        let start = CANDIDATES.iter().position(|candidate| candidate.codec == codec);
        let candidates = start.map_or(&CANDIDATES[..0], |start| {
            let end = CANDIDATES[start..].iter().position(|candidate| candidate.codec != codec);
            end.map_or(&CANDIDATES[start..], |length| &CANDIDATES[start..start + length])
        });
        let params = TrackParams::new(CodecParams::video(codec, bytes::Bytes::new()));
        let mut encoder = Self { options, candidates, raw: None, params };
        encoder.open(ColorSpec { matrix: ColorMatrix::Bt709, range: ColorRange::Limited })?;
        Ok(encoder)
    }

    /// Encodes `bitmap`, to be shown at `time`, and returns the frames that are ready: mostly one. They stand for the
    /// moment at which they are encoded, in slot and track 0.
    ///
    /// # Errors
    /// If the picture has another size, or FFmpeg fails.
    pub fn encode(&mut self, bitmap: &Bitmap, time: MediaTime) -> Result<Vec<Frame>, EncodeError> {
        let EncoderOptions { width, height, .. } = self.options;
        if (bitmap.width(), bitmap.height()) != (width, height) {
            let (got_width, got_height) = (bitmap.width(), bitmap.height());
            return Err(EncodeError::Size { width, height, got_width, got_height });
        }
        let color = bitmap.color();
        let mut frames = Vec::new();
        if self.raw.as_ref().is_none_or(|&(_, opened)| opened != color) {
            frames = self.finish()?;
            self.open(color)?;
        }
        let Some((raw, _)) = &mut self.raw else { return Ok(frames) };
        let sent = Planes::of(bitmap).and_then(|planes| raw.send(&planes, time.ticks()));
        sent.map_err(|cause| self.refused(cause))?;
        self.receive(&mut frames)?;
        Ok(frames)
    }

    /// Returns the frames that are still inside. What is encoded afterwards starts with a key frame.
    ///
    /// # Errors
    /// If FFmpeg fails.
    pub fn finish(&mut self) -> Result<Vec<Frame>, EncodeError> {
        let mut frames = Vec::new();
        if let Some((raw, _)) = &mut self.raw {
            let finished = raw.finish();
            finished.map_err(|cause| self.refused(cause))?;
            self.receive(&mut frames)?;
        }
        self.raw = None;
        Ok(frames)
    }

    fn receive(&mut self, frames: &mut Vec<Frame>) -> Result<(), EncodeError> {
        while let Some((raw, _)) = &mut self.raw {
            match raw.receive() {
                Ok(packet) => frames.push(self.frame(&packet)),
                Err(error) if error.is_again() || error.is_end() => break,
                Err(cause) => return Err(self.refused(cause)),
            }
        }
        Ok(())
    }

    fn frame(&mut self, packet: &RawPacket) -> Frame {
        let media = MediaTime::from_ticks(packet.facts().pts.unwrap_or_default());
        let payload = self.params.payload(packet.data().to_vec());
        let (params, keyframe) = self.params.of(&payload);
        let now = SystemClock.now();
        let time = FrameTime { media, arrival: now, capture: None, wall: now };
        Frame {
            slot: Slot::default(),
            track: Track::default(),
            time,
            body: Body::Packet(Packet { params, payload, keyframe, lost: 0 }),
        }
    }

    /// Opens the first of the candidates that opens.
    fn open(&mut self, color: ColorSpec) -> Result<(), EncodeError> {
        let EncoderOptions { width, height, frame_rate, bitrate_bps, gop, .. } = self.options;
        let facts = EncoderFacts { width, height, frame_rate, bitrate_bps, gop, color };
        let mut refused = None;
        for (index, candidate) in self.candidates.iter().enumerate() {
            match RawEncoder::open(candidate.name, &facts, candidate.options) {
                Ok(raw) => {
                    self.candidates = &self.candidates[index..];
                    self.raw = Some((raw, color));
                    return Ok(());
                }
                Err(cause) if matches!(cause.kind(), AvErrorKind::NoEncoder) => {}
                Err(cause) => refused = refused.or(Some((index, cause))),
            }
        }
        if let Some((index, cause)) = refused {
            self.candidates = &self.candidates[index..];
            return Err(self.refused(cause));
        }
        let tried: Vec<_> = self.candidates.iter().map(|candidate| candidate.name).collect();
        Err(EncodeError::NoEncoder { codec: self.options.codec, tried: tried.join(", ") })
    }

    fn refused(&self, cause: AvError) -> EncodeError {
        let EncoderOptions { codec, width, height, .. } = self.options;
        let encoder = self.candidates.first().map_or("none", |candidate| candidate.name);
        EncodeError::Refused { encoder, codec, width, height, cause: cause.into() }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoder({:?})", self.options)
    }
}
