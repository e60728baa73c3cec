//! Screenshots.

use valkka_core::bitmap::Bitmap;

use crate::error::Error;
use crate::image::RgbImage;
use crate::raster::{Canvas, Rasterizer};
use crate::scene::Tile;

/// All that a screenshot is painted from.
pub(crate) struct Capture {
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
    /// From the lowest to the uppermost, with their pictures.
    pub(crate) tiles: Vec<(Tile, Option<Bitmap>)>,
}

impl Capture {
    /// Paints it. This takes long and the presenter has other things to do, so it is for the thread that asked.
    pub(crate) fn paint(&self) -> Result<RgbImage, Error> {
        let (width, height) = self.size;
        let count = width as usize * height as usize;
        if count == 0 {
            return Err(Error::NoPixels { width, height });
        }
        let mut image = vec![0; count];
        let mut rasterizer = Rasterizer::default();
        for (tile, bitmap) in &self.tiles {
            let (x, y) = (tile.area.x as usize, tile.area.y as usize);
            let (columns, rows) = (tile.area.width as usize, tile.area.height as usize);
            let mut pixels = vec![0; columns * rows];
            let mut canvas = Canvas { pixels: &mut pixels, width: tile.area.width, height: tile.area.height };
            rasterizer.paint(&mut canvas, bitmap.as_ref(), tile.fit, &tile.rectangles);
            for (row, from) in pixels.chunks_exact(columns.max(1)).enumerate() {
                let start = (y + row) * width as usize + x;
                image[start..start + columns].copy_from_slice(from);
            }
        }
        Ok(RgbImage::from_xrgb(width, height, &image))
    }
}
