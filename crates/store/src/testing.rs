//! Stores for the unit tests of this crate, written byte by byte.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};
use valkka_testkit::temp::TempDir;

use crate::cursor::{Cursor, Entry};
use crate::directory::Manifest;
use crate::format::{
    BlockHeader, BlockState, Footer, IndexEntry, RecordHeader, RecordKind, Row, TableHeader, v1, write_gap,
    write_packet, write_params,
};
use crate::geometry::Geometry;
use crate::record::{Gap, StreamId};
use crate::store::{Store, StoreOptions};

/// The stream of most tests, and another one.
pub(crate) const ID: StreamId = StreamId::new(1).unwrap();
pub(crate) const OTHER: StreamId = StreamId::new(2).unwrap();
pub(crate) const VIDEO: Track = Track::new(0);
pub(crate) const AUDIO: Track = Track::new(1);

pub(crate) fn at(millis: i64) -> WallTime {
    WallTime::from_micros(millis * 1000)
}

/// A video frame whose payload tells its time, or one of audio.
pub(crate) fn frame(track: Track, millis: i64, keyframe: bool) -> Frame {
    let params = match track {
        AUDIO => CodecParams::audio(Codec::Aac, 16_000, 1, Bytes::from_static(&[0x14, 8])),
        _ => CodecParams::video(Codec::H265, Bytes::from_static(b"sets")),
    };
    let payload = Payload::from_vec(format!("{millis:>20}").into_bytes());
    let packet = Packet { params: Arc::new(params), payload, keyframe, lost: 0 };
    let (media, wall) = (MediaTime::from_rate(millis, 1000), at(millis));
    let time = FrameTime { media, arrival: wall, capture: None, wall };
    Frame { slot: Slot::default(), track, time, body: Body::Packet(packet) }
}

/// A block that is being made.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) data: Vec<u8>,
    sequence: u64,
    lane: u64,
    entries: Vec<IndexEntry>,
    row: Row,
}

impl Block {
    pub(crate) fn new(sequence: u64, lane: u64) -> Self {
        let data = BlockHeader { sequence, lane, created: at(0) }.encode().to_vec();
        Self { data, sequence, lane, entries: Vec::new(), row: Row::default() }
    }

    /// Where each record starts.
    pub(crate) fn starts(&self) -> Vec<usize> {
        self.entries.iter().map(|entry| entry.offset as usize).collect()
    }

    pub(crate) fn params(mut self, id: StreamId, track: Track) -> Self {
        let params = frame(track, 0, true).packet().unwrap().params.clone();
        self.entry(id, track, RecordKind::Params, at(0), false);
        write_params(&mut self.data, self.sequence, (id, track), at(0), "name", &params).unwrap();
        self
    }

    pub(crate) fn packet(mut self, id: StreamId, track: Track, millis: i64, keyframe: bool) -> Self {
        self.entry(id, track, RecordKind::Packet, at(millis), keyframe);
        write_packet(&mut self.data, self.sequence, id, &frame(track, millis, keyframe)).unwrap();
        let row = &mut self.row;
        let widen = |first: &mut Option<WallTime>, last: &mut Option<WallTime>| {
            *first = Some(first.unwrap_or(at(millis)).min(at(millis)));
            *last = (*last).max(Some(at(millis)));
        };
        if track == VIDEO || self.entries.iter().all(|entry| entry.track != VIDEO) {
            widen(&mut row.first, &mut row.last);
            if keyframe {
                widen(&mut row.first_keyframe, &mut row.last_keyframe);
            }
        }
        self
    }

    pub(crate) fn gap(mut self, id: StreamId, from: i64, to: i64, reason: &str) -> Self {
        self.entry(id, VIDEO, RecordKind::Gap, at(to), false);
        write_gap(
            &mut self.data,
            self.sequence,
            id,
            &Gap { from: at(from), to: at(to), reason: reason.into() },
        );
        self.row.has_gaps = true;
        self
    }

