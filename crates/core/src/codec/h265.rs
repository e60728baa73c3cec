//! What the bytes of H.265 say without decoding them (ITU-T H.265; clauses and tables are of that text).

use bytes::Bytes;

use super::bits::BitReader;
use super::nal;
use super::vui;
use super::{Codec, CodecParams, FrameRate, Malformed, MediaParams, VideoParams};
use crate::bitmap::{ColorMatrix, ColorRange};

/// The type of a NAL unit (table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NalType(pub u8);

impl NalType {
    /// A video parameter set.
    pub const VPS: Self = Self(32);
    /// A sequence parameter set.
    pub const SPS: Self = Self(33);
    /// A picture parameter set.
    pub const PPS: Self = Self(34);
    /// An access unit delimiter.
    pub const AUD: Self = Self(35);

    /// The type of `nal`; `None` if it is shorter than a NAL header.
    pub fn of(nal: &[u8]) -> Option<Self> {
        nal.first_chunk::<HEADER_BYTES>().map(|header| Self((header[0] >> 1) & 0x3f))
    }

    /// Whether such a unit holds a slice segment.
    pub fn is_slice(self) -> bool {
        self.0 < 32
    }

    /// Whether such a unit belongs to a picture at which decoding can start (IDR, BLA, CRA).
    pub fn is_irap(self) -> bool {
        (16..24).contains(&self.0)
    }
}

/// Whether decoding can start at this access unit (Annex B): an intra random access point picture.
pub fn is_keyframe(access_unit: &[u8]) -> bool {
    nal::annex_b(access_unit)
        .find_map(|unit| NalType::of(unit).filter(|kind| kind.is_slice()))
        .is_some_and(NalType::is_irap)
}

/// Whether the slice segment in `nal` is the first of its picture. `None` if it is no slice segment or too
/// short.
pub fn is_first_slice(nal: &[u8]) -> Option<bool> {
    NalType::of(nal)?.is_slice().then(|| nal.get(HEADER_BYTES).map(|byte| byte & 0x80 != 0))?
}

/// The parameter sets in an access unit (or in any Annex B stream), as Annex B: each once, first the video,
/// then the sequence, then the picture parameter sets. `None` unless there is one of each kind.
pub fn parameter_sets(access_unit: &[u8]) -> Option<Bytes> {
    nal::collect_sets(access_unit, |unit| match NalType::of(unit)? {
        NalType::VPS => Some(0),
        NalType::SPS => Some(1),
        NalType::PPS => Some(2),
        _ => None,
    })
    .filter(|sets| sets.has_all(3))
    .map(|sets| sets.to_annex_b())
}

/// The parameters of a track with the parameter sets `extra` (Annex B, or an `hvcC` record); also found in
/// a whole access unit. `None` if a kind of parameter set is missing or no sequence parameter set is valid.
pub fn params(extra: &[u8]) -> Option<CodecParams> {
    let extra = match HevcConfig::parse(extra) {
        Ok(config) => parameter_sets(&config.parameter_sets)?,
        Err(_) => parameter_sets(extra)?,
    };
    let sps = nal::annex_b(&extra).find_map(|unit| Sps::parse(unit).ok())?;
    let frame_rate = sps.frame_rate.or_else(|| nal::annex_b(&extra).find_map(frame_rate_of_vps));
    let video = VideoParams { width: sps.width, height: sps.height, frame_rate };
    Some(CodecParams { codec: Codec::H265, media: MediaParams::Video(video), extra })
}

/// Frames per second, if `nal` is a video parameter set that tells (7.3.2.1).
pub fn frame_rate_of_vps(nal: &[u8]) -> Option<FrameRate> {
    if NalType::of(nal)? != NalType::VPS {
        return None;
    }
    let mut bits = BitReader::of_nal(&nal[HEADER_BYTES..]);
    let _id_and_layers = bits.bits(12)?;
    let max_sub_layer = bits.bits(3)?;
    let _nesting_and_reserved = bits.bits(17)?;
    ProfileTierLevel::read(&mut bits, max_sub_layer)?;
    read_reordered(&mut bits, max_sub_layer)?;
    let max_layer = bits.bits(6)?;
    let layer_sets = bits.ue_up_to(1023)?;
    bits.skip(layer_sets * (max_layer + 1))?;
    vui::read_timing(&mut bits, 1)?
}

