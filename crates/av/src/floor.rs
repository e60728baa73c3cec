//! The least that decoding can cost.

use valkka_core::frame::Packet;

use crate::driver::DecodeError;
use crate::ffi::RawDecoder;
use crate::reason::Reason;

/// Decodes `packets` with libavcodec on one thread and drops the pictures, with nothing around it: what Valkka's own
/// cost is measured against. Returns the number of pictures.
///
/// # Errors
/// If they are not of one video codec, or cannot be decoded.
pub fn decode_floor(packets: &[Packet]) -> Result<u64, DecodeError> {
    let Some(first) = packets.first() else { return Ok(0) };
    let codec = first.params.codec;
    let name = crate::driver::software_decoder(codec).ok_or(DecodeError::NoDecoder { codec })?;
    let data = |cause| DecodeError::Data { codec, cause: Reason::from(cause) };
    let mut decoder = RawDecoder::open(name, 1, false, &first.params.extra, crate::MAX_SIDE).map_err(data)?;
    let mut pictures = 0;
    let mut take = |decoder: &mut RawDecoder| loop {
        match decoder.receive() {
            Ok(_) => pictures += 1,
            Err(error) if error.is_again() || error.is_end() => return Ok(()),
            Err(error) => return Err(data(error)),
        }
    };
    for (tag, packet) in (0..).zip(packets.iter().filter(|packet| packet.params.codec == codec)) {
        decoder.send(&packet.payload, tag).map_err(data)?;
        take(&mut decoder)?;
    }
    decoder.drain().map_err(data)?;
    take(&mut decoder)?;
    Ok(pictures)
}
