//! Single pictures for people to look at.

use bytes::Bytes;
use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec, PixelFormat};
use valkka_core::codec::FrameRate;

use crate::ffi::{AvError, EncoderFacts, Planes, RawEncoder};
use crate::reason::Reason;
use crate::scaler::{Sampling, ScaleError, Scaler};

/// Why a picture was not made a JPEG.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JpegError {
    /// It cannot be scaled.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// It cannot be encoded.
    #[error("cannot encode a {width}x{height} JPEG: {cause}")]
    Encode {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// FFmpeg's reason.
        cause: Reason,
    },
}

/// The picture as a JPEG of `width` × `height` pixels, in the colours that JPEG files have (BT.601, full range), at a
/// quality at which people see no difference. Takes some milliseconds on the caller's thread.
///
/// # Errors
/// If FFmpeg does not scale to that size, has no encoder for JPEG, or fails.
pub fn jpeg(bitmap: &Bitmap, width: u32, height: u32) -> Result<Bytes, JpegError> {
    let mut rgb = vec![0; width as usize * height as usize * 3];
    Scaler::new().rgb24(bitmap, width, height, Sampling::Area, &mut rgb)?;
    let color = ColorSpec { matrix: ColorMatrix::Bt601, range: ColorRange::Full };
    encode(rgb, width, height, color).map_err(|cause| JpegError::Encode {
        width,
        height,
        cause: cause.into(),
    })
}

fn encode(rgb: Vec<u8>, width: u32, height: u32, color: ColorSpec) -> Result<Bytes, AvError> {
    let bitmap =
        Bitmap::from_packed(PixelFormat::Rgb24, width, height, color, rgb).map_err(|_| AvError::invalid())?;
    // The quality is given, so that there is no rate to be kept.
    let facts = EncoderFacts { width, height, frame_rate: FrameRate::ONE, bitrate_bps: 0, gop: 1, color };
    let mut encoder =
        RawEncoder::open("mjpeg", &facts, &[("flags", "+qscale+bitexact"), ("global_quality", QUALITY)])?;
    encoder.send(&Planes::of(&bitmap)?, 0)?;
    encoder.finish()?;
    Ok(Bytes::copy_from_slice(encoder.receive()?.data()))
}

/// A quantiser of 3, of 1 (best) to 31, in FFmpeg's units of 1/118.
const QUALITY: &str = "354";
