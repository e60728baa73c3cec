//! What is not to be kept is gone: also of streams that nobody records any more, and for who reads just then.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::fs;
use std::time::Duration;

use common::{Camera, number_of, soon};
use valkka_core::clock::SystemClock;
use valkka_store::format::BlockState;
use valkka_store::{Entry, Geometry, Retention, Retentions, Store, StoreOptions, Writer, WriterOptions};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn create(dir: &TempDir, blocks: u64) -> Writer {
    let options = StoreOptions::new(Geometry::new(1 << 14, blocks).unwrap());
    Writer::open(Store::create(&dir.join("store"), &options).unwrap(), WriterOptions::default()).unwrap()
}

fn aged(max_age: Duration) -> Retention {
    Retention { max_age: Some(max_age), max_bytes: None }
}

#[test]
fn what_nobody_records_any_more_goes_too() {
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let writer = create(&dir, 100);
    // All of it was recorded years ago, by its times.
    for name in ["removed", "kept", "small"] {
        let (lane, mut camera) = (writer.lane(name, Retention::default()).unwrap(), Camera::new());
        for _ in 0..80 {
            assert!(lane.put(&camera.frame(1500)));
            writer.commit(soon()).unwrap();
        }
    }
    let store = writer.store().clone();
    let ids = ["removed", "kept", "small"].map(|name| store.stream(name).unwrap());
    let blocks = |index: usize| {
        let rows = store.rows();
        rows.iter().filter(|row| row.lane == ids[index].number() && row.state != BlockState::Free).count()
    };
    wait::until(SOON, "their blocks are complete", || {
        store.rows().iter().all(|row| row.state != BlockState::Open)
    });
    assert!((0..3).all(|index| blocks(index) >= 8), "{} {} {}", blocks(0), blocks(1), blocks(2));
    let mut reading = store.cursor(ids[0]);
    assert!(matches!(reading.next().unwrap(), Some(Entry::Frame(frame)) if number_of(&frame) == 0));

    let small = Retention { max_bytes: Some(3 << 14), max_age: None };
    let named = [("kept".to_owned(), Retention::default()), ("small".to_owned(), small)];
    writer.set_retentions(Retentions { named: named.into(), others: aged(HOUR) });
    wait::until(SOON, "what is too old or too much is gone", || blocks(0) == 0 && blocks(2) == 3);
    assert!(blocks(1) >= 8, "{}", blocks(1));
    // Neither for who was reading nor for who comes, here or from elsewhere.
    assert!(!matches!(reading.next().unwrap(), Some(Entry::Frame(_))));
    assert!(!store.cursor(ids[0]).seek(SystemClock.now()).unwrap());
    let elsewhere = Store::open(&dir.join("store")).unwrap();
    assert!(elsewhere.cursor(ids[0]).next().unwrap().is_none());
    assert!(matches!(elsewhere.cursor(ids[1]).next().unwrap(), Some(Entry::Frame(_))));
    // Who reads on where something is left is told.
    let lane = writer.lane("removed", Retention::default()).unwrap();
    assert!(lane.put(&Camera::new().frame(1000)));
    writer.commit(soon()).unwrap();
    let gap = reading.next().unwrap();
    assert!(matches!(&gap, Some(Entry::Gap(gap)) if gap.reason == "no longer kept"), "{gap:?}");
}

#[test]
fn a_block_does_not_last_for_long_where_its_age_counts() {
    let dir = TempDir::new().unwrap();
    let writer = create(&dir, 100);
    let lanes = [("aged", aged(HOUR)), ("kept", Retention::default())];
    let lanes = lanes.map(|(name, retention)| writer.lane(name, retention).unwrap());
    let mut camera = Camera::new();
    camera.wall = SystemClock.now() - Duration::from_secs(40 * 60);
    for _ in 0..80 {
        camera.wall = camera.wall + Duration::from_secs(30);
        let frame = camera.frame(50);
        assert!(lanes.iter().all(|lane| lane.put(&frame)));
    }
    writer.commit(soon()).unwrap();
    let rows = writer.store().rows();
    let spans = |lane: u64| {
        let rows = rows.iter().filter(|row| row.lane == lane && row.state != BlockState::Free);
        rows.filter_map(|row| Some(row.last?.saturating_since(row.first?))).collect::<Vec<_>>()
    };
    // A sixteenth of an hour, or twice as much where no key frame comes.
    assert!(spans(1).len() >= 6 && spans(1).iter().all(|span| *span <= HOUR / 8), "{:?}", spans(1));
    assert_eq!(spans(2).len(), 1);
}

#[test]
fn a_crash_takes_no_name() {
    let dir = TempDir::new().unwrap();
    let writer = create(&dir, 20);
    // What could not be written if the disk were full.
    fs::create_dir(dir.join("store/valkkafs.json.new")).unwrap();
    let lanes = ["front", "yard"].map(|name| writer.lane(name, Retention::default()).unwrap());
    let mut camera = Camera::new();
    for _ in 0..20 {
        let frame = camera.frame(1500);
        assert!(lanes.iter().all(|lane| lane.put(&frame)));
    }
    writer.commit(soon()).unwrap();
    // As a crash leaves it.
    fs::create_dir(dir.join("left")).unwrap();
    for name in ["valkkafs.json", "dumpfile", "blockfile"] {
        fs::copy(dir.join("store").join(name), dir.join("left").join(name)).unwrap();
    }
    let manifest = fs::read_to_string(dir.join("left/valkkafs.json")).unwrap();
    assert!(!manifest.contains("yard"), "{manifest}");
    let store = Store::open(&dir.join("left")).unwrap();
    assert_eq!(["front", "yard"].map(|name| store.stream(name)), lanes.each_ref().map(|lane| lane.id()));
    // The next recorder goes on with them, and writes the names down.
    let next = Writer::open(store, WriterOptions::default()).unwrap();
    let lane = next.lane("yard", Retention::default()).unwrap();
    assert_eq!(lane.id(), lanes[1].id());
    assert!(lane.put(&Camera::new().frame(100)));
    next.commit(soon()).unwrap();
    let manifest = fs::read_to_string(dir.join("left/valkkafs.json")).unwrap();
    assert!(manifest.contains("front") && manifest.contains("yard"), "{manifest}");
}
