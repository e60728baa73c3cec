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
}

impl Vui {
    /// Reads what is there. Cameras are known to cut it short: what was read up to then is kept.
    pub(super) fn read_h264(bits: &mut BitReader<'_>) -> Self {
        let mut vui = Self::default();
        let _ = vui.read_common(bits).and_then(|()| {
            // A tick is a field's time.
            vui.frame_rate = read_timing(bits, 2)?;
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
