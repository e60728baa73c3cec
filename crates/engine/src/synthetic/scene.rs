//! A generated picture with known colours: SMPTE bars, a name, and something that moves.

use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec, PixelFormat};
use valkka_core::codec::FrameRate;

use crate::text;

/// How a generated scene looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneOptions {
    /// Shown in the upper left corner.
    pub name: String,
    /// Width in pixels, even, 64 to 8192.
    pub width: u32,
    /// Height in pixels, even, 64 to 8192.
    pub height: u32,
    /// Pictures per second.
    pub frame_rate: FrameRate,
    /// Length of the loop in pictures.
    pub frames: u32,
}

impl SceneOptions {
    /// A scene called `name` of 1280 × 720 with 25 pictures per second, 2 seconds long.
    ///
    /// # Panics
    /// Never.
    pub fn new(name: &str) -> Self {
        let frame_rate = FrameRate::new(25, 1).expect("neither is zero");
        Self { name: name.into(), width: 1280, height: 720, frame_rate, frames: 50 }
    }
}

/// Draws the pictures of a scene: seven colour bars of 75 % (SMPTE EG 1, without the lower part), the name on
/// them, below them a block that crosses the picture once per loop on a band of noise, and the number of the
/// picture.
#[derive(Clone, Debug)]
pub struct Scene {
    options: SceneOptions,
    color: ColorSpec,
}

/// The bars from left to right as R, G, B of 0 to 255: grey, yellow, cyan, green, magenta, red, blue at 75 %.
pub const BARS_RGB: [[u8; 3]; 7] =
    [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191]];

impl Scene {
    /// The scene that `options` describe; sizes are brought into the allowed range and made even.
    pub fn new(mut options: SceneOptions) -> Self {
        options.width = options.width.clamp(64, 8192) & !1;
        options.height = options.height.clamp(64, 8192) & !1;
        options.frames = options.frames.max(1);
        let matrix = ColorMatrix::usual_for(options.height);
        Self { options, color: ColorSpec { matrix, range: ColorRange::Limited } }
    }

    /// The same, with the YUV of its colours by `matrix`. By default it is the one that is usual for its height.
    pub fn with_matrix(mut self, matrix: ColorMatrix) -> Self {
        self.color.matrix = matrix;
        self
    }

    /// Its options, as they are used.
    pub fn options(&self) -> &SceneOptions {
        &self.options
    }

    /// Draws picture `index`; the loop repeats after [`SceneOptions::frames`].
    pub fn picture(&self, index: u32) -> Bitmap {
        let SceneOptions { width, height, frames, .. } = self.options;
        let index = index % frames;
        let mut canvas = Canvas::new(width, height);
        let bars_height = (height * 3 / 4) & !1;
        for (bar, rgb) in BARS_RGB.into_iter().enumerate() {
            let left = width * bar as u32 / 7;
            let right = width * (bar as u32 + 1) / 7;
            canvas.fill(left, 0, right, bars_height, yuv(rgb, self.color.matrix));
        }
        canvas.noise(bars_height, index);
        let block = height - bars_height;
        let travel = width.saturating_sub(block);
        let left = (u64::from(travel) * u64::from(index) / u64::from(frames)) as u32 & !1;
        canvas.fill(left, bars_height, left + block, height, yuv([255, 255, 255], self.color.matrix));
        let scale = (height / 180).max(1);
        canvas.text(scale * 8, scale * 8, scale * 2, &self.options.name);
        canvas.text(left + scale * 4, bars_height + scale * 4, scale, &format!("{:03}", index + 1));
        Bitmap::from_packed(PixelFormat::Yuv420, width, height, self.color, canvas.data)
            .expect("the canvas has the picture's size")
    }
}

