//! How a container holds the packets of a track.

use std::borrow::Cow;

use valkka_core::codec::h264::{self, AvcConfig};
use valkka_core::codec::h265::{self, HevcConfig};
use valkka_core::codec::{Codec, CodecParams, nal};

use crate::ffi::TrackFacts;

/// What of an access unit of H.264 or H.265 a container gets. Parameter sets that its description has are always left
/// out, and delimiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Units {
    /// All others.
    All,
    /// The slices alone.
    Slices,
}

/// Turns the payloads of one track into what its container holds.
#[derive(Debug)]
pub(super) struct Layout {
    params: CodecParams,
    units: Units,
}

impl Layout {
    /// The layout for a track with these parameters, and what the container is told of it.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn new(params: &CodecParams, units: Units) -> Result<(Self, TrackFacts), &'static str> {
        let extra = match params.codec {
            Codec::H264 => AvcConfig::write(&params.extra).ok_or(NO_SETS)?,
            Codec::H265 => HevcConfig::write(&params.extra).ok_or(NO_SETS)?,
            Codec::Aac if params.extra.is_empty() => return Err("its configuration is not known"),
            Codec::Aac => params.extra.to_vec(),
            Codec::Opus => opus_head(params),
            _ => Vec::new(),
        };
        let video = params.as_video().copied().unwrap_or_default();
        if params.codec.is_video() && (video.width == 0 || video.height == 0) {
            return Err("the size of its pictures is not known");
        }
        let audio = params.as_audio().copied().unwrap_or_default();
        if !params.codec.is_video() && (audio.sample_rate_hz == 0 || audio.channels == 0) {
            return Err("its sample rate or its number of channels is not known");
        }
        let facts = TrackFacts {
            codec: params.codec,
            width: video.width,
            height: video.height,
            sample_rate_hz: audio.sample_rate_hz,
            channels: audio.channels,
            extra,
        };
        Ok((Self { params: params.clone(), units }, facts))
    }

    /// The access unit as the container holds it; empty if there is nothing in it to be held.
    pub(super) fn sample<'a>(&self, payload: &'a [u8]) -> Cow<'a, [u8]> {
        let keep: fn(&[u8], Units) -> bool = match self.params.codec {
            Codec::H264 => keeps_h264,
            Codec::H265 => keeps_h265,
            _ => return Cow::Borrowed(payload),
        };
        let told = |unit: &[u8]| nal::annex_b(&self.params.extra).any(|set| set == unit);
        let kept: Vec<_> =
            nal::annex_b(payload).filter(|unit| keep(unit, self.units) && !told(unit)).collect();
        let mut sample = nal::to_length_prefixed(kept);
        // There is room for what bit readers look at beyond the end.
        sample.shrink_to(sample.len() + valkka_core::payload::PADDING_BYTES);
        Cow::Owned(sample)
    }
}

fn keeps_h264(unit: &[u8], units: Units) -> bool {
    match h264::NalType::of(unit) {
        Some(h264::NalType(1..=5)) => true,
        Some(kind) => units == Units::All && kind != h264::NalType::AUD,
        None => false,
    }
}

fn keeps_h265(unit: &[u8], units: Units) -> bool {
    const DELIMITER: h265::NalType = h265::NalType(35);
    match h265::NalType::of(unit) {
        Some(h265::NalType(..32)) => true,
        Some(kind) => units == Units::All && kind != DELIMITER,
        None => false,
    }
}

/// The identification header that containers keep (RFC 7845, section 5.1), for a stream that starts anywhere.
fn opus_head(params: &CodecParams) -> Vec<u8> {
    let audio = params.as_audio().copied().unwrap_or_default();
    let mut head = b"OpusHead\x01".to_vec();
    head.push(u8::try_from(audio.channels).unwrap_or(u8::MAX));
    let (pre_skip, gain, mapping) = (0_u16, 0_u16, 0);
    head.extend(pre_skip.to_le_bytes());
    head.extend(audio.sample_rate_hz.to_le_bytes());
    head.extend(gain.to_le_bytes());
    head.push(mapping);
    head
}

const NO_SETS: &str = "its parameter sets are missing or damaged";

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn opus_is_told_as_the_standard_says() {
        let params = CodecParams::audio(Codec::Opus, 48_000, 2, Bytes::new());
        let (_, facts) = Layout::new(&params, Units::All).unwrap();
        assert_eq!(facts.extra, b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (params, words) in [
            (CodecParams::video(Codec::H264, Bytes::new()), "parameter sets"),
            (CodecParams::video(Codec::H265, Bytes::from_static(&[0, 0, 1, 7])), "parameter sets"),
            (CodecParams::video(Codec::Mjpeg, Bytes::new()), "size"),
            (CodecParams::audio(Codec::Aac, 48_000, 2, Bytes::new()), "configuration"),
            (CodecParams::audio(Codec::PcmAlaw, 8000, 0, Bytes::new()), "channels"),
        ] {
            let missing = Layout::new(&params, Units::All).unwrap_err();
            assert!(missing.contains(words), "{params:?}: {missing}");
        }
    }

    #[test]
    fn what_the_description_has_is_left_out() {
        let extra = Bytes::from_static(&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2]);
        let params = CodecParams::video(Codec::H264, extra);
        let unit = [
            &[0, 0, 0, 1, 9, 0xf0][..],
            &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x68, 3],
            &[0, 0, 0, 1, 6, 5, 0, 0, 0, 1, 0x65, 8],
        ]
        .concat();
        let all = Layout { params: params.clone(), units: Units::All };
        assert_eq!(*all.sample(&unit), [0, 0, 0, 2, 0x68, 3, 0, 0, 0, 2, 6, 5, 0, 0, 0, 2, 0x65, 8]);
        let slices = Layout { params: params.clone(), units: Units::Slices };
        assert_eq!(*slices.sample(&unit), [0, 0, 0, 2, 0x65, 8]);
        assert!(all.sample(&params.extra).is_empty() && all.sample(&[1, 2, 3]).is_empty());
    }
}
