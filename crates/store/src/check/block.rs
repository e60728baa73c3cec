//! What a block of the current format holds, whatever the table says.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use valkka_core::time::WallTime;

use crate::codecs::codecs_of;
use crate::contents::read_footer;
use crate::damage::DamageReason;
use crate::format::{
    BlockHeader, BlockState, Footer, IndexEntry, RECORD_ALIGNMENT, RecordHeader, RecordKind, Row, decode_gap,
    decode_params,
};
use crate::record::StreamId;
use crate::times::Times;
use crate::walk::{BlockBytes, Search, Step, Walk, Window};

/// What was found in a block.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What the table should say.
    pub(super) row: Row,
    /// How many records are whole, as far as was looked.
    pub(super) records: u64,
    /// Records that are lost.
    pub(super) damage: Vec<(u64, DamageReason)>,
    /// What is wrong with it as a whole, and can be mended.
    pub(super) problems: Vec<&'static str>,
    pub(super) new_header: Option<BlockHeader>,
    pub(super) new_tail: Option<Vec<u8>>,
    /// The name of a stream in it.
    pub(super) name: Option<(u64, String)>,
}

/// Looks at a block whose row is `row`; `None` if that is damaged. Blocks with a sequence before `first_sequence` are of an
/// earlier store. `deep` reads all records, also where there is an index.
pub(super) fn examine(bytes: &dyn BlockBytes, row: Option<Row>, first_sequence: u64, deep: bool) -> Found {
    let mut found = Found::default();
    match Examination::begin(bytes, row, first_sequence) {
        Ok(Some(mut examination)) => {
            if let Err(error) = examination.run(&mut found, deep) {
                unreadable(&mut found, row, &error);
            }
        }
        // Never used, or begun and nothing written yet.
        Ok(None) => {
            let (sequence, lane) = row.map_or((0, 0), |row| (row.sequence, row.lane));
            let is_free = row.is_some_and(|row| row.state == BlockState::Free);
            found.row = if is_free { row.unwrap_or_default() } else { free(sequence, lane) };
        }
        Err(error) => unreadable(&mut found, row, &error),
    }
    found
}

/// What the table should say of a block whose row is damaged; `None` if the block cannot be read.
pub(crate) fn row_by_block(bytes: &dyn BlockBytes, first_sequence: u64) -> Option<Row> {
    let found = examine(bytes, None, first_sequence, false);
    let is_unreadable = |reason: &DamageReason| matches!(reason, DamageReason::Unreadable(_));
    (!found.damage.iter().any(|(_, reason)| is_unreadable(reason))).then_some(found.row)
}

/// The row of a block with nothing in it. Its sequence cannot be had again.
fn free(sequence: u64, lane: u64) -> Row {
    if sequence == 0 { Row::default() } else { Row { sequence, lane, ..Row::default() } }
}

fn unreadable(found: &mut Found, row: Option<Row>, error: &io::Error) {
    found.row = row.unwrap_or_default();
    found.damage.push((0, DamageReason::Unreadable(error.kind())));
    (found.new_header, found.new_tail) = (None, None);
    found.problems.clear();
}

struct Examination<'a> {
    bytes: &'a dyn BlockBytes,
    /// The row, if it is of the block as it is.
    row: Option<Row>,
    header: Option<BlockHeader>,
    sequence: u64,
    window: Window,
}

impl<'a> Examination<'a> {
    /// `None` if there is nothing of the store in the block.
    fn begin(bytes: &'a dyn BlockBytes, row: Option<Row>, first_sequence: u64) -> io::Result<Option<Self>> {
        let mut header = [0; BlockHeader::BYTES];
        bytes.read_at(0, &mut header)?;
        let told = row.filter(|row| row.sequence > 0);
        let is_ours =
            |sequence| sequence >= first_sequence || told.is_some_and(|row| row.sequence == sequence);
        let header = BlockHeader::decode(&header).filter(|header| is_ours(header.sequence));
        let newest = header.map_or(0, |header| header.sequence);
        if told.is_some_and(|row| row.state == BlockState::Free && row.sequence >= newest) {
            // It was given up.
            return Ok(None);
        }
        let sequence = match (told, header) {
            // It was begun anew, and nothing was written; or its header is damaged.
            (Some(row), Some(header)) if row.sequence > header.sequence => row.sequence,
            (_, Some(header)) => header.sequence,
            (Some(row), None) => row.sequence,
            (None, None) if row.is_some() => return Ok(None),
            (None, None) => match newest_sequence(bytes)?.filter(|&sequence| sequence >= first_sequence) {
                Some(sequence) => sequence,
                None => return Ok(None),
            },
        };
        let row = told.filter(|row| row.sequence == sequence);
        let header = header.filter(|header| header.sequence == sequence);
        Ok(Some(Self { bytes, row, header, sequence, window: Window::default() }))
    }

