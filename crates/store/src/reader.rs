//! Takes the records out of the bytes of a block.

mod older;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::stream::{Slot, Track};

use crate::damage::{Damage, DamageReason};
use crate::format::{
    BlockHeader, Footer, RECORD_ALIGNMENT, RecordHeader, RecordKind, decode_gap, decode_params, padded_bytes,
};
use crate::record::{Record, StreamId};

pub(crate) use older::{AccessUnit, OlderRecords};

/// Iterates over the records of one block, in the order in which they were written.
///
/// What is rotten or torn comes as an error where it stands; the iteration then goes on behind it. What an earlier lap of
/// the ring left behind the last record is never taken for a record. Payloads are copied, once, for decoders want padding
/// behind them.
#[derive(Debug)]
pub struct BlockReader {
    block: u64,
    records: Records,
}

impl BlockReader {
    /// Reads `data`, the bytes of the block of this number; of a block that is being written, those that there are.
    ///
    /// `sequence` is the sequence that the table has for the block. Without it, the block is read as what it says it is: by
    /// its header, or else its footer, or else the newest record in it; or as one of the older format.
    pub fn new(block: u64, data: Bytes, sequence: Option<u64>) -> Self {
        let records = match sequence.or_else(|| find_sequence(&data)) {
            Some(sequence) => Records::Current(CurrentRecords::new(data, sequence)),
            None => Records::Older(OlderRecords::new(data)),
        };
        Self { block, records }
    }

    /// Reads `data`, the bytes of the block of this number, which is of the older format.
    pub fn older(block: u64, data: Bytes) -> Self {
        Self { block, records: Records::Older(OlderRecords::new(data)) }
    }

    /// The sequence of the block; `None` if it is of the older format.
    pub fn sequence(&self) -> Option<u64> {
        match &self.records {
            Records::Current(records) => Some(records.sequence),
            Records::Older(_) => None,
        }
    }

    /// The footer, if the block is complete and of the current format.
    pub fn footer(&self) -> Option<&Footer> {
        match &self.records {
            Records::Current(records) => records.footer.as_ref(),
            Records::Older(_) => None,
        }
    }

    /// Where the next record is looked for, in bytes from the start of the block. Once the iteration is over, where the
    /// records end.
    pub fn position(&self) -> u64 {
        match &self.records {
            Records::Current(records) => records.position as u64,
            Records::Older(records) => records.position() as u64,
        }
    }
}

impl Iterator for BlockReader {
    type Item = Result<Record, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.records {
            Records::Current(records) => records.next()?,
            Records::Older(records) => records.next()?,
        };
        let block = self.block;
        Some(next.map_err(|(offset, reason)| Damage { block, offset: offset as u64, reason }))
    }
}

#[derive(Debug)]
enum Records {
    Current(CurrentRecords),
    Older(OlderRecords),
}

/// A record, or where what is wrong.
type Found = Result<Record, (usize, DamageReason)>;

/// The records of a block of the current format.
#[derive(Debug)]
struct CurrentRecords {
    data: Bytes,
    sequence: u64,
    footer: Option<Footer>,
    /// What is wrong with the block as a whole, and not told yet.
    reports: Vec<(usize, DamageReason)>,
    /// A multiple of [`RECORD_ALIGNMENT`].
    position: usize,
    /// Where the records end at the latest.
    end: usize,
    params: KnownParams,
}

/// The parameters that were told last, by stream and track.
pub(crate) type KnownParams = BTreeMap<(StreamId, Track), Arc<CodecParams>>;

impl CurrentRecords {
    fn new(data: Bytes, sequence: u64) -> Self {
        let mut reports = Vec::new();
        let footer = Footer::decode(&data).filter(|footer| footer.sequence == sequence);
        if footer.is_some_and(|footer| footer.index(&data).is_none()) {
            reports.push((data.len() - Footer::BYTES, DamageReason::Index));
        }
        if BlockHeader::decode(&data).is_none_or(|header| header.sequence != sequence) {
            reports.push((0, DamageReason::BlockHeader));
        }
        let end = footer.map_or(data.len(), |footer| footer.used_bytes as usize);
        let position = BlockHeader::BYTES;
        Self { data, sequence, footer, reports, position, end, params: BTreeMap::new() }
    }

    fn next(&mut self) -> Option<Found> {
        if let Some(report) = self.reports.pop() {
            return Some(Err(report));
        }
        let start = self.position;
        let Some((header, payload)) = record_at(&self.data[..self.end], start, self.sequence) else {
            return self.pass_over(start);
        };
        let payload = self.data.slice(payload);
        self.position = start.saturating_add(padded_bytes(payload.len())).min(self.end);
        if !header.fits(&payload) {
            return Some(Err((start, DamageReason::Payload)));
        }
        Some(decode_record(&header, &payload, &mut self.params).map_err(|reason| (start, reason)))
    }

