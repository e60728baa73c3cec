//! What decodes: a table of drivers, best first.

mod software;

use valkka_core::bitmap::Bitmap;
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::payload::Payload;

use crate::ffi::Complaints;
use crate::reason::Reason;

/// The longest side of a picture that is decoded, in pixels. Larger ones are refused before memory is taken.
pub const MAX_SIDE: u32 = 16_384;

/// Decodes the pictures of one stream.
///
/// Access units go in in decoding order, pictures come out in presentation order; each carries the tag of its access
/// unit. After a `send`, everything that comes is to be taken before the next.
pub(crate) trait Driver: Send {
    /// Takes one access unit. With several threads its errors may belong to one before.
    fn send(&mut self, payload: &Payload, tag: i64) -> Result<(), DecodeError>;

    /// The next picture, if one is ready.
    fn receive(&mut self) -> Result<Option<Picture>, DecodeError>;

    /// Has the pictures come out that are still inside. Only [`Self::flush`] may follow.
    fn drain(&mut self) -> Result<(), DecodeError>;

    /// Forgets everything, ready for a key frame.
    fn flush(&mut self);

    /// What was noticed so far and is marked in no picture.
    fn complaints(&self) -> Complaints;
}

/// A picture as it comes out of a driver.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The tag of the access unit it was decoded from.
    pub(crate) tag: i64,
    /// With its damage, as far as the decoder marks it.
    pub(crate) bitmap: Bitmap,
}

/// How a driver is to decode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DriverOptions {
    pub(crate) threads: usize,
    /// Whether pictures come out too whose references are missing.
    pub(crate) show_damaged: bool,
}

/// An open driver, or why it does not take the stream.
pub(crate) type Opened = Result<Box<dyn Driver>, DecodeError>;

/// A way to decode: a file beside this one, and a line in [`DRIVERS`].
pub(crate) struct DriverEntry {
    pub(crate) name: &'static str,
    pub(crate) open: fn(&CodecParams, DriverOptions) -> Opened,
}

/// Tried in this order.
const DRIVERS: &[DriverEntry] = &[software::ENTRY];

/// FFmpeg's name of its own decoder for `codec`.
pub(crate) fn software_decoder(codec: Codec) -> Option<&'static str> {
    software::decoder_of(codec)
}

/// Opens the first driver that takes the stream, and tells its name.
pub(crate) fn open(
    params: &CodecParams,
    options: DriverOptions,
) -> Result<(&'static str, Box<dyn Driver>), DecodeError> {
    let mut first = None;
    for entry in DRIVERS {
        match (entry.open)(params, options) {
            Ok(driver) => return Ok((entry.name, driver)),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or(DecodeError::NoDecoder { codec: params.codec }))
}

/// Why something could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No driver decodes this codec.
    #[error("there is no decoder for {codec}")]
    NoDecoder {
        /// The codec.
        codec: Codec,
    },
    /// A decoder did not open.
    #[error("the {codec} decoder does not open: {cause}")]
    Open {
        /// The codec.
        codec: Codec,
        /// FFmpeg's reason.
        cause: Reason,
    },
    /// The pictures are too large.
    #[error("a picture of {width}x{height} is too large to decode: {MAX_SIDE} pixels a side at most")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The data cannot be decoded.
    #[error("cannot decode {codec}: {cause}")]
    Data {
        /// The codec.
        codec: Codec,
        /// FFmpeg's reason.
        cause: Reason,
    },
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_nothing_decodes_is_said() {
        let params = CodecParams::video(Codec::Opus, Bytes::new());
        let options = DriverOptions { threads: 1, show_damaged: false };
        let error = open(&params, options).err().unwrap();
        assert_eq!(error.to_string(), "there is no decoder for Opus");
    }
}
