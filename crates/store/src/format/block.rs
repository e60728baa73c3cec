//! The first bytes of a block.

use valkka_core::time::WallTime;

use super::fields::{seal, unseal};

/// What a block starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Counts the blocks in the order in which they were begun, over the whole life of the store, from 1. It is in every
    /// record too.
    pub sequence: u64,
    /// The stream whose records it holds; 0 if they are of many streams.
    pub lane: u64,
    /// When it was begun.
    pub created: WallTime,
}

impl BlockHeader {
    /// The length of its bytes.
    pub const BYTES: usize = 64;
    /// The first bytes of every block of this format.
    pub const MAGIC: [u8; 8] = *b"VALKBLK\x02";

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        seal(&[
            &Self::MAGIC,
            &self.sequence.to_le_bytes(),
            &self.lane.to_le_bytes(),
            &self.created.micros().to_le_bytes(),
        ])
    }

    /// Reads what `data` starts with.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let mut fields = unseal(data, Self::BYTES)?;
        let magic = fields.bytes(Self::MAGIC.len())? == Self::MAGIC;
        let header = Self { sequence: fields.u64()?, lane: fields.u64()?, created: fields.time()? };
        (magic && header.sequence > 0).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let header = BlockHeader { sequence: 5, lane: 9, created: WallTime::from_micros(-3) };
        let bytes = header.encode();
        assert_eq!(BlockHeader::decode(&bytes), Some(header));
        assert_eq!(BlockHeader::decode(&bytes[..63]), None);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BlockHeader::decode(&flipped), None, "bit {bit}");
        }
    }
}
