//! How large a store is, and where its blocks lie.

use std::ops::Range;

/// The size and number of the blocks of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    block_bytes: u32,
    blocks: u32,
}

impl Geometry {
    /// Blocks start and end at multiples of so many bytes.
    pub const GRAIN_BYTES: u64 = 4096;
    /// The largest block: offsets in a block have 32 bits.
    pub const MAX_BLOCK_BYTES: u64 = (1 << 32) - Self::GRAIN_BYTES;
    /// The most blocks: their table is read as a whole, and has 64 MiB then.
    pub const MAX_BLOCKS: u64 = 1 << 20;

    /// `blocks` blocks of `block_bytes` bytes, rounded down to a multiple of [`Self::GRAIN_BYTES`] but to no less than it.
    ///
    /// # Errors
    /// If there is no block or no byte, or one of them is above its maximum.
    pub fn new(block_bytes: u64, blocks: u64) -> Result<Self, BadGeometry> {
        let rounded = (block_bytes / Self::GRAIN_BYTES * Self::GRAIN_BYTES).max(Self::GRAIN_BYTES);
        if block_bytes == 0 || rounded > Self::MAX_BLOCK_BYTES {
            return Err(BadGeometry::BlockBytes(block_bytes));
        }
        match u32::try_from(blocks) {
            Ok(blocks) if blocks > 0 && u64::from(blocks) <= Self::MAX_BLOCKS => {
                Ok(Self { block_bytes: rounded as u32, blocks })
            }
            _ => Err(BadGeometry::Blocks(blocks)),
        }
    }

    /// Bytes that blocks may have if `size` bytes are to make about `blocks` of them: whole MiB, 1 to 64 of them, and more
    /// only where that were more than [`Self::MAX_BLOCKS`].
    pub fn suitable_block_bytes(size: u64, blocks: u64) -> u64 {
        const MIB: u64 = 1 << 20;
        let good = (size / blocks.max(1) / MIB * MIB).clamp(MIB, 64 * MIB);
        let least = size.div_ceil(Self::MAX_BLOCKS).div_ceil(MIB) * MIB;
        good.max(least).min(Self::MAX_BLOCK_BYTES)
    }

    /// Bytes of each block, a multiple of [`Self::GRAIN_BYTES`].
    pub fn block_bytes(self) -> u64 {
        self.block_bytes.into()
    }

    /// How many blocks there are, at least one.
    pub fn blocks(self) -> u64 {
        self.blocks.into()
    }

    /// Bytes of all blocks together.
    pub fn data_bytes(self) -> u64 {
        self.block_bytes() * self.blocks()
    }

    /// Where the bytes of `block` lie in the data; `None` if there is no such block.
    pub fn range(self, block: u64) -> Option<Range<u64>> {
        let start = (block < self.blocks()).then(|| block * self.block_bytes())?;
        Some(start..start + self.block_bytes())
    }
}

/// A size that no store can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGeometry {
    /// Of a block, in bytes.
    #[error("blocks cannot have {0} bytes: 1 to {max} are possible", max = Geometry::MAX_BLOCK_BYTES)]
    BlockBytes(u64),
    /// The number of blocks.
    #[error("a store cannot have {0} blocks: 1 to {max} are possible", max = Geometry::MAX_BLOCKS)]
    Blocks(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_rounded_down_to_grains() {
        let geometry = Geometry::new(10_000, 3).unwrap();
        assert_eq!((geometry.block_bytes(), geometry.blocks(), geometry.data_bytes()), (8192, 3, 24_576));
        assert_eq!(geometry.range(2), Some(16_384..24_576));
        assert_eq!(geometry.range(3), None);
        assert_eq!(Geometry::new(1, 1).unwrap().block_bytes(), 4096);
    }

    #[test]
    fn blocks_suit_the_size() {
        let block = |size, blocks| Geometry::suitable_block_bytes(size, blocks) >> 20;
        assert_eq!((block(10 << 30, 64), block(1 << 30, 64), block(1 << 20, 64)), (64, 16, 1));
        assert_eq!((block(64 << 40, 64), block((64 << 40) + 1, 64), block(1 << 50, 0)), (64, 65, 1024));
        for size in [0, 1, 64 << 40, 100_000_000_000_000, 1 << 50] {
            let block = Geometry::suitable_block_bytes(size, 256);
            assert!(size / block <= Geometry::MAX_BLOCKS, "{size}");
        }
        // There are sizes that no store can have.
        assert_eq!(Geometry::suitable_block_bytes(u64::MAX, 256), Geometry::MAX_BLOCK_BYTES);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert_eq!(Geometry::new(0, 1), Err(BadGeometry::BlockBytes(0)));
        assert_eq!(Geometry::new(1 << 32, 1), Err(BadGeometry::BlockBytes(1 << 32)));
        assert_eq!(Geometry::new(u64::MAX, 1), Err(BadGeometry::BlockBytes(u64::MAX)));
        assert_eq!(Geometry::new(4096, 0), Err(BadGeometry::Blocks(0)));
        assert_eq!(Geometry::new(4096, (1 << 20) + 1), Err(BadGeometry::Blocks((1 << 20) + 1)));
        let largest = Geometry::new(Geometry::MAX_BLOCK_BYTES, Geometry::MAX_BLOCKS).unwrap();
        assert_eq!(largest.range(largest.blocks() - 1).unwrap().end, largest.data_bytes());
    }
}
