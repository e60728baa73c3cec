//! Writes RTP packets with their headers.

use super::unit::FRAME_BYTES;

/// Bytes of an RTP packet at most: what passes tunnels and VPNs over Ethernet without fragmentation.
pub(super) const MAX_PACKET: usize = 1400;

/// Bytes of an RTP header without contributing sources or extensions (RFC 3550, section 5.1).
pub(super) const HEADER_BYTES: usize = 12;

/// Bytes of a payload, payload header included, at most.
pub(super) const MAX_PAYLOAD: usize = MAX_PACKET - HEADER_BYTES;

/// Writes the packets of one access unit one behind the other, each framed for an RTSP connection.
pub(crate) struct PacketWriter<'a> {
    pub(super) framed: Vec<u8>,
    pub(super) channel: u8,
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    /// Of the next packet; goes on with the track.
    pub(super) sequence: &'a mut u16,
    /// Of the access unit.
    pub(super) timestamp: u32,
    /// Packets and payload bytes so far.
    pub(super) written: (u32, u32),
}

impl PacketWriter<'_> {
    /// Writes one packet whose payload is `head` followed by `payload`, together at most [`MAX_PAYLOAD`] bytes
    /// (65 523 for a payload that may not be cut).
    pub(super) fn push(&mut self, marker: bool, head: &[u8], payload: &[u8]) {
        self.push_later(0, marker, head, payload);
    }

    /// Writes one packet whose time stamp lies `ticks` after that of the access unit.
    pub(super) fn push_later(&mut self, ticks: u32, marker: bool, head: &[u8], payload: &[u8]) {
        let length = HEADER_BYTES + head.len() + payload.len();
        let length = u16::try_from(length).expect("payloads are cut, or checked, before they come here");
        let [length_high, length_low] = length.to_be_bytes();
        let [sequence_high, sequence_low] = self.sequence.to_be_bytes();
        let flags = u8::from(marker) << 7;
        self.framed.reserve(FRAME_BYTES + usize::from(length));
        self.framed.extend_from_slice(&[b'$', self.channel, length_high, length_low]);
        self.framed.extend_from_slice(&[VERSION, flags | self.payload_type, sequence_high, sequence_low]);
        self.framed.extend_from_slice(&self.timestamp.wrapping_add(ticks).to_be_bytes());
        self.framed.extend_from_slice(&self.ssrc.to_be_bytes());
        self.framed.extend_from_slice(head);
        self.framed.extend_from_slice(payload);
        *self.sequence = self.sequence.wrapping_add(1);
        let payload_bytes = (head.len() + payload.len()) as u32;
        self.written = (self.written.0 + 1, self.written.1.wrapping_add(payload_bytes));
    }
}

/// Version 2, no padding, no extension, no contributing sources.
const VERSION: u8 = 0x80;

/// Packets for the tests of the packetisers.
#[cfg(test)]
pub(super) mod testing {
    use std::sync::Arc;

    use valkka_core::codec::CodecParams;
    use valkka_core::frame::Packet;
    use valkka_core::payload::Payload;

    use super::super::format::{Format, PacketizeError};
    use super::*;

    /// One packet as it was written.
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) struct Written {
        pub(crate) marker: bool,
        pub(crate) sequence: u16,
        pub(crate) timestamp: u32,
        pub(crate) payload: Vec<u8>,
    }

    /// Cuts one access unit with sequence number 65535 and time stamp 1000.
    pub(crate) fn cut(params: CodecParams, payload: &[u8]) -> Result<Vec<Written>, PacketizeError> {
        let format = Format::of(params.codec).unwrap();
        let payload = Payload::copy_from_slice(payload);
        let packet = Packet { params: Arc::new(params), payload, keyframe: true, lost: 0 };
        let mut sequence = u16::MAX;
        let mut writer = PacketWriter {
            framed: Vec::new(),
            channel: 0,
            payload_type: 96,
            ssrc: 7,
            sequence: &mut sequence,
            timestamp: 1000,
            written: (0, 0),
        };
        (format.packetize)(&packet, &mut writer)?;
        let kind = crate::rtp::UnitKind::Control;
        let unit = crate::rtp::Unit::new(0, kind, writer.framed);
        let packets = unit.packets().map(|packet| {
            assert!(packet.len() <= MAX_PACKET);
            assert_eq!(packet[0], 0x80);
            assert_eq!(packet[1] & 0x7f, 96);
            assert_eq!(packet[8..12], [0, 0, 0, 7]);
            Written {
                marker: packet[1] & 0x80 != 0,
                sequence: u16::from_be_bytes([packet[2], packet[3]]),
                timestamp: u32::from_be_bytes(packet[4..8].try_into().unwrap()),
                payload: packet[12..].to_vec(),
            }
        });
        let packets: Vec<_> = packets.collect();
        for (packet, expected) in packets.iter().zip([u16::MAX, 0, 1, 2]) {
            assert_eq!(packet.sequence, expected);
        }
        Ok(packets)
    }
}
