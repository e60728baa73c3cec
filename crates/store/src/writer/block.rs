//! Blocks that are being filled.

mod current;
mod older;

use valkka_core::frame::{Frame, Packet};
use valkka_core::time::WallTime;

use crate::format::{MAX_NAME_BYTES, Row};
use crate::record::{Gap, StreamId};
use crate::store::Store;
use crate::table::Format;

use super::batch::Batch;

pub(super) use current::CurrentBlock;
pub(super) use older::OlderBlock;

/// What any block of a store has room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    format: Format,
    bytes: usize,
}

/// A block that is being filled.
#[derive(Debug)]
pub(super) enum OpenBlock {
    Current(CurrentBlock),
    Older(OlderBlock),
}

/// What is to be written of one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) id: StreamId,
    /// Of the stream.
    pub(super) name: &'a str,
    pub(super) frame: &'a Frame,
    /// That of the frame.
    pub(super) packet: &'a Packet,
    /// What stands before it.
    pub(super) gap: Option<&'a Gap>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Done,
    /// There is no room for it in the block; nothing was written.
    Full,
    /// No block has room for it, or the format does not know such a packet. Nobody queues what [`Room`] refuses.
    Unfit,
}

impl Room {
    pub(super) fn of(store: &Store) -> Self {
        Self { format: store.format(), bytes: store.geometry().block_bytes() as usize }
    }

    /// Why a frame that holds `packet` can be recorded in no block, not even in an empty one; `None` if it can, as one of the
    /// stream called `name`, of which nothing is known if that is empty.
    pub(super) fn refusal(&self, name: &str, frame: &Frame, packet: &Packet) -> Option<String> {
        let wanted = match self.format {
            Format::V1 => OlderBlock::bytes_for(frame),
            Format::V2 => {
                let name_bytes = if name.is_empty() { MAX_NAME_BYTES } else { name.len() };
                Some(CurrentBlock::bytes_for(name_bytes, packet))
            }
        };
        match wanted {
            Some(wanted) if wanted <= self.bytes => None,
            Some(_) => Some(format!("a frame of {} bytes is too large for a block", packet.payload.len())),
            None => Some(format!("the older format cannot hold such a frame of {:?}", packet.params.codec)),
        }
    }
}

impl OpenBlock {
    /// Its number.
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Current(block) => block.number(),
            Self::Older(block) => block.number(),
        }
    }

    /// Its sequence; 0 in the older format.
    pub(super) fn sequence(&self) -> u64 {
        match self {
            Self::Current(block) => block.sequence(),
            Self::Older(_) => 0,
        }
    }

    /// The moments of its earliest and of its latest frame.
    pub(super) fn frames(&self) -> Option<(WallTime, WallTime)> {
        let row = match self {
            Self::Current(block) => block.row(),
            Self::Older(block) => block.row(),
        };
        row.first.zip(row.last)
    }

    /// Appends a packet, with what has to stand before it.
    pub(super) fn put(&mut self, batch: &mut Batch, entry: &Entry<'_>) -> Put {
        match self {
            Self::Current(block) => block.put(batch, entry),
            Self::Older(block) => block.put(batch, entry),
        }
    }

    /// What the table is to say of it once all that was put is on disk. Called at the end of each batch.
    pub(super) fn row(&mut self, batch: &mut Batch) -> Row {
        match self {
            Self::Current(block) => block.row(),
            Self::Older(block) => {
                block.mark_end(batch);
                block.row()
            }
        }
    }

    /// Completes it, and returns what the table is to say of it then.
    pub(super) fn close(self, batch: &mut Batch) -> Row {
        match self {
            Self::Current(block) => block.close(batch),
            Self::Older(mut block) => block.close(batch),
        }
    }
}
