//! A block of the current format.

use std::collections::BTreeMap;
use std::sync::Arc;

use valkka_core::codec::CodecParams;
use valkka_core::stream::Track;

use crate::format::{
    BlockHeader, BlockState, Footer, IndexEntry, RECORD_ALIGNMENT, RecordHeader, RecordKind, Row,
    packet_header, padded_bytes, write_gap, write_params,
};
use crate::geometry::Geometry;
use crate::record::StreamId;
use crate::times::Times;
use crate::writer::batch::Batch;

use super::{Entry, Put};

#[derive(Debug)]
pub(in crate::writer) struct CurrentBlock {
    number: u64,
    /// Where it lies in the data.
    start: u64,
    bytes: usize,
    header: BlockHeader,
    used: usize,
    entries: Vec<IndexEntry>,
    /// Those that were written into this block.
    params: BTreeMap<(StreamId, Track), Arc<CodecParams>>,
    times: Times,
    has_gaps: bool,
}

impl CurrentBlock {
    /// Begins the block `number`, which exists.
    pub(in crate::writer) fn begin(
        batch: &mut Batch,
        geometry: Geometry,
        number: u64,
        header: BlockHeader,
    ) -> Self {
        let start = number * geometry.block_bytes();
        batch.push(start, &header.encode());
        Self {
            number,
            start,
            bytes: geometry.block_bytes() as usize,
            header,
            used: BlockHeader::BYTES,
            entries: Vec::new(),
            params: BTreeMap::new(),
            times: Times::default(),
            has_gaps: false,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn sequence(&self) -> u64 {
        self.header.sequence
    }

    pub(super) fn put(&mut self, batch: &mut Batch, entry: &Entry<'_>) -> Put {
        let (id, track, wall) = (entry.id, entry.frame.track, entry.frame.time.wall);
        let sequence = self.header.sequence;
        let Some(header) = packet_header(sequence, id, entry.frame, entry.packet) else {
            return Put::Unknown;
        };
        let params = &entry.packet.params;
        let known = self.params.get(&(id, track));
        let has_params = known.is_some_and(|known| Arc::ptr_eq(known, params) || known == params);
        // The small records before the packet, and its header.
        let mut small = Vec::with_capacity(RecordHeader::BYTES);
        let mut entries = [None; 3];
        let index_entry = |offset, kind, keyframe, track, wall| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            Some(IndexEntry { offset, kind, keyframe, track, id: id.number(), wall })
        };
        if let Some(gap) = entry.gap {
            entries[0] = index_entry(self.used, RecordKind::Gap, false, Track::default(), gap.to);
            write_gap(&mut small, sequence, id, gap);
        }
        if !has_params {
            let offset = self.used + small.len();
            entries[1] = index_entry(offset, RecordKind::Params, false, track, wall);
            if write_params(&mut small, sequence, (id, track), wall, entry.name, params).is_none() {
                return Put::Unknown;
            }
        }
        let offset = self.used + small.len();
        entries[2] = index_entry(offset, RecordKind::Packet, entry.packet.keyframe, track, wall);
        let used = offset.saturating_add(padded_bytes(entry.packet.payload.len()));
        let count = self.entries.len() + entries.iter().flatten().count();
        if used.saturating_add(Footer::tail_bytes(count)) > self.bytes || count > MAX_ENTRIES {
            return if self.entries.is_empty() { Put::TooLarge } else { Put::Full };
        }
        small.extend_from_slice(&header.encode());
        batch.push(self.start + self.used as u64, &small);
        let payload = self.start + (self.used + small.len()) as u64;
        if !entry.packet.payload.is_empty() {
            batch.push_payload(payload, &entry.packet.payload);
        }
        let end = payload + entry.packet.payload.len() as u64;
        let padding = self.start + used as u64 - end;
        batch.push(end, &[0; RECORD_ALIGNMENT][..padding as usize]);
        self.used = used;
        self.entries.extend(entries.into_iter().flatten());
        if !has_params {
            self.params.insert((id, track), params.clone());
        }
        self.has_gaps |= entry.gap.is_some();
        self.times.add(id, track, params.codec.is_video(), wall, entry.packet.keyframe);
        Put::Done
    }

    pub(in crate::writer) fn row(&self) -> Row {
        let mut row = Row {
            sequence: self.header.sequence,
            lane: self.header.lane,
            used_bytes: self.used as u32,
            state: BlockState::Open,
            has_gaps: self.has_gaps,
            ..Row::default()
        };
        self.times.widen(&mut row);
        row
    }

    pub(super) fn close(self, batch: &mut Batch) -> Row {
        let row = self.row();
        let tail = Footer::write_tail(row.sequence, row.used_bytes, &self.entries);
        batch.push(self.start + (self.bytes - tail.len()) as u64, &tail);
        Row { state: BlockState::Closed, ..row }
    }
}

/// The index is kept in memory until the block is complete: 32 MiB at most, which matters to huge blocks of tiny records only.
const MAX_ENTRIES: usize = 1 << 20;
