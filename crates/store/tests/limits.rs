//! Tiny blocks, many lanes, clocks that jump, and readers in the way.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::disk::{Faults, Faulty};
use common::{Camera, read_back, say, soon};
use valkka_store::format::{BlockState, Row};
use valkka_store::medium::FileMedium;
use valkka_store::{
    Geometry, Lane, Retention, Store, StoreError, StoreFiles, StoreOptions, StreamId, Writer, WriterEvent,
    WriterOptions,
};
use valkka_testkit::process::{Child, command};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const ROLE: &str = "VALKKA_TEST_ROLE";

fn create(path: &Path, block_bytes: u64, blocks: u64) -> Writer {
    let options = StoreOptions::new(Geometry::new(block_bytes, blocks).unwrap());
    Writer::open(Store::create(path, &options).unwrap(), WriterOptions::default()).unwrap()
}

#[test]
fn whatever_is_done_every_hole_has_a_reason() {
    let _watchdog = Watchdog::start(SOON * 5);
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..30 {
        let dir = TempDir::new().unwrap();
        let path = dir.join("store");
        let (block_bytes, blocks) = (4096 * random.u64(1..6), random.u64(4..60));
        let mut writer = Some(create(&path, block_bytes, blocks));
        let mut cameras: BTreeMap<u64, (Camera, Option<Lane>)> = BTreeMap::new();
        for _ in 0..random.usize(50..400) {
            let id = random.u64(1..=4);
            let open = writer.get_or_insert_with(|| {
                Writer::open(Store::open(&path).unwrap(), WriterOptions::default()).unwrap()
            });
            let (camera, lane) = cameras.entry(id).or_insert_with(|| (Camera::new(), None));
            let retention = Retention { max_bytes: random.bool().then_some(block_bytes * 3), max_age: None };
            let lane = lane.get_or_insert_with(|| open.lane(&format!("camera {id}"), retention).unwrap());
            match random.u32(0..100) {
                0 => open.commit(soon()).unwrap(),
                1 => lane.close_block(),
                2 => {
                    // Frames are missed, and it is told why.
                    lane.gap("camera offline");
                    camera.skip_to(camera.next_number().next_multiple_of(Camera::GOP));
                }
                3 => cameras.get_mut(&id).unwrap().1 = None,
                4 => {
                    cameras.values_mut().for_each(|(_, lane)| *lane = None);
                    writer = None;
                }
                5 => drop(lane.put(&camera.frame(random.usize(1..30_000).max(8)))),
                6 => open.set_current_block(random.u64(0..blocks + 2)),
                _ => drop(lane.put(&camera.frame(random.usize(8..900)))),
            }
        }
        drop((cameras, writer));
        let store = Store::open(&path).unwrap();
        let (streams, damage) = read_back(&store);
        assert_eq!(damage, [], "round {round}");
        for (id, stream) in &streams {
            let what = format!("round {round}, stream {id}: {stream:?}");
            assert!(stream.frames.is_sorted_by(|one, next| one < next), "{what}");
            let holes = stream.frames.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
            assert!(stream.gaps.len() >= holes, "{what}");
            assert!(stream.gaps.iter().all(|gap| !gap.reason.is_empty() && gap.from <= gap.to), "{what}");
        }
    }
}

#[test]
fn three_hundred_lanes_share_a_store() {
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let writer = create(&dir.join("store"), 1 << 14, 700);
    let lane = |number| writer.lane(&format!("camera {number}"), Retention::default()).unwrap();
    let mut lanes: Vec<_> = (0..300).map(|number| (lane(number), Camera::new())).collect();
    for _ in 0..10 {
        for (lane, camera) in &mut lanes {
            assert!(lane.put(&camera.frame(2000)));
        }
    }
    writer.commit(soon()).unwrap();
    let (streams, damage) = read_back(writer.store());
    assert_eq!((streams.len(), damage.len()), (300, 0));
    assert!(streams.values().all(|stream| stream.frames == (0..10).collect::<Vec<_>>()));
    // All of them by one commit: two syncs, and one more where a sync of the table was due anyway.
    assert!(writer.stats().syncs <= 3 + 2 * 10, "{:?}", writer.stats());
    drop((lanes, writer));
    let store = Store::open(&dir.join("store")).unwrap();
    assert_eq!(store.streams().len(), 300);
    assert!(store.rows().iter().all(|row| row.state != BlockState::Open));
}

