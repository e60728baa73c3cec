//! A clock that is wrong for a while takes nothing of an archive with it, however often the recorder is started, and nobody
//! takes the time that it leapt over for recorded.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Camera, read_back, soon};
use valkka_core::clock::SystemClock;
use valkka_core::time::WallTime;
use valkka_store::format::BlockState;
use valkka_store::{
    CheckOptions, Geometry, Retention, Store, StoreOptions, StreamId, Writer, WriterOptions, check,
};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const HALF_AN_HOUR: Duration = Duration::from_secs(1800);
const DAY: Duration = Duration::from_secs(86_400);

/// Records so many blocks of a frame each, the first one at `from`, and each half an hour after the one before.
fn record(path: &Path, camera: &mut Camera, retention: Retention, from: WallTime, blocks: u32) {
    let writer = Writer::open(Store::open(path).unwrap(), WriterOptions::default()).unwrap();
    let lane = writer.lane("front", retention).unwrap();
    for block in 0..blocks {
        camera.wall = from + HALF_AN_HOUR * block;
        assert!(lane.put(&camera.frame(1000)));
        lane.close_block();
        writer.commit(soon()).unwrap();
    }
}

/// What is left of an archive of ten frames from years ago after a clock has said that it is now, for so many half hours,
/// and the recorder was started again.
fn left(half_hours: u32) -> Vec<u64> {
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    drop(Store::create(&path, &StoreOptions::new(Geometry::new(1 << 13, 100).unwrap())).unwrap());
    let mut camera = Camera::new();
    let aged = Retention { max_age: Some(DAY * 30), max_bytes: None };
    let years_ago = camera.wall;
    record(&path, &mut camera, Retention::default(), years_ago, 10);
    let now = SystemClock.now();
    record(&path, &mut camera, aged, now - HALF_AN_HOUR * half_hours, half_hours + 1);
    record(&path, &mut camera, aged, now, 1);
    let (streams, damage) = read_back(&Store::open(&path).unwrap());
    assert_eq!(damage, []);
    streams[&1].frames.iter().copied().filter(|frame| *frame < 10).collect()
}

#[test]
fn an_archive_outlasts_a_start_with_a_wrong_clock_and_another_one() {
    let _watchdog = Watchdog::start(SOON * 2);
    assert_eq!(left(0), (0..10).collect::<Vec<_>>());
    assert_eq!(left(6), (0..10).collect::<Vec<_>>());
}

#[test]
fn what_is_too_old_goes_once_the_clock_has_held_over_several_starts() {
    let _watchdog = Watchdog::start(SOON * 2);
    assert_eq!(left(14), [0; 0]);
}

/// The stretches of the only stream, in milliseconds from `start` on.
fn stretches(store: &Arc<Store>, start: WallTime) -> Vec<(i64, i64)> {
    let all = WallTime::from_micros(0)..WallTime::from_micros(i64::MAX);
    let stretches = store.stretches(StreamId::new(1).unwrap(), all).unwrap();
    let millis = |moment: WallTime| moment.micros_since(start) / 1000;
    stretches.iter().map(|stretch| (millis(stretch.from), millis(stretch.to))).collect()
}

#[test]
fn a_clock_that_is_set_within_a_block_records_nothing_in_between() {
    let _watchdog = Watchdog::start(SOON * 2);
    type Set = fn(WallTime) -> WallTime;
    let sets: [(Set, i64); 3] = [
        (|wall| wall + HOUR * 5, 5 * 3_600_000),
        (|wall| wall - HOUR * 5, -5 * 3_600_000),
        // Or nothing has come for a while, and nobody has said why.
        (|wall| wall + Duration::from_secs(11), 11_000),
    ];
    for (set, millis) in sets {
        let dir = TempDir::new().unwrap();
        let (path, cut_off) = (dir.join("store"), dir.join("cut off"));
        let store = Store::create(&path, &StoreOptions::new(Geometry::new(1 << 16, 8).unwrap())).unwrap();
        let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
        let lane = writer.lane("front", Retention::default()).unwrap();
        let mut camera = Camera::new();
        let start = camera.wall + Duration::from_millis(40);
        for number in 0..20 {
            camera.wall = if number == 10 { set(camera.wall) } else { camera.wall };
            assert!(lane.put(&camera.frame(1000)));
            if number == 9 {
                writer.commit(soon()).unwrap();
                fs::create_dir(&cut_off).unwrap();
                for file in ["blockfile", "valkkafs.json"] {
                    fs::copy(path.join(file), cut_off.join(file)).unwrap();
                }
            }
        }
        writer.commit(soon()).unwrap();
        // The table does not know of it yet.
        fs::copy(path.join("dumpfile"), cut_off.join("dumpfile")).unwrap();
        let expected = [(0, 360), (400 + millis, 760 + millis)];
        assert_eq!(stretches(&store, start), expected, "it is being written");
        assert_eq!(stretches(&Store::open(&path).unwrap(), start), expected, "another one reads");
        lane.close_block();
        writer.commit(soon()).unwrap();
        assert!(store.rows().iter().all(|row| row.state != BlockState::Open));
        assert_eq!(stretches(&store, start), expected, "it is complete");
        drop((lane, writer));
        let clean = |path| check(path, &CheckOptions::default()).unwrap();
        assert!(clean(&path).is_clean(), "{:?}", clean(&path));
        drop(Writer::open(Store::open(&cut_off).unwrap(), WriterOptions::default()).unwrap());
        let cut_off = Store::open(&cut_off).unwrap();
        assert!(cut_off.rows().iter().all(|row| row.state != BlockState::Open));
        assert_eq!(stretches(&cut_off, start), expected, "a writer was cut off");
    }
}

#[test]
fn the_gap_of_a_start_begins_where_recording_ended_whatever_a_clock_has_said() {
    let _watchdog = Watchdog::start(SOON * 2);
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    drop(Store::create(&path, &StoreOptions::new(Geometry::new(1 << 13, 20).unwrap())).unwrap());
    let (mut camera, now) = (Camera::new(), SystemClock.now() - HOUR);
    let last = now - HALF_AN_HOUR;
    for moment in [last, now + DAY * 3650, now] {
        record(&path, &mut camera, Retention::default(), moment, 1);
    }
    let (streams, _) = read_back(&Store::open(&path).unwrap());
    let gap = streams[&1].gaps.last().unwrap();
    let frame = Duration::from_millis(40);
    assert_eq!((gap.from, gap.to), (last + frame, now + frame));
}
