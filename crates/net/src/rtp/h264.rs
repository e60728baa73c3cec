//! H.264 in RTP (RFC 6184, packetisation mode 1): single NAL units and FU-A.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use valkka_core::codec::CodecParams;
use valkka_core::frame::Packet;

use super::format::{Encoding, PacketizeError};
use super::h26x;
use super::writer::{MAX_PAYLOAD, PacketWriter};

pub(super) fn describe(params: &CodecParams, payload: &[u8]) -> Option<Encoding> {
    let sets = |kind| {
        h26x::parameter_sets(&params.extra, payload, move |unit: &[u8]| {
            nal_type(unit) == kind && unit.len() > 3
        })
    };
    let sps = sets(SPS)?;
    let pps = h26x::parameter_sets(&params.extra, payload, |unit| nal_type(unit) == PPS)?;
    let first = STANDARD.decode(sps.split(',').next()?).ok()?;
    let [_, profile, constraints, level, ..] = first[..] else { return None };
    let fmtp = format!(
        "packetization-mode=1;profile-level-id={profile:02X}{constraints:02X}{level:02X};\
         sprop-parameter-sets={sps},{pps}"
    );
    Some(Encoding::video("H264", Some(fmtp)))
}

pub(super) fn packetize(packet: &Packet, out: &mut PacketWriter<'_>) -> Result<(), PacketizeError> {
    let units = h26x::units(packet, |unit| matches!(nal_type(unit), SPS | PPS));
    for (index, unit) in units.iter().enumerate() {
        let last = index + 1 == units.len();
        if unit.len() <= MAX_PAYLOAD {
            out.push(last, &[], unit);
            continue;
        }
        let indicator = (unit[0] & 0xe0) | FU_A;
        let mut start = 0x80;
        let mut pieces = unit[1..].chunks(MAX_PAYLOAD - 2).peekable();
        while let Some(piece) = pieces.next() {
            let end = pieces.peek().is_none();
            let header = start | u8::from(end) << 6 | nal_type(unit);
            out.push(last && end, &[indicator, header], piece);
            start = 0;
        }
    }
    Ok(())
}

/// The type of a NAL unit that is not empty.
fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

const SPS: u8 = 7;
const PPS: u8 = 8;
const FU_A: u8 = 28;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::Codec;
    use valkka_core::codec::nal::to_annex_b;

    use super::super::writer::testing::cut;
    use super::*;

    const SPS_UNIT: [u8; 5] = [0x67, 0x64, 0x00, 0x1f, 0xac];
    const PPS_UNIT: [u8; 3] = [0x68, 0xee, 0x3c];

    fn params(extra: Vec<u8>) -> CodecParams {
        CodecParams::video(Codec::H264, Bytes::from(extra))
    }

    #[test]
    fn long_units_are_cut_and_come_together_again() {
        let long: Vec<u8> = std::iter::once(0x65).chain((0..3000).map(|i| (i % 250) as u8 + 1)).collect();
        let payload = to_annex_b([&SPS_UNIT[..], &PPS_UNIT, &long]);
        let packets = cut(params(Vec::new()), &payload).unwrap();
        assert_eq!(packets.len(), 5);
        assert_eq!(packets[0].payload, SPS_UNIT);
        assert_eq!(packets[1].payload, PPS_UNIT);
        let mut joined = vec![(packets[2].payload[0] & 0xe0) | (packets[2].payload[1] & 0x1f)];
        for packet in &packets[2..] {
            assert_eq!(packet.payload[0], 0x60 | 28);
            joined.extend(&packet.payload[2..]);
        }
        assert_eq!(joined, long);
        let edges: Vec<_> = packets[2..].iter().map(|packet| packet.payload[1] >> 6).collect();
        assert_eq!(edges, [0b10, 0b00, 0b01]);
        assert_eq!(packets.iter().map(|p| p.marker).collect::<Vec<_>>(), [false, false, false, false, true]);
    }

    #[test]
    fn a_key_frame_without_parameter_sets_gets_them() {
        let extra = to_annex_b([&SPS_UNIT[..], &PPS_UNIT]);
        let packets = cut(params(extra), &[0, 0, 0, 1, 0x65, 1]).unwrap();
        let payloads: Vec<_> = packets.iter().map(|packet| &packet.payload[..]).collect();
        assert_eq!(payloads, [&SPS_UNIT[..], &PPS_UNIT, &[0x65, 1]]);
    }

    #[test]
    fn the_description_tells_profile_and_parameter_sets() {
        let sets = to_annex_b([&SPS_UNIT[..], &PPS_UNIT, &SPS_UNIT]);
        let expected = "packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=Z2QAH6w=,aO48";
        let described = describe(&params(sets.clone()), &[]).unwrap();
        assert_eq!(described.fmtp.as_deref(), Some(expected));
        assert_eq!(describe(&params(Vec::new()), &sets), Some(described));
        assert_eq!(describe(&params(Vec::new()), &[0, 0, 1, 0x67, 1]), None);
    }
}
