//! Tiles painted without a graphics processor.
//!
//! This is the picture of reference: screenshots are painted by it whatever the driver, and software
//! "graphics cards" are passed by, because scaling and converting in two tight passes costs a fraction of
//! what shaders cost on a CPU. It samples bilinearly with the conventions of OpenGL (pixel centres, edges
//! repeated), so both ways give the same picture.

use valkka_core::bitmap::{Bitmap, PixelFormat};

use crate::color::Conversion;
use crate::layout::{Fit, PixelRect, Placement, Rectangle};

/// Paints tiles. It holds nothing but scratch memory, reused from tile to tile.
#[derive(Debug, Default)]
pub(crate) struct Rasterizer {
    /// Where the columns of the target lie in the planes: full size, and chroma.
    columns: [Columns; 2],
    /// Two rows of a plane blended into one, and one sample more.
    blended: Vec<u8>,
    /// The three components of one row of the target.
    components: [Vec<u8>; 3],
}

/// Where the columns of the target lie in a plane.
#[derive(Debug, Default)]
struct Columns {
    taps: Vec<Tap>,
    spacing: Spacing,
}

/// Spacings for which there is a shorter way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Spacing {
    #[default]
    Any,
    /// Each column is a sample: luma at its own size.
    Same,
    /// A pair of columns lies between each two samples: halved chroma at the picture's own size.
    Doubled,
}

impl Columns {
    fn set(&mut self, axis: &Axis, count: u32) {
        self.taps.clear();
        self.taps.extend((0..count).map(|i| axis.tap(i)));
        let indexed = || (0..).zip(&self.taps);
        // Behind the last sample lies its repetition, so how far behind it makes no difference.
        let (last, before) = (indexed().last(), indexed().take(self.taps.len().saturating_sub(1)));
        self.spacing = if indexed().all(|(i, &tap)| tap == Tap { index: i, weight: 0 }) {
            Spacing::Same
        } else if last.is_some_and(|(i, tap)| tap.index == doubled_tap(i).index) && { before }
            .all(|(i, &tap)| tap == doubled_tap(i))
        {
            Spacing::Doubled
        } else {
            Spacing::Any
        };
    }
}

/// A position between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tap {
    /// The sample before it; there is one behind.
    index: u32,
    /// How far towards the next one, in 256ths; below 256.
    weight: u16,
}

/// Pixels of a tile: `0x00RRGGBB`, row after row without padding.
#[derive(Debug)]
pub(crate) struct Canvas<'a> {
    pub(crate) pixels: &'a mut [u32],
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Canvas<'_> {
    fn fill(&mut self, rect: &PixelRect, pixel: u32) {
        let rect = rect.intersection(&PixelRect::of_size(self.width, self.height));
        if rect.is_empty() {
            return;
        }
        let (x, y) = (rect.x as usize, rect.y as usize);
        let rows = self.pixels.chunks_exact_mut(self.width as usize).skip(y).take(rect.height as usize);
        rows.for_each(|row| row[x..x + rect.width as usize].fill(pixel));
    }
}

impl Rasterizer {
    /// Paints the whole of `canvas`: the picture, black around it, the rectangles over it. Without a picture
    /// it is black.
    pub(crate) fn paint(
        &mut self,
        canvas: &mut Canvas<'_>,
        picture: Option<&Bitmap>,
        fit: Fit,
        rectangles: &[Rectangle],
    ) {
        let all = PixelRect::of_size(canvas.width, canvas.height);
        let Some(bitmap) = picture else {
            canvas.fill(&all, BLACK);
            return;
        };
        let placement = Placement::new((bitmap.width(), bitmap.height()), (canvas.width, canvas.height), fit);
        if placement.target != all {
            canvas.fill(&all, BLACK);
        }
        if placement.target.is_empty() {
            return;
        }
        self.paint_picture(canvas, bitmap, &placement);
        for rectangle in rectangles {
            let [red, green, blue] = rectangle.color;
            let pixel = u32::from_be_bytes([0, red, green, blue]);
            rectangle.outline(&placement).iter().for_each(|bar| canvas.fill(bar, pixel));
        }
    }