#[test]
fn frames_larger_than_the_queue_are_recorded() {
    let _watchdog = Watchdog::start(SOON * 2);
    let dir = TempDir::new().unwrap();
    let options = StoreOptions::new(Geometry::new(1 << 16, 12).unwrap());
    let (sender, events) = mpsc::channel();
    let writing = WriterOptions {
        max_queued_bytes: 10_000,
        on_event: Arc::new(move |event| drop(sender.send(event))),
        ..WriterOptions::default()
    };
    let writer = Writer::open(Store::create(&dir.join("store"), &options).unwrap(), writing).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..3 {
        assert!(lane.put(&camera.frame(30_000)) && lane.put(&camera.frame(1000)));
        writer.commit(soon()).unwrap();
    }
    camera.skip_to(10);
    assert!(!lane.put(&camera.frame(70_000)), "no block holds it");
    assert!(!lane.put(&camera.frame(100)), "it depends on that one");
    // It is told although no frame is written again.
    let told = wait::until_some(SOON, "it is told", || {
        lane.put(&camera.frame(70_000));
        events.try_iter().find(|event| matches!(event, WriterEvent::Dropped { .. }))
    });
    let WriterEvent::Dropped { frames, reason, .. } = told else { panic!("it was just looked at") };
    assert!(frames >= 2 && reason == "a frame of 70000 bytes is too large for a block", "{frames} {reason}");
    camera.skip_to(1000);
    assert!(lane.put(&camera.frame(30_000)));
    writer.commit(soon()).unwrap();
    let (streams, damage) = read_back(writer.store());
    assert_eq!((&streams[&1].frames, damage), (&vec![0, 1, 2, 3, 4, 5, 1000], vec![]));
    assert_eq!(streams[&1].gaps.len(), 1);
    drop(lane);
}

#[test]
fn a_clock_that_jumps_changes_no_order() {
    let dir = TempDir::new().unwrap();
    let writer = create(&dir.join("store"), 1 << 13, 12);
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    let hour = Duration::from_secs(3600);
    for round in 0..60 {
        for _ in 0..3 {
            assert!(lane.put(&camera.frame(900)));
        }
        writer.commit(soon()).unwrap();
        camera.wall = if round % 7 == 3 { camera.wall - hour } else { camera.wall };
        camera.wall = if round % 11 == 5 { camera.wall + hour * 3 } else { camera.wall };
        let (streams, damage) = read_back(writer.store());
        let (frames, last) = (&streams[&1].frames, camera.next_number());
        assert_eq!(*frames, (last - frames.len() as u64..last).collect::<Vec<_>>());
        assert_eq!(damage, []);
        assert!(frames.len() as u64 == last || frames.len() > 60, "{frames:?}");
    }
    let is_in_order = |row: &Row| row.first <= row.first_keyframe.or(row.first) && row.first <= row.last;
    assert!(writer.store().rows().iter().all(is_in_order));
}

#[test]
fn a_stream_that_comes_seldom_is_not_the_oldest() {
    let dir = TempDir::new().unwrap();
    let writer = create(&dir.join("store"), 1 << 12, 80);
    let lane = |name| writer.lane(name, Retention::default()).unwrap();
    let (often, seldom) = (lane("often"), lane("seldom"));
    let (mut one, mut other) = (Camera::new(), Camera::new());
    for round in 0..300 {
        if round % 30 == 0 {
            assert!(seldom.put(&other.frame(50)));
        }
        for _ in 0..3 {
            assert!(often.put(&one.frame(1000)));
        }
        writer.commit(soon()).unwrap();
    }
    drop((often, seldom, writer));
    let (streams, _) = read_back(&Store::open(&dir.join("store")).unwrap());
    // The ring holds some 75 of the 300 rounds.
    assert!(streams[&2].frames.ends_with(&[8, 9]), "{:?}", streams[&2]);
}

#[test]
fn streams_that_come_seldom_are_kept_where_each_has_few_blocks() {
    let dir = TempDir::new().unwrap();
    let writer = create(&dir.join("store"), 1 << 12, 32);
    let lane = |name: &str| writer.lane(name, Retention::default()).unwrap();
    let mut often = (lane("often"), Camera::new());
    let mut seldom: Vec<_> = (0..7).map(|number| (lane(&format!("{number}")), Camera::new())).collect();
    for round in 0..100 {
        for _ in 0..3 {
            assert!(often.0.put(&often.1.frame(1000)));
        }
        for (lane, camera) in seldom.iter_mut().filter(|_| round % 10 == 0) {
            assert!(lane.put(&camera.frame(50)));
        }
        writer.commit(soon()).unwrap();
        let (last, streams) = (round / 10, read_back(writer.store()).0);
        // Some twenty blocks were begun since the one before the last.
        let is_kept = |stream: &u64| streams[stream].frames.ends_with(&[last - 1, last]);
        assert!(
            round % 10 > 0 || round == 0 || (2..=8).all(|stream| is_kept(&stream)),
            "{round}: {streams:?}"
        );
    }
}

