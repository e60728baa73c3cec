//! The power is cut at every moment of a recording, with everything that a disk may have made of what was not synced.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::disk::{Log, Memory, Step};
use common::{Camera, number_of, read_back, say, soon};
use valkka_store::format::{BlockState, Row, TableHeader};
use valkka_store::{Damage, DamageReason, Geometry, Record, Retention, Store, Writer, WriterOptions};
use valkka_testkit::length;
use valkka_testkit::watchdog::Watchdog;

const DATA: usize = 0;
const TABLE: usize = 1;
const STREAMS: usize = 3;
/// What a disk writes as a whole.
const SECTOR: usize = 512;
/// What worse disks write as a whole.
const TORN: usize = 56;

/// Nothing is written but by commits.
fn options() -> WriterOptions {
    WriterOptions { commit_interval: Duration::from_secs(3600), ..WriterOptions::default() }
}

/// A recording of some streams: what was on the media before, and what was done to them.
struct Recording {
    geometry: Geometry,
    before: [Vec<u8>; 2],
    steps: Vec<Step>,
}

fn record(geometry: Geometry, cycles: u64, mut bytes_of: impl FnMut(u64) -> usize) -> Recording {
    let log = Log::default();
    // As if an earlier store had been there: its blocks are not to be found again.
    let garbage: Vec<u8> = (0..geometry.data_bytes()).map(|at| (at * 31 % 251) as u8).collect();
    let data = Memory::logged("data", garbage, &log, DATA);
    let table = Memory::logged("table", vec![0; Row::offset(geometry.blocks()) as usize], &log, TABLE);
    let store = Store::from_media(data.clone(), table.clone(), geometry, true).unwrap();
    let before = [data.bytes.lock().unwrap().clone(), table.bytes.lock().unwrap().clone()];
    log.lock().unwrap().clear();
    let writer = Writer::open(store, options()).unwrap();
    let lanes: Vec<_> = (0..STREAMS)
        .map(|number| writer.lane(&format!("camera {number}"), Retention::default()).unwrap())
        .collect();
    let mut cameras: Vec<_> = lanes.iter().map(|_| Camera::new()).collect();
    for cycle in 0..cycles {
        for _ in 0..1 + cycle % 3 {
            for (lane, camera) in lanes.iter().zip(&mut cameras) {
                assert!(lane.put(&camera.frame(bytes_of(cycle))));
            }
        }
        writer.commit(soon()).unwrap();
        log.lock().unwrap().push(Step::Acknowledged(cameras[0].next_number()));
    }
    drop((lanes, writer));
    let steps = log.lock().unwrap().clone();
    Recording { geometry, before, steps }
}

/// What is certainly on the media after some of the steps, and what may be.
struct Disk {
    certain: [Vec<u8>; 2],
    /// What was written to each, but not synced.
    pending: [Vec<(u64, Vec<u8>)>; 2],
    acknowledged: u64,
}

impl Disk {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Write { medium, offset, bytes } => self.pending[*medium].push((*offset, bytes.clone())),
            Step::Sync { medium } => {
                for (offset, bytes) in self.pending[*medium].drain(..) {
                    self.certain[*medium][offset as usize..][..bytes.len()].copy_from_slice(&bytes);
                }
            }
            Step::Acknowledged(frames) => self.acknowledged = *frames,
        }
    }

    /// What is pending, in its order and cut at multiples of `granule`: the medium, where, and the bytes.
    fn pieces(&self, granule: usize) -> impl Iterator<Item = (usize, usize, &[u8])> {
        let writes = self.pending.iter().enumerate();
        let writes = writes.flat_map(|(medium, writes)| writes.iter().map(move |write| (medium, write)));
        writes.flat_map(move |(medium, (offset, bytes))| {
            let (start, mut from) = (*offset as usize, 0);
            std::iter::from_fn(move || {
                let at = start + from;
                let piece = &bytes[from..bytes.len().min((at / granule + 1) * granule - start)];
                from += piece.len();
                (!piece.is_empty()).then_some((medium, at, piece))
            })
        })
    }

    /// The media, with those pieces of what is pending that `keep` keeps, by their number.
    fn image(&self, granule: usize, mut keep: impl FnMut(usize) -> bool) -> [Vec<u8>; 2] {
        let mut image = self.certain.clone();
        for (number, (medium, at, piece)) in self.pieces(granule).enumerate() {
            if keep(number) {
                image[medium][at..][..piece.len()].copy_from_slice(piece);
            }
        }
        image
    }
}

/// Cuts the power after every step, and calls `check` with what the media may hold then: any of the sectors that were
/// not synced. All combinations are tried where there are few; else some, and in the full form each sector that is
/// alone in being there or missing, each beginning of what was written, however it is torn, and bytes at random.
/// Returns how many there were.
fn cut_everywhere(recording: &Recording, mut check: impl FnMut(&Disk, [Vec<u8>; 2])) -> usize {
    let (most_combined, rounds) = length::pick((1, 3), (10, 100));
    let mut disk = Disk { certain: recording.before.clone(), pending: [vec![], vec![]], acknowledged: 0 };
    let mut random = fastrand::Rng::with_seed(recording.steps.len() as u64);
    let mut count = 0;
    let mut check = |disk: &Disk, image| {
        count += 1;
        check(disk, image);
    };
    for step in &recording.steps {
        disk.take(step);
        let sectors = disk.pieces(SECTOR).count();
        if sectors <= most_combined {
            (0..1_u32 << sectors)
                .for_each(|kept| check(&disk, disk.image(SECTOR, |sector| kept >> sector & 1 != 0)));
            continue;
        }
        // As after kill -9; and as if nothing had reached the disk.
        check(&disk, disk.image(SECTOR, |_| true));
        check(&disk, disk.image(SECTOR, |_| false));
        for _ in 0..rounds {
            let share = random.f64();
            check(&disk, disk.image(SECTOR, |_| random.f64() < share));
        }
        if length::pick(false, true) {
            for one in 0..sectors {
                check(&disk, disk.image(SECTOR, |sector| sector == one));
                check(&disk, disk.image(SECTOR, |sector| sector != one));
            }
            for end in 0..disk.pieces(TORN).count() {
                check(&disk, disk.image(TORN, |piece| piece < end));
            }
            for _ in 0..rounds {
                let share = random.f64();
                check(&disk, disk.image(TORN, |_| random.f64() < share));
            }
        }
    }
    count
}

