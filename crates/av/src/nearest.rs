//! YUV pictures as packed RGB of another size, the nearest sample taken.
//!
//! swscale does that too, in twice the time: it is what every picture goes through that is shared with programs.

use valkka_core::bitmap::{Bitmap, ColorRange, ColorSpec, PixelFormat};

/// Scales pictures, and keeps its tables as long as they fit.
#[derive(Default)]
pub(crate) struct Nearest {
    tables: Option<Box<Tables>>,
    columns: Columns,
}

impl Nearest {
    /// Writes `bitmap` to `target`, `width` × `height` pixels large. Returns whether it can do that.
    pub(crate) fn rgb24(&mut self, bitmap: &Bitmap, width: u32, height: u32, target: &mut [u8]) -> bool {
        let (across, down) = match bitmap.format() {
            PixelFormat::Yuv420 => (2, 2),
            PixelFormat::Yuv422 => (2, 1),
            PixelFormat::Yuv444 => (1, 1),
            _ => return false,
        };
        if width == 0 || height == 0 || target.len() as u64 != u64::from(width) * u64::from(height) * 3 {
            return false;
        }
        self.columns.set(bitmap.width(), width, across);
        let tables = match &mut self.tables {
            Some(tables) if tables.color == bitmap.color() => tables,
            tables => tables.insert(Tables::new(bitmap.color())),
        };
        let rows = target.chunks_exact_mut(width as usize * 3);
        for (y, target) in (0..height).zip(rows) {
            let y = nearest(y, bitmap.height(), height);
            let [luma, blue, red] =
                [(0, y), (1, y / down), (2, y / down)].map(|(plane, y)| row(bitmap, plane, y));
            let pixels = target.as_chunks_mut().0.iter_mut();
            for (pixel, &(x, chroma)) in pixels.zip(&self.columns.places) {
                *pixel = tables.rgb(luma[x as usize], blue[chroma as usize], red[chroma as usize]);
            }
        }
        true
    }
}

/// Where the columns of the target lie in the planes.
#[derive(Default)]
struct Columns {
    /// Width of the source, width of the target, and how many columns have one chroma sample.
    of: (u32, u32, u32),
    /// In the plane of luma, and in those of chroma.
    places: Vec<(u32, u32)>,
}

impl Columns {
    fn set(&mut self, source: u32, target: u32, across: u32) {
        if self.of != (source, target, across) {
            self.of = (source, target, across);
            self.places.clear();
            self.places.extend((0..target).map(|x| nearest(x, source, target)).map(|x| (x, x / across)));
        }
    }
}

/// What each sample adds to red, green and blue.
///
/// The three sums are made at once: a word has one of them in each 16 bits, in 16ths, and [`BIAS`] keeps them from being
/// negative.
struct Tables {
    color: ColorSpec,
    luma: [u64; 256],
    blue: [u64; 256],
    red: [u64; 256],
    /// The sums as bytes, from `-BIAS` on.
    bytes: [u8; 1024],
}

impl Tables {
    /// Derived from the weights of red and blue in the luma, and the range of the samples.
    fn new(color: ColorSpec) -> Box<Self> {
        let (red, blue) = color.matrix.weights();
        let green = 1.0 - red - blue;
        let (black, luma_span, chroma_span) = match color.range {
            ColorRange::Limited => (16.0, 219.0, 224.0),
            ColorRange::Full => (0.0, 255.0, 255.0),
        };
        let (from_blue, from_red) = (2.0 * (1.0 - blue), 2.0 * (1.0 - red));
        let luma = |sample: f64| [(sample - black) * 255.0 / luma_span + f64::from(BIAS) + 0.5; 3];
        let chroma = |sample: f64| (sample - 128.0) * 255.0 / chroma_span;
        let from_blue =
            |sample| [0.0, -from_blue * blue / green, from_blue].map(|part| part * chroma(sample));
        let from_red = |sample| [from_red, -from_red * red / green, 0.0].map(|part| part * chroma(sample));
        Box::new(Self {
            color,
            luma: std::array::from_fn(|sample| word(luma(sample as f64))),
            blue: std::array::from_fn(|sample| word(from_blue(sample as f64))),
            red: std::array::from_fn(|sample| word(from_red(sample as f64))),
            bytes: std::array::from_fn(|sum| (sum as i32 - BIAS).clamp(0, 255) as u8),
        })
    }

    #[inline]
    fn rgb(&self, luma: u8, blue: u8, red: u8) -> [u8; 3] {
        let chroma = self.blue[usize::from(blue)].wrapping_add(self.red[usize::from(red)]);
        let sums = self.luma[usize::from(luma)].wrapping_add(chroma);
        [0, 16, 32].map(|lane| self.bytes[(sums >> (lane + FRACTION_BITS)) as usize & 1023])
    }
}

/// Three numbers in one word. Those that are negative borrow from their neighbours, and give it back in the sum.
fn word(parts: [f64; 3]) -> u64 {
    let [red, green, blue] = parts.map(|part| (part * f64::from(1 << FRACTION_BITS)).round() as i64);
    (red + (green << 16) + (blue << 32)) as u64
}

/// Which of `source` samples lies nearest to the middle of number `index` of `target`.
fn nearest(index: u32, source: u32, target: u32) -> u32 {
    let place = (2 * u64::from(index) + 1) * u64::from(source) / (2 * u64::from(target));
    // It is less than `source`.
    place as u32
}

