//! AAC in RTP (RFC 3640, mode AAC-hbr): one access unit per packet, or several packets per access unit.

use std::fmt::Write as _;

use valkka_core::codec::{Codec, CodecParams, MediaParams};
use valkka_core::frame::Packet;

use super::format::{Encoding, PacketizeError};
use super::writer::{MAX_PAYLOAD, PacketWriter};

pub(super) fn describe(params: &CodecParams, _: &[u8]) -> Option<Encoding> {
    let MediaParams::Audio(audio) = params.media else { return None };
    if params.extra.len() < 2 || audio.sample_rate_hz == 0 {
        return None;
    }
    let mut fmtp = String::from(
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=",
    );
    for byte in &params.extra[..] {
        write!(fmtp, "{byte:02X}").expect("a string takes everything");
    }
    Some(Encoding {
        payload_type: None,
        name: "MPEG4-GENERIC",
        clock_rate_hz: audio.sample_rate_hz,
        channels: Some(audio.channels.max(1)),
        fmtp: Some(fmtp),
        in_band: false,
    })
}

pub(super) fn packetize(packet: &Packet, out: &mut PacketWriter<'_>) -> Result<(), PacketizeError> {
    let size = packet.payload.len();
    if size > MAX_SIZE {
        let reason = format!("an access unit of {size} bytes, more than {MAX_SIZE}");
        return Err(PacketizeError::new(Codec::Aac, reason));
    }
    // One AU header of 16 bits: the size in 13 of them, the index (0) in 3. Fragments repeat the whole size.
    let [high, low] = ((size as u16) << 3).to_be_bytes();
    let mut pieces = packet.payload.chunks(MAX_PAYLOAD - 4).peekable();
    while let Some(piece) = pieces.next() {
        out.push(pieces.peek().is_none(), &[0, 16, high, low], piece);
    }
    Ok(())
}

/// What 13 bits can tell.
const MAX_SIZE: usize = (1 << 13) - 1;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::AudioParams;

    use super::super::writer::testing::cut;
    use super::*;

    fn params() -> CodecParams {
        let media = MediaParams::Audio(AudioParams { sample_rate_hz: 44_100, channels: 2 });
        CodecParams { codec: Codec::Aac, media, extra: Bytes::from_static(&[0x12, 0x10]) }
    }

    #[test]
    fn each_packet_tells_the_size_of_the_access_unit() {
        let packets = cut(params(), &[7; 1500]).unwrap();
        assert_eq!(packets.len(), 2);
        for packet in &packets {
            assert_eq!(packet.payload[..2], [0, 16]);
            assert_eq!(u16::from_be_bytes([packet.payload[2], packet.payload[3]]), 1500 << 3);
        }
        assert_eq!(packets.iter().map(|packet| packet.payload.len() - 4).sum::<usize>(), 1500);
        assert!(!packets[0].marker && packets[1].marker);
        let error = cut(params(), &[7; 9000]).unwrap_err().to_string();
        assert_eq!(error, "AAC cannot be sent by RTP: an access unit of 9000 bytes, more than 8191");
    }

    #[test]
    fn the_description_tells_the_configuration() {
        let described = describe(&params(), &[]).unwrap();
        assert!(described.fmtp.as_deref().unwrap().ends_with(";config=1210"));
        assert_eq!((described.clock_rate_hz, described.channels), (44_100, Some(2)));
        assert_eq!(describe(&CodecParams { extra: Bytes::new(), ..params() }, &[]), None);
    }
}