/// Opens what is on the media: the streams in it and its damage. Nothing may be read but the table, and blocks that were
/// being written.
fn open(geometry: Geometry, [data, table]: [Vec<u8>; 2]) -> (Arc<Store>, Writer) {
    let rows: Vec<Option<Row>> =
        table[TableHeader::BYTES..].chunks_exact(Row::BYTES).map(Row::decode).collect();
    let (data, table) = (Memory::new("data", data), Memory::new("table", table));
    let store = Store::from_media(data.clone(), table, geometry, false).unwrap();
    let writer = Writer::open(store.clone(), options()).unwrap();
    for (offset, bytes) in data.reads.lock().unwrap().drain(..) {
        let blocks =
            offset / geometry.block_bytes()..(offset + bytes as u64).div_ceil(geometry.block_bytes());
        for block in blocks {
            let row = rows[block as usize];
            assert!(row.is_none_or(|row| row.state == BlockState::Open), "block {block} is read: {row:?}");
        }
    }
    (store, writer)
}

/// Whether there is nothing damaged but what was never acknowledged: nothing that was comes behind it.
fn is_tail(store: &Store, damage: &[Damage], acknowledged: u64) -> bool {
    // The index of a block that is not acknowledged may be torn: its records are read without it.
    damage.iter().filter(|damage| damage.reason != DamageReason::Index).all(|damage| {
        let mut records =
            store.block(damage.block).unwrap().skip_while(|record| record.as_ref().err() != Some(damage));
        records.all(|record| match record {
            Ok(Record::Packet { frame, .. }) => number_of(&frame) >= acknowledged,
            _ => true,
        })
    })
}

#[test]
fn nothing_acknowledged_is_lost() {
    let _watchdog = Watchdog::start(Duration::from_secs(length::pick(900, 7200)));
    // Nothing is overwritten.
    let recording =
        record(Geometry::new(1 << 13, 40).unwrap(), 40, |cycle| 100 + (cycle as usize * 97) % 900);
    let mut count = 0;
    let cuts = cut_everywhere(&recording, |disk, image| {
        count += 1;
        let (store, writer) = open(recording.geometry, image);
        let (streams, damage) = read_back(&store);
        assert!(is_tail(&store, &damage, disk.acknowledged), "{damage:?}");
        for id in 1..=STREAMS as u64 {
            let frames = streams.get(&id).map(|stream| &stream.frames[..]).unwrap_or_default();
            let expected: Vec<u64> = (0..disk.acknowledged).collect();
            assert!(frames.starts_with(&expected), "{} acknowledged, found {frames:?}", disk.acknowledged);
            assert!(frames.is_sorted_by(|one, next| one < next), "{frames:?}");
        }
        // It can be written on at once, and opened again.
        if count % 7 == 0 {
            let lane = writer.lane("camera 0", Retention::default()).unwrap();
            let mut camera = Camera::new();
            camera.skip_to(1000);
            assert!(lane.put(&camera.frame(300)));
            writer.commit(soon()).unwrap();
            drop((lane, writer));
            let (again, damage_again) = read_back(&store);
            assert_eq!(damage, damage_again);
            let found: BTreeSet<u64> =
                again.values().flat_map(|stream| stream.frames.iter().copied()).collect();
            assert!(found.contains(&1000));
            assert!(store.rows().iter().all(|row| row.state != BlockState::Open));
        }
    });
    say(&format!("{cuts} cuts, and nothing acknowledged was lost"));
    assert!(cuts > 1000, "{cuts} cuts");
}

#[test]
fn a_ring_that_was_overwritten_keeps_its_newest() {
    let _watchdog = Watchdog::start(Duration::from_secs(length::pick(900, 7200)));
    let recording =
        record(Geometry::new(1 << 12, 12).unwrap(), 40, |cycle| 100 + (cycle as usize * 97) % 600);
    let cuts = cut_everywhere(&recording, |disk, image| {
        let (store, _writer) = open(recording.geometry, image);
        let (streams, damage) = read_back(&store);
        assert!(is_tail(&store, &damage, disk.acknowledged), "{damage:?}");
        for stream in streams.values() {
            assert!(stream.frames.is_sorted_by(|one, next| one < next), "{:?}", stream.frames);
            let acknowledged: Vec<_> =
                stream.frames.iter().copied().filter(|&frame| frame < disk.acknowledged).collect();
            // One block of the stream at least, up to the last acknowledged frame, without a hole.
            let from = disk.acknowledged - acknowledged.len() as u64;
            assert_eq!(acknowledged, (from..disk.acknowledged).collect::<Vec<_>>());
        }
        assert!(disk.acknowledged < 30 || streams.len() == STREAMS, "{streams:?}");
    });
    say(&format!("{cuts} cuts of a ring that was overwritten"));
}
