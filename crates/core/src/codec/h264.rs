//! What the bytes of H.264 say without decoding them (ITU-T H.264; clauses and tables are of that text).

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
    /// A slice of a picture that is no IDR picture.
    pub const SLICE: Self = Self(1);
    /// The first part of a slice with data partitioning.
    pub const PARTITION_A: Self = Self(2);
    /// A slice of an IDR picture.
    pub const IDR: Self = Self(5);
    /// Supplemental enhancement information.
    pub const SEI: Self = Self(6);
    /// A sequence parameter set.
    pub const SPS: Self = Self(7);
    /// A picture parameter set.
    pub const PPS: Self = Self(8);
    /// An access unit delimiter.
    pub const AUD: Self = Self(9);
    /// An extension of a sequence parameter set.
    pub const SPS_EXTENSION: Self = Self(13);

    /// The type of `nal`; `None` if it is empty.
    pub fn of(nal: &[u8]) -> Option<Self> {
        nal.first().map(|header| Self(header & 0x1f))
    }

    /// Whether such a unit starts a slice of a primary picture.
    pub fn is_slice(self) -> bool {
        matches!(self, Self::SLICE | Self::PARTITION_A | Self::IDR)
    }
}

/// Whether decoding can start at this access unit (Annex B): an IDR picture, or a picture with a recovery
/// point, from which pictures become right step by step where there are no IDR pictures (open GOP,
/// intra refresh).
pub fn is_keyframe(access_unit: &[u8]) -> bool {
    for unit in nal::annex_b(access_unit) {
        match NalType::of(unit) {
            Some(NalType::SEI) if recovery_point(unit).is_some() => return true,
            // What says that it is a key frame stands before the first slice, or in its type.
            Some(kind) if kind.is_slice() => return kind == NalType::IDR,
            _ => {}
        }
    }
    false
}

/// How many frames after this SEI unit pictures are right when decoding starts here, if it says so (D.2.8).
pub fn recovery_point(sei: &[u8]) -> Option<u32> {
    const RECOVERY_POINT: u32 = 6;
    let mut bits = BitReader::of_nal(sei.get(1..)?);
    loop {
        let kind = sei_number(&mut bits)?;
        let size = sei_number(&mut bits)?;
        if kind == RECOVERY_POINT {
            return bits.ue_up_to(MAX_FRAME_NUM);
        }
        bits.skip(size.checked_mul(8)?)?;
    }
}

/// The macroblock at which the slice in `nal` starts; 0 for the first slice of a picture. `None` if it is no
/// slice or too short.
pub fn first_macroblock(nal: &[u8]) -> Option<u32> {
    NalType::of(nal)?.is_slice().then(|| BitReader::of_nal(&nal[1..]).ue())?
}

/// The parameter sets in an access unit (or in any Annex B stream), as Annex B: each once, sequence before
/// picture parameter sets. `None` unless there is one of both kinds.
pub fn parameter_sets(access_unit: &[u8]) -> Option<Bytes> {
    nal::collect_sets(access_unit, |unit| match NalType::of(unit)? {
        NalType::SPS => Some(0),
        NalType::PPS => Some(1),
        _ => None,
    })
    .filter(|sets| sets.has_all(2))
    .map(|sets| sets.to_annex_b())
}

/// The parameters of a track with the parameter sets `extra` (Annex B, or an `avcC` record); also found in
/// a whole access unit. `None` if there is no valid sequence parameter set and no picture parameter set.
pub fn params(extra: &[u8]) -> Option<CodecParams> {
    let extra = match AvcConfig::parse(extra) {
        Ok(config) => parameter_sets(&config.parameter_sets)?,
        Err(_) => parameter_sets(extra)?,
    };
    let sps = nal::annex_b(&extra).find_map(|unit| Sps::parse(unit).ok())?;
    let video = VideoParams { width: sps.width, height: sps.height, frame_rate: sps.frame_rate };
    Some(CodecParams { codec: Codec::H264, media: MediaParams::Video(video), extra })
}

/// What a sequence parameter set says (7.3.2.1.1), as far as it matters outside a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`, e.g. 100 for High.
    pub profile: u8,
    /// The byte of `constraint_set` flags behind it.
    pub constraints: u8,
    /// Ten times the level, e.g. 41 for 4.1.
    pub level: u8,
    /// Its number, 0 to 31.
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
    /// Whether pictures may be coded as fields.
    pub interlaced: bool,
    /// Frames per second, if it tells.
    pub frame_rate: Option<FrameRate>,
    /// The matrix between RGB and YUV, if it tells one we know.
    pub matrix: Option<ColorMatrix>,
    /// The range of the samples, if it tells.
    pub range: Option<ColorRange>,
    /// How many pictures at most come before one that is shown earlier (B frames), if it tells.
    pub reordered: Option<u8>,
}

