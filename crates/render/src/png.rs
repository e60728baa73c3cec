//! Images to PNG files.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::image::RgbImage;

/// Writes `image` to the file `path`, which is replaced if it is there.
///
/// # Errors
/// If the file cannot be created or written, or the image has no pixels.
pub fn write_png(path: &Path, image: &RgbImage) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    encode_png(&mut file, image)?;
    file.flush()
}

/// Writes `image` as PNG to `to`.
///
/// # Errors
/// If `to` fails, or the image has no pixels.
pub fn encode_png(to: impl Write, image: &RgbImage) -> io::Result<()> {
    let mut encoder = png::Encoder::new(to, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.data())?;
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let image = RgbImage::from_xrgb(2, 2, &[0x0001_0203, 0x0004_0506, 0x0007_0809, 0x00ff_fefd]);
        let mut bytes = Vec::new();
        encode_png(&mut bytes, &image).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
        let mut data = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut data).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (2, 2, png::ColorType::Rgb));
        assert_eq!(data, image.data());
    }

    #[test]
    fn an_image_without_pixels_is_an_error() {
        assert!(encode_png(Vec::new(), &RgbImage::from_xrgb(0, 3, &[])).is_err());
    }
}
