//! A clock that is wrong for a while takes nothing of an archive with it, however often the recorder is started.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Camera, read_back, soon};
use valkka_core::clock::SystemClock;
use valkka_core::time::WallTime;
use valkka_store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
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