#[test]
fn a_row_whose_block_cannot_be_read_is_left_to_a_check() {
    let dir = TempDir::new().unwrap();
    let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
    let geometry = Geometry::new(1 << 14, 12).unwrap();
    let writer = Store::open_files(&files, geometry, true).unwrap();
    let writer = Writer::open(writer, WriterOptions::default()).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..60 {
        assert!(lane.put(&camera.frame(1000)));
    }
    drop((lane, writer));
    let mut table = fs::read(&files.table).unwrap();
    table[Row::offset(1) as usize + 3] ^= 1;
    fs::write(&files.table, &table).unwrap();
    let faults = Arc::new(Faults::default());
    let medium = |path| Faulty::new(FileMedium::open(path).unwrap(), &faults);
    let open = || Store::from_media(medium(&files.data), medium(&files.table), geometry, false).unwrap();
    *faults.unreadable.lock().unwrap() = Some(1 << 14);
    let refused = Writer::open(open(), WriterOptions::default());
    assert!(matches!(refused, Err(StoreError::DamagedTable { rows: 1, .. })), "{refused:?}");
    assert_eq!(fs::read(&files.table).unwrap(), table, "nothing has changed");
    *faults.unreadable.lock().unwrap() = None;
    drop(Writer::open(open(), WriterOptions::default()).unwrap());
    assert_eq!(read_back(&open()).0[&1].frames, (0..60).collect::<Vec<_>>());
}

#[test]
fn a_table_that_is_rotten_is_not_written_on() {
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    let writer = create(&path, 1 << 12, 300);
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..250 {
        assert!(lane.put(&camera.frame(3000)));
    }
    writer.commit(soon()).unwrap();
    drop((lane, writer));
    let whole = fs::read(path.join("blockfile")).unwrap();
    let damage = |rows: usize| {
        let mut table = whole.clone();
        table[Row::offset(0) as usize..Row::offset(rows as u64) as usize].fill(0x55);
        fs::write(path.join("blockfile"), table).unwrap();
    };
    // A few rows follow from their blocks, and are written again.
    damage(40);
    let frames = |store: &Store| read_back(store).0[&1].frames.len();
    assert_eq!(frames(&Store::open(&path).unwrap()), 250);
    drop(Writer::open(Store::open(&path).unwrap(), WriterOptions::default()).unwrap());
    assert_eq!(fs::read(path.join("blockfile")).unwrap(), whole);
    // With very many, it takes a check to say what may be overwritten.
    damage(200);
    let store = Store::open(&path).unwrap();
    let error = Writer::open(store, WriterOptions::default()).unwrap_err();
    assert!(
        error.to_string().ends_with("blockfile: 136 rows are damaged; a check of the store can mend them"),
        "{error}"
    );
}

#[test]
fn others_read_while_a_ring_is_overwritten() {
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    let writer = create(&path, 1 << 13, 24);
    let lanes: Vec<_> = (0..3)
        .map(|number| writer.lane(&format!("camera {number}"), Retention::default()).unwrap())
        .collect();
    let mut cameras: Vec<_> = lanes.iter().map(|_| Camera::new()).collect();
    let readers = [spawn(&path), spawn(&path)];
    let mut rounds = [0; 2];
    wait::until(SOON * 3, "both have read while the ring was overwritten", || {
        for (lane, camera) in lanes.iter().zip(&mut cameras) {
            assert!(lane.put(&camera.frame(700)));
        }
        writer.commit(soon()).unwrap();
        for (reader, rounds) in readers.iter().zip(&mut rounds) {
            *rounds = reader.output().lines().filter(|line| *line == "read").count();
        }
        rounds.iter().all(|&rounds| rounds >= 100) && cameras[0].next_number() > 300
    });
}

fn spawn(path: &Path) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = command(program.to_str().unwrap()).unwrap();
    command.args(["reader", "--exact", "--ignored", "--nocapture"]);
    command.env(ROLE, path);
    Child::spawn(command).unwrap()
}

#[test]
#[ignore = "a process that another test starts"]
fn reader() {
    let Ok(path) = env::var(ROLE) else { return };
    let store = Store::open(Path::new(&path)).unwrap();
    let mut newest = BTreeMap::new();
    loop {
        store.refresh().unwrap();
        let before = store.rows();
        let (streams, damage) = read_back(&store);
        store.refresh().unwrap();
        for damage in damage {
            // Only what was overwritten meanwhile is not what the table said.
            let (was, is) = (before[damage.block as usize], store.row(damage.block).unwrap());
            assert_ne!(was.sequence, is.sequence, "{damage}");
        }
        for (id, stream) in streams {
            let last = stream.frames.iter().copied().max().unwrap_or(0);
            let newest = newest.entry(StreamId::new(id).unwrap()).or_insert(0);
            assert!(last >= *newest, "stream {id}: {last} after {newest}");
            *newest = last;
        }
        say("read");
    }
}
