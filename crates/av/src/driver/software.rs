//! FFmpeg's own decoders, on the CPU.

use std::sync::Arc;

use valkka_core::bitmap::{Bitmap, ColorMatrix, ColorRange, ColorSpec};
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::payload::Payload;

use super::{DecodeError, Driver, DriverEntry, DriverOptions, MAX_SIDE, Opened, Picture};
use crate::ffi::{AvError, Complaints, RawDecoder, RawPicture};

pub(super) const ENTRY: DriverEntry = DriverEntry { name: "software", open };

/// FFmpeg's names of the decoders; a further codec is a line here.
const DECODERS: &[(Codec, &str)] = &[(Codec::H264, "h264"), (Codec::H265, "hevc"), (Codec::Mjpeg, "mjpeg")];

/// FFmpeg's name of its decoder for `codec`.
pub(super) fn decoder_of(codec: Codec) -> Option<&'static str> {
    DECODERS.iter().find(|(of, _)| *of == codec).map(|&(_, name)| name)
}

struct Software {
    codec: Codec,
    decoder: RawDecoder,
    refused: (i32, i32),
}

fn open(params: &CodecParams, options: DriverOptions) -> Opened {
    let codec = params.codec;
    let name = decoder_of(codec).ok_or(DecodeError::NoDecoder { codec })?;
    let DriverOptions { threads, show_damaged } = options;
    let decoder = RawDecoder::open(name, threads, show_damaged, &params.extra, MAX_SIDE)
        .map_err(|cause| DecodeError::Open { codec, cause: cause.into() })?;
    Ok(Box::new(Software { codec, decoder, refused: (0, 0) }))
}

impl Driver for Software {
    fn send(&mut self, payload: &Payload, tag: i64) -> Result<(), DecodeError> {
        self.decoder.send(payload, tag).map_err(|error| self.error(error))
    }

    fn receive(&mut self) -> Result<Option<Picture>, DecodeError> {
        let output = match self.decoder.receive() {
            Ok(output) => output,
            Err(error) if error.is_again() || error.is_end() => return Ok(None),
            Err(error) => return Err(self.error(error)),
        };
        let bitmap = bitmap(output.picture).ok_or_else(|| self.error(AvError::invalid()))?;
        Ok(Some(Picture { tag: output.tag, bitmap: bitmap.with_damage(output.damaged) }))
    }

    fn drain(&mut self) -> Result<(), DecodeError> {
        self.decoder.drain().map_err(|error| self.error(error))
    }

    fn flush(&mut self) {
        self.decoder.flush();
    }

    fn complaints(&self) -> Complaints {
        self.decoder.complaints()
    }
}

impl Software {
    fn error(&mut self, cause: AvError) -> DecodeError {
        let refused = self.decoder.refused();
        if refused != self.refused {
            self.refused = refused;
            let (width, height) = (refused.0.unsigned_abs(), refused.1.unsigned_abs());
            return DecodeError::TooLarge { width, height };
        }
        DecodeError::Data { codec: self.codec, cause: cause.into() }
    }
}

/// `None` if the picture is smaller in memory than its size says, which FFmpeg's never are.
fn bitmap(picture: RawPicture) -> Option<Bitmap> {
    let (format, width, height) = (picture.format(), picture.width(), picture.height());
    let color = ColorSpec {
        matrix: picture.matrix().unwrap_or_else(|| ColorMatrix::usual_for(height)),
        range: picture.range().unwrap_or(ColorRange::Limited),
    };
    Bitmap::new(format, width, height, color, Arc::new(picture)).ok()
}
