//! The table of blocks: a header, and a row for each block.

use valkka_core::time::WallTime;

use crate::geometry::Geometry;

use super::fields::{micros, seal, unseal};

/// What the table starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableHeader {
    /// Of the store that it is the table of.
    pub geometry: Geometry,
    /// All blocks of the store have a sequence of at least this one. It grows when a table is begun anew over old data, so
    /// that those are never taken for newer ones.
    pub first_sequence: u64,
}

impl TableHeader {
    /// The length of its bytes.
    pub const BYTES: usize = 4096;
    /// The first bytes of every table of this format.
    pub const MAGIC: [u8; 8] = *b"VALKTAB\x02";

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let (bytes, blocks) = (self.geometry.block_bytes(), self.geometry.blocks());
        seal(&[&Self::MAGIC, &bytes.to_le_bytes(), &blocks.to_le_bytes(), &self.first_sequence.to_le_bytes()])
    }

    /// Reads what `data` starts with.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let mut fields = unseal(data, Self::BYTES)?;
        let magic = fields.bytes(Self::MAGIC.len())? == Self::MAGIC;
        let (bytes, blocks) = (fields.u64()?, fields.u64()?);
        let geometry = Geometry::new(bytes, blocks).ok()?;
        let first_sequence = fields.u64()?;
        (magic && geometry.block_bytes() == bytes).then_some(Self { geometry, first_sequence })
    }
}

/// What the table says of a block.
///
/// The times are those of the first video track, or of the first audio track where there is no video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// As in the block's header; 0 for a block that was never used.
    pub sequence: u64,
    /// As in the block's header.
    pub lane: u64,
    /// The wall time of its first key frame.
    pub first_keyframe: Option<WallTime>,
    /// The wall time of its last key frame.
    pub last_keyframe: Option<WallTime>,
    /// The wall time of its first frame.
    pub first: Option<WallTime>,
    /// The wall time of its last frame.
    pub last: Option<WallTime>,
    /// Where its records end, in bytes from the start of the block.
    pub used_bytes: u32,
    /// What becomes of it.
    pub state: BlockState,
    /// Whether there are gaps in it, or moments that do not go on from those before them.
    pub has_gaps: bool,
    /// Whether it is in the older format.
    pub is_older: bool,
}

/// What becomes of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockState {
    /// It holds nothing.
    #[default]
    Free,
    /// It is being written, or was when the writer was cut off: only the block itself tells how far.
    Open,
    /// It is complete, and so is its row.
    Closed,
}

impl Row {
    /// The length of its bytes.
    pub const BYTES: usize = 64;

    /// Where the row of `block` lies in the table, in bytes.
    pub fn offset(block: u64) -> u64 {
        block.saturating_mul(Self::BYTES as u64).saturating_add(TableHeader::BYTES as u64)
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let state = match self.state {
            BlockState::Free => 0,
            BlockState::Open => 1,
            BlockState::Closed => 2,
        };
        seal(&[
            &self.sequence.to_le_bytes(),
            &self.lane.to_le_bytes(),
            &micros(self.first_keyframe).to_le_bytes(),
            &micros(self.last_keyframe).to_le_bytes(),
            &micros(self.first).to_le_bytes(),
            &micros(self.last).to_le_bytes(),
            &self.used_bytes.to_le_bytes(),
            &[state, u8::from(self.has_gaps) | u8::from(self.is_older) << 1],
        ])
    }

    /// Reads what `data` starts with. Zeros are a block that was never used: a new table is nothing else.
    pub fn decode(data: &[u8]) -> Option<Self> {
        if data.get(..Self::BYTES)?.iter().all(|&byte| byte == 0) {
            return Some(Self::default());
        }
        let mut fields = unseal(data, Self::BYTES)?;
        let row = Self {
            sequence: fields.u64()?,
            lane: fields.u64()?,
            first_keyframe: fields.maybe_time()?,
            last_keyframe: fields.maybe_time()?,
            first: fields.maybe_time()?,
            last: fields.maybe_time()?,
            used_bytes: fields.u32()?,
            state: match fields.u8()? {
                0 => BlockState::Free,
                1 => BlockState::Open,
                2 => BlockState::Closed,
                _ => return None,
            },
            ..Self::default()
        };
        let flags = fields.u8()?;
        Some(Self { has_gaps: flags & 1 != 0, is_older: flags & 2 != 0, ..row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_row_is_noticed() {
        let row = Row {
            sequence: 77,
            lane: 2,
            first_keyframe: Some(WallTime::from_micros(5)),
            last: Some(WallTime::from_micros(0)),
            used_bytes: 4096,
            state: BlockState::Closed,
            has_gaps: true,
            ..Row::default()
        };
        for row in [row, Row { state: BlockState::Open, is_older: true, ..row }, Row::default()] {
            let bytes = row.encode();
            assert_eq!(Row::decode(&bytes), Some(row));
            assert_eq!(Row::decode(&bytes[..63]), None);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Row::decode(&flipped), None, "bit {bit}");
            }
        }
        assert_eq!(Row::decode(&[0; Row::BYTES]), Some(Row::default()));
    }

    #[test]
    fn a_header_tells_the_geometry() {
        let header = TableHeader { geometry: Geometry::new(1 << 20, 300).unwrap(), first_sequence: 77 };
        let bytes = header.encode();
        assert_eq!(TableHeader::decode(&bytes), Some(header));
        for bit in (0..bytes.len() * 8).step_by(7).chain(0..256) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(TableHeader::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Row::offset(2), 4096 + 128);
    }
}