    fn run(&mut self, found: &mut Found, deep: bool) -> io::Result<()> {
        let footer = read_footer(self.bytes, self.sequence)?;
        let index = match &footer {
            Some(footer) => self.index(footer)?,
            None => None,
        };
        let (entries, used) = match (&footer, index) {
            (Some(footer), Some(index)) if !deep => {
                self.by_index(found, &index);
                found.records = index.len() as u64;
                (index, footer.used_bytes)
            }
            (footer, index) => {
                let closed = self.row.filter(|row| row.state == BlockState::Closed);
                let end = footer.map(|footer| footer.used_bytes).or(closed.map(|row| row.used_bytes));
                let (entries, times, used) = self.by_records(found, end)?;
                // Where records are rotten, the index knows more than what is left of them.
                match index.filter(|index| contains(index, &entries)) {
                    Some(index) => {
                        self.by_index(found, &index);
                        (index, used)
                    }
                    None => {
                        found.row.has_gaps = entries.iter().any(|entry| entry.kind == RecordKind::Gap);
                        times.widen(&mut found.row);
                        (entries, used)
                    }
                }
            }
        };
        found.row.used_bytes = used;
        self.conclude(found, footer, &entries)
    }

    fn index(&self, footer: &Footer) -> io::Result<Option<Vec<IndexEntry>>> {
        let tail = Footer::tail_bytes(footer.count as usize);
        let mut index = vec![0; tail - Footer::BYTES];
        self.bytes.read_at(self.bytes.size() - tail as u64, &mut index)?;
        Ok(footer.entries(&index))
    }

    /// What the index tells; of the records, only one of each track is read.
    fn by_index(&mut self, found: &mut Found, index: &[IndexEntry]) {
        let codecs = codecs_of(index.iter(), self.bytes, self.sequence);
        for entry in index.iter().filter(|entry| entry.kind == RecordKind::Params) {
            found.name = found.name.take().or_else(|| self.name(entry.offset));
        }
        let mut times = Times::default();
        for entry in index {
            found.row.has_gaps |= entry.kind == RecordKind::Gap;
            let codec = codecs.get(&(entry.id, entry.track));
            if let (Some(id), Some(codec), RecordKind::Packet) = (StreamId::new(entry.id), codec, entry.kind)
            {
                times.add(id, entry.track, codec.is_video(), entry.wall, entry.keyframe);
            }
        }
        times.widen(&mut found.row);
    }

    /// What the records themselves tell, and where they end.
    fn by_records(
        &mut self,
        found: &mut Found,
        end: Option<u32>,
    ) -> io::Result<(Vec<IndexEntry>, Times, u32)> {
        let mut walk = Walk::new(self.sequence, end.map(u64::from));
        let (mut entries, mut times) = (Vec::new(), Times::default());
        let mut used = BlockHeader::BYTES as u64;
        loop {
            match walk.next(self.bytes, Search::Thorough)? {
                Step::End => break,
                // The last record was never written completely, or is rotten.
                Step::Damage(at, _) if walk.position() == at => {
                    found.problems.push("its end is torn or rotten")
                }
                Step::Damage(at, reason) => found.damage.push((at, reason)),
                Step::Record(at, header) => {
                    if let Some(reason) = self.fault(found, at, &header)? {
                        found.damage.push((at, reason));
                    } else {
                        found.records += 1;
                    }
                    entries.push(IndexEntry {
                        offset: at as u32,
                        kind: header.kind,
                        keyframe: header.keyframe,
                        track: header.track,
                        id: header.id.number(),
                        wall: header.wall,
                    });
                    if let (Some(codec), RecordKind::Packet) = (header.codec, header.kind) {
                        times.add(header.id, header.track, codec.is_video(), header.wall, header.keyframe);
                    }
                    used = walk.position();
                }
            }
        }
        let used = end.map_or(used, |end| used.max(end.into())).min(self.bytes.size());
        Ok((entries, times, used as u32))
    }

    /// What is wrong with the payload of a record.
    fn fault(
        &mut self,
        found: &mut Found,
        at: u64,
        header: &RecordHeader,
    ) -> io::Result<Option<DamageReason>> {
        let length = RecordHeader::BYTES + header.payload_bytes as usize;
        let record = self.window.get(self.bytes, at, length, LARGE_BYTES)?;
        let Some(payload) = record.get(RecordHeader::BYTES..length).filter(|payload| header.fits(payload))
        else {
            return Ok(Some(DamageReason::Payload));
        };
        let is_understood = match (header.kind, header.codec) {
            (RecordKind::Packet, codec) => codec.is_some(),
            (RecordKind::Gap, _) => decode_gap(payload).is_some(),
            (RecordKind::Params, None) => false,
            (RecordKind::Params, Some(codec)) => {
                let params = decode_params(codec, payload);
                if let Some((name, _)) = &params
                    && found.name.is_none()
                {
                    found.name = Some((header.id.number(), name.clone()));
                }
                params.is_some()
            }
        };
        Ok((!is_understood).then_some(DamageReason::Contents))
    }