/// What a sequence parameter set says (7.3.2.2), as far as it matters outside a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// Profile, tier and level.
    pub profile: ProfileTierLevel,
    /// Number of temporal sub-layers, 1 to 7.
    pub temporal_layers: u8,
    /// Whether one can switch up to any temporal sub-layer at any picture.
    pub temporal_nesting: bool,
    /// Its number, 0 to 15.
    pub id: u8,
    /// `chroma_format_idc`: 0 monochrome, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
    pub chroma_format: u8,
    /// Bits per luma sample.
    pub luma_bits: u8,
    /// Bits per chroma sample.
    pub chroma_bits: u8,
    /// Width after cropping.
    pub width: u32,
    /// Height after cropping.
    pub height: u32,
    /// Frames per second, if it tells.
    pub frame_rate: Option<FrameRate>,
    /// The matrix between RGB and YUV, if it tells one we know.
    pub matrix: Option<ColorMatrix>,
    /// The range of the samples, if it tells.
    pub range: Option<ColorRange>,
    /// How many pictures at most come before one that is shown earlier (B frames), if it can be read.
    pub reordered: Option<u8>,
}

/// The general part of `profile_tier_level` (7.3.3): the twelve bytes that an `hvcC` record repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileTierLevel {
    /// Profile space, tier and profile; 32 compatibility flags; 48 constraint bits; level.
    pub bytes: [u8; 12],
}

impl ProfileTierLevel {
    /// `general_profile_idc`, e.g. 1 for Main, 2 for Main 10.
    pub fn profile(self) -> u8 {
        self.bytes[0] & 0x1f
    }

    /// Thirty times the level, e.g. 123 for 4.1.
    pub fn level(self) -> u8 {
        self.bytes[11]
    }

    /// Reads it and passes over the sub-layers' parts, of which there are `max_sub_layer`.
    fn read(bits: &mut BitReader<'_>, max_sub_layer: u32) -> Option<Self> {
        let mut bytes = [0; 12];
        for byte in &mut bytes {
            *byte = bits.byte(8)?;
        }
        let mut sub_layer_bits = 0;
        for _ in 0..max_sub_layer {
            sub_layer_bits += if bits.flag()? { 88 } else { 0 };
            sub_layer_bits += if bits.flag()? { 8 } else { 0 };
        }
        if max_sub_layer > 0 {
            bits.skip(2 * (8 - max_sub_layer))?;
        }
        bits.skip(sub_layer_bits)?;
        Some(Self { bytes })
    }
}

impl Sps {
    /// Reads a sequence parameter set, NAL header included.
    ///
    /// # Errors
    /// If `nal` is none, is cut short, or holds values the standard does not allow.
    pub fn parse(nal: &[u8]) -> Result<Self, Malformed> {
        let mut bits = BitReader::of_nal(nal.get(HEADER_BYTES..).unwrap_or_default());
        let sps = match NalType::of(nal) {
            Some(NalType::SPS) => Self::read(&mut bits),
            _ => None,
        };
        let at = (bits.position() + HEADER_BYTES).min(nal.len());
        sps.ok_or(Malformed { what: "H.265 sequence parameter set", at, length: nal.len() })
    }

    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let _vps = bits.bits(4)?;
        let max_sub_layer = bits.bits(3).filter(|&max| max < 7)?;
        let temporal_nesting = bits.flag()?;
        let profile = ProfileTierLevel::read(bits, max_sub_layer)?;
        let id = bits.ue_up_to(15)? as u8;
        let chroma_format = bits.ue_up_to(3)? as u8;
        if chroma_format == 3 {
            let _separate_planes = bits.flag()?;
        }
        let size = (bits.ue_up_to(MAX_SIDE)?, bits.ue_up_to(MAX_SIDE)?);
        let (width, height) = vui::window(bits, size, chroma_format, 1)?;
        if width == 0 || height == 0 {
            return None;
        }
        let luma_bits = bits.ue_up_to(8)? as u8 + 8;
        let chroma_bits = bits.ue_up_to(8)? as u8 + 8;
        let vui = read_rest(bits, max_sub_layer);
        Some(Self {
            profile,
            temporal_layers: max_sub_layer as u8 + 1,
            temporal_nesting,
            id,
            chroma_format,
            luma_bits,
            chroma_bits,
            width,
            height,
            frame_rate: vui.frame_rate,
            matrix: vui.matrix,
            range: vui.range,
            reordered: vui.reordered,
        })
    }
}

