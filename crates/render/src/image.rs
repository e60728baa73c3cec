//! A picture as programs take it: RGB bytes.

/// Packed red, green and blue bytes, row after row from the top, without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl RgbImage {
    /// Takes pixels as the rasterizer leaves them, see [`crate::raster`].
    pub(crate) fn from_xrgb(width: u32, height: u32, pixels: &[u32]) -> Self {
        let count = width as usize * height as usize;
        let data = pixels[..count]
            .iter()
            .flat_map(|pixel| {
                let [_, red, green, blue] = pixel.to_be_bytes();
                [red, green, blue]
            })
            .collect();
        Self { width, height, data }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All bytes: three per pixel, rows from the top.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All bytes, without copying them.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Red, green and blue of a pixel; `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        self.data.get(at..at + 3)?.try_into().ok()
    }
}

impl std::fmt::Debug for RgbImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbImage({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_found_and_none_outside() {
        let image = RgbImage::from_xrgb(2, 1, &[0xff01_0203, 0x0004_0506, 0]);
        assert_eq!(image.data(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(image.pixel(1, 0), Some([4, 5, 6]));
        assert_eq!((image.pixel(2, 0), image.pixel(0, 1)), (None, None));
    }
}