    /// Parameters and one packet every 40 ms; those in `keyframes` are key frames.
    pub(crate) fn video(sequence: u64, millis: impl Iterator<Item = i64>, keyframes: &[i64]) -> Self {
        let block = Self::new(sequence, ID.number()).params(ID, VIDEO);
        millis.fold(block, |block, millis| block.packet(ID, VIDEO, millis, keyframes.contains(&millis)))
    }

    fn entry(&mut self, id: StreamId, track: Track, kind: RecordKind, wall: WallTime, keyframe: bool) {
        let offset = self.data.len() as u32;
        self.entries.push(IndexEntry { offset, kind, keyframe, track, id: id.number(), wall });
    }
}

/// A store that is written byte by byte.
pub(crate) struct Image {
    pub(crate) dir: TempDir,
    pub(crate) geometry: Geometry,
}

impl Image {
    pub(crate) fn new(block_bytes: u64, blocks: u64) -> Self {
        let (dir, geometry) = (TempDir::new().unwrap(), Geometry::new(block_bytes, blocks).unwrap());
        Store::create(dir.path(), &StoreOptions::new(geometry)).unwrap();
        let image = Self { dir, geometry };
        image.begin(1);
        image
    }

    /// Has all blocks with a smaller sequence belong to an earlier store.
    pub(crate) fn begin(&self, first_sequence: u64) {
        self.write("blockfile", 0, &TableHeader { geometry: self.geometry, first_sequence }.encode());
    }

    /// A directory of the older program: some rows, and the bytes of some blocks.
    pub(crate) fn older(block_bytes: u64, rows: &[v1::Row], blocks: &[(u64, Vec<u8>)]) -> Self {
        let geometry = Geometry::new(block_bytes, rows.len() as u64).unwrap();
        let image = Self { dir: TempDir::new().unwrap(), geometry };
        let table: Vec<u8> = rows.iter().flat_map(|row| row.encode()).collect();
        fs::write(image.dir.join("blockfile"), table).unwrap();
        fs::write(image.dir.join("dumpfile"), vec![0; geometry.data_bytes() as usize]).unwrap();
        for (block, bytes) in blocks {
            image.write("dumpfile", block * block_bytes, bytes);
        }
        let json = format!(
            r#"{{"dumpfile": "dumpfile", "partition_uuid": null, "blockfile": "blockfile",
                "blocksize": {block_bytes}, "n_blocks": {}, "current_block": 0, "jsonfile": "valkkafs.json"}}"#,
            rows.len()
        );
        fs::write(image.dir.join("valkkafs.json"), json).unwrap();
        image
    }

    pub(crate) fn close(&self, number: u64, block: &Block) {
        let used = block.data.len() as u32;
        let mut data = block.data.clone();
        let tail = Footer::write_tail(block.sequence, used, &block.entries);
        data.resize(self.geometry.block_bytes() as usize - tail.len(), 0);
        data.extend(tail);
        self.put(number, &data);
        self.row(number, &Row { used_bytes: used, state: BlockState::Closed, ..self.row_of(block) });
    }

    /// What there is of a block that is being written.
    pub(crate) fn open(&self, number: u64, block: &Block) {
        self.put(number, &block.data);
        self.row(number, &Row { state: BlockState::Open, ..self.row_of(block) });
    }

    pub(crate) fn put(&self, number: u64, data: &[u8]) {
        self.write("dumpfile", number * self.geometry.block_bytes(), data);
    }

    pub(crate) fn row(&self, number: u64, row: &Row) {
        self.write("blockfile", Row::offset(number), &row.encode());
    }

    pub(crate) fn older_row(&self, number: u64, row: &v1::Row) {
        self.write("blockfile", number * v1::Row::BYTES as u64, &row.encode());
    }

    /// Flips a bit at `offset` in block `number`.
    pub(crate) fn flip(&self, number: u64, offset: usize) {
        let path = self.dir.join("dumpfile");
        let mut data = fs::read(&path).unwrap();
        data[(number * self.geometry.block_bytes()) as usize + offset] ^= 4;
        fs::write(path, data).unwrap();
    }

    pub(crate) fn flip_table(&self, offset: usize) {
        let path = self.dir.join("blockfile");
        let mut table = fs::read(&path).unwrap();
        table[offset] ^= 4;
        fs::write(path, table).unwrap();
    }

    /// Names the stream of most tests.
    pub(crate) fn name(&self, name: &str) {
        let mut manifest = Manifest::load(self.dir.path()).unwrap();
        manifest.streams.insert(ID.number(), name.to_owned());
        manifest.save(self.dir.path()).unwrap();
    }

    pub(crate) fn store(&self) -> Arc<Store> {
        Store::open(self.dir.path()).unwrap()
    }

    pub(crate) fn cursor(&self) -> Cursor {
        self.store().cursor(ID)
    }

    fn row_of(&self, block: &Block) -> Row {
        Row { sequence: block.sequence, lane: block.lane, ..block.row }
    }

    fn write(&self, file: &str, offset: u64, data: &[u8]) {
        use std::os::unix::fs::FileExt as _;
        let file = fs::OpenOptions::new().write(true).open(self.dir.join(file)).unwrap();
        file.write_all_at(data, offset).unwrap();
    }
}

