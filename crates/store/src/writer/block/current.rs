//! A block of the current format.

use std::collections::BTreeMap;
use std::sync::Arc;

use valkka_core::codec::CodecParams;
use valkka_core::frame::Packet;
use valkka_core::stream::Track;

use crate::format::{
    BlockHeader, BlockState, Footer, IndexEntry, RECORD_ALIGNMENT, RecordHeader, RecordKind, Row,
    packet_header, padded_bytes, write_gap, write_params,
};
use crate::geometry::Geometry;
use crate::record::{Gap, StreamId};
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

    /// How large a block must be for `packet` alone, as one of a stream whose name has so many bytes, with a gap before it.
    pub(super) fn bytes_for(name_bytes: usize, packet: &Packet) -> usize {
        let gap = padded_bytes(GAP_BYTES + SHORT_REASON_BYTES);
        let params =
            padded_bytes(PARAMS_BYTES.saturating_add(name_bytes).saturating_add(packet.params.extra.len()));
        let records = [gap, params, padded_bytes(packet.payload.len())];
        let bytes = BlockHeader::BYTES + Footer::tail_bytes(records.len());
        records.into_iter().fold(bytes, usize::saturating_add)
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
            return Put::Unfit;
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
                return Put::Unfit;
            }
        }
        let offset = self.used + small.len();
        entries[2] = index_entry(offset, RecordKind::Packet, entry.packet.keyframe, track, wall);
        let used = offset.saturating_add(padded_bytes(entry.packet.payload.len()));
        let count = self.entries.len() + entries.iter().flatten().count();
        if used.saturating_add(Footer::tail_bytes(count)) > self.bytes || count > MAX_ENTRIES {
            return match entry.gap {
                _ if !self.entries.is_empty() => Put::Full,
                // Better to say less than to record nothing.
                Some(gap) if gap.reason.len() > SHORT_REASON_BYTES => {
                    let reason = &gap.reason[..gap.reason.floor_char_boundary(SHORT_REASON_BYTES)];
                    let gap = Gap { reason: reason.to_owned(), ..*gap };
                    self.put(batch, &Entry { gap: Some(&gap), ..*entry })
                }
                _ => Put::Unfit,
            };
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
/// What the payloads of gaps and of parameters have beside texts and what a decoder needs.
const GAP_BYTES: usize = 16;
const PARAMS_BYTES: usize = 28;
/// So much of the reason for a gap has room before the largest packet that is recorded.
const SHORT_REASON_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valkka_core::codec::Codec;
    use valkka_core::frame::{Body, Frame};
    use valkka_core::payload::Payload;

    use crate::format::{MAX_NAME_BYTES, MAX_REASON_BYTES};
    use crate::testing::{ID, VIDEO, at, frame};

    use super::*;

    #[test]
    fn what_a_block_is_said_to_have_room_for_fits() {
        let params = Arc::new(CodecParams::video(Codec::H264, Bytes::from(vec![1; 99])));
        let put = |name: &str, gap_bytes: usize, payload_bytes: usize| {
            let payload = Payload::from_vec(vec![1; payload_bytes]);
            let packet = Packet { params: params.clone(), payload, keyframe: true, lost: 0 };
            let frame = Frame { body: Body::Packet(packet.clone()), ..frame(VIDEO, 40, true) };
            let gap = Gap { from: at(0), to: at(40), reason: "ä".repeat(gap_bytes / 2) };
            let (mut batch, geometry) = (Batch::default(), Geometry::new(8192, 2).unwrap());
            let header = BlockHeader { sequence: 1, lane: 1, created: at(0) };
            let mut block = CurrentBlock::begin(&mut batch, geometry, 0, header);
            let entry = Entry { id: ID, name, frame: &frame, packet: &packet, gap: Some(&gap) };
            let fits = CurrentBlock::bytes_for(name.len(), &packet) <= 8192;
            (fits, block.put(&mut batch, &entry))
        };
        for name in ["a".to_owned(), "ab".repeat(MAX_NAME_BYTES / 2)] {
            let fits = |bytes: usize| put(&name, SHORT_REASON_BYTES, bytes).0;
            let largest = (0..8192).rev().find(|&bytes| fits(bytes)).unwrap();
            for gap_bytes in [SHORT_REASON_BYTES, SHORT_REASON_BYTES + 2, MAX_REASON_BYTES] {
                assert_eq!(put(&name, gap_bytes, largest), (true, Put::Done));
                assert_eq!(put(&name, gap_bytes, largest + 1), (false, Put::Unfit));
            }
        }
    }
}
