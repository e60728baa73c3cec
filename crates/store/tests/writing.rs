//! What is put is on disk, and is found again.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Camera, read_back, soon};
use valkka_core::time::WallTime;
use valkka_store::format::BlockState;
use valkka_store::{
    Format, Geometry, Retention, Store, StoreError, StoreFiles, StoreOptions, StreamId, Writer, WriterEvent,
    WriterOptions, WriterState,
};
use valkka_testkit::temp::TempDir;

fn create(dir: &TempDir, block_bytes: u64, blocks: u64) -> Arc<Store> {
    let options = StoreOptions::new(Geometry::new(block_bytes, blocks).unwrap());
    Store::create(&dir.join("store"), &options).unwrap()
}

fn open(dir: &TempDir) -> Arc<Store> {
    Store::open(&dir.join("store")).unwrap()
}

fn lane(writer: &Writer, name: &str) -> valkka_store::Lane {
    writer.lane(name, Retention::default()).unwrap()
}

#[test]
fn what_was_committed_is_read_by_others_while_it_is_written() {
    let dir = TempDir::new().unwrap();
    let writer = Writer::open(create(&dir, 1 << 16, 20), WriterOptions::default()).unwrap();
    let (front, back) = (lane(&writer, "front"), lane(&writer, "back"));
    assert_eq!((front.id(), back.id()), (StreamId::new(1), StreamId::new(2)));
    let (mut one, mut other) = (Camera::new(), Camera::new());
    let reader = open(&dir);
    for round in 1..=5 {
        for _ in 0..20 {
            assert!(front.put(&one.frame(3000)));
            assert!(back.put(&other.frame(500)));
        }
        writer.commit(soon()).unwrap();
        reader.refresh().unwrap();
        for store in [&reader, writer.store()] {
            let (streams, damage) = read_back(store);
            assert_eq!(damage, []);
            let expected: Vec<u64> = (0..20 * round).collect();
            assert_eq!((&streams[&1].frames, &streams[&2].frames), (&expected, &expected));
            assert_eq!(streams[&1].gaps, []);
        }
    }
    let summary = reader.streams();
    assert_eq!((summary[0].name.as_str(), reader.stream("back")), ("front", StreamId::new(2)));
    let first = WallTime::from_micros(1_700_000_000_040_000);
    assert_eq!((summary[0].first, summary[0].last), (Some(first), Some(one.wall)));
    let stats = writer.stats();
    assert_eq!((stats.frames, stats.dropped, stats.queued_bytes), (200, 0, 0));
    assert_eq!(stats.recorded_bytes, 100 * 3500);
    assert!(stats.blocks >= 4 && stats.syncs >= 5, "{stats:?}");
    drop((front, back, writer));
    let store = open(&dir);
    assert!(store.rows().iter().all(|row| row.state != BlockState::Open));
    assert_eq!(read_back(&store).0[&2].frames.len(), 100);
}

#[test]
fn a_ring_keeps_the_newest() {
    let dir = TempDir::new().unwrap();
    let writer = Writer::open(create(&dir, 4096, 6), WriterOptions::default()).unwrap();
    let front = lane(&writer, "front");
    let mut camera = Camera::new();
    // Many laps, within one cycle and in many.
    for _ in 0..20 {
        for _ in 0..30 {
            assert!(front.put(&camera.frame(900)));
        }
        writer.commit(soon()).unwrap();
        let (streams, damage) = read_back(writer.store());
        assert_eq!(damage, []);
        let frames = &streams[&1].frames;
        let last = camera.next_number();
        assert!(frames.len() >= 15, "{frames:?}");
        assert_eq!(*frames, (last - frames.len() as u64..last).collect::<Vec<_>>());
    }
}

#[test]
fn a_writer_goes_on_where_the_last_one_ended() {
    let dir = TempDir::new().unwrap();
    drop(create(&dir, 1 << 16, 20));
    let mut camera = Camera::new();
    for round in 0..4 {
        let writer = Writer::open(open(&dir), WriterOptions::default()).unwrap();
        let front = lane(&writer, "front");
        assert_eq!(front.id(), StreamId::new(1));
        for _ in 0..10 {
            assert!(front.put(&camera.frame(2000)));
        }
        if round % 2 == 0 {
            drop(front);
        }
    }
    let (streams, damage) = read_back(&open(&dir));
    assert_eq!(damage, []);
    assert_eq!(streams[&1].frames, (0..40).collect::<Vec<_>>());
    let reasons: Vec<_> = streams[&1].gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["the recorder was not running"; 3]);
    let gap = &streams[&1].gaps[0];
    assert_eq!(gap.to.micros_since(gap.from), 40_000);
}

