//! Codecs as browsers call them, in the `codecs` parameter of a medium's type (RFC 6381).

use super::aac::AudioSpecificConfig;
use super::{Codec, CodecParams, h264, h265, nal};

impl CodecParams {
    /// The name by which a browser knows what is in an MP4 with these parameters, e.g. `avc1.64001f`; `None` if the
    /// parameters are not complete, or browsers know no such name.
    pub fn rfc6381(&self) -> Option<String> {
        match self.codec {
            Codec::H264 => nal::annex_b(&self.extra).find_map(|unit| h264::Sps::parse(unit).ok()).map(avc1),
            Codec::H265 => nal::annex_b(&self.extra)
                .find_map(|unit| h265::Sps::parse(unit).ok())
                .map(|sps| hvc1(&sps.profile.bytes)),
            Codec::Aac => AudioSpecificConfig::parse(&self.extra).ok().map(|config| mp4a(&config)),
            Codec::Opus => Some("opus".to_owned()),
            Codec::Mjpeg | Codec::PcmMulaw | Codec::PcmAlaw => None,
        }
    }
}

/// Profile, constraints and level (RFC 6381, section 3.3).
fn avc1(sps: h264::Sps) -> String {
    format!("avc1.{:02x}{:02x}{:02x}", sps.profile, sps.constraints, sps.level)
}

/// The general part of the profile, tier and level (ISO/IEC 14496-15, annex E.3).
fn hvc1(profile: &[u8; 12]) -> String {
    let [head, flags @ .., level] = profile;
    let (compatibility, constraints) = flags.split_at(4);
    let compatibility = compatibility.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
    let space = ["", "A", "B", "C"][usize::from(head >> 6)];
    let tier = if head & 0x20 == 0 { 'L' } else { 'H' };
    let mut name = format!("hvc1.{space}{}.{:x}.{tier}{level}", head & 0x1f, compatibility.reverse_bits());
    // Zeros at the end are left out.
    let told = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..told] {
        name += &format!(".{byte:x}");
    }
    name
}

/// The audio object type that the description announces first (RFC 6381, section 3.3).
fn mp4a(config: &AudioSpecificConfig) -> String {
    const SBR: u8 = 5;
    const PARAMETRIC_STEREO: u8 = 29;
    let kind = match config.sbr {
        Some(sbr) if sbr.parametric_stereo => PARAMETRIC_STEREO,
        Some(_) => SBR,
        None => config.object_type,
    };
    format!("mp4a.40.{kind}")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::aac::Sbr;
    use super::*;

    #[test]
    fn h264_by_profile_and_level() {
        // 640 x 480, Constrained Baseline, level 3.0.
        let extra =
            [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x3d, 0xa1, 0, 0, 0, 1, 0x68, 0xce];
        let params = CodecParams::video(Codec::H264, Bytes::copy_from_slice(&extra));
        assert_eq!(params.rfc6381().as_deref(), Some("avc1.42c01e"));
        assert_eq!(CodecParams::video(Codec::H264, Bytes::new()).rfc6381(), None);
    }

    #[test]
    fn h265_by_all_that_it_says() {
        let name = |head, compatibility: [u8; 4], constraints: [u8; 6], level| {
            let [c0, c1, c2, c3] = compatibility;
            let [b0, b1, b2, b3, b4, b5] = constraints;
            hvc1(&[head, c0, c1, c2, c3, b0, b1, b2, b3, b4, b5, level])
        };
        let main = [0x60, 0, 0, 0];
        assert_eq!(name(1, main, [0xb0, 0, 0, 0, 0, 0], 93), "hvc1.1.6.L93.b0");
        assert_eq!(name(1, main, [0x90, 0, 0, 0, 0, 0], 120), "hvc1.1.6.L120.90");
        // Main 10 in the high tier, without constraints.
        assert_eq!(name(0x22, [0x20, 0, 0, 0], [0; 6], 153), "hvc1.2.4.H153");
        assert_eq!(name(0x41, [0x80, 0, 0, 1], [0xb0, 0, 0x23, 0, 0, 0], 30), "hvc1.A1.80000001.L30.b0.0.23");
    }

    #[test]
    fn audio_by_its_object_type() {
        let aac = |config: AudioSpecificConfig| {
            CodecParams::audio(Codec::Aac, 48_000, 2, config.write().unwrap().into()).rfc6381().unwrap()
        };
        let plain = AudioSpecificConfig::lc(48_000, 2).unwrap();
        assert_eq!(aac(plain), "mp4a.40.2");
        let sbr = |parametric_stereo| Some(Sbr { sample_rate_hz: 48_000, parametric_stereo });
        let core = AudioSpecificConfig::lc(24_000, 1).unwrap();
        assert_eq!(aac(AudioSpecificConfig { sbr: sbr(false), ..core }), "mp4a.40.5");
        assert_eq!(aac(AudioSpecificConfig { sbr: sbr(true), ..core }), "mp4a.40.29");
        let audio = |codec| CodecParams::audio(codec, 48_000, 2, Bytes::new()).rfc6381();
        assert_eq!(audio(Codec::Opus).as_deref(), Some("opus"));
        assert_eq!([Codec::Aac, Codec::PcmAlaw, Codec::PcmMulaw].map(audio), [None, None, None]);
    }
}