/// The configuration record that MP4 and Matroska keep for a track, `hvcC` (ISO/IEC 14496-15, 8.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HevcConfig {
    /// Bytes of the length before each NAL unit of the track, 1 to 4.
    pub length_bytes: usize,
    /// The parameter sets (and SEI units, if it holds any) as Annex B.
    pub parameter_sets: Bytes,
}

impl HevcConfig {
    /// Reads an `hvcC` record.
    ///
    /// # Errors
    /// If it is none or is cut short.
    pub fn parse(record: &[u8]) -> Result<Self, Malformed> {
        let mut rest = record;
        let config = Self::read(&mut rest);
        config.ok_or(Malformed { what: "hvcC record", at: record.len() - rest.len(), length: record.len() })
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let head: &[u8; 23] = nal::take_array(rest)?;
        // An Annex B stream starts with a zero.
        if head[0] != 1 {
            return None;
        }
        let mut units = Vec::new();
        for _ in 0..head[22] {
            let [_kind, count @ ..] = *nal::take_array::<3>(rest)?;
            for _ in 0..u16::from_be_bytes(count) {
                let length = u16::from_be_bytes(*nal::take_array(rest)?);
                units.push(nal::take(rest, length.into())?);
            }
        }
        let parameter_sets = nal::to_annex_b(units.into_iter().filter(|unit| !unit.is_empty())).into();
        Some(Self { length_bytes: usize::from(head[21] & 3) + 1, parameter_sets })
    }

    /// Writes an `hvcC` record, with 4-byte lengths, for the parameter sets `extra` (Annex B). `None` if a
    /// kind of set is missing, broken, or has more bytes or members than the record can hold.
    pub fn write(extra: &[u8]) -> Option<Vec<u8>> {
        let of_type = |kind| nal::annex_b(extra).filter(move |unit| NalType::of(unit) == Some(kind));
        let sps = Sps::parse(of_type(NalType::SPS).next()?).ok()?;
        let mut record = vec![1];
        record.extend(sps.profile.bytes);
        // Segmentation and parallelism are not told, nor is the average frame rate.
        record.extend([0xf0, 0, 0xfc]);
        record.extend([
            0xfc | sps.chroma_format,
            0xf8 | (sps.luma_bits - 8),
            0xf8 | (sps.chroma_bits - 8),
            0,
            0,
        ]);
        record.push(sps.temporal_layers << 3 | u8::from(sps.temporal_nesting) << 2 | 3);
        record.push(3);
        for kind in [NalType::VPS, NalType::SPS, NalType::PPS] {
            let count = u16::try_from(of_type(kind).count()).ok().filter(|&count| count > 0)?;
            record.push(0x80 | kind.0);
            record.extend(count.to_be_bytes());
            nal::put_units(&mut record, of_type(kind))?;
        }
        Some(record)
    }
}

/// Everything behind the bit depths. Only the frame rate and colours are wanted: where it is broken, they
/// are not known, and the size stands.
fn read_rest(bits: &mut BitReader<'_>, max_sub_layer: u32) -> vui::Vui {
    let Some((lsb_bits, reordered)) = bits
        .ue_up_to(12)
        .and_then(|bits_over_four| Some((bits_over_four + 4, read_reordered(bits, max_sub_layer)?)))
    else {
        return vui::Vui::default();
    };
    let vui = skip_to_vui(bits, lsb_bits).map(|()| vui::Vui::read_h265(bits)).unwrap_or_default();
    vui::Vui { reordered: Some(reordered), ..vui }
}

