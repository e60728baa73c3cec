//! Encoded footage in memory, and what plays in a loop.

use std::sync::Arc;
use std::time::Duration;

use valkka_av::{EncodeError, Encoder, EncoderOptions, FileReader};
use valkka_core::bitmap::ColorMatrix;
use valkka_core::codec::Codec;
use valkka_core::frame::Frame;
use valkka_core::source::SourceError;
use valkka_core::time::MediaTime;

use super::{Scene, SceneOptions};

/// Footage that is read from its start to its end, again and again.
pub trait Reel: Send {
    /// The next frame, in decoding order; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read any more.
    fn read(&mut self) -> Result<Option<Frame>, SourceError>;

    /// Goes back to the start.
    ///
    /// # Errors
    /// If that is not possible.
    fn rewind(&mut self) -> Result<(), SourceError>;
}

/// Encoded footage, kept in memory.
#[derive(Clone, Debug)]
pub struct Clip {
    frames: Arc<[Frame]>,
    next: usize,
}

impl Clip {
    /// Of these frames, in decoding order.
    pub fn new(frames: impl Into<Arc<[Frame]>>) -> Self {
        Self { frames: frames.into(), next: 0 }
    }

    /// Draws and encodes `scene` with about `bitrate_bps` bits per second and a key frame every second.
    /// Takes about 5 ms per picture of 1280 × 720.
    ///
    /// # Errors
    /// If FFmpeg has no encoder for `codec`, or it fails.
    pub fn generate(scene: SceneOptions, codec: Codec, bitrate_bps: u32) -> Result<Self, EncodeError> {
        let mut scene = Scene::new(scene);
        if codec == Codec::Mjpeg {
            // JPEG has this one alone, whatever the size (ITU-T T.871, section 7).
            scene = scene.with_matrix(ColorMatrix::Bt601);
        }
        let &SceneOptions { width, height, frame_rate, frames, .. } = scene.options();
        let gop = (frame_rate.hz().round() as u32).max(1);
        let mut encoder =
            Encoder::new(EncoderOptions { codec, width, height, frame_rate, bitrate_bps, gop })?;
        let mut encoded = Vec::new();
        for index in 0..frames {
            let time = MediaTime::default() + Duration::from_secs_f64(f64::from(index) / frame_rate.hz());
            encoded.extend(encoder.encode(&scene.picture(index), time)?);
        }
        encoded.extend(encoder.finish()?);
        Ok(Self::new(encoded))
    }

    /// The frames of one loop.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }
}

impl Reel for Clip {
    fn read(&mut self) -> Result<Option<Frame>, SourceError> {
        let frame = self.frames.get(self.next).cloned();
        self.next += 1;
        Ok(frame)
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.next = 0;
        Ok(())
    }
}

impl Reel for FileReader {
    fn read(&mut self) -> Result<Option<Frame>, SourceError> {
        Self::read(self)
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        Self::rewind(self)
    }
}
