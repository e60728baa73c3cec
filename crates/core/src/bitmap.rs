//! Decoded pictures.

use std::fmt;
use std::sync::Arc;

/// How the samples of a picture lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Planar Y, U, V; chroma halved in both directions.
    Yuv420,
    /// Planar Y, U, V; chroma halved horizontally.
    Yuv422,
    /// Planar Y, U, V; chroma at full size.
    Yuv444,
    /// One plane of luma.
    Gray,
    /// One plane of packed R, G, B bytes.
    Rgb24,
}

impl PixelFormat {
    /// Number of planes.
    pub fn planes(self) -> usize {
        match self {
            Self::Yuv420 | Self::Yuv422 | Self::Yuv444 => 3,
            Self::Gray | Self::Rgb24 => 1,
        }
    }

    /// Bytes per row (without padding) and rows of plane `index` in a picture of `width` × `height`; zero
    /// for a plane the format does not have.
    pub fn plane_size(self, index: usize, width: u32, height: u32) -> (usize, usize) {
        let (w, h) = (width as usize, height as usize);
        match (self, index) {
            (Self::Rgb24, 0) => (w * 3, h),
            (_, 0) => (w, h),
            (Self::Yuv420, 1 | 2) => (w.div_ceil(2), h.div_ceil(2)),
            (Self::Yuv422, 1 | 2) => (w.div_ceil(2), h),
            (Self::Yuv444, 1 | 2) => (w, h),
            _ => (0, 0),
        }
    }
}

/// How YUV samples turn into RGB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ColorSpec {
    /// The matrix.
    pub matrix: ColorMatrix,
    /// The range of the samples.
    pub range: ColorRange,
}

/// The matrix between RGB and YUV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ColorMatrix {
    /// ITU-R BT.601.
    #[default]
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

impl ColorMatrix {
    /// The matrix of a picture that does not tell: what the standards for its size use, which is BT.601 for standard
    /// definition and BT.709 for high definition, from 720 lines on.
    pub const fn usual_for(height: u32) -> Self {
        if height >= 720 { Self::Bt709 } else { Self::Bt601 }
    }

    /// The weights of red and blue in the luma; green has the rest (ITU-R BT.601-7 2.5.1, BT.709-6 3.2, BT.2020-2
    /// table 4).
    pub const fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

/// The range of 8-bit samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ColorRange {
    /// Luma 16 to 235, chroma 16 to 240.
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

/// One plane of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// The samples, row after row; holds at least `stride_bytes * (rows - 1) + row_bytes` bytes.
    pub data: &'a [u8],
    /// Bytes from the start of one row to the start of the next; at least a row's bytes.
    pub stride_bytes: usize,
}

/// Memory that holds the planes of a picture: a decoder's own buffer, or ours.
pub trait PlaneStore: Send + Sync {
    /// Plane `index`; an empty one if there is no such plane.
    fn plane(&self, index: usize) -> Plane<'_>;
}

/// One decoded picture. Cloning it clones a reference; the samples are never changed once it exists.
#[derive(Clone)]
pub struct Bitmap {
    format: PixelFormat,
    width: u32,
    height: u32,
    color: ColorSpec,
    damaged: bool,
    store: Arc<dyn PlaneStore>,
}

/// Why memory could not be taken as a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitmapError {
    /// It would have no pixels.
    #[error("a {width}x{height} picture has no pixels")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A plane has too few bytes.
    #[error("plane {plane} of a {width}x{height} {format:?} picture needs {needed} bytes, got {got}")]
    TooShort {
        /// How its samples lie.
        format: PixelFormat,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Index of the plane.
        plane: usize,
        /// Bytes it must have, with its stride.
        needed: usize,
        /// Bytes it has.
        got: usize,
    },
    /// The rows of a plane overlap.
    #[error(
        "plane {plane} of a {width}x{height} {format:?} picture has rows of {row} bytes {stride} bytes apart"
    )]
    Overlap {
        /// How its samples lie.
        format: PixelFormat,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Index of the plane.
        plane: usize,
        /// Bytes of a row.
        row: usize,
        /// Bytes from row to row.
        stride: usize,
    },
}

