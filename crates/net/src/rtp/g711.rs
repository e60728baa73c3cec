//! G.711 in RTP (RFC 3551, section 4.5.14): samples as they are, one byte each.

use valkka_core::codec::{AudioParams, Codec, CodecParams, MediaParams};
use valkka_core::frame::Packet;

use super::format::{Encoding, PacketizeError};
use super::writer::{MAX_PAYLOAD, PacketWriter};

pub(super) fn describe(params: &CodecParams, _: &[u8]) -> Option<Encoding> {
    let audio = audio(params);
    let (name, assigned) = if params.codec == Codec::PcmMulaw { ("PCMU", 0) } else { ("PCMA", 8) };
    let plain = audio == AudioParams { sample_rate_hz: 8000, channels: 1 };
    Some(Encoding {
        payload_type: plain.then_some(assigned),
        name,
        clock_rate_hz: audio.sample_rate_hz,
        channels: (audio.channels > 1).then_some(audio.channels),
        fmtp: None,
        in_band: false,
    })
}

pub(super) fn packetize(packet: &Packet, out: &mut PacketWriter<'_>) -> Result<(), PacketizeError> {
    let channels = usize::from(audio(&packet.params).channels);
    let piece_samples = (MAX_PAYLOAD / channels).max(1);
    let mut ticks = 0;
    for piece in packet.payload.chunks(piece_samples.saturating_mul(channels).min(MAX_PAYLOAD)) {
        out.push_later(ticks, false, &[], piece);
        ticks += (piece.len() / channels) as u32;
    }
    Ok(())
}

/// G.711 without further words is 8 kHz mono.
fn audio(params: &CodecParams) -> AudioParams {
    let AudioParams { sample_rate_hz, channels } = match params.media {
        MediaParams::Audio(audio) => audio,
        MediaParams::Video(_) => AudioParams::default(),
    };
    AudioParams {
        sample_rate_hz: if sample_rate_hz == 0 { 8000 } else { sample_rate_hz },
        channels: channels.max(1),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::writer::testing::cut;
    use super::*;

    fn params(sample_rate_hz: u32, channels: u16) -> CodecParams {
        let media = MediaParams::Audio(AudioParams { sample_rate_hz, channels });
        CodecParams { codec: Codec::PcmAlaw, media, extra: Bytes::new() }
    }

    #[test]
    fn long_runs_are_cut_with_their_times() {
        let packets = cut(params(8000, 2), &vec![0xd5; 3000]).unwrap();
        let times: Vec<_> = packets.iter().map(|packet| (packet.timestamp, packet.payload.len())).collect();
        assert_eq!(times, [(1000, 1388), (1694, 1388), (2388, 224)]);
    }

    #[test]
    fn only_the_plain_kind_has_an_assigned_payload_type() {
        assert_eq!(describe(&params(8000, 1), &[]).unwrap().payload_type, Some(8));
        assert_eq!(describe(&params(0, 0), &[]).unwrap().payload_type, Some(8));
        assert_eq!(describe(&params(16_000, 1), &[]).unwrap().payload_type, None);
        assert_eq!(describe(&params(8000, 2), &[]).unwrap().channels, Some(2));
    }

    #[test]
    fn absurd_channels_do_no_harm() {
        assert_eq!(cut(params(8000, u16::MAX), &[0; 1400]).unwrap().len(), 2);
    }
}