    fn paint_picture(&mut self, canvas: &mut Canvas<'_>, bitmap: &Bitmap, placement: &Placement) {
        let [source_x, source_y, source_width, source_height] = placement.source;
        let target = placement.target;
        let (columns, rows) = (target.width as usize, target.height as usize);
        let (across, down) = chroma_divisors(bitmap.format());
        let (width, height) = (bitmap.width(), bitmap.height());
        let luma_columns = Axis::new(source_x, source_width, target.width, 1, width);
        let chroma_columns = Axis::new(source_x, source_width, target.width, across, width.div_ceil(across));
        let luma_rows = Axis::new(source_y, source_height, target.height, 1, height);
        let chroma_rows = Axis::new(source_y, source_height, target.height, down, height.div_ceil(down));
        for (columns, axis) in self.columns.iter_mut().zip([&luma_columns, &chroma_columns]) {
            columns.set(axis, target.width);
        }
        for component in &mut self.components {
            // Gray pictures have the chroma of gray throughout.
            component.clear();
            component.resize(columns, 128);
        }
        let integer = IntegerConversion::new(&Conversion::new(bitmap.color()));
        let canvas_width = canvas.width as usize;
        for row in 0..rows {
            let luma_row = luma_rows.tap(row as u32);
            match bitmap.format() {
                PixelFormat::Rgb24 => {
                    self.blend(bitmap, 0, luma_row);
                    for channel in 0..3 {
                        gather::<3>(&self.blended, channel, &self.columns[0], &mut self.components[channel]);
                    }
                }
                format => {
                    self.blend(bitmap, 0, luma_row);
                    gather::<1>(&self.blended, 0, &self.columns[0], &mut self.components[0]);
                    for plane in 1..format.planes() {
                        self.blend(bitmap, plane, chroma_rows.tap(row as u32));
                        gather::<1>(&self.blended, 0, &self.columns[1], &mut self.components[plane]);
                    }
                }
            }
            let start = (target.y as usize + row) * canvas_width + target.x as usize;
            let pixels = &mut canvas.pixels[start..start + columns];
            let [first, second, third] = &self.components;
            if bitmap.format() == PixelFormat::Rgb24 {
                for (((pixel, &red), &green), &blue) in pixels.iter_mut().zip(first).zip(second).zip(third) {
                    *pixel = u32::from_be_bytes([0, red, green, blue]);
                }
            } else {
                integer.convert(first, second, third, pixels);
            }
        }
    }

    /// Blends the two rows of plane `index` around `tap` into `self.blended`, as far as columns need them.
    fn blend(&mut self, bitmap: &Bitmap, index: usize, tap: Tap) {
        let plane = bitmap.plane(index);
        let (row_bytes, rows) = bitmap.format().plane_size(index, bitmap.width(), bitmap.height());
        let row = |at: usize| {
            let start = at.min(rows - 1) * plane.stride_bytes;
            &plane.data[start..start + row_bytes]
        };
        let (upper, lower) = (row(tap.index as usize), row(tap.index as usize + 1));
        let step = if bitmap.format() == PixelFormat::Rgb24 { 3 } else { 1 };
        self.blended.resize(row_bytes + step, 0);
        let blended = &mut self.blended[..row_bytes];
        if tap.weight == 0 {
            blended.copy_from_slice(upper);
        } else {
            let below = tap.weight;
            let above = 256 - below;
            for ((to, &a), &b) in blended.iter_mut().zip(upper).zip(lower) {
                *to = ((u16::from(a) * above + u16::from(b) * below + 128) >> 8) as u8;
            }
        }
        // The sample behind the last one repeats it.
        self.blended.copy_within(row_bytes - step..row_bytes, row_bytes);
    }
}

/// Blends neighbours of `row` at each column; samples lie `STEP` bytes apart, the first at `offset`.
fn gather<const STEP: usize>(row: &[u8], offset: usize, columns: &Columns, to: &mut [u8]) {
    match columns.spacing {
        Spacing::Same if STEP == 1 => to.copy_from_slice(&row[..columns.taps.len()]),
        Spacing::Doubled if STEP == 1 => double(row, to),
        _ => {
            for (to, tap) in to.iter_mut().zip(&columns.taps) {
                let at = tap.index as usize * STEP + offset;
                let (a, b) = (u16::from(row[at]), u16::from(row[at + STEP]));
                *to = ((a * (256 - tap.weight) + b * tap.weight + 128) >> 8) as u8;
            }
        }
    }
}