/// `None` if there is no usability information, or the way to it is broken.
fn skip_to_vui(bits: &mut BitReader<'_>, lsb_bits: u32) -> Option<()> {
    for _block_sizes_and_depths in 0..6 {
        bits.ue()?;
    }
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    // Asymmetric partitions, sample adaptive offset.
    bits.skip(2)?;
    if bits.flag()? {
        let _pcm_bit_depths = bits.bits(8)?;
        let _pcm_sizes = (bits.ue()?, bits.ue()?);
        let _pcm_loop_filter = bits.flag()?;
    }
    skip_short_term_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue_up_to(32)? {
            bits.skip(lsb_bits + 1)?;
        }
    }
    // Temporal prediction, smoothing.
    bits.skip(2)?;
    bits.flag()?.then_some(())
}

/// Reads how many pictures each sub-layer buffers and reorders; returns how many the highest one reorders.
fn read_reordered(bits: &mut BitReader<'_>, max_sub_layer: u32) -> Option<u8> {
    let each = bits.flag()?;
    let mut reordered = 0;
    for _ in 0..if each { max_sub_layer + 1 } else { 1 } {
        let _buffering = bits.ue()?;
        reordered = bits.ue_up_to(vui::MAX_REORDERED)? as u8;
        let _latency = bits.ue()?;
    }
    Some(reordered)
}

/// 7.3.4
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.flag()? {
                let _reference = bits.ue()?;
                continue;
            }
            let coefficients = 64.min(1 << (4 + 2 * size));
            for _ in 0..coefficients + u32::from(size > 1) {
                bits.se()?;
            }
        }
    }
    Some(())
}

/// 7.3.7
fn skip_short_term_sets(bits: &mut BitReader<'_>) -> Option<()> {
    let mut pictures = 0;
    for set in 0..bits.ue_up_to(64)? {
        if set > 0 && bits.flag()? {
            let _delta = (bits.flag()?, bits.ue()?);
            let mut kept = 0;
            for _ in 0..=pictures {
                let used = bits.flag()?;
                kept += u32::from(used || bits.flag()?);
            }
            // Each set adds at most one picture to the one it is made from.
            pictures = kept;
        } else {
            pictures = bits.ue_up_to(16)? + bits.ue_up_to(16)?;
            for _ in 0..pictures {
                let _delta_and_used = (bits.ue()?, bits.flag()?);
            }
        }
    }
    Some(())
}

const HEADER_BYTES: usize = 2;

/// Luma samples per side: beyond what any level allows.
const MAX_SIDE: u32 = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        assert_eq!(NalType::of(&[0x40, 1]), Some(NalType::VPS));
        assert_eq!(NalType::of(&[0x42]), None);
        assert!(is_keyframe(&[0, 0, 1, 0x40, 1, 7, 0, 0, 1, 0x2a, 1, 0xff]));
        assert!(!is_keyframe(&[0, 0, 1, 0x02, 1, 0xff]));
        assert!(!is_keyframe(&[]));
        assert_eq!(is_first_slice(&[0x26, 1, 0x80]), Some(true));
        assert_eq!(is_first_slice(&[0x26, 1, 0x7f]), Some(false));
        assert_eq!(is_first_slice(&[0x26, 1]), None);
        assert_eq!(is_first_slice(&[0x42, 1, 0x80]), None);
    }

    #[test]
    fn what_is_no_parameter_set_is_named() {
        let error = Sps::parse(&[0x42, 1, 1]).unwrap_err().to_string();
        assert_eq!(error, "H.265 sequence parameter set of 3 bytes is malformed or cut short at byte 3");
        assert!(Sps::parse(&[]).is_err());
        assert_eq!(frame_rate_of_vps(&[0x40, 1, 2]), None);
        assert!(HevcConfig::parse(&[1; 22]).is_err());
        assert_eq!(HevcConfig::write(&[]), None);
    }
}
