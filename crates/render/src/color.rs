//! From YUV samples to RGB: the coefficients.

use valkka_core::bitmap::{ColorRange, ColorSpec};

/// `rgb = matrix · (yuv - offset)`, all of them scaled to 0 … 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conversion {
    /// What is taken off Y, U and V.
    pub(crate) offset: [f32; 3],
    /// Rows give red, green and blue; columns take Y, U and V.
    pub(crate) matrix: [[f32; 3]; 3],
}

impl Conversion {
    /// The conversion for 8-bit samples of this kind.
    ///
    /// Derived from the weights of red and blue in the luma and the ranges of the samples.
    pub(crate) fn new(color: ColorSpec) -> Self {
        let (red, blue) = color.matrix.weights();
        let (red, blue) = (red as f32, blue as f32);
        let green = 1.0 - red - blue;
        let (black, luma_span, chroma_span) = match color.range {
            ColorRange::Limited => (16.0 / 255.0, 219.0 / 255.0, 224.0 / 255.0),
            ColorRange::Full => (0.0, 1.0, 1.0),
        };
        let luma = 1.0 / luma_span;
        let (from_u, from_v) = (2.0 * (1.0 - blue) / chroma_span, 2.0 * (1.0 - red) / chroma_span);
        Self {
            offset: [black, 128.0 / 255.0, 128.0 / 255.0],
            matrix: [
                [luma, 0.0, from_v],
                [luma, -from_u * blue / green, -from_v * red / green],
                [luma, from_u, 0.0],
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use valkka_core::bitmap::ColorMatrix;

    use super::*;

    fn convert(color: ColorSpec, yuv: [u8; 3]) -> [i32; 3] {
        let Conversion { offset, matrix } = Conversion::new(color);
        matrix.map(|row| {
            let sum: f32 = (0..3).map(|i| row[i] * (f32::from(yuv[i]) / 255.0 - offset[i])).sum();
            (sum.clamp(0.0, 1.0) * 255.0).round() as i32
        })
    }

    /// Published sample values of saturated colours.
    #[test]
    fn known_colours_come_out() {
        let limited = |matrix| ColorSpec { matrix, range: ColorRange::Limited };
        let full = |matrix| ColorSpec { matrix, range: ColorRange::Full };
        let cases = [
            (limited(ColorMatrix::Bt601), [16, 128, 128], [0, 0, 0]),
            (limited(ColorMatrix::Bt601), [235, 128, 128], [255, 255, 255]),
            (limited(ColorMatrix::Bt601), [81, 90, 240], [255, 0, 0]),
            (limited(ColorMatrix::Bt601), [145, 54, 34], [0, 255, 0]),
            (limited(ColorMatrix::Bt601), [41, 240, 110], [0, 0, 255]),
            (limited(ColorMatrix::Bt709), [63, 102, 240], [255, 0, 0]),
            (limited(ColorMatrix::Bt709), [173, 42, 26], [0, 255, 0]),
            (limited(ColorMatrix::Bt709), [32, 240, 118], [0, 0, 255]),
            (limited(ColorMatrix::Bt2020), [74, 97, 240], [255, 0, 0]),
            (full(ColorMatrix::Bt601), [76, 85, 255], [254, 0, 0]),
            (full(ColorMatrix::Bt601), [0, 128, 128], [0, 0, 0]),
            (full(ColorMatrix::Bt709), [255, 128, 128], [255, 255, 255]),
        ];
        for (color, yuv, rgb) in cases {
            for (got, want) in convert(color, yuv).into_iter().zip(rgb) {
                assert!((got - want).abs() <= 2, "{color:?} {yuv:?}: got {got}, not {want} of {rgb:?}");
            }
        }
    }
}
