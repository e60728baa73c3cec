//! Pictures as packed RGB.

use std::fmt;

use valkka_core::bitmap::Bitmap;

use crate::ffi::{AvError, Planes, RawSampling, RawScaler};
use crate::nearest::Nearest;
use crate::reason::Reason;

/// Writes pictures as packed RGB (8 bits each, rows without gaps) at any size.
///
/// It keeps its tables as long as sizes and formats stay the same: have one per stream and target size. The picture's
/// own matrix and range are honoured; the result is full-range RGB.
#[derive(Default)]
pub struct Scaler {
    /// Made when first needed.
    raw: Option<RawScaler>,
    nearest: Nearest,
}

/// How samples are combined when the size changes, from fast to good. The times are those of 1080p to 640 × 360 on
/// one core of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// The nearest one (0.5 ms).
    Point,
    /// Two neighbours in each direction, roughly (1.1 ms).
    FastBilinear,
    /// Two neighbours in each direction, more when it shrinks (2 ms).
    #[default]
    Bilinear,
    /// The mean of all that fall into the pixel (2.3 ms).
    Area,
}

/// Why a picture was not scaled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScaleError {
    /// The target has another size than the picture that goes there.
    #[error("a {width}x{height} RGB picture takes {needed} bytes, the target has {got}")]
    Target {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes it takes.
        needed: u64,
        /// Bytes there are.
        got: usize,
    },
    /// FFmpeg cannot do it.
    #[error("cannot scale {source_width}x{source_height} to {width}x{height}: {cause}")]
    Failed {
        /// Width of the source in pixels.
        source_width: u32,
        /// Height of the source in pixels.
        source_height: u32,
        /// Width of the target in pixels.
        width: u32,
        /// Height of the target in pixels.
        height: u32,
        /// FFmpeg's reason.
        cause: Reason,
    },
}

impl Scaler {
    /// A scaler for any pictures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `bitmap` to `target`, `width` × `height` pixels large.
    ///
    /// # Errors
    /// If `target` is not exactly `width * height * 3` bytes long, or FFmpeg does not scale between these sizes: both
    /// must lie between 1 and [`MAX_SIDE`](crate::MAX_SIDE).
    pub fn rgb24(
        &mut self,
        bitmap: &Bitmap,
        width: u32,
        height: u32,
        sampling: Sampling,
        target: &mut [u8],
    ) -> Result<(), ScaleError> {
        let needed = (u64::from(width) * u64::from(height)).saturating_mul(3);
        if target.len() as u64 != needed {
            return Err(ScaleError::Target { width, height, needed, got: target.len() });
        }
        self.scale(bitmap, width, height, sampling, target).map_err(|cause| ScaleError::Failed {
            source_width: bitmap.width(),
            source_height: bitmap.height(),
            width,
            height,
            cause: cause.into(),
        })
    }

    fn scale(
        &mut self,
        bitmap: &Bitmap,
        width: u32,
        height: u32,
        sampling: Sampling,
        target: &mut [u8],
    ) -> Result<(), AvError> {
        if width > crate::MAX_SIDE || height > crate::MAX_SIDE {
            return Err(AvError::invalid());
        }
        if sampling == Sampling::Point && self.nearest.rgb24(bitmap, width, height, target) {
            return Ok(());
        }
        let raw = match &mut self.raw {
            Some(raw) => raw,
            none => none.insert(RawScaler::new().ok_or_else(AvError::invalid)?),
        };
        let sampling = match sampling {
            Sampling::Point => RawSampling::Point,
            Sampling::FastBilinear => RawSampling::FastBilinear,
            Sampling::Bilinear => RawSampling::Bilinear,
            Sampling::Area => RawSampling::Area,
        };
        raw.rgb24(&Planes::of(bitmap)?, sampling, target, width, height)
    }
}

impl fmt::Debug for Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scaler")
    }
}

#[cfg(test)]
mod tests {
    use valkka_core::bitmap::{ColorMatrix, ColorRange, ColorSpec, PixelFormat};

    use super::*;

    const LIMITED_709: ColorSpec = ColorSpec { matrix: ColorMatrix::Bt709, range: ColorRange::Limited };

    /// swscale rounds roughly where it is quick.
    const TOLERANCE: u8 = 4;

    fn flat(format: PixelFormat, color: ColorSpec, width: u32, height: u32, values: [u8; 3]) -> Bitmap {
        let mut data = Vec::new();
        for (plane, value) in values.into_iter().enumerate().take(format.planes()) {
            let (row, rows) = format.plane_size(plane, width, height);
            data.resize(data.len() + row * rows, value);
        }
        Bitmap::from_packed(format, width, height, color, data).unwrap()
    }

