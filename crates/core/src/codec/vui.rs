//! Video usability information, of which H.264 (annex E) and H.265 (annex E) share the first half.

use super::FrameRate;
use super::bits::BitReader;
use crate::bitmap::{ColorMatrix, ColorRange};

/// What it says that matters to us.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vui {
    pub(super) frame_rate: Option<FrameRate>,
    pub(super) matrix: Option<ColorMatrix>,
    pub(super) range: Option<ColorRange>,
    /// How many pictures at most come before one that is shown earlier. H.265 tells it elsewhere.
    pub(super) reordered: Option<u8>,
}

impl Vui {
    /// Reads what is there. Cameras are known to cut it short: what was read up to then is kept.
    pub(super) fn read_h264(bits: &mut BitReader<'_>) -> Self {
        let mut vui = Self::default();
        let _ = vui.read_common(bits).and_then(|()| {
            // A tick is a field's time.
            let timed = bits.clone().flag()?;
            vui.frame_rate = read_timing(bits, 2)?;
            if timed {
                let _fixed_rate = bits.flag()?;
            }
            vui.reordered = read_reordered(bits)?;
            Some(())
        });
        vui
    }

    /// As [`Self::read_h264`].
    pub(super) fn read_h265(bits: &mut BitReader<'_>) -> Self {
        let mut vui = Self::default();
        let _ = vui.read_common(bits).and_then(|()| {
            // Neutral chroma, field sequence, field information.
            bits.skip(3)?;
            if bits.flag()? {
                for _ in 0..4 {
                    let _default_display_offset = bits.ue()?;
                }
            }
            vui.frame_rate = read_timing(bits, 1)?;
            Some(())
        });
        vui
    }

    /// Everything before the timing, or before what only H.265 has.
    fn read_common(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        const EXTENDED_ASPECT: u32 = 255;
        if bits.flag()? && bits.bits(8)? == EXTENDED_ASPECT {
            bits.skip(32)?;
        }
        if bits.flag()? {
            let _overscan_appropriate = bits.flag()?;
        }
        if bits.flag()? {
            let _video_format = bits.bits(3)?;
            self.range = Some(if bits.flag()? { ColorRange::Full } else { ColorRange::Limited });
            if bits.flag()? {
                let _primaries_and_transfer = bits.bits(16)?;
                self.matrix = match bits.bits(8)? {
                    1 => Some(ColorMatrix::Bt709),
                    5 | 6 => Some(ColorMatrix::Bt601),
                    9 => Some(ColorMatrix::Bt2020),
                    _ => None,
                };
            }
        }
        if bits.flag()? {
            let _chroma_location_top = bits.ue()?;
            let _chroma_location_bottom = bits.ue()?;
        }
        Some(())
    }
}

/// Reads what of H.264 follows the timing, up to how many pictures are reordered. The outer `None` says that the data
/// ended.
fn read_reordered(bits: &mut BitReader<'_>) -> Option<Option<u8>> {
    let nal_hrd = skip_buffering_model(bits)?;
    let vcl_hrd = skip_buffering_model(bits)?;
    if nal_hrd || vcl_hrd {
        let _low_delay = bits.flag()?;
    }
    let _picture_structure = bits.flag()?;
    if !bits.flag()? {
        return Some(None);
    }
    let _vectors_over_edges = bits.flag()?;
    let _bytes_and_bits = (bits.ue()?, bits.ue()?);
    let _vector_lengths = (bits.ue()?, bits.ue()?);
    Some(Some(bits.ue_up_to(MAX_REORDERED)? as u8))
}

/// Reads the flag, and passes over the hypothetical reference decoder that follows it (H.264, E.1.2).
fn skip_buffering_model(bits: &mut BitReader<'_>) -> Option<bool> {
    if !bits.flag()? {
        return Some(false);
    }
    let buffers = bits.ue_up_to(31)? + 1;
    bits.skip(8)?;
    for _ in 0..buffers {
        let _rate_and_size = (bits.ue()?, bits.ue()?);
        let _constant = bits.flag()?;
    }
    bits.skip(20)?;
    Some(true)
}

/// Reads the flag, and after it the timing, of pictures that take `ticks` ticks each. The outer `None` says
/// that the data ended.
pub(super) fn read_timing(bits: &mut BitReader<'_>, ticks: u64) -> Option<Option<FrameRate>> {
    if !bits.flag()? {
        return Some(None);
    }
    let units_in_tick = bits.bits(32)?;
    let time_scale = bits.bits(32)?;
    let rate = FrameRate::reduced(time_scale.into(), u64::from(units_in_tick) * ticks);
    // Some cameras put their clock's rate there instead of the frames'.
    Some(rate.filter(|rate| rate.hz() <= MAX_RATE_HZ))
}

/// Reads the window that is cut out of a picture of `width` × `height`, if there is one, and returns its size. It is
/// told in samples of chroma (H.264, equations 7-19 to 7-22; H.265, 7.4.3.2.1), and in frames for pictures that may
/// be coded as two `fields`.
pub(super) fn window(
    bits: &mut BitReader<'_>,
    (width, height): (u32, u32),
    chroma_format: u8,
    fields: u32,
) -> Option<(u32, u32)> {
    if !bits.flag()? {
        return Some((width, height));
    }
    // Table 6-1 of both.
    let (unit_x, unit_y) = match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    // Written as left, right, top, bottom.
    Some((crop(bits, width, unit_x)?, crop(bits, height, unit_y * fields)?))
}

/// Reads how much is cut from both ends of a side of `size` samples, in units of `unit`; returns what is left.
fn crop(bits: &mut BitReader<'_>, size: u32, unit: u32) -> Option<u32> {
    let first = bits.ue()?.checked_mul(unit)?;
    let last = bits.ue()?.checked_mul(unit)?;
    size.checked_sub(first.checked_add(last)?).filter(|&left| left > 0)
}

const MAX_RATE_HZ: f64 = 1000.0;

/// As many as a decoder of either codec may hold.
pub(super) const MAX_REORDERED: u32 = 16;