impl Sps {
    /// Reads a sequence parameter set, NAL header included.
    ///
    /// # Errors
    /// If `nal` is none, is cut short, or holds values the standard does not allow.
    pub fn parse(nal: &[u8]) -> Result<Self, Malformed> {
        let mut bits = BitReader::of_nal(nal.get(1..).unwrap_or_default());
        let sps = match NalType::of(nal) {
            Some(NalType::SPS) => Self::read(&mut bits),
            _ => None,
        };
        sps.ok_or(Malformed {
            what: "H.264 sequence parameter set",
            at: bits.position() + 1,
            length: nal.len(),
        })
    }

    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let profile = bits.byte(8)?;
        let constraints = bits.byte(8)?;
        let level = bits.byte(8)?;
        let id = bits.ue_up_to(31)? as u8;
        let (mut chroma_format, mut luma_bits, mut chroma_bits) = (1, 8, 8);
        if has_chroma_format(profile) {
            chroma_format = bits.ue_up_to(3)? as u8;
            if chroma_format == 3 {
                let _separate_planes = bits.flag()?;
            }
            luma_bits = bits.ue_up_to(6)? as u8 + 8;
            chroma_bits = bits.ue_up_to(6)? as u8 + 8;
            let _transform_bypass = bits.flag()?;
            if bits.flag()? {
                skip_scaling_lists(bits, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        let _log2_max_frame_num = bits.ue_up_to(12)?;
        let in_order = read_picture_order(bits)? || profile == BASELINE;
        let _max_ref_frames = bits.ue()?;
        let _gaps_allowed = bits.flag()?;
        let width_mbs = bits.ue_up_to(MAX_SIDE_MBS - 1)? + 1;
        let height_map_units = bits.ue_up_to(MAX_SIDE_MBS - 1)? + 1;
        let frames_only = bits.flag()?;
        if !frames_only {
            let _adaptive = bits.flag()?;
        }
        let _direct_8x8 = bits.flag()?;
        let fields = if frames_only { 1 } else { 2 };
        let size = (width_mbs * 16, height_map_units * 16 * fields);
        let (width, height) = vui::window(bits, size, chroma_format, fields)?;
        let vui = if bits.flag()? { vui::Vui::read_h264(bits) } else { vui::Vui::default() };
        Some(Self {
            profile,
            constraints,
            level,
            id,
            chroma_format,
            luma_bits,
            chroma_bits,
            width,
            height,
            interlaced: !frames_only,
            frame_rate: vui.frame_rate,
            matrix: vui.matrix,
            range: vui.range,
            reordered: if in_order { Some(0) } else { vui.reordered },
        })
    }
}

/// The configuration record that MP4 and Matroska keep for a track, `avcC` (ISO/IEC 14496-15, 5.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcConfig {
    /// Bytes of the length before each NAL unit of the track, 1 to 4.
    pub length_bytes: usize,
    /// The parameter sets as Annex B.
    pub parameter_sets: Bytes,
}

impl AvcConfig {
    /// Reads an `avcC` record.
    ///
    /// # Errors
    /// If it is none or is cut short.
    pub fn parse(record: &[u8]) -> Result<Self, Malformed> {
        let mut rest = record;
        let config = Self::read(&mut rest);
        config.ok_or(Malformed { what: "avcC record", at: record.len() - rest.len(), length: record.len() })
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let [version, _profile, _constraints, _level, length_bytes] = *nal::take_array(rest)?;
        if version != 1 {
            return None;
        }
        let mut units = Vec::new();
        for count_mask in [0x1f, 0xff] {
            let [count] = *nal::take_array(rest)?;
            for _ in 0..count & count_mask {
                let length = u16::from_be_bytes(*nal::take_array(rest)?);
                units.push(nal::take(rest, length.into())?);
            }
        }
        let parameter_sets = nal::to_annex_b(units.into_iter().filter(|unit| !unit.is_empty())).into();
        Some(Self { length_bytes: usize::from(length_bytes & 3) + 1, parameter_sets })
    }