    /// Goes to the next record behind `start`, where there is none. What lies behind the last record of a block that is
    /// not complete is no damage.
    fn pass_over(&mut self, start: usize) -> Option<Found> {
        let data = &self.data[..self.end];
        let next = (start..data.len())
            .step_by(RECORD_ALIGNMENT)
            .find(|&at| record_at(data, at, self.sequence).is_some());
        self.position = match next {
            Some(next) => next,
            None if self.footer.is_some() => self.end.max(start),
            None => return None,
        };
        let bytes = (self.position - start) as u64;
        (bytes > 0).then_some(Err((start, DamageReason::NoRecord { bytes })))
    }
}

/// The record of a whole header and payload; `known` are the parameters told before it, and afterwards.
pub(crate) fn decode_record(
    header: &RecordHeader,
    payload: &[u8],
    known: &mut KnownParams,
) -> Result<Record, DamageReason> {
    let (id, track) = (header.id, header.track);
    match header.kind {
        RecordKind::Packet => {
            let codec = header.codec.ok_or(DamageReason::Contents)?;
            let packet = Packet {
                params: params_of(known, (id, track), codec, payload)?,
                payload: Payload::copy_from_slice(payload),
                keyframe: header.keyframe,
                lost: header.lost,
            };
            let time =
                FrameTime { media: header.media, arrival: header.wall, capture: None, wall: header.wall };
            let frame = Frame { slot: Slot::default(), track, time, body: Body::Packet(packet) };
            Ok(Record::Packet { id, frame })
        }
        RecordKind::Params => {
            let codec = header.codec.ok_or(DamageReason::Contents)?;
            let (name, params) = decode_params(codec, payload).ok_or(DamageReason::Contents)?;
            // A new `Arc` would say that they changed.
            let same = known.get(&(id, track)).filter(|known| ***known == params);
            let params = same.cloned().unwrap_or_else(|| Arc::new(params));
            known.insert((id, track), params.clone());
            Ok(Record::Params { id, track, name, params })
        }
        RecordKind::Gap => Ok(Record::Gap { id, gap: decode_gap(payload).ok_or(DamageReason::Contents)? }),
    }
}

/// The parameters for a packet: those told before it; or else, as far as the codec allows, those that it tells itself.
fn params_of(
    known: &mut KnownParams,
    track: (StreamId, Track),
    codec: Codec,
    payload: &[u8],
) -> Result<Arc<CodecParams>, DamageReason> {
    if let Some(params) = known.get(&track).filter(|params| params.codec == codec) {
        return Ok(params.clone());
    }
    let params = match codec.params_in(payload) {
        Some(params) => params,
        // A decoder finds the parameter sets before the next key frame.
        None if codec.is_video() => return Ok(Arc::new(CodecParams::video(codec, Bytes::new()))),
        None => return Err(DamageReason::NoParameters),
    };
    let params = Arc::new(params);
    known.insert(track, params.clone());
    Ok(params)
}

/// The header of the record at `start`, and where its payload lies, if there is one of the block's own.
fn record_at(data: &[u8], start: usize, sequence: u64) -> Option<(RecordHeader, Range<usize>)> {
    let rest = data.get(start..)?;
    let header = RecordHeader::decode(rest).filter(|header| header.sequence == sequence)?;
    let length = header.payload_bytes as usize;
    let begin = start + RecordHeader::BYTES;
    (length <= data.len() - begin).then(|| (header, begin..begin + length))
}

/// The sequence of a block of the current format, by whatever of it is whole.
fn find_sequence(data: &[u8]) -> Option<u64> {
    if let Some(header) = BlockHeader::decode(data) {
        return Some(header.sequence);
    }
    if let Some(footer) = Footer::decode(data) {
        return Some(footer.sequence);
    }
    // Sequences only grow: the largest one is of the last lap.
    let records = (BlockHeader::BYTES..data.len()).step_by(RECORD_ALIGNMENT);
    records.filter_map(|at| RecordHeader::decode(&data[at..])).map(|header| header.sequence).max()
}

#[cfg(test)]
mod tests {
    use valkka_core::time::{MediaTime, WallTime};

    use crate::format::{IndexEntry, v1, write_packet, write_params};

    use super::*;

    const ID: StreamId = StreamId::new(3).unwrap();
    const BLOCK_BYTES: usize = 4096;