#[test]
fn who_knows_why_nothing_was_written_says_so() {
    let dir = TempDir::new().unwrap();
    drop(create(&dir, 1 << 16, 20));
    let mut camera = Camera::new();
    for _ in 0..2 {
        let place = dir.join("store/dumpfile");
        let absence = format!("cannot write to {}: no such device", place.display());
        let options = WriterOptions { absence, ..WriterOptions::default() };
        let writer = Writer::open(open(&dir), options).unwrap();
        let front = lane(&writer, "front");
        for _ in 0..Camera::GOP {
            assert!(front.put(&camera.frame(2000)));
        }
    }
    let gaps = &read_back(&open(&dir)).0[&1].gaps;
    let reasons: Vec<_> = gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["cannot write to dumpfile: no such device"]);
}

#[test]
fn there_is_one_writer() {
    let dir = TempDir::new().unwrap();
    let store = create(&dir, 4096, 6);
    let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
    assert!(matches!(Writer::open(store.clone(), WriterOptions::default()), Err(StoreError::Locked(_))));
    let error = Writer::open(open(&dir), WriterOptions::default()).unwrap_err();
    assert!(error.to_string().ends_with("blockfile is being written by another writer"), "{error}");
    let front = lane(&writer, "front");
    assert!(matches!(writer.lane("front", Retention::default()), Err(StoreError::LaneTaken(_))));
    assert!(matches!(writer.lane("", Retention::default()), Err(StoreError::Name(0))));
    drop(front);
    lane(&writer, "front");
    drop(writer);
    Writer::open(store, WriterOptions::default()).unwrap();
}

#[test]
fn each_stream_needs_a_block() {
    let dir = TempDir::new().unwrap();
    let writer = Writer::open(create(&dir, 1 << 14, 10), WriterOptions::default()).unwrap();
    let mut lanes: Vec<_> = (0..10).map(|number| lane(&writer, &format!("camera {number}"))).collect();
    let error = writer.lane("one more", Retention::default()).unwrap_err();
    assert!(matches!(error, StoreError::TooFewBlocks { lanes: 11, blocks: 10 }));
    let mut cameras: Vec<_> = lanes.iter().map(|_| Camera::new()).collect();
    for _ in 0..40 {
        for (lane, camera) in lanes.iter().zip(&mut cameras) {
            assert!(lane.put(&camera.frame(1000)));
        }
    }
    writer.commit(soon()).unwrap();
    let (streams, damage) = read_back(writer.store());
    assert_eq!((streams.len(), damage.len()), (10, 0));
    assert!(streams.values().all(|stream| stream.frames.last() == Some(&39)), "{streams:?}");
    lanes.pop();
    lane(&writer, "one more");
}

#[test]
fn what_has_no_room_is_a_gap_up_to_the_next_key_frame() {
    let dir = TempDir::new().unwrap();
    let (events, received) = mpsc::channel();
    let options = WriterOptions {
        on_event: Arc::new(move |event| drop(events.send(event))),
        // Nothing is written before it is asked for.
        commit_interval: Duration::from_secs(3600),
        max_queued_bytes: 20_000,
        ..WriterOptions::default()
    };
    let writer = Writer::open(create(&dir, 1 << 14, 6), options).unwrap();
    let front = lane(&writer, "front");
    let mut camera = Camera::new();
    for number in 0..10 {
        // The fourth is too large for a block.
        assert_eq!(front.put(&camera.frame(if number == 3 { 16_300 } else { 100 })), number < 3);
        writer.commit(soon()).unwrap();
    }
    let put = |front: &valkka_store::Lane, camera: &mut Camera| front.put(&camera.frame(100));
    assert!(put(&front, &mut camera));
    writer.commit(soon()).unwrap();
    let expected = WriterEvent::Dropped {
        id: StreamId::new(1).unwrap(),
        frames: 7,
        reason: "a frame of 16300 bytes is too large for a block".to_owned(),
    };
    while received.recv_timeout(Duration::from_secs(60)).unwrap() != expected {}
    let (streams, damage) = read_back(writer.store());
    assert_eq!((&streams[&1].frames[..], damage), (&[0, 1, 2, 10][..], vec![]));
    let gap = &streams[&1].gaps[0];
    assert_eq!(gap.reason, "7 frames were dropped: a frame of 16300 bytes is too large for a block");
    assert_eq!(gap.to.micros_since(gap.from), 320_000);
    assert_eq!((writer.stats().dropped, writer.state()), (7, WriterState::Writing));
}

#[test]
fn the_owner_tells_why_there_is_a_gap() {
    let dir = TempDir::new().unwrap();
    let writer = Writer::open(create(&dir, 1 << 14, 6), WriterOptions::default()).unwrap();
    let front = lane(&writer, "front");
    let mut camera = Camera::new();
    front.put(&camera.frame(100));
    front.gap("camera offline");
    front.gap("no route to host");
    front.gap("camera offline");
    front.put(&camera.frame(100));
    front.put(&camera.frame(100));
    writer.commit(soon()).unwrap();
    let (streams, _) = read_back(writer.store());
    let reasons: Vec<_> = streams[&1].gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["camera offline; no route to host"]);
    let block = writer.store().rows().iter().position(|row| row.has_gaps).unwrap();
    front.close_block();
    front.put(&camera.frame(100));
    writer.commit(soon()).unwrap();
    let states: Vec<_> = writer.store().rows().iter().map(|row| row.state).collect();
    assert_eq!(states[block..block + 2], [BlockState::Closed, BlockState::Open]);
}