    fn name(&mut self, at: u32) -> Option<(u64, String)> {
        let header = self.header_at(at)?;
        let length = RecordHeader::BYTES + header.payload_bytes as usize;
        let record = self.window.get(self.bytes, at.into(), length, SMALL_BYTES).ok()?;
        let payload = record.get(RecordHeader::BYTES..length).filter(|payload| header.fits(payload))?;
        Some((header.id.number(), decode_params(header.codec?, payload)?.0))
    }

    fn header_at(&mut self, at: u32) -> Option<RecordHeader> {
        let head = self.window.get(self.bytes, at.into(), RecordHeader::BYTES, SMALL_BYTES).ok()?;
        RecordHeader::decode(head).filter(|header| header.sequence == self.sequence)
    }

    /// What row, header and index should be.
    fn conclude(&self, found: &mut Found, footer: Option<Footer>, entries: &[IndexEntry]) -> io::Result<()> {
        let lane = self.header.map(|header| header.lane).or(self.row.map(|row| row.lane));
        let lane = lane.unwrap_or_else(|| lane_of(entries));
        if entries.is_empty() && found.damage.is_empty() && footer.is_none() {
            // One that the disk refused may be complete with nothing in it.
            let closed = self.row.filter(|row| row.state == BlockState::Closed);
            found.row = closed.unwrap_or(free(self.sequence, lane));
            return Ok(());
        }
        (found.row.sequence, found.row.lane, found.row.state) = (self.sequence, lane, BlockState::Closed);
        if self.header.is_none() {
            let created = found.row.first.unwrap_or(WallTime::from_micros(0));
            found.new_header = Some(BlockHeader { sequence: self.sequence, lane, created });
            found.problems.push("the header of the block is damaged");
        }
        let is_indexed = match footer {
            Some(footer) => self.index(&footer)?.is_some_and(|index| index == entries),
            None => false,
        };
        let tail_bytes = Footer::tail_bytes(entries.len()) as u64;
        if !is_indexed && u64::from(found.row.used_bytes) + tail_bytes <= self.bytes.size() {
            found.new_tail = Some(Footer::write_tail(self.sequence, found.row.used_bytes, entries));
            found.problems.push(if footer.is_some() {
                "the index of the block is damaged"
            } else {
                "it has no index"
            });
        }
        Ok(())
    }
}

/// Whether `index` tells all of `entries`.
fn contains(index: &[IndexEntry], entries: &[IndexEntry]) -> bool {
    let known: BTreeMap<u32, &IndexEntry> = index.iter().map(|entry| (entry.offset, entry)).collect();
    entries.iter().all(|entry| known.get(&entry.offset).is_some_and(|known| *known == entry))
}

/// The stream that has a block to itself; 0 if there are many.
fn lane_of(entries: &[IndexEntry]) -> u64 {
    let ids: BTreeSet<u64> = entries.iter().map(|entry| entry.id).take(MAX_LOOKED_AT).collect();
    if ids.len() == 1 { ids.into_iter().next().unwrap_or(0) } else { 0 }
}

/// The sequence of a block whose row and header are damaged.
fn newest_sequence(bytes: &dyn BlockBytes) -> io::Result<Option<u64>> {
    let mut last = [0; Footer::BYTES];
    if let Some(start) = bytes.size().checked_sub(last.len() as u64) {
        bytes.read_at(start, &mut last)?;
    }
    // Sequences only grow: the largest one is of the last lap, and the footer of that one or of the lap before.
    let mut newest = Footer::decode_last(&last, bytes.size()).map(|footer| footer.sequence);
    let mut window = Window::default();
    let mut at = BlockHeader::BYTES as u64;
    while at < bytes.size() {
        let data = window.get(bytes, at, RecordHeader::BYTES, LARGE_BYTES)?;
        let whole = data.len().saturating_sub(RecordHeader::BYTES) / RECORD_ALIGNMENT + 1;
        for skip in (0..whole).map(|step| step * RECORD_ALIGNMENT) {
            let header = data.get(skip..).and_then(RecordHeader::decode);
            newest = newest.max(header.map(|header| header.sequence));
        }
        at += (whole * RECORD_ALIGNMENT) as u64;
    }
    Ok(newest)
}

/// Read at once for a record's header.
const SMALL_BYTES: usize = 512;
/// Read at once where all is read.
const LARGE_BYTES: usize = 1 << 20;
/// Enough to see that there are many streams.
const MAX_LOOKED_AT: usize = 100_000;