    /// Writes an `avcC` record, with 4-byte lengths, for the parameter sets `extra` (Annex B). `None` if a
    /// kind of set is missing, broken, or has more bytes or members than the record can hold.
    pub fn write(extra: &[u8]) -> Option<Vec<u8>> {
        let of_type = |kind| nal::annex_b(extra).filter(move |unit| NalType::of(unit) == Some(kind));
        let sps = Sps::parse(of_type(NalType::SPS).next()?).ok()?;
        of_type(NalType::PPS).next()?;
        let mut record = vec![1, sps.profile, sps.constraints, sps.level, 0xfc | 3];
        record.push(0xe0 | u8::try_from(of_type(NalType::SPS).count()).ok().filter(|&count| count < 32)?);
        nal::put_units(&mut record, of_type(NalType::SPS))?;
        record.push(u8::try_from(of_type(NalType::PPS).count()).ok()?);
        nal::put_units(&mut record, of_type(NalType::PPS))?;
        if has_chroma_format(sps.profile) {
            record.extend([
                0xfc | sps.chroma_format,
                0xf8 | (sps.luma_bits - 8),
                0xf8 | (sps.chroma_bits - 8),
            ]);
            record.push(u8::try_from(of_type(NalType::SPS_EXTENSION).count()).ok()?);
            nal::put_units(&mut record, of_type(NalType::SPS_EXTENSION))?;
        }
        Some(record)
    }
}

/// A number in the header of an SEI message: bytes of 255 and a last one add up (7.3.2.3.1).
fn sei_number(bits: &mut BitReader<'_>) -> Option<u32> {
    let mut number = 0_u32;
    loop {
        let byte = bits.byte(8)?;
        number = number.checked_add(byte.into())?;
        if byte != 0xff {
            return Some(number);
        }
    }
}

/// Whether the SPS of such a profile tells the chroma format and bit depths (7.3.2.1.1).
fn has_chroma_format(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn skip_scaling_lists(bits: &mut BitReader<'_>, lists: u32) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let mut last = 8;
        for _ in 0..if list < 6 { 16 } else { 64 } {
            let delta = bits.se().filter(|delta| (-128..128).contains(delta))?;
            let next = (last + delta).rem_euclid(256);
            if next == 0 {
                break;
            }
            last = next;
        }
    }
    Some(())
}

/// Reads how the order of pictures is told; returns whether they are shown in the order in which they come.
fn read_picture_order(bits: &mut BitReader<'_>) -> Option<bool> {
    let kind = bits.ue_up_to(2)?;
    match kind {
        0 => {
            let _log2_max_lsb = bits.ue_up_to(12)?;
        }
        1 => {
            let _always_zero = bits.flag()?;
            let _offset_non_ref = bits.se()?;
            let _offset_top_to_bottom = bits.se()?;
            for _ in 0..bits.ue_up_to(255)? {
                let _offset = bits.se()?;
            }
        }
        _ => {}
    }
    Some(kind == 2)
}

/// `profile_idc` of the Baseline profile, which has no B slices.
const BASELINE: u8 = 66;

/// Macroblocks per side: beyond what any level allows, and small enough that nothing overflows.
const MAX_SIDE_MBS: u32 = 4096;

/// Frame numbers have at most 16 bits.
const MAX_FRAME_NUM: u32 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_points_behind_other_messages() {
        // user data of 3 bytes, then a recovery point with ue(v) 0
        assert_eq!(recovery_point(&[6, 5, 3, 1, 2, 3, 6, 1, 0xc4, 0x80]), Some(0));
        // ue(v) 9: 0001010
        assert_eq!(recovery_point(&[6, 6, 1, 0b0001_0100, 0x80]), Some(9));
        assert_eq!(recovery_point(&[6, 5, 3, 1, 2, 3, 0x80]), None);
        assert_eq!(recovery_point(&[6, 255, 255, 255]), None);
        assert_eq!(recovery_point(&[]), None);
    }

    #[test]
    fn slices() {
        assert_eq!(first_macroblock(&[0x65, 0x80]), Some(0));
        assert_eq!(first_macroblock(&[0x41, 0b0010_0000]), Some(3));
        assert_eq!(first_macroblock(&[0x67, 0x80]), None);
        assert_eq!(first_macroblock(&[0x65]), None);
        assert_eq!(first_macroblock(&[]), None);
    }

    #[test]
    fn what_is_no_parameter_set_is_named() {
        let error = Sps::parse(&[0x67, 100, 0]).unwrap_err().to_string();
        assert_eq!(error, "H.264 sequence parameter set of 3 bytes is malformed or cut short at byte 3");
        assert!(Sps::parse(&[]).is_err());
        assert!(Sps::parse(&[0x68, 1, 2, 3]).is_err());
    }

    #[test]
    fn a_record_cut_short_is_no_record() {
        let record = [1, 100, 0, 41, 0xff, 0xe1, 0, 9, 0x67];
        let error = AvcConfig::parse(&record).unwrap_err().to_string();
        assert_eq!(error, "avcC record of 9 bytes is malformed or cut short at byte 8");
        assert!(AvcConfig::parse(&[]).is_err());
        assert_eq!(AvcConfig::write(&[]), None);
    }
}
