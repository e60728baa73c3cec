//! The end of a block that is full: what is where in it.

use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use super::fields::{Fields, micros, seal, unseal};
use super::record::RecordKind;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Where it starts in the block, in bytes.
    pub offset: u32,
    /// What it is.
    pub kind: RecordKind,
    /// Whether decoding can start at it.
    pub keyframe: bool,
    /// Its track; 0 for gaps.
    pub track: Track,
    /// The number of its stream.
    pub id: u64,
    /// Its wall time.
    pub wall: WallTime,
}

impl IndexEntry {
    /// The length of its bytes.
    pub const BYTES: usize = 24;

    fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.offset.to_le_bytes());
        bytes[4..7].copy_from_slice(&[self.kind.code(), self.keyframe.into(), self.track.index()]);
        bytes[8..16].copy_from_slice(&self.id.to_le_bytes());
        bytes[16..].copy_from_slice(&self.wall.micros().to_le_bytes());
        bytes
    }

    fn decode(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let offset = fields.u32()?;
        let kind = RecordKind::from_code(fields.u8()?)?;
        let keyframe = fields.u8()? & 1 != 0;
        let (track, _reserved) = (Track::new(fields.u8()?), fields.u8()?);
        Some(Self { offset, kind, keyframe, track, id: fields.u64()?, wall: fields.time()? })
    }
}

/// The last bytes of a block that is full. Before it lies the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// As in the block's header.
    pub sequence: u64,
    /// How many records and entries of the index there are.
    pub count: u32,
    /// Where the records end, in bytes from the start of the block.
    pub used_bytes: u32,
    /// The wall times of its first packet and of its last; `None` if it has none.
    pub first: Option<WallTime>,
    /// See [`Self::first`].
    pub last: Option<WallTime>,
    index_crc: u32,
}

impl Footer {
    /// The length of its bytes.
    pub const BYTES: usize = 64;
    const MAGIC: [u8; 8] = *b"VALKEND\x02";

    /// How many bytes at the end of a block an index of `count` entries takes, with the footer.
    pub fn tail_bytes(count: usize) -> usize {
        count.saturating_mul(IndexEntry::BYTES).saturating_add(Self::BYTES)
    }

    /// The bytes at the end of a block: index and footer. The records end at `used_bytes`; the times are those of the
    /// first packet and of the last in `entries`, of which there are fewer than 2³².
    pub fn write_tail(sequence: u64, used_bytes: u32, entries: &[IndexEntry]) -> Vec<u8> {
        let mut tail = Vec::with_capacity(Self::tail_bytes(entries.len()));
        entries.iter().for_each(|entry| tail.extend_from_slice(&entry.encode()));
        let mut packets = entries.iter().filter(|entry| entry.kind == RecordKind::Packet);
        let first = packets.next().map(|entry| entry.wall);
        let last = packets.next_back().map(|entry| entry.wall).or(first);
        let footer = Self {
            sequence,
            count: entries.len() as u32,
            used_bytes,
            first,
            last,
            index_crc: crc32fast::hash(&tail),
        };
        tail.extend_from_slice(&footer.encode());
        tail
    }

    fn encode(&self) -> [u8; Self::BYTES] {
        seal(&[
            &Self::MAGIC,
            &self.sequence.to_le_bytes(),
            &self.count.to_le_bytes(),
            &self.used_bytes.to_le_bytes(),
            &micros(self.first).to_le_bytes(),
            &micros(self.last).to_le_bytes(),
            &self.index_crc.to_le_bytes(),
        ])
    }

    /// Reads what the whole `block` ends with; `None` too if index and records could not lie in it.
    pub fn decode(block: &[u8]) -> Option<Self> {
        Self::decode_last(block.get(block.len().checked_sub(Self::BYTES)?..)?, block.len() as u64)
    }

    /// Reads `last`, the last bytes of a block of `block_bytes` bytes; `None` too if index and records could not lie in it.
    pub fn decode_last(last: &[u8], block_bytes: u64) -> Option<Self> {
        let mut fields = unseal(last, Self::BYTES)?;
        let magic = fields.bytes(Self::MAGIC.len())? == Self::MAGIC;
        let footer = Self {
            sequence: fields.u64()?,
            count: fields.u32()?,
            used_bytes: fields.u32()?,
            first: fields.maybe_time()?,
            last: fields.maybe_time()?,
            index_crc: fields.u32()?,
        };
        let tail = Self::tail_bytes(footer.count as usize) as u64;
        let fits = tail.saturating_add(footer.used_bytes.into()) <= block_bytes;
        (magic && footer.sequence > 0 && fits).then_some(footer)
    }

    /// The index before it in the same `block`; `None` if it is damaged.
    pub fn index(&self, block: &[u8]) -> Option<Vec<IndexEntry>> {
        let start = block.len().checked_sub(Self::tail_bytes(self.count as usize))?;
        self.entries(block.get(start..block.len() - Self::BYTES)?)
    }

    /// The entries of `index`, the bytes before the footer; `None` if they are damaged.
    pub fn entries(&self, index: &[u8]) -> Option<Vec<IndexEntry>> {
        (crc32fast::hash(index) == self.index_crc)
            .then(|| index.chunks_exact(IndexEntry::BYTES).map(IndexEntry::decode).collect())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let entry = |offset, kind, wall| IndexEntry {
            offset,
            kind,
            keyframe: offset == 128,
            track: Track::new(1),
            id: 3,
            wall: WallTime::from_micros(wall),
        };
        let entries = [
            entry(64, RecordKind::Params, 1),
            entry(128, RecordKind::Packet, 2),
            entry(200, RecordKind::Packet, 9),
        ];
        let mut block = vec![0; 256];
        block.extend(Footer::write_tail(4, 256, &entries));
        let footer = Footer::decode(&block).unwrap();
        assert_eq!((footer.sequence, footer.count, footer.used_bytes), (4, 3, 256));
        assert_eq!(
            (footer.first, footer.last),
            (Some(WallTime::from_micros(2)), Some(WallTime::from_micros(9)))
        );
        assert_eq!(footer.index(&block).as_deref(), Some(&entries[..]));
        for bit in 256 * 8..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let index = Footer::decode(&flipped).and_then(|footer| footer.index(&flipped));
            assert_eq!(index, None, "bit {bit}");
        }
        assert_eq!(Footer::decode(&block[1..]), None, "the records do not fit any more");
    }

    #[test]
    fn a_block_without_packets_has_no_times() {
        let block = [vec![0; 64], Footer::write_tail(1, 64, &[])].concat();
        let footer = Footer::decode(&block).unwrap();
        assert_eq!((footer.first, footer.last, footer.index(&block)), (None, None, Some(vec![])));
    }
}
