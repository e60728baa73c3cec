//! What happens is told in its order, to somebody who may hold whatever locks, and may be of bad quality.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::io::ErrorKind;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::disk::{Faults, Faulty};
use common::{Camera, soon};
use valkka_store::medium::FileMedium;
use valkka_store::{Geometry, Retention, Store, StoreFiles, Writer, WriterEvent, WriterOptions, WriterState};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);

/// A writer onto a disk with faults.
fn open(
    dir: &TempDir,
    faults: &Arc<Faults>,
    on_event: impl Fn(WriterEvent) + Send + Sync + 'static,
) -> Writer {
    let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
    let geometry = Geometry::new(1 << 14, 30).unwrap();
    drop(Store::open_files(&files, geometry, true).unwrap());
    let medium = |path| Faulty::new(FileMedium::open(path).unwrap(), faults);
    let store = Store::from_media(medium(&files.data), medium(&files.table), geometry, false).unwrap();
    let options = WriterOptions {
        commit_interval: Duration::from_millis(20),
        on_event: Arc::new(on_event),
        ..WriterOptions::default()
    };
    Writer::open(store, options).unwrap()
}

#[test]
fn whoever_puts_may_hold_what_whoever_is_told_waits_for() {
    let _watchdog = Watchdog::start(SOON * 3);
    let dir = TempDir::new().unwrap();
    let dropped = Arc::new(Mutex::new(0));
    let told = dropped.clone();
    let writer = open(&dir, &Arc::default(), move |event| {
        if let WriterEvent::Dropped { frames, .. } = event {
            *told.lock().unwrap() += frames;
        }
    });
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    wait::until(SOON, "it is told that frames are too large", || {
        let dropped = dropped.lock().unwrap();
        assert!(!lane.put(&camera.frame(1 << 14)));
        *dropped > 0
    });
}

#[test]
fn a_disk_fails_and_recovers_in_this_order() {
    let _watchdog = Watchdog::start(SOON * 5);
    let (dir, faults) = (TempDir::new().unwrap(), Arc::<Faults>::default());
    let (sender, events) = mpsc::channel();
    let writer = open(&dir, &faults, move |event| drop(sender.send(event)));
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..5 {
        *faults.write.lock().unwrap() = Some(ErrorKind::StorageFull);
        assert!(lane.put(&camera.frame(1000)));
        wait::until(SOON, "it fails", || writer.state() != WriterState::Writing);
        *faults.write.lock().unwrap() = None;
        writer.commit(soon()).unwrap();
        wait::until(SOON, "it recovers", || writer.state() == WriterState::Writing);
    }
    // All of it is told before the writer is gone.
    drop((lane, writer));
    let told: Vec<_> = events.try_iter().collect();
    assert!(matches!(told.last(), Some(WriterEvent::BlockClosed { .. })), "{told:?}");
    let mut states: Vec<bool> = told
        .iter()
        .filter_map(|event| match event {
            WriterEvent::Failing { .. } => Some(true),
            WriterEvent::Recovered { .. } => Some(false),
            _ => None,
        })
        .collect();
    // It may fail for one reason after the other.
    states.dedup();
    assert_eq!(states, [true, false].repeat(5), "{told:?}");
}

#[test]
fn whoever_is_told_and_panics_stops_no_recording() {
    let _watchdog = Watchdog::start(SOON * 3);
    let dir = TempDir::new().unwrap();
    let (sender, events) = mpsc::channel();
    let writer = open(&dir, &Arc::default(), move |event| {
        let _ = sender.send(event);
        panic!("on purpose");
    });
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    for _ in 0..2 {
        assert!(lane.put(&camera.frame(1000)));
        lane.close_block();
        writer.commit(soon()).unwrap();
        assert!(matches!(events.recv_timeout(SOON).unwrap(), WriterEvent::BlockClosed { .. }));
    }
    assert_eq!(writer.state(), WriterState::Writing);
}