/// A YUV 4:2:0 picture to draw on; coordinates beyond it draw nothing.
struct Canvas {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        let luma = (width * height) as usize;
        let mut data = vec![16; luma * 3 / 2];
        data[luma..].fill(128);
        Self { width, height, data }
    }

    fn fill(&mut self, left: u32, top: u32, right: u32, bottom: u32, [y, u, v]: [u8; 3]) {
        let (right, bottom) = (right.min(self.width), bottom.min(self.height));
        self.fill_plane(0, [left, top, right, bottom], y);
        let chroma = [left / 2, top / 2, right.div_ceil(2), bottom.div_ceil(2)];
        self.fill_plane(1, chroma, u);
        self.fill_plane(2, chroma, v);
    }

    fn fill_plane(&mut self, plane: usize, [left, top, right, bottom]: [u32; 4], value: u8) {
        let luma = (self.width * self.height) as usize;
        let (offset, stride) = match plane {
            0 => (0, self.width as usize),
            plane => (luma + (plane - 1) * luma / 4, self.width as usize / 2),
        };
        for row in top as usize..bottom as usize {
            let start = offset + row * stride;
            self.data[start + (left.min(right)) as usize..start + right as usize].fill(value);
        }
    }

    /// Fills the luma from row `top` on with noise that differs from picture to picture, so that a decoder
    /// has something to do and a repeated picture is noticed. Coarse and dim, so that it costs few bits.
    fn noise(&mut self, top: u32, seed: u32) {
        let cell = (self.height / 45).max(2);
        for row in top..self.height {
            for column in (0..self.width).step_by(cell as usize) {
                let value = 48 + (hash(column / cell, row / cell, seed / 5) % 32) as u8;
                let start = (row * self.width + column) as usize;
                let end = start + cell.min(self.width - column) as usize;
                self.data[start..end].fill(value);
            }
        }
    }

    fn text(&mut self, left: u32, top: u32, scale: u32, text: &str) {
        let black = 16;
        text::draw(text, scale, |x, y| {
            let (x, y) = (left + x, top + y);
            if x < self.width && y < self.height {
                self.data[(y * self.width + x) as usize] = black;
            }
        });
    }
}

/// A well-mixed number from three (the finaliser of a 32-bit hash).
fn hash(a: u32, b: u32, c: u32) -> u32 {
    let mut h = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca77) ^ c.wrapping_mul(0xc2b2_ae3d);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h ^ (h >> 13)
}

/// Limited-range YUV of a colour (ITU-R BT.601 and BT.709, section 3).
fn yuv([r, g, b]: [u8; 3], matrix: ColorMatrix) -> [u8; 3] {
    let (kr, kb) = matrix.weights();
    let [r, g, b] = [r, g, b].map(|c| f64::from(c) / 255.0);
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let u = (b - y) / (2.0 * (1.0 - kb));
    let v = (r - y) / (2.0 * (1.0 - kr));
    [16.0 + 219.0 * y, 128.0 + 224.0 * u, 128.0 + 224.0 * v].map(|c| c.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_the_standard_values() {
        // 75 % bars in BT.601, 8 bit, from Rec. ITU-R BT.801.
        let expected = [
            [180, 128, 128],
            [162, 44, 142],
            [131, 156, 44],
            [112, 72, 58],
            [84, 184, 198],
            [65, 100, 212],
            [35, 212, 114],
        ];
        for (rgb, expected) in BARS_RGB.into_iter().zip(expected) {
            let got = yuv(rgb, ColorMatrix::Bt601);
            let near = got.iter().zip(expected).all(|(&a, b)| a.abs_diff(b) <= 1);
            assert!(near, "{rgb:?}: {got:?}, not {expected:?}");
        }
    }

    #[test]
    fn every_picture_of_the_loop_differs_and_any_size_draws() {
        let scene = Scene::new(SceneOptions::new("cam1"));
        let first = scene.picture(0);
        assert_eq!((first.width(), first.height()), (1280, 720));
        assert_ne!(first.plane(0).data, scene.picture(1).plane(0).data);
        assert_eq!(first.plane(0).data, scene.picture(50).plane(0).data);
        for (width, height) in [(0, 0), (65, 67), (64, 8192), (352, 288)] {
            let options =
                SceneOptions { width, height, ..SceneOptions::new("a rather long name for a small picture") };
            let scene = Scene::new(options);
            scene.picture(49);
        }
    }
}
