//! A store that is made of blocks as they are written, for nobody can guess check sums, and then changed anywhere.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;
use valkka_store::format::{
    BlockHeader, BlockState, Footer, IndexEntry, RecordKind, Row, TableHeader, v1, write_gap, write_packet,
    write_params,
};
use valkka_store::medium::Medium;
use valkka_store::{Gap, Geometry, Store, StreamId};

const BLOCKS: u64 = 4;
const BLOCK_BYTES: u64 = 4096;

/// Whatever it is, reading ends, and so do seeking and looking for stretches.
pub(crate) fn image(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let end = data.iter().position(|&byte| byte == 0xff).unwrap_or(data.len());
    let (steps, edits) = data.split_at(end);
    let is_older = first & 1 != 0;
    let mut image = if is_older { older(steps) } else { current(steps) };
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % image.table.len().max(1);
        let at_data = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % image.data.len();
        if edit[2] & 1 == 0 { image.table[at] ^= edit[2] } else { image.data[at_data] ^= edit[2] }
    }
    let geometry = Geometry::new(BLOCK_BYTES, BLOCKS).expect("it is a size");
    let (data, table) = (Memory::with(image.data), Memory::with(image.table));
    let Ok(store) = Store::from_media(data, table, geometry, false) else { return };
    for id in [1, 2].into_iter().filter_map(StreamId::new) {
        let mut cursor = store.cursor(id);
        let mut entries = 0;
        while let Ok(Some(_)) = cursor.next() {
            entries += 1;
            assert!(entries < 20_000, "reading ends");
        }
        for seconds in [i64::MIN, 0, 3, 9, i64::MAX] {
            let moment = WallTime::from_micros(seconds.saturating_mul(1_000_000));
            if matches!(cursor.seek(moment), Ok(true)) {
                let _ = cursor.next();
            }
            if let Ok(Some(before)) = cursor.keyframe_before(moment) {
                assert!(before < moment);
            }
            if let Ok(Some(after)) = cursor.keyframe_after(moment) {
                assert!(after > moment);
            }
        }
        let all = WallTime::from_micros(i64::MIN)..WallTime::from_micros(i64::MAX);
        assert!(store.stretches(id, all).is_ok_and(|stretches| stretches.len() <= 2000));
    }
}

struct Image {
    table: Vec<u8>,
    data: Vec<u8>,
}

fn frame(step: &[u8]) -> (StreamId, Frame) {
    let id = StreamId::new(u64::from(step[0] >> 4 & 1) + 1).expect("it is not zero");
    let wall = WallTime::from_micros(i64::from(step[1]) * 100_000);
    let codec = if step[0] & 0x20 == 0 { Codec::H265 } else { Codec::PcmMulaw };
    let params = match codec.is_video() {
        true => CodecParams::video(codec, Default::default()),
        false => CodecParams::audio(codec, 8000, 1, Default::default()),
    };
    let payload = Payload::from_vec(vec![step[1]; usize::from(step[2])]);
    let packet = Packet { params: Arc::new(params), payload, keyframe: step[2] & 1 == 0, lost: 0 };
    let time = FrameTime { arrival: wall, wall, ..FrameTime::default() };
    let track = Track::new(step[0] >> 5 & 1);
    (id, Frame { slot: Slot::default(), track, time, body: Body::Packet(packet) })
}

fn current(steps: &[u8]) -> Image {
    let geometry = Geometry::new(BLOCK_BYTES, BLOCKS).expect("it is a size");
    let mut table = TableHeader { geometry, first_sequence: 1 }.encode().to_vec();
    let mut data = Vec::new();
    let mut steps = steps.chunks_exact(3);
    for block in 0..BLOCKS {
        let sequence = block + 1;
        let mut lane = 0;
        let mut bytes = BlockHeader { sequence, lane, created: WallTime::default() }.encode().to_vec();
        let mut entries = Vec::new();
        let mut is_closed = true;
        let mut row = Row { sequence, state: BlockState::Closed, ..Row::default() };
        for step in steps.by_ref() {
            let (id, frame) = frame(step);
            let kind = match step[0] & 7 {
                0 => RecordKind::Gap,
                1 => RecordKind::Params,
                6 => {
                    lane = id.number();
                    continue;
                }
                7 => {
                    is_closed = step[1] & 1 == 0;
                    break;
                }
                _ => RecordKind::Packet,
            };
            let before = bytes.len();
            let (offset, wall) = (before as u32, frame.time.wall);
            match kind {
                RecordKind::Gap => {
                    let gap = Gap { from: WallTime::default(), to: wall, reason: "why".into() };
                    write_gap(&mut bytes, sequence, id, &gap);
                }
                RecordKind::Params => {
                    let params = frame.packet().expect("it is a packet").params.clone();
                    let _ = write_params(&mut bytes, sequence, (id, frame.track), wall, "name", &params);
                }
                RecordKind::Packet => drop(write_packet(&mut bytes, sequence, id, &frame)),
            }
            if bytes.len() + Footer::tail_bytes(entries.len() + 1) > BLOCK_BYTES as usize {
                bytes.truncate(before);
                break;
            }
            let keyframe = step[2] & 1 == 0;
            entries.push(IndexEntry { offset, kind, keyframe, track: frame.track, id: id.number(), wall });
            if kind == RecordKind::Packet {
                row.first = Some(row.first.unwrap_or(wall).min(wall));
                row.last = row.last.max(Some(wall));
            }
            row.has_gaps |= kind == RecordKind::Gap;
        }
        (row.first_keyframe, row.last_keyframe, row.lane) = (row.first, row.last, lane);
        row.used_bytes = bytes.len() as u32;
        let tail = Footer::write_tail(sequence, row.used_bytes, &entries);
        bytes.resize(BLOCK_BYTES as usize, 0);
        if is_closed {
            let at = bytes.len() - tail.len();
            bytes[at..].copy_from_slice(&tail);
        } else {
            row.state = BlockState::Open;
        }
        table.extend(row.encode());
        data.extend(bytes);
    }
    Image { table, data }
}

fn older(steps: &[u8]) -> Image {
    let (mut table, mut data) = (Vec::new(), Vec::new());
    let mut steps = steps.chunks_exact(3);
    for _ in 0..BLOCKS {
        let (mut bytes, mut row) = (Vec::new(), v1::Row::default());
        for step in steps.by_ref() {
            if step[0] & 7 == 7 {
                break;
            }
            let (id, frame) = frame(step);
            let before = bytes.len();
            let _ = v1::write_packet(&mut bytes, id, &frame);
            if bytes.len() + 8 > BLOCK_BYTES as usize {
                bytes.truncate(before);
                break;
            }
            row = v1::Row { keyframe_ms: frame.time.wall.millis(), last_ms: frame.time.wall.millis() };
        }
        bytes.resize(BLOCK_BYTES as usize, 0);
        table.extend(row.encode());
        data.extend(bytes);
    }
    Image { table, data }
}

#[derive(Debug)]
struct Memory(Mutex<Vec<u8>>);

impl Memory {
    fn with(bytes: Vec<u8>) -> Arc<dyn Medium> {
        Arc::new(Self(Mutex::new(bytes)))
    }
}

impl Medium for Memory {
    fn place(&self) -> &Path {
        Path::new("memory")
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(data.len());
        data[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