    fn rgb(bitmap: &Bitmap, width: u32, height: u32, sampling: Sampling) -> Vec<u8> {
        let mut target = vec![0; (width * height * 3) as usize];
        Scaler::new().rgb24(bitmap, width, height, sampling, &mut target).unwrap();
        target
    }

    fn assert_flat(picture: &[u8], expected: [u8; 3], what: &str) {
        for pixel in picture.chunks_exact(3) {
            let near = pixel.iter().zip(expected).all(|(&got, wanted)| got.abs_diff(wanted) <= TOLERANCE);
            assert!(near, "{what}: {pixel:?} is not {expected:?}");
        }
    }

    #[test]
    fn matrix_and_range_are_honoured() {
        // 75 % green by each rule, from the defining equations.
        let cases = [
            (ColorMatrix::Bt601, ColorRange::Limited, [112, 72, 58]),
            (ColorMatrix::Bt709, ColorRange::Limited, [133, 63, 52]),
            (ColorMatrix::Bt2020, ColorRange::Limited, [127, 68, 51]),
            (ColorMatrix::Bt601, ColorRange::Full, [112, 65, 48]),
        ];
        for (matrix, range, values) in cases {
            let color = ColorSpec { matrix, range };
            for format in [PixelFormat::Yuv420, PixelFormat::Yuv422, PixelFormat::Yuv444] {
                for size in [(64, 48), (32, 24), (33, 17)] {
                    let bitmap = flat(format, color, 64, 48, values);
                    let picture = rgb(&bitmap, size.0, size.1, Sampling::Bilinear);
                    assert_flat(&picture, [0, 191, 0], &format!("{format:?} {color:?} {size:?}"));
                }
            }
        }
    }

    #[test]
    fn grey_has_a_range_too() {
        let full = ColorSpec { range: ColorRange::Full, ..LIMITED_709 };
        for (color, value, expected) in
            [(LIMITED_709, 235, 255), (LIMITED_709, 16, 0), (full, 235, 235), (full, 16, 16)]
        {
            let picture = rgb(&flat(PixelFormat::Gray, color, 50, 30, [value; 3]), 20, 21, Sampling::Area);
            assert_flat(&picture, [expected; 3], &format!("{color:?} {value}"));
        }
    }

    #[test]
    fn every_sampling_and_every_small_size_stays_within_the_target() {
        let bitmap = flat(PixelFormat::Yuv420, LIMITED_709, 37, 23, [235, 128, 128]);
        let samplings = [Sampling::Point, Sampling::FastBilinear, Sampling::Bilinear, Sampling::Area];
        let mut scaler = Scaler::new();
        for (width, height) in (1..40).flat_map(|width| [1, 2, 23, 31].map(|height| (width, height))) {
            for sampling in samplings {
                let mut memory = vec![7; (width * height * 3) as usize + 256];
                let (target, beyond) = memory.split_at_mut((width * height * 3) as usize);
                scaler.rgb24(&bitmap, width, height, sampling, target).unwrap();
                assert_flat(target, [255; 3], &format!("{width}x{height} {sampling:?}"));
                assert!(beyond.iter().all(|&byte| byte == 7), "{width}x{height} {sampling:?}");
            }
        }
    }

    #[test]
    fn rgb_is_scaled_too() {
        let data = [10, 200, 30].repeat(16 * 8);
        let bitmap = Bitmap::from_packed(PixelFormat::Rgb24, 16, 8, ColorSpec::default(), data).unwrap();
        assert_flat(&rgb(&bitmap, 32, 5, Sampling::Bilinear), [10, 200, 30], "rgb");
    }

    #[test]
    fn what_cannot_be_done_is_said_with_its_numbers() {
        let bitmap = flat(PixelFormat::Gray, LIMITED_709, 4, 4, [0; 3]);
        let mut scaler = Scaler::new();
        let mut error = |width, height, bytes| {
            let mut target = vec![0; bytes];
            scaler.rgb24(&bitmap, width, height, Sampling::Point, &mut target).unwrap_err().to_string()
        };
        assert_eq!(error(4, 2, 23), "a 4x2 RGB picture takes 24 bytes, the target has 23");
        assert!(error(0, 2, 0).starts_with("cannot scale 4x4 to 0x2: "));
        assert!(error(20_000, 1, 60_000).starts_with("cannot scale 4x4 to 20000x1: "));
    }
}