/// [`gather`] for [`Spacing::Doubled`].
fn double(row: &[u8], to: &mut [u8]) {
    let Some((first, rest)) = to.split_first_mut() else { return };
    *first = row[0];
    let (pairs, last) = rest.as_chunks_mut::<2>();
    let blend = |near: u8, far: u8| ((u16::from(near) * 3 + u16::from(far) + 2) >> 2) as u8;
    for ((pair, &a), &b) in pairs.iter_mut().zip(row).zip(&row[1..]) {
        *pair = [blend(a, b), blend(b, a)];
    }
    if let [last] = last {
        *last = blend(row[pairs.len()], row[pairs.len() + 1]);
    }
}

/// The tap of column `i` of [`Spacing::Doubled`].
fn doubled_tap(i: u32) -> Tap {
    match i {
        0 => Tap { index: 0, weight: 0 },
        i if i % 2 == 1 => Tap { index: i / 2, weight: 64 },
        i => Tap { index: i / 2 - 1, weight: 192 },
    }
}

/// How positions along one side of the target lie on a plane.
struct Axis {
    start: f64,
    step: f64,
    divisor: f64,
    last: f64,
}

impl Axis {
    /// `start` and `length` in pixels of the picture, shown on `pixels` pixels; a plane with `samples`
    /// samples, one for every `divisor` pixels.
    fn new(start: f32, length: f32, pixels: u32, divisor: u32, samples: u32) -> Self {
        Self {
            start: f64::from(start),
            step: f64::from(length) / f64::from(pixels),
            divisor: f64::from(divisor),
            last: f64::from(samples.saturating_sub(1)),
        }
    }

    fn tap(&self, pixel: u32) -> Tap {
        let center = self.start + (f64::from(pixel) + 0.5) * self.step;
        let position = ((center / self.divisor - 0.5).clamp(0.0, self.last) * 256.0).round() as u64;
        Tap { index: (position >> 8) as u32, weight: (position & 0xff) as u16 }
    }
}

/// [`Conversion`] in 16-bit integers, which a CPU multiplies by the dozen: samples are shifted to the top of
/// 16 bits, multiplied by factors in units that leave [`FRACTION_BITS`] bits behind the point, and only the
/// upper halves of the products are taken.
struct IntegerConversion {
    luma: i16,
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
    /// The luma of black, and the rounding.
    bias: i16,
}

impl IntegerConversion {
    fn new(conversion: &Conversion) -> Self {
        let Conversion { offset, matrix } = conversion;
        // Upper halves divide by 2^16; luma was multiplied by 2^7 before, chroma by 2^8.
        let fixed = |value: f32, bits: u32| (value * (1_u32 << bits) as f32).round() as i16;
        let luma = matrix[0][0];
        let chroma = |value: f32| fixed(value, 16 - 8 + FRACTION_BITS);
        Self {
            luma: fixed(luma, 16 - 7 + FRACTION_BITS),
            red_v: chroma(matrix[0][2]),
            green_u: chroma(matrix[1][1]),
            green_v: chroma(matrix[1][2]),
            blue_u: chroma(matrix[2][1]),
            bias: fixed(0.5 - offset[0] * 255.0 * luma, FRACTION_BITS),
        }
    }

    fn convert(&self, luma: &[u8], u: &[u8], v: &[u8], pixels: &mut [u32]) {
        // In groups of a known size, which the compiler turns into vectors.
        let (pixels, last_pixels) = pixels.as_chunks_mut::<GROUP>();
        let (luma, last_luma) = luma.as_chunks::<GROUP>();
        let (u, last_u) = u.as_chunks::<GROUP>();
        let (v, last_v) = v.as_chunks::<GROUP>();
        for (((pixels, luma), u), v) in pixels.iter_mut().zip(luma).zip(u).zip(v) {
            self.convert_group(luma, u, v, pixels);
        }
        // What is left over, in a group of its own.
        let count = last_pixels.len();
        let [mut y, mut cb, mut cr] = [[0; GROUP]; 3];
        for (group, last) in [(&mut y, last_luma), (&mut cb, last_u), (&mut cr, last_v)] {
            group[..count].copy_from_slice(&last[..count]);
        }
        let mut group = [0; GROUP];
        self.convert_group(&y, &cb, &cr, &mut group);
        last_pixels.copy_from_slice(&group[..count]);
    }