/// A block of the older format: NAL units of H.264, by stream, time and type.
pub(crate) fn older_block(units: &[(u64, i64, u8)]) -> Vec<u8> {
    let mut block = Vec::new();
    for &(id, time_ms, unit) in units {
        let payload: &[u8] = match unit {
            0x67 => b"\0\0\0\x01\x67\x42\x00\x1f\xa6\x81\x40\x16\xe9",
            0x68 => b"\0\0\0\x01\x68\xce\x38\x80",
            0x65 => b"\0\0\0\x01\x65\x88\x80",
            _ => b"\0\0\0\x01\x41\x9a\x01",
        };
        let payload_bytes = payload.len() as u64;
        let header =
            v1::RecordHeader { id, subsession: 0, time_ms, media_type: 0, codec_id: 28, payload_bytes };
        block.extend(header.encode());
        block.extend(payload);
    }
    block.extend([0; 8]);
    block
}

pub(crate) fn older_row(keyframe_ms: i64, last_ms: i64) -> v1::Row {
    v1::Row { keyframe_ms, last_ms }
}

/// All that follows, in words: `K40` a key frame at 40 ms, `P80` another frame, `A80` audio.
pub(crate) fn read(cursor: &mut Cursor) -> String {
    let mut words = Vec::new();
    while let Some(entry) = cursor.next().unwrap() {
        words.push(word(&entry));
        assert!(words.len() < 100_000, "it ends");
    }
    words.join(" ")
}

pub(crate) fn word(entry: &Entry) -> String {
    match entry {
        Entry::Frame(frame) => {
            let (packet, millis) = (frame.packet().unwrap(), frame.time.wall.millis());
            match (packet.params.codec.is_video(), packet.keyframe) {
                (false, _) => format!("A{millis}"),
                (true, true) => format!("K{millis}"),
                (true, false) => format!("P{millis}"),
            }
        }
        Entry::Gap(gap) => format!("({} to {}: {})", gap.from.millis(), gap.to.millis(), gap.reason),
        Entry::Damage(damage) => format!("<{damage}>"),
    }
}

/// The first thing after seeking to `millis`.
pub(crate) fn seek(cursor: &mut Cursor, millis: i64) -> String {
    match cursor.seek(at(millis)).unwrap() {
        true => cursor.next().unwrap().map_or("nothing".into(), |entry| word(&entry)),
        false => "empty".into(),
    }
}

pub(crate) const RECORD_HEADER: usize = RecordHeader::BYTES;