    /// A block of parameters and five packets, and where each record starts.
    fn block(sequence: u64, closed: bool) -> (Vec<u8>, Vec<usize>) {
        let params = Arc::new(CodecParams::video(Codec::H265, Bytes::from_static(b"sets")));
        let header = BlockHeader { sequence, lane: 3, created: WallTime::default() };
        let mut block = header.encode().to_vec();
        let mut starts = vec![block.len()];
        write_params(&mut block, sequence, (ID, Track::new(0)), WallTime::default(), "front", &params)
            .unwrap();
        for number in 0..5 {
            starts.push(block.len());
            let payload = Payload::from_vec(vec![number; 100 + usize::from(number)]);
            let packet = Packet { params: params.clone(), payload, keyframe: number == 0, lost: 0 };
            let wall = WallTime::from_micros(number.into());
            let media = MediaTime::from_ticks(number.into());
            let time = FrameTime { media, arrival: wall, capture: None, wall };
            let frame =
                Frame { slot: Slot::default(), track: Track::new(0), time, body: Body::Packet(packet) };
            write_packet(&mut block, sequence, ID, &frame).unwrap();
        }
        let used = block.len();
        let entry = |&start: &usize| IndexEntry {
            offset: start as u32,
            kind: if start == 64 { RecordKind::Params } else { RecordKind::Packet },
            keyframe: false,
            track: Track::new(0),
            id: 3,
            wall: WallTime::default(),
        };
        let entries: Vec<_> = starts.iter().map(entry).collect();
        let tail = if closed { Footer::write_tail(sequence, used as u32, &entries) } else { Vec::new() };
        block.resize(BLOCK_BYTES - tail.len(), 0);
        block.extend(tail);
        (block, starts)
    }

    /// The first bytes of the packets, and the damage.
    fn read(block: Vec<u8>, sequence: Option<u64>) -> (Vec<u8>, Vec<Damage>) {
        let (mut packets, mut damage) = (Vec::new(), Vec::new());
        for record in BlockReader::new(9, Bytes::from(block), sequence) {
            match record {
                Ok(Record::Packet { frame, .. }) => packets.push(frame.packet().unwrap().payload[0]),
                Ok(_) => (),
                Err(found) => damage.push(found),
            }
        }
        (packets, damage)
    }

    #[test]
    fn what_was_written_is_read() {
        for closed in [false, true] {
            assert_eq!(read(block(2, closed).0, None), (vec![0, 1, 2, 3, 4], vec![]));
            assert_eq!(read(block(2, closed).0, Some(2)), (vec![0, 1, 2, 3, 4], vec![]));
        }
    }

    #[test]
    fn every_flipped_byte_costs_one_record_at_most() {
        for closed in [false, true] {
            let (whole, starts) = block(2, closed);
            for at in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[at] ^= 0x10;
                let (packets, damage) = read(flipped, Some(2));
                assert!(packets.len() >= 4 && damage.len() <= 1, "byte {at}: {packets:?}, {damage:?}");
                let last = !closed && at >= starts[5];
                assert!(packets.len() == 5 || !damage.is_empty() || last, "byte {at} goes unnoticed");
            }
        }
    }

    #[test]
    fn an_earlier_lap_is_never_taken() {
        let (mut newer, starts) = block(8, false);
        let (older, _) = block(2, true);
        newer[starts[3]..].copy_from_slice(&older[starts[3]..]);
        assert_eq!(read(newer.clone(), None), (vec![0, 1], vec![]));
        newer[..64].copy_from_slice(&[0; 64]);
        let (packets, damage) = read(newer, Some(8));
        assert_eq!((packets, damage[0].reason, damage.len()), (vec![0, 1], DamageReason::BlockHeader, 1));
    }

    #[test]
    fn garbage_does_no_harm() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..3000 {
            let mut data = block(2, round % 2 == 0).0;
            for _ in 0..random.usize(1..60) {
                let at = random.usize(..data.len());
                data[at] = random.u8(..);
            }
            data.truncate(random.usize(..=BLOCK_BYTES));
            let sequence = random.bool().then_some(2);
            assert!(BlockReader::new(0, Bytes::from(data), sequence).count() <= BLOCK_BYTES);
        }
    }

    #[test]
    fn nal_units_of_the_older_format_are_joined() {
        let mut block = Vec::new();
        for (time_ms, unit) in [(40, 0x67), (40, 0x68), (40, 0x65), (80, 0x41)] {
            let header = v1::RecordHeader {
                id: 3,
                subsession: 0,
                time_ms,
                media_type: 0,
                codec_id: 28,
                payload_bytes: 6,
            };
            block.extend(header.encode());
            block.extend([0, 0, 0, 1, unit, 1]);
        }
        let read = |mut block: Vec<u8>| {
            block.resize(BLOCK_BYTES, 0);
            let reader = BlockReader::new(0, Bytes::from(block), None);
            assert_eq!(reader.sequence(), None);
            reader
                .map(|record| {
                    record.map(|record| match record {
                        Record::Packet { frame, .. } => {
                            let packet = frame.packet().unwrap();
                            (frame.time.wall.millis(), packet.payload.len(), packet.keyframe)
                        }
                        _ => unreachable!("the older format has packets only"),
                    })
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(read(block.clone()), [Ok((40, 18, true)), Ok((80, 6, false))]);
        // The length of the third record.
        block[2 * 42 + 35] = 0xff;
        let found = read(block);
        assert_eq!(found[0], Ok((40, 12, false)));
        assert_eq!(found[1].unwrap_err().offset, 84);
        assert_eq!(found.len(), 2);
    }
}
