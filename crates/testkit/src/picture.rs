//! Pictures to look at: screenshots, and what `ffmpeg` makes of a stream.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use crate::media;
use crate::temp::TempDir;

/// A picture of packed R, G, B bytes.
#[derive(Clone, Debug)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Takes over packed R, G, B bytes.
    ///
    /// # Panics
    /// If there are not three for each pixel.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert_eq!(rgb.len(), width as usize * height as usize * 3, "a {width}x{height} picture");
        Self { width, height, rgb }
    }

    /// Reads a PNG file of 8-bit RGB or RGBA, without regard to its alpha.
    ///
    /// # Errors
    /// If it cannot be read, or is of another kind.
    pub fn from_png(path: &Path) -> io::Result<Self> {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path)?)).read_info()?;
        let length =
            reader.output_buffer_size().ok_or_else(|| io::Error::other("a PNG too large for memory"))?;
        let mut data = vec![0; length];
        let info = reader.next_frame(&mut data)?;
        data.truncate(info.buffer_size());
        let rgb = match (info.color_type, info.bit_depth) {
            (png::ColorType::Rgb, png::BitDepth::Eight) => data,
            (png::ColorType::Rgba, png::BitDepth::Eight) => {
                data.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
            }
            kind => return Err(io::Error::other(format!("{} is a PNG of {kind:?}", path.display()))),
        };
        Ok(Self::new(info.width, info.height, rgb))
    }

    /// The first picture that the `ffmpeg` program sees in `input`, a file or an address; `options` come before
    /// the input.
    ///
    /// # Errors
    /// If it sees none.
    pub fn from_ffmpeg(options: &[&str], input: &str) -> io::Result<Self> {
        let directory = TempDir::new()?;
        let path = directory.join("picture.png");
        let mut command = media::ffmpeg()?;
        command.args(options).args(["-i", input, "-frames:v", "1", "-pix_fmt", "rgb24"]).arg(&path);
        media::run(command)?;
        Self::from_png(&path)
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green and blue at column `x` and row `y`, counted from the upper left.
    ///
    /// # Panics
    /// If it lies outside of the picture.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "({x}, {y}) is within {}x{}", self.width, self.height);
        let start = (y as usize * self.width as usize + x as usize) * 3;
        [self.rgb[start], self.rgb[start + 1], self.rgb[start + 2]]
    }
}
