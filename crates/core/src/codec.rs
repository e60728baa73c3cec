//! Codecs, their parameters, and what their bytes say without decoding them.

pub mod aac;
pub mod bits;
pub mod h264;
pub mod h265;
pub mod mjpeg;
pub mod nal;
pub mod opus;
mod rfc6381;
mod vui;

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

    /// Whether decoding can start at this payload, laid out as the codec's documentation says.
    pub fn is_keyframe(self, payload: &[u8]) -> bool {
        match self {
            Self::H264 => h264::is_keyframe(payload),
            Self::H265 => h265::is_keyframe(payload),
            Self::Mjpeg | Self::Aac | Self::PcmMulaw | Self::PcmAlaw | Self::Opus => true,
        }
    }

    /// The parameters that a payload carries in itself: of H.264 and H.265 the parameter sets before a key
    /// frame, of MJPEG the size of the picture.
    pub fn params_in(self, payload: &[u8]) -> Option<CodecParams> {
        match self {
            Self::H264 => h264::params(payload),
            Self::H265 => h265::params(payload),
            Self::Mjpeg => mjpeg::params(payload),
            Self::Aac | Self::PcmMulaw | Self::PcmAlaw | Self::Opus => None,
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

    /// Parameters of an audio track.
    pub fn audio(codec: Codec, sample_rate_hz: u32, channels: u16, extra: Bytes) -> Self {
        Self { codec, media: MediaParams::Audio(AudioParams { sample_rate_hz, channels }), extra }
    }

    /// Its video parameters, if it is a video track.
    pub fn as_video(&self) -> Option<&VideoParams> {
        match &self.media {
            MediaParams::Video(video) => Some(video),
            MediaParams::Audio(_) => None,
        }
    }

    /// Whether what is set up for these parameters need not be set up again for `other`: they differ in the nominal frame
    /// rate at most.
    pub fn same_setup(&self, other: &Self) -> bool {
        let size = |params: &Self| params.as_video().map(|video| (video.width, video.height));
        std::ptr::eq(self, other)
            || (self.codec == other.codec
                && self.extra == other.extra
                && size(self) == size(other)
                && self.as_audio() == other.as_audio())
    }

    /// How many packets at most come before one that is shown earlier (B frames), if the parameter sets tell.
    pub fn reordered(&self) -> Option<u8> {
        match self.codec {
            Codec::H264 => nal::annex_b(&self.extra).find_map(|unit| h264::Sps::parse(unit).ok())?.reordered,
            Codec::H265 => nal::annex_b(&self.extra).find_map(|unit| h265::Sps::parse(unit).ok())?.reordered,
            Codec::Mjpeg | Codec::Aac | Codec::PcmMulaw | Codec::PcmAlaw | Codec::Opus => Some(0),
        }
    }

    /// Its audio parameters, if it is an audio track.
    pub fn as_audio(&self) -> Option<&AudioParams> {
        match &self.media {
            MediaParams::Audio(audio) => Some(audio),
            MediaParams::Video(_) => None,
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

/// Frames per second as a fraction in lowest terms; neither number is ever zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

impl FrameRate {
    /// One frame per second.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator / denominator` frames per second; `None` if either is zero.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        Self::reduced(numerator.into(), denominator.into())
    }

    /// As [`Self::new`]; `None` too if the lowest terms have more than 32 bits.
    fn reduced(numerator: u64, denominator: u64) -> Option<Self> {
        let (mut divisor, mut rest) = (numerator, denominator);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let numerator = u32::try_from(numerator.checked_div(divisor)?).ok()?;
        let denominator = u32::try_from(denominator.checked_div(divisor)?).ok()?;
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

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {length} bytes is malformed or cut short at byte {at}")]
pub struct Malformed {
    /// What they should be.
    pub what: &'static str,
    /// Up to where they made sense, at most.
    pub at: usize,
    /// How many there are.
    pub length: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_rate_needs_no_new_setup() {
        let params = |codec, width, rate| {
            let video = VideoParams { width, height: 2, frame_rate: FrameRate::new(rate, 1) };
            CodecParams { codec, media: MediaParams::Video(video), extra: Bytes::new() }
        };
        let known = params(Codec::H264, 2, 25);
        assert!(known.same_setup(&known) && known.same_setup(&params(Codec::H264, 2, 30)));
        assert!(
            !known.same_setup(&params(Codec::H264, 4, 25)) && !known.same_setup(&params(Codec::H265, 2, 25))
        );
        assert!(!known.same_setup(&CodecParams { extra: Bytes::from_static(&[1]), ..known.clone() }));
        let audio = |rate| CodecParams::audio(Codec::Opus, rate, 1, Bytes::new());
        assert!(audio(8000).same_setup(&audio(8000)) && !audio(8000).same_setup(&audio(16_000)));
    }

    #[test]
    fn frame_rates_are_in_lowest_terms() {
        assert_eq!(FrameRate::new(50, 2), FrameRate::new(25, 1));
        assert_eq!(FrameRate::new(60_000, 2002).map(FrameRate::denominator), Some(1001));
        assert_eq!(FrameRate::new(0, 1), None);
        assert_eq!(FrameRate::new(1, 0), None);
        assert_eq!(FrameRate::new(0, 0), None);
        assert_eq!(FrameRate::reduced(u64::MAX, 1), None);
    }
}