    fn convert_group(&self, luma: &[u8; GROUP], u: &[u8; GROUP], v: &[u8; GROUP], pixels: &mut [u32; GROUP]) {
        let product = |sample: i16, factor: i16| ((i32::from(sample) * i32::from(factor)) >> 16) as i16;
        let level = |value: i16| (value >> FRACTION_BITS).clamp(0, 255);
        let [mut red, mut green, mut blue] = [[0_i16; GROUP]; 3];
        for i in 0..GROUP {
            let y = product(i16::from(luma[i]) << 7, self.luma).wrapping_add(self.bias);
            let (u, v) = ((i16::from(u[i]) - 128) << 8, (i16::from(v[i]) - 128) << 8);
            red[i] = level(y.wrapping_add(product(v, self.red_v)));
            let green_part = product(u, self.green_u).wrapping_add(product(v, self.green_v));
            green[i] = level(y.wrapping_add(green_part));
            blue[i] = level(y.wrapping_add(product(u, self.blue_u)));
        }
        for i in 0..GROUP {
            pixels[i] = (red[i] as u32) << 16 | (green[i] as u32) << 8 | blue[i] as u32;
        }
    }
}

/// How many pixels share one chroma sample, across and down.
pub(crate) fn chroma_divisors(format: PixelFormat) -> (u32, u32) {
    match format {
        PixelFormat::Yuv420 => (2, 2),
        PixelFormat::Yuv422 => (2, 1),
        _ => (1, 1),
    }
}

/// A pixel of black.
const BLACK: u32 = 0;

/// Pixels that are converted together.
const GROUP: usize = 16;

/// Bits behind the point of [`IntegerConversion`]: the largest sum, about 600, times 32 still fits.
const FRACTION_BITS: u32 = 5;

#[cfg(test)]
mod tests {
    use valkka_core::bitmap::{ColorMatrix, ColorRange, ColorSpec};

    use super::*;

    fn paint(bitmap: Option<&Bitmap>, width: u32, height: u32, fit: Fit, over: &[Rectangle]) -> Vec<u32> {
        let mut pixels = vec![0x00de_adbe; width as usize * height as usize];
        Rasterizer::default().paint(&mut Canvas { pixels: &mut pixels, width, height }, bitmap, fit, over);
        pixels
    }

    fn gray(width: u32, height: u32, data: Vec<u8>) -> Bitmap {
        let color = ColorSpec { range: ColorRange::Full, ..ColorSpec::default() };
        Bitmap::from_packed(PixelFormat::Gray, width, height, color, data).unwrap()
    }

