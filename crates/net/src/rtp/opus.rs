//! Opus in RTP (RFC 7587): one packet per packet, always described as 48 kHz stereo.

use valkka_core::codec::{Codec, CodecParams, MediaParams};
use valkka_core::frame::Packet;

use super::format::{Encoding, PacketizeError};
use super::writer::{HEADER_BYTES, PacketWriter};

pub(super) fn describe(params: &CodecParams, _: &[u8]) -> Option<Encoding> {
    let stereo = matches!(params.media, MediaParams::Audio(audio) if audio.channels == 2);
    Some(Encoding {
        payload_type: None,
        name: "opus",
        clock_rate_hz: 48_000,
        channels: Some(2),
        fmtp: Some(format!("sprop-stereo={}", u8::from(stereo))),
        in_band: true,
    })
}

pub(super) fn packetize(packet: &Packet, out: &mut PacketWriter<'_>) -> Result<(), PacketizeError> {
    let length = packet.payload.len();
    // RFC 7587 knows no fragments. Real packets have some hundred bytes.
    if length > MAX_BYTES {
        let reason = format!("a packet of {length} bytes, more than {MAX_BYTES}");
        return Err(PacketizeError::new(Codec::Opus, reason));
    }
    out.push(false, &[], &packet.payload);
    Ok(())
}

/// What a UDP datagram over IPv4 can carry.
const MAX_BYTES: usize = 65_507 - HEADER_BYTES;
