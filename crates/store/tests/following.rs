//! A stream is read while it is written: by the process that writes, and by others.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Camera, number_of};
use valkka_store::{Entry, Geometry, Lane, Retention, Store, StoreOptions, StreamId, Writer, WriterOptions};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);

fn record(dir: &TempDir, block_bytes: u64, blocks: u64) -> (Writer, Vec<Lane>) {
    let options = StoreOptions::new(Geometry::new(block_bytes, blocks).unwrap());
    let store = Store::create(&dir.join("store"), &options).unwrap();
    let options = WriterOptions { commit_interval: Duration::from_millis(5), ..WriterOptions::default() };
    let writer = Writer::open(store, options).unwrap();
    let lane = |number| writer.lane(&format!("camera {number}"), Retention::default()).unwrap();
    let lanes = (0..3).map(lane).collect();
    (writer, lanes)
}

/// Reads what comes of the second stream, and calls `take` with each entry, until it says that this is enough.
fn follow(store: &Arc<Store>, mut take: impl FnMut(Entry) -> bool) {
    let mut cursor = store.cursor(StreamId::new(2).unwrap());
    wait::until(SOON, "enough was read", || {
        store.refresh().unwrap();
        while let Some(entry) = cursor.next().unwrap() {
            if take(entry) {
                return true;
            }
        }
        false
    });
}

#[test]
fn every_frame_comes_once_and_in_order() {
    const FRAMES: u64 = 1500;
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let (writer, lanes) = record(&dir, 1 << 16, 400);
    let other = Store::open(&dir.join("store")).unwrap();
    thread::scope(|scope| {
        for store in [writer.store().clone(), other] {
            scope.spawn(move || {
                let mut expected = 0;
                follow(&store, |entry| {
                    let Entry::Frame(frame) = entry else { panic!("{entry:?} after frame {expected}") };
                    assert_eq!(number_of(&frame), expected);
                    expected += 1;
                    expected == FRAMES
                });
            });
        }
        let mut cameras: Vec<_> = lanes.iter().map(|_| Camera::new()).collect();
        for round in 0..FRAMES {
            for (lane, camera) in lanes.iter().zip(&mut cameras) {
                wait::until(SOON, "there is room", || lane.room_bytes() > 10_000);
                assert!(lane.put(&camera.frame(500 + round as usize % 900)));
            }
        }
        writer.commit(common::soon()).unwrap();
    });
}

#[test]
fn who_is_overtaken_goes_on_behind_a_gap() {
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let (writer, lanes) = record(&dir, 1 << 13, 20);
    let other = Store::open(&dir.join("store")).unwrap();
    let is_enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers = [writer.store().clone(), other].map(|store| {
            scope.spawn(move || {
                let (mut last, mut gaps, mut frames) = (None, 0, 0);
                follow(&store, |entry| {
                    match entry {
                        Entry::Frame(frame) => {
                            let number = number_of(&frame);
                            assert!(last.is_none_or(|last| number > last), "{number} after {last:?}");
                            (last, frames) = (Some(number), frames + 1);
                            // Slower than what is written.
                            thread::sleep(Duration::from_millis(1));
                        }
                        Entry::Gap(gap) => {
                            assert!(gap.reason.contains("overwritten"), "{gap:?}");
                            gaps += 1;
                        }
                        Entry::Damage(damage) => panic!("{damage} after frame {last:?}"),
                    }
                    gaps >= 3 && frames >= 100
                });
            })
        });
        let writing = scope.spawn(|| {
            let mut cameras: Vec<_> = lanes.iter().map(|_| Camera::new()).collect();
            while !is_enough.load(Ordering::SeqCst) {
                for (lane, camera) in lanes.iter().zip(&mut cameras) {
                    if lane.room_bytes() > 10_000 {
                        lane.put(&camera.frame(1000));
                    }
                }
                thread::sleep(Duration::from_micros(200));
            }
        });
        let results = readers.map(|reader| reader.join());
        is_enough.store(true, Ordering::SeqCst);
        writing.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
}
