//! What is sent: the packets of one access unit, or one RTCP packet.

use std::time::Instant;

use bytes::Bytes;

/// Packets that belong together, ready to be sent to any number of viewers.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// Index of the track.
    pub(crate) track: u8,
    /// What it holds.
    pub(crate) kind: UnitKind,
    /// When it was made.
    pub(crate) made: Instant,
    /// Packets, each behind `$`, the channel and its length (RFC 2326, section 10.12).
    framed: Bytes,
    /// How many.
    count: usize,
}

/// What a [`Unit`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitKind {
    /// The RTP packets of one access unit.
    Media {
        /// Whether decoding of the track can start here.
        keyframe: bool,
        /// Sequence number of the first packet.
        sequence: u16,
        /// Time stamp of the first packet.
        timestamp: u32,
    },
    /// One compound RTCP packet.
    Control,
}

impl Unit {
    /// Takes over framed packets. Their channels are [`Self::default_channel`] or the one above it.
    pub(super) fn new(track: u8, kind: UnitKind, framed: Vec<u8>) -> Self {
        let mut unit = Self { track, kind, made: Instant::now(), framed: framed.into(), count: 0 };
        unit.count = unit.packets().count();
        unit
    }

    /// The channel its RTP packets are framed for; its RTCP packets are framed for the next.
    pub(crate) const fn default_channel(track: u8) -> u8 {
        track.wrapping_mul(2)
    }

    /// Bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.framed.len()
    }

    /// How many packets it holds.
    pub(crate) fn packet_count(&self) -> usize {
        self.count
    }

    /// Bytes of its packets without the framing.
    pub(crate) fn packet_bytes(&self) -> usize {
        self.framed.len() - self.count * FRAME_BYTES
    }

    /// The packets as they travel in an RTSP connection in which the track has the channels `(rtp, rtcp)`.
    /// Copies only if those are not the usual ones.
    pub(crate) fn interleaved(&self, (rtp, rtcp): (u8, u8)) -> Bytes {
        let usual = Self::default_channel(self.track);
        let (wanted, usual) = match self.kind {
            UnitKind::Media { .. } => (rtp, usual),
            UnitKind::Control => (rtcp, usual.wrapping_add(1)),
        };
        if wanted == usual {
            return self.framed.clone();
        }
        let mut framed = self.framed.to_vec();
        let mut at = 0;
        while let Some(length) = packet_length(&framed[at..]) {
            framed[at + 1] = wanted;
            at += FRAME_BYTES + length;
        }
        framed.into()
    }

    /// The packets, one by one, without the framing.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.framed[..];
        std::iter::from_fn(move || {
            let length = packet_length(rest)?;
            let (packet, tail) = rest[FRAME_BYTES..].split_at(length);
            rest = tail;
            Some(packet)
        })
    }
}

/// Bytes before each packet.
pub(super) const FRAME_BYTES: usize = 4;

/// The length of the packet that `framed` starts with, if all of it is there.
fn packet_length(framed: &[u8]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([*framed.get(2)?, *framed.get(3)?]));
    (framed.len() >= FRAME_BYTES + length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_channel_is_written_into_every_packet() {
        let framed = vec![b'$', 2, 0, 2, 7, 8, b'$', 2, 0, 0, b'$', 2, 0, 1, 9];
        let kind = UnitKind::Media { keyframe: true, sequence: 0, timestamp: 0 };
        let unit = Unit::new(1, kind, framed.clone());
        assert_eq!(unit.interleaved((2, 3)), framed);
        assert_eq!(unit.interleaved((5, 6))[..], [b'$', 5, 0, 2, 7, 8, b'$', 5, 0, 0, b'$', 5, 0, 1, 9]);
        assert_eq!(unit.packets().collect::<Vec<_>>(), [&[7, 8][..], &[], &[9]]);
        assert_eq!((unit.packet_count(), unit.packet_bytes()), (3, 3));
    }
}