fn row(bitmap: &Bitmap, plane: usize, y: u32) -> &[u8] {
    let (row_bytes, _) = bitmap.format().plane_size(plane, bitmap.width(), bitmap.height());
    let plane = bitmap.plane(plane);
    let start = y as usize * plane.stride_bytes;
    &plane.data[start..start + row_bytes]
}

const FRACTION_BITS: u32 = 4;
/// No sum is below minus this, and none above 1023 minus this: with any matrix they lie between -320 and 580.
const BIAS: i32 = 384;

#[cfg(test)]
mod tests {
    use valkka_core::bitmap::ColorMatrix;

    use super::*;

    /// From the defining equations.
    fn exact(color: ColorSpec, [y, u, v]: [u8; 3]) -> [f64; 3] {
        let (red, blue) = color.matrix.weights();
        let [y, u, v] = [y, u, v].map(f64::from);
        let (y, u, v) = match color.range {
            ColorRange::Limited => ((y - 16.0) / 219.0, (u - 128.0) / 224.0, (v - 128.0) / 224.0),
            ColorRange::Full => (y / 255.0, (u - 128.0) / 255.0, (v - 128.0) / 255.0),
        };
        let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
        let g = (y - red * r - blue * b) / (1.0 - red - blue);
        [r, g, b].map(|part| (part * 255.0).clamp(0.0, 255.0))
    }

    #[test]
    fn every_colour_is_within_a_step() {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                let color = ColorSpec { matrix, range };
                let tables = Tables::new(color);
                let samples = || (0..=255).step_by(5);
                for yuv in
                    samples().flat_map(|y| samples().flat_map(move |u| samples().map(move |v| [y, u, v])))
                {
                    let got = tables.rgb(yuv[0], yuv[1], yuv[2]);
                    let near = exact(color, yuv)
                        .iter()
                        .zip(got)
                        .all(|(want, got)| (want - f64::from(got)).abs() < 0.7);
                    assert!(near, "{color:?} {yuv:?}: {got:?} is not {:?}", exact(color, yuv));
                }
            }
        }
    }

    /// Each sample tells where it is.
    fn numbered(format: PixelFormat, width: u32, height: u32) -> Bitmap {
        let color = ColorSpec { range: ColorRange::Full, ..ColorSpec::default() };
        let mut data: Vec<u8> =
            (0..height).flat_map(|y| (0..width).map(move |x| (16 * y + x) as u8)).collect();
        for plane in 1..3 {
            let (row, rows) = format.plane_size(plane, width, height);
            data.resize(data.len() + row * rows, 128);
        }
        Bitmap::from_packed(format, width, height, color, data).unwrap()
    }

    fn scaled(bitmap: &Bitmap, width: u32, height: u32) -> Vec<u8> {
        let mut target = vec![0; (width * height * 3) as usize];
        assert!(Nearest::default().rgb24(bitmap, width, height, &mut target));
        target.chunks(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn the_nearest_sample_is_taken() {
        let bitmap = numbered(PixelFormat::Yuv420, 8, 4);
        assert_eq!(scaled(&bitmap, 2, 2), [18, 22, 50, 54]);
        assert_eq!(scaled(&bitmap, 3, 1), [33, 36, 38]);
        assert_eq!(scaled(&bitmap, 16, 1)[..5], [32, 32, 33, 33, 34]);
        let same: Vec<u8> = (0..4).flat_map(|y| (0..8).map(move |x| 16 * y + x)).collect();
        for format in [PixelFormat::Yuv420, PixelFormat::Yuv422, PixelFormat::Yuv444] {
            assert_eq!(scaled(&numbered(format, 8, 4), 8, 4), same);
        }
    }

    #[test]
    fn chroma_lies_where_its_luma_lies() {
        let color = ColorSpec { range: ColorRange::Full, ..ColorSpec::default() };
        // Five by three pixels have three by two samples of chroma; one of them is red.
        let mut data = vec![100; 15];
        data.extend([128; 6]);
        data.extend([128, 128, 128, 128, 228, 128]);
        let bitmap = Bitmap::from_packed(PixelFormat::Yuv420, 5, 3, color, data).unwrap();
        let red = scaled(&bitmap, 5, 3).iter().map(|&red| u8::from(red > 200)).collect::<Vec<_>>();
        assert_eq!(red, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn sizes_and_colours_may_change_and_others_are_left_to_others() {
        let mut scaler = Nearest::default();
        let picture = |color, value| {
            Bitmap::from_packed(PixelFormat::Yuv444, 3, 3, color, [[value; 9], [128; 9], [128; 9]].concat())
                .unwrap()
        };
        let full = ColorSpec { range: ColorRange::Full, ..ColorSpec::default() };
        for (bitmap, side, expected) in [
            (picture(full, 235), 4, 235),
            (picture(ColorSpec::default(), 235), 2, 255),
            (numbered(PixelFormat::Yuv420, 1, 1), 3, 0),
        ] {
            let mut target = vec![7; side * side * 3];
            assert!(scaler.rgb24(&bitmap, side as u32, side as u32, &mut target));
            assert!(target.iter().all(|&byte| byte == expected), "{target:?}");
        }
        let gray = Bitmap::from_packed(PixelFormat::Gray, 2, 2, full, vec![0; 4]).unwrap();
        assert!(!scaler.rgb24(&gray, 1, 1, &mut [0; 3]));
        assert!(!scaler.rgb24(&picture(full, 1), 0, 1, &mut []));
        assert!(!scaler.rgb24(&picture(full, 1), 1, 1, &mut [0; 4]));
    }
}
