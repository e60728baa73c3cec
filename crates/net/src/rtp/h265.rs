//! H.265 in RTP (RFC 7798): single NAL units and fragmentation units, without decoding order numbers.

use valkka_core::codec::CodecParams;
use valkka_core::frame::Packet;

use super::format::{Encoding, PacketizeError};
use super::h26x;
use super::writer::{MAX_PAYLOAD, PacketWriter};

pub(super) fn describe(params: &CodecParams, payload: &[u8]) -> Option<Encoding> {
    let sets = |kind| h26x::parameter_sets(&params.extra, payload, move |unit| nal_type(unit) == kind);
    let fmtp = format!("sprop-vps={};sprop-sps={};sprop-pps={}", sets(VPS)?, sets(SPS)?, sets(PPS)?);
    Some(Encoding::video("H265", Some(fmtp)))
}

pub(super) fn packetize(packet: &Packet, out: &mut PacketWriter<'_>) -> Result<(), PacketizeError> {
    let units = h26x::units(packet, |unit| matches!(nal_type(unit), VPS | SPS | PPS));
    for (index, unit) in units.iter().enumerate() {
        let last = index + 1 == units.len();
        if unit.len() <= MAX_PAYLOAD {
            out.push(last, &[], unit);
            continue;
        }
        // The unit's own header with the type replaced: forbidden bit, layer and temporal id stay.
        let header = [(unit[0] & 0x81) | FU << 1, unit[1]];
        let mut start = 0x80;
        let mut pieces = unit[2..].chunks(MAX_PAYLOAD - 3).peekable();
        while let Some(piece) = pieces.next() {
            let end = pieces.peek().is_none();
            let fu = start | u8::from(end) << 6 | nal_type(unit);
            out.push(last && end, &[header[0], header[1], fu], piece);
            start = 0;
        }
    }
    Ok(())
}

/// The type of a NAL unit that is not empty.
fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header >> 1 & 0x3f)
}

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
const FU: u8 = 49;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::Codec;
    use valkka_core::codec::nal::to_annex_b;

    use super::super::writer::testing::cut;
    use super::*;

    #[test]
    fn long_units_are_cut_and_come_together_again() {
        let long: Vec<u8> = [0x26, 0x01].into_iter().chain((0..3000).map(|i| (i % 250) as u8 + 1)).collect();
        let payload = to_annex_b([&[0x40, 1, 5][..], &long]);
        let packets = cut(CodecParams::video(Codec::H265, Bytes::new()), &payload).unwrap();
        assert_eq!(packets.len(), 4);
        assert_eq!(packets[0].payload, [0x40, 1, 5]);
        let first = &packets[1].payload;
        let mut joined = vec![(first[0] & 0x81) | (first[2] & 0x3f) << 1, first[1]];
        packets[1..].iter().for_each(|packet| joined.extend(&packet.payload[3..]));
        assert_eq!(joined, long);
        let edges: Vec<_> = packets[1..].iter().map(|packet| packet.payload[2] >> 6).collect();
        assert_eq!(edges, [0b10, 0b00, 0b01]);
        assert!(packets[3].marker && !packets[2].marker);
    }

    #[test]
    fn the_description_needs_all_three_parameter_sets() {
        let mut sets = to_annex_b([&[0x40, 1][..], &[0x42, 1]]);
        let params = CodecParams::video(Codec::H265, Bytes::new());
        assert_eq!(describe(&params, &sets), None);
        sets.extend([0, 0, 1, 0x44, 1]);
        let described = describe(&params, &sets).unwrap();
        assert_eq!(described.fmtp.as_deref(), Some("sprop-vps=QAE=;sprop-sps=QgE=;sprop-pps=RAE="));
    }
}
