//! Codecs and their parameters.

use std::fmt;

use bytes::Bytes;

/// How a track is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// H.264 / AVC (ITU-T H.264). Payloads are Annex B byte streams with 4-byte start codes.
    H264,
    /// H.265 / HEVC (ITU-T H.265). Payloads are Annex B byte streams with 4-byte start codes.
    H265,
    /// Motion JPEG: each payload is one complete JFIF image.
    Mjpeg,
    /// AAC (ISO/IEC 14496-3): raw access units without ADTS headers; [`CodecParams::extra`] is the
    /// `AudioSpecificConfig`.
    Aac,
    /// G.711 µ-law.
    PcmMulaw,
    /// G.711 A-law.
    PcmAlaw,
    /// Opus (RFC 6716), one packet per payload.
    Opus,
}

impl Codec {
    /// Whether it is a video codec.
    pub fn is_video(self) -> bool {
        match self {
            Self::H264 | Self::H265 | Self::Mjpeg => true,
            Self::Aac | Self::PcmMulaw | Self::PcmAlaw | Self::Opus => false,
        }
    }

    /// The name people use, e.g. `H.264`.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Mjpeg => "MJPEG",
            Self::Aac => "AAC",
            Self::PcmMulaw => "G.711 µ-law",
            Self::PcmAlaw => "G.711 A-law",
            Self::Opus => "Opus",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a decoder or a muxer must know of a track beside its payloads.
///
/// Every packet carries its parameters behind an `Arc`; a new `Arc` means that they changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecParams {
    /// The codec.
    pub codec: Codec,
    /// What depends on the medium.
    pub media: MediaParams,
    /// Out-of-band configuration: parameter sets as Annex B for H.264 and H.265, the `AudioSpecificConfig`
    /// for AAC, else empty.
    pub extra: Bytes,
}

impl CodecParams {
    /// Parameters of a video track whose size and frame rate are not known (zero and `None`).
    pub fn video(codec: Codec, extra: Bytes) -> Self {
        Self { codec, media: MediaParams::Video(VideoParams::default()), extra }
    }

    /// Its video parameters, if it is a video track.
    pub fn as_video(&self) -> Option<&VideoParams> {
        match &self.media {
            MediaParams::Video(video) => Some(video),
            MediaParams::Audio(_) => None,
        }
    }
}

/// The part of [`CodecParams`] that depends on the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaParams {
    /// A video track.
    Video(VideoParams),
    /// An audio track.
    Audio(AudioParams),
}

/// Parameters of a video track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoParams {
    /// Width in luma samples after cropping; 0 if not known.
    pub width: u32,
    /// Height in luma samples after cropping; 0 if not known.
    pub height: u32,
    /// Nominal frame rate, if the stream tells it.
    pub frame_rate: Option<FrameRate>,
}

/// Parameters of an audio track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioParams {
    /// Samples per second and channel.
    pub sample_rate_hz: u32,
    /// Number of channels.
    pub channels: u16,
}

/// Frames per second as a fraction; the denominator is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

impl FrameRate {
    /// `numerator / denominator` frames per second; `None` if either is zero.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        (numerator > 0 && denominator > 0).then_some(Self { numerator, denominator })
    }

    /// The upper number of the fraction.
    pub fn numerator(self) -> u32 {
        self.numerator
    }

    /// The lower number of the fraction.
    pub fn denominator(self) -> u32 {
        self.denominator
    }

    /// Frames per second.
    pub fn hz(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}