#[test]
fn a_stream_keeps_as_much_as_it_may() {
    let dir = TempDir::new().unwrap();
    let writer = Writer::open(create(&dir, 1 << 14, 40), WriterOptions::default()).unwrap();
    let quota = Retention { max_bytes: Some(4 << 14), max_age: None };
    let aged = Retention { max_bytes: None, max_age: Some(Duration::from_secs(3600)) };
    let (small, short) = (writer.lane("small", quota).unwrap(), writer.lane("short", aged).unwrap());
    let (mut one, mut other) = (Camera::new(), Camera::new());
    for _ in 0..100 {
        small.put(&one.frame(2000));
        // Recorded years ago, by its times.
        short.put(&other.frame(2000));
        writer.commit(soon()).unwrap();
    }
    let rows = writer.store().rows();
    let blocks = |lane| rows.iter().filter(|row| row.lane == lane && row.state != BlockState::Free).count();
    // One that is being written, and one that is given up with the next one that is begun.
    assert!(blocks(1) == 4 && blocks(2) <= 2, "{} {}", blocks(1), blocks(2));
    let (streams, damage) = read_back(writer.store());
    assert_eq!((streams[&1].frames.last(), damage.len()), (Some(&99), 0));
}

#[test]
fn many_streams_share_the_blocks_of_a_mixed_lane() {
    let dir = TempDir::new().unwrap();
    let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
    let store = Store::open_files(&files, Geometry::new(1 << 14, 6).unwrap(), true).unwrap();
    let closed = Arc::new(Mutex::new(Vec::new()));
    let seen = closed.clone();
    let on_event = move |event| {
        if let WriterEvent::BlockClosed { block, .. } = event {
            seen.lock().unwrap().push(block);
        }
    };
    let options = WriterOptions { on_event: Arc::new(on_event), ..WriterOptions::default() };
    let writer = Writer::open(store.clone(), options).unwrap();
    let lane = writer.mixed_lane();
    writer.set_current_block(3);
    assert_eq!(writer.current_block(), 3);
    let mut cameras = [Camera::new(), Camera::new(), Camera::new()];
    for _ in 0..8 {
        for (number, camera) in (5..).zip(&mut cameras) {
            assert!(lane.put_as(StreamId::new(number).unwrap(), &camera.frame(1000)));
        }
    }
    assert!(!lane.put(&cameras[0].frame(10)), "of which stream is it?");
    writer.commit(soon()).unwrap();
    let summary: Vec<_> = store.streams().iter().map(|stream| (stream.id.number(), stream.last)).collect();
    let last = WallTime::from_micros(1_700_000_000_320_000);
    assert_eq!(summary, [(5, Some(last)), (6, Some(last)), (7, Some(last))]);
    assert_eq!((writer.current_block(), store.rows()[4].state), (5, BlockState::Open));
    drop(writer);
    assert_eq!(*closed.lock().unwrap(), [3, 4]);
    let (streams, damage) = read_back(&store);
    assert_eq!((streams.keys().copied().collect::<Vec<_>>(), damage.len()), (vec![5, 6, 7], 0));
    assert!(streams.values().all(|stream| stream.frames == (0..8).collect::<Vec<_>>()));
}

#[test]
fn a_store_of_the_older_format_is_written_in_it() {
    let dir = TempDir::new().unwrap();
    let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
    std::fs::write(&files.table, [0; 7 * 16]).unwrap();
    let geometry = Geometry::new(1 << 14, 7).unwrap();
    let mut camera = Camera::new();
    for round in 0..3 {
        let store = Store::open_files(&files, geometry, false).unwrap();
        assert_eq!(store.format(), Format::V1);
        let writer = Writer::open(store, WriterOptions::default()).unwrap();
        assert_eq!(writer.current_block(), round * 2);
        let lane = lane(&writer, "front");
        for _ in 0..20 {
            assert!(lane.put(&camera.frame(1000)));
        }
        writer.commit(soon()).unwrap();
        assert_eq!(read_back(writer.store()).0[&1].frames.len() as u64, 20 * (round + 1));
    }
    let store = Store::open_files(&files, geometry, false).unwrap();
    assert_eq!(store.streams()[0].last, Some(WallTime::from_micros(1_700_000_002_400_000)));
    let (streams, damage) = read_back(&store);
    assert_eq!((streams[&1].frames.len(), damage.len()), (60, 0));
    let bytes = std::fs::read(&files.table).unwrap();
    let number = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    // The first key frame of the first block, and its last frame.
    assert_eq!([number(0), number(8)], [1_700_000_000_040, 1_700_000_000_600]);
}
