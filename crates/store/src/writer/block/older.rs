//! A block of the older format.

use valkka_core::frame::Frame;

use crate::format::{BlockState, Row, v1};
use crate::geometry::Geometry;
use crate::record::StreamId;
use crate::times::Times;
use crate::writer::batch::Batch;

use super::{Entry, Put};

/// Blocks follow each other in their order, whatever is in them.
#[derive(Debug)]
pub(in crate::writer) struct OlderBlock {
    number: u64,
    geometry: Geometry,
    used: u64,
    /// Of the packets in it, if they are all of one stream.
    id: Option<StreamId>,
    times: Times,
    /// Whether something was put since the end was marked.
    is_unmarked: bool,
}

impl OlderBlock {
    /// Begins the block `number`, which exists.
    pub(in crate::writer) fn begin(geometry: Geometry, number: u64) -> Self {
        Self { number, geometry, used: 0, id: None, times: Times::default(), is_unmarked: false }
    }

    /// How large a block must be for `frame` alone; `None` if the format cannot hold such a frame.
    pub(super) fn bytes_for(frame: &Frame) -> Option<usize> {
        Some(v1::packet_bytes(frame)? + END.len())
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn put(&mut self, batch: &mut Batch, entry: &Entry<'_>) -> Put {
        let mut records = Vec::new();
        if v1::write_packet(&mut records, entry.id, entry.frame).is_none() {
            return Put::Unfit;
        }
        let used = self.used + records.len() as u64;
        if used + END.len() as u64 > self.geometry.block_bytes() {
            return if self.used == 0 { Put::Unfit } else { Put::Full };
        }
        batch.push(self.start() + self.used, &records);
        self.id = if self.used == 0 { Some(entry.id) } else { self.id.filter(|&id| id == entry.id) };
        self.used = used;
        self.is_unmarked = true;
        let (track, time) = (entry.frame.track, entry.frame.time);
        // The older table counts the first track only, and tells whole milliseconds.
        if track.index() == 0 {
            self.times.add(entry.id, track, true, time.wall, entry.packet.keyframe);
        }
        Put::Done
    }

    /// Writes the end of the records behind them, where others of an earlier lap may follow.
    pub(super) fn mark_end(&mut self, batch: &mut Batch) {
        if self.is_unmarked {
            batch.push(self.start() + self.used, &END);
            self.is_unmarked = false;
        }
    }

    pub(super) fn row(&self) -> Row {
        let mut row = Row {
            lane: self.id.map_or(0, StreamId::number),
            used_bytes: self.used as u32,
            state: BlockState::Open,
            is_older: true,
            ..Row::default()
        };
        self.times.widen(&mut row);
        row
    }

    /// Empties the beginning of the block after it too, so that nobody reads on into it.
    pub(super) fn close(&mut self, batch: &mut Batch) -> Row {
        self.mark_end(batch);
        let next = (self.number + 1) % self.geometry.blocks();
        if next != self.number {
            batch.push(next * self.geometry.block_bytes(), &[0; Geometry::GRAIN_BYTES as usize]);
        }
        Row { state: BlockState::Closed, ..self.row() }
    }

    fn start(&self) -> u64 {
        self.number * self.geometry.block_bytes()
    }
}

/// A record of no stream.
const END: [u8; 8] = [0; 8];