    #[test]
    fn integers_agree_with_the_exact_conversion() {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                let exact = Conversion::new(ColorSpec { matrix, range });
                let integer = IntegerConversion::new(&exact);
                for y in (0..=255).step_by(15) {
                    for u in (0..=255).step_by(17) {
                        for v in (0..=255).step_by(17) {
                            let mut pixel = [0];
                            integer.convert(&[y], &[u], &[v], &mut pixel);
                            let yuv = [y, u, v].map(|value| f32::from(value) / 255.0);
                            for (channel, row) in exact.matrix.iter().enumerate() {
                                let sum: f32 = (0..3).map(|i| row[i] * (yuv[i] - exact.offset[i])).sum();
                                let want = (sum.clamp(0.0, 1.0) * 255.0).round() as i32;
                                let got = i32::from(pixel[0].to_be_bytes()[channel + 1]);
                                assert!((want - got).abs() <= 1, "{y} {u} {v}: {got}, not {want}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn at_its_own_size_every_pixel_is_kept() {
        let data: Vec<u8> = (0..35).map(|i| i * 7).collect();
        let pixels = paint(Some(&gray(7, 5, data.clone())), 7, 5, Fit::Letterbox, &[]);
        let expected: Vec<u32> = data.iter().map(|&y| u32::from_be_bytes([0, y, y, y])).collect();
        assert_eq!(pixels, expected);
    }

    #[test]
    fn doubled_rows_are_those_of_the_general_way() {
        for width in [1, 2, 3, 4, 7, 8, 33] {
            let samples = u32::div_ceil(width, 2);
            let mut columns = Columns::default();
            columns.set(&Axis::new(0.0, width as f32, width, 2, samples), width);
            if width > 1 {
                assert_eq!(columns.spacing, Spacing::Doubled, "{width}");
            }
            let mut row: Vec<u8> = (0..samples).map(|i| (i * 83 + 7) as u8).collect();
            row.push(row[row.len() - 1]);
            let mut ways = [vec![0; width as usize], vec![0; width as usize]];
            gather::<1>(&row, 0, &columns, &mut ways[0]);
            columns.spacing = Spacing::Any;
            gather::<1>(&row, 0, &columns, &mut ways[1]);
            assert_eq!(ways[0], ways[1], "{width}");
        }
    }

    #[test]
    fn enlarging_blends_between_pixel_centres() {
        let pixels = paint(Some(&gray(2, 1, vec![0, 200])), 8, 1, Fit::Fill, &[]);
        let levels: Vec<u32> = pixels.iter().map(|pixel| pixel & 0xff).collect();
        // Fill cuts a 2x1 picture in an 8x1 tile to its middle 2 by 1/4.
        assert_eq!(levels, [0, 0, 25, 75, 125, 175, 200, 200]);
    }

    #[test]
    fn bars_are_black_and_no_picture_is_too() {
        let pixels = paint(Some(&gray(2, 2, vec![255; 4])), 4, 2, Fit::Letterbox, &[]);
        assert_eq!(pixels, [0, 0xff_ffff, 0xff_ffff, 0, 0, 0xff_ffff, 0xff_ffff, 0]);
        assert_eq!(paint(None, 2, 2, Fit::Fill, &[Rectangle::new(0.0, 1.0, 1.0, 0.0)]), [0; 4]);
    }

    #[test]
    fn chroma_of_all_formats_lies_where_the_luma_is() {
        // The left half is red, the right half blue (BT.601, limited range).
        for format in [PixelFormat::Yuv420, PixelFormat::Yuv422, PixelFormat::Yuv444] {
            let data = (0..3)
                .flat_map(|plane| {
                    let (width, height) = format.plane_size(plane, 8, 4);
                    let (red, blue) = [(81, 41), (90, 240), (240, 110)][plane];
                    (0..width * height).map(move |i| if i % width < width / 2 { red } else { blue })
                })
                .collect();
            let bitmap = Bitmap::from_packed(format, 8, 4, ColorSpec::default(), data).unwrap();
            let pixels = paint(Some(&bitmap), 8, 4, Fit::Letterbox, &[]);
            for row in pixels.chunks(8) {
                let near = |pixel: u32, rgb: [u8; 3]| {
                    let got = pixel.to_be_bytes();
                    assert!((0..3).all(|i| got[i + 1].abs_diff(rgb[i]) <= 2), "{format:?}: {got:?}");
                };
                row[..3].iter().for_each(|&pixel| near(pixel, [255, 0, 0]));
                row[5..].iter().for_each(|&pixel| near(pixel, [0, 0, 255]));
            }
        }
    }

    #[test]
    fn rgb_is_taken_as_it_is() {
        let data = vec![1, 2, 3, 4, 5, 6];
        let bitmap = Bitmap::from_packed(PixelFormat::Rgb24, 2, 1, ColorSpec::default(), data).unwrap();
        assert_eq!(paint(Some(&bitmap), 2, 1, Fit::Fill, &[]), [0x01_0203, 0x04_0506]);
    }

    #[test]
    fn rectangles_are_drawn_over_the_picture() {
        let over = [Rectangle { line_px: 1, color: [9, 8, 7], ..Rectangle::new(0.0, 1.0, 1.0, 0.0) }];
        let pixels = paint(Some(&gray(3, 3, vec![255; 9])), 3, 3, Fit::Fill, &over);
        let (line, white) = (0x0009_0807, 0x00ff_ffff);
        assert_eq!(pixels, [line, line, line, line, white, line, line, line, line]);
    }

    #[test]
    fn any_size_goes_into_any_size() {
        let sizes = [(1, 1), (1, 7), (2, 3), (17, 1), (5, 4), (33, 31)];
        for format in [PixelFormat::Yuv420, PixelFormat::Yuv422, PixelFormat::Yuv444, PixelFormat::Rgb24] {
            for (width, height) in sizes {
                let bytes = (0..3).map(|i| format.plane_size(i, width, height)).map(|(w, h)| w * h).sum();
                let bitmap =
                    Bitmap::from_packed(format, width, height, ColorSpec::default(), vec![100; bytes])
                        .unwrap();
                for (tile_width, tile_height) in sizes {
                    for fit in [Fit::Letterbox, Fit::Fill] {
                        let pixels = paint(Some(&bitmap), tile_width, tile_height, fit, &[]);
                        assert!(pixels.iter().all(|&pixel| pixel != 0x00de_adbe));
                    }
                }
            }
        }
    }
}