impl Bitmap {
    /// Takes over a picture in `store`.
    ///
    /// # Errors
    /// If a side is zero, a plane is too small for the format and size, or its stride shorter than a row.
    pub fn new(
        format: PixelFormat,
        width: u32,
        height: u32,
        color: ColorSpec,
        store: Arc<dyn PlaneStore>,
    ) -> Result<Self, BitmapError> {
        if width == 0 || height == 0 {
            return Err(BitmapError::Empty { width, height });
        }
        for plane in 0..format.planes() {
            let (row, rows) = format.plane_size(plane, width, height);
            let Plane { data, stride_bytes } = store.plane(plane);
            let needed = stride_bytes.saturating_mul(rows.saturating_sub(1)).saturating_add(row);
            if stride_bytes < row {
                return Err(BitmapError::Overlap { format, width, height, plane, row, stride: stride_bytes });
            }
            if data.len() < needed {
                return Err(BitmapError::TooShort { format, width, height, plane, needed, got: data.len() });
            }
        }
        Ok(Self { format, width, height, color, damaged: false, store })
    }

    /// Takes over tightly packed planes, one behind the other.
    ///
    /// # Errors
    /// If a side is zero or `data` is too short.
    pub fn from_packed(
        format: PixelFormat,
        width: u32,
        height: u32,
        color: ColorSpec,
        data: Vec<u8>,
    ) -> Result<Self, BitmapError> {
        Self::new(format, width, height, color, Arc::new(Packed { format, width, height, data }))
    }

    /// The same picture, marked as damaged (decoded from incomplete data) or not.
    #[must_use]
    pub fn with_damage(self, damaged: bool) -> Self {
        Self { damaged, ..self }
    }

    /// How the samples lie.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// How its samples turn into RGB.
    pub fn color(&self) -> ColorSpec {
        self.color
    }

    /// Whether it was decoded from incomplete data.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Plane `index`, at least as large as [`PixelFormat::plane_size`] says.
    pub fn plane(&self, index: usize) -> Plane<'_> {
        self.store.plane(index)
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {:?}", self.width, self.height, self.format)
    }
}

struct Packed {
    format: PixelFormat,
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl PlaneStore for Packed {
    fn plane(&self, index: usize) -> Plane<'_> {
        let size = |i| {
            let (row, rows) = self.format.plane_size(i, self.width, self.height);
            row.saturating_mul(rows)
        };
        let start = (0..index).map(size).fold(0, usize::saturating_add).min(self.data.len());
        let end = start.saturating_add(size(index)).min(self.data.len());
        Plane {
            data: &self.data[start..end],
            stride_bytes: self.format.plane_size(index, self.width, self.height).0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_planes_lie_behind_each_other() {
        let data: Vec<u8> = (0..6 + 2 + 2).collect();
        let bitmap = Bitmap::from_packed(PixelFormat::Yuv420, 3, 2, ColorSpec::default(), data).unwrap();
        assert_eq!(bitmap.plane(0).data, [0, 1, 2, 3, 4, 5]);
        assert_eq!(bitmap.plane(1).data, [6, 7]);
        assert_eq!(bitmap.plane(2).data, [8, 9]);
        assert_eq!(bitmap.plane(3).data, []);
        assert_eq!(bitmap.plane(1).stride_bytes, 2);
    }

    #[test]
    fn short_memory_is_refused_with_numbers() {
        let error =
            Bitmap::from_packed(PixelFormat::Rgb24, 2, 2, ColorSpec::default(), vec![0; 11]).unwrap_err();
        assert_eq!(error.to_string(), "plane 0 of a 2x2 Rgb24 picture needs 12 bytes, got 11");
    }

    #[test]
    fn absurd_sizes_are_refused() {
        for format in [PixelFormat::Yuv420, PixelFormat::Yuv444, PixelFormat::Rgb24] {
            for (width, height) in [(0, 0), (0, 2), (2, 0), (u32::MAX, u32::MAX), (u32::MAX, 1)] {
                let packed = Bitmap::from_packed(format, width, height, ColorSpec::default(), vec![0; 64]);
                assert!(packed.is_err(), "{width}x{height}");
            }
        }
    }

    #[test]
    fn overlapping_rows_are_refused() {
        struct Narrow(Vec<u8>);
        impl PlaneStore for Narrow {
            fn plane(&self, _: usize) -> Plane<'_> {
                Plane { data: &self.0, stride_bytes: 3 }
            }
        }
        let store = Arc::new(Narrow(vec![0; 64]));
        let error = Bitmap::new(PixelFormat::Gray, 4, 2, ColorSpec::default(), store).unwrap_err();
        assert_eq!(error.to_string(), "plane 0 of a 4x2 Gray picture has rows of 4 bytes 3 bytes apart");
    }
}
