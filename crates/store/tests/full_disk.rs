//! The disk is full, broken, gone, stuck or replaced: nobody waits for it, and recording goes on by itself afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::disk::{Faults, Faulty};
use common::{Camera, read_back, soon};
use valkka_store::format::{BlockState, Row};
use valkka_store::medium::FileMedium;
use valkka_store::{
    Geometry, Lane, Retention, Store, StoreError, StoreFiles, StoreOptions, StreamId, Writer, WriterEvent,
    WriterOptions, WriterState,
};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const QUEUE_BYTES: usize = 30_000;

/// A recording onto a disk with faults.
struct Recorder {
    dir: TempDir,
    writer: Writer,
    lane: Lane,
    camera: Camera,
    faults: Arc<Faults>,
    events: Mutex<Receiver<WriterEvent>>,
}

impl Recorder {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let faults = Arc::new(Faults::default());
        let files = StoreFiles { data: dir.join("data"), table: dir.join("table") };
        let geometry = Geometry::new(1 << 14, 30).unwrap();
        drop(Store::open_files(&files, geometry, true).unwrap());
        let medium = |path| Faulty::new(FileMedium::open(path).unwrap(), &faults);
        let store = Store::from_media(medium(&files.data), medium(&files.table), geometry, false).unwrap();
        let (sender, events) = mpsc::channel();
        let options = WriterOptions {
            commit_interval: Duration::from_millis(20),
            max_queued_bytes: QUEUE_BYTES,
            on_event: Arc::new(move |event| drop(sender.send(event))),
            ..WriterOptions::default()
        };
        let writer = Writer::open(store, options).unwrap();
        let lane = writer.lane("front", Retention::default()).unwrap();
        let mut recorder =
            Self { dir, writer, lane, camera: Camera::new(), faults, events: Mutex::new(events) };
        for _ in 0..20 {
            assert!(recorder.put());
        }
        recorder.writer.commit(soon()).unwrap();
        recorder
    }

    fn put(&mut self) -> bool {
        self.lane.put(&self.camera.frame(1000))
    }

    /// Puts until the queue is full.
    fn fill(&mut self) {
        wait::until(SOON, "the queue is full", || !self.put());
    }

    fn event(&self) -> WriterEvent {
        self.events.lock().unwrap().recv_timeout(SOON).unwrap()
    }

    fn wait_failing(&self) -> String {
        wait::until_some(SOON, "it fails", || match self.writer.state() {
            WriterState::Failing { reason, .. } => Some(reason),
            WriterState::Writing => None,
        })
    }

    fn wait_recovered(&self) {
        wait::until(SOON, "it recovers", || self.writer.state() == WriterState::Writing);
        while !matches!(self.event(), WriterEvent::Recovered { .. }) {}
    }

    /// Goes on at a key frame, ends the recording, and checks that whatever is missing is a gap for `reason`.
    fn check(mut self, reason: &str) {
        // What waited is written behind what the disk had refused.
        wait::until(SOON, "there is room", || self.writer.stats().queued_bytes == 0);
        let resumed = self.camera.next_number().next_multiple_of(Camera::GOP);
        self.camera.skip_to(resumed);
        for _ in 0..20 {
            assert!(self.put());
        }
        self.writer.commit(soon()).unwrap();
        let stats = self.writer.stats();
        let store = self.writer.store().clone();
        drop((self.lane, self.writer));
        let (streams, damage) = read_back(&store);
        assert_eq!(damage, []);
        let stream = &streams[&1];
        assert!(stream.frames.starts_with(&(0..20).collect::<Vec<_>>()), "{:?}", stream.frames);
        assert!(stream.frames.ends_with(&(resumed..resumed + 20).collect::<Vec<_>>()), "{:?}", stream.frames);
        let holes = stream.frames.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        assert_eq!(stream.gaps.len(), holes, "{:?} {:?}", stream.frames, stream.gaps);
        let is_told = |text: &str| text.contains(reason) && !text.contains('/');
        assert!(stream.gaps.iter().all(|gap| is_told(&gap.reason)), "{:?}", stream.gaps);
        assert!(stats.dropped > 0 && holes > 0, "{stats:?}");
        drop(self.dir);
    }
}

#[test]
fn a_full_or_broken_disk_is_tried_again() {
    let _watchdog = Watchdog::start(SOON * 5);
    type Fault = fn(&Faults) -> &Mutex<Option<ErrorKind>>;
    let (write, sync): (Fault, Fault) = (|faults| &faults.write, |faults| &faults.sync);
    for (fault, kind, words) in [
        (write, ErrorKind::StorageFull, "no storage space"),
        (write, ErrorKind::InvalidInput, "invalid input"),
        (sync, ErrorKind::StorageFull, "no storage space"),
        (sync, ErrorKind::TimedOut, "timed out"),
    ] {
        let mut recorder = Recorder::start();
        *fault(&recorder.faults).lock().unwrap() = Some(kind);
        // It fails before the queue is full, so that what is dropped then is for that.
        assert!(recorder.put());
        let reason = recorder.wait_failing();
        recorder.fill();
        // Data or table: which of them is written first depends on what is left to write.
        let fits = |reason: &str| reason.starts_with("cannot write ") && reason.contains(words);
        assert!(fits(&reason), "{reason}");
        let failing = WriterEvent::Failing { reason: reason.clone() };
        while recorder.event() != failing {}
        let error = recorder.writer.commit(Instant::now()).unwrap_err();
        assert!(matches!(&error, StoreError::Late(found) if fits(found)), "{error}");
        for _ in 0..50 {
            recorder.put();
        }
        assert!(recorder.writer.stats().queued_bytes <= QUEUE_BYTES as u64);
        *fault(&recorder.faults).lock().unwrap() = None;
        recorder.wait_recovered();
        recorder.check(words);
    }
}

#[test]
fn a_disk_that_was_gone_is_written_on() {
    let _watchdog = Watchdog::start(SOON * 5);
    for is_replaced in [false, true] {
        let mut recorder = Recorder::start();
        recorder.faults.is_gone.store(true, Ordering::SeqCst);
        assert!(recorder.put());
        assert!(recorder.wait_failing().contains("entity not found"));
        recorder.fill();
        recorder.faults.is_replaced.store(is_replaced, Ordering::SeqCst);
        recorder.faults.is_gone.store(false, Ordering::SeqCst);
        recorder.wait_recovered();
        if is_replaced {
            let error = recorder.writer.commit(soon()).unwrap_err();
            assert!(
                matches!(&error, StoreError::Lost { frames: 1.., reason } if reason.contains("not found"))
            );
        }
        recorder.check("entity not found");
    }
}

#[test]
fn what_one_place_refuses_goes_elsewhere() {
    let _watchdog = Watchdog::start(SOON * 8);
    for is_begun in [false, true] {
        let mut recorder = Recorder::start();
        let (yard, mut other) = (recorder.writer.lane("yard", Retention::default()).unwrap(), Camera::new());
        let store = recorder.writer.store().clone();
        let mut put = |recorder: &mut Recorder| recorder.put() & yard.put(&other.frame(1000));
        // No block is free.
        while recorder.writer.stats().blocks < store.geometry().blocks() {
            for _ in 0..10 {
                assert!(put(&mut recorder));
            }
            recorder.writer.commit(soon()).unwrap();
        }
        let next = recorder.writer.current_block();
        let block_bytes = store.geometry().block_bytes();
        // There is room for the next frame.
        let is_roomy = |row: &Row| row.state == BlockState::Open && row.used_bytes < 8192;
        while is_begun && !store.rows().iter().any(is_roomy) {
            assert!(put(&mut recorder));
            recorder.writer.commit(soon()).unwrap();
        }
        let bad = match store.rows().iter().position(is_roomy).filter(|_| is_begun) {
            Some(open) => open as u64 * block_bytes + u64::from(store.rows()[open].used_bytes) + 500,
            None => next * block_bytes,
        };
        *recorder.faults.unwritable.lock().unwrap() = Some(bad);
        wait::until(SOON, "it fails", || {
            put(&mut recorder);
            recorder.writer.state() != WriterState::Writing
        });
        recorder.wait_recovered();
        let row = store.row(bad / block_bytes).unwrap();
        assert_eq!((row.state, row.last.is_some()), (BlockState::Closed, is_begun));
        let error = recorder.writer.commit(soon()).unwrap_err();
        assert!(
            matches!(&error, StoreError::Lost { reason, .. } if reason.contains("a bad sector")),
            "{error}"
        );
        // What was dropped meanwhile is told before the next key frame.
        wait::until(SOON, "both go on", || put(&mut recorder));
        // The next sixteen blocks; that one is not the first of them again.
        for _ in 0..12 {
            for _ in 0..10 {
                assert!(put(&mut recorder));
            }
            recorder.writer.commit(soon()).unwrap();
        }
        let is_failing = |event: WriterEvent| matches!(event, WriterEvent::Failing { .. });
        assert!(!recorder.events.lock().unwrap().try_iter().any(is_failing));
        let (streams, damage) = read_back(&store);
        assert_eq!(damage, []);
        for stream in streams.values() {
            let holes = stream.frames.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
            // Some of what was refused as a whole may be there all the same.
            assert!(
                holes <= stream.gaps.len() && !stream.gaps.is_empty(),
                "{:?} {:?}",
                stream.frames,
                stream.gaps
            );
            let is_told = |text: &str| text.contains("cannot write data: a bad sector");
            assert!(stream.gaps.iter().all(|gap| is_told(&gap.reason)), "{:?}", stream.gaps);
        }
    }
}

#[test]
fn commits_of_what_is_lost_fail() {
    let _watchdog = Watchdog::start(SOON * 5);
    let mut recorder = Recorder::start();
    recorder.faults.is_gone.store(true, Ordering::SeqCst);
    assert!(recorder.put());
    recorder.wait_failing();
    // One that ends before it is known, and one that may be asked for before or after.
    let early = recorder.writer.commit(Instant::now());
    assert!(matches!(early, Err(StoreError::Late(_))), "{early:?}");
    recorder.faults.is_replaced.store(true, Ordering::SeqCst);
    let faults = recorder.faults.clone();
    let result = std::thread::scope(|scope| {
        let commit = scope.spawn(|| recorder.writer.commit(soon()));
        faults.is_gone.store(false, Ordering::SeqCst);
        commit.join().unwrap()
    });
    let is_told =
        matches!(&result, Err(StoreError::Lost { frames: 1, reason }) if reason.contains("not found"));
    assert!(is_told, "{result:?}");
    recorder.writer.commit(soon()).unwrap();
}

#[test]
fn a_commit_that_is_asked_for_too_late_to_wait_for_it_tells_a_loss() {
    let _watchdog = Watchdog::start(SOON * 5);
    let mut recorder = Recorder::start();
    recorder.faults.is_gone.store(true, Ordering::SeqCst);
    assert!(recorder.put());
    recorder.wait_failing();
    recorder.faults.is_replaced.store(true, Ordering::SeqCst);
    recorder.faults.is_gone.store(false, Ordering::SeqCst);
    recorder.wait_recovered();
    // What was put since is on disk all the same.
    recorder.camera.skip_to(30);
    assert!(recorder.put());
    let error = recorder.writer.commit(soon()).unwrap_err();
    assert!(matches!(&error, StoreError::Lost { frames: 1, .. }), "{error}");
    let (streams, _) = read_back(recorder.writer.store());
    assert_eq!(streams[&1].frames.last(), Some(&30));
    recorder.writer.commit(soon()).unwrap();
}

#[test]
fn a_commit_tells_what_found_no_block() {
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let options = StoreOptions::new(Geometry::new(1 << 14, 2).unwrap());
    let store = Store::create(&dir.join("store"), &options).unwrap();
    let writer = Writer::open(store, WriterOptions::default()).unwrap();
    let lanes = ["front", "yard"].map(|name| writer.lane(name, Retention::default()).unwrap());
    let (mixed, mut camera) = (writer.mixed_lane(), Camera::new());
    assert!(lanes.iter().all(|lane| lane.put(&camera.frame(100)) | lane.put(&camera.frame(100))));
    writer.commit(soon()).unwrap();
    camera.skip_to(10);
    let id = StreamId::new(9).unwrap();
    assert!(mixed.put_as(id, &camera.frame(100)) && mixed.put_as(id, &camera.frame(100)));
    let error = writer.commit(soon()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Lost { frames: 2, reason } if reason == "every block is being written"),
        "{error}"
    );
    writer.commit(soon()).unwrap();
}

#[test]
fn nobody_waits_for_a_disk_that_is_stuck() {
    let _watchdog = Watchdog::start(SOON * 5);
    let mut recorder = Recorder::start();
    recorder.faults.stick();
    recorder.fill();
    // It is told once the disk has been stuck for some time.
    let reason = wait::until_some(SOON, "it is told", || {
        recorder.put();
        match recorder.writer.state() {
            WriterState::Failing { reason, .. } => Some(reason),
            WriterState::Writing => None,
        }
    });
    assert_eq!(reason, "the disk does not keep up");
    recorder.faults.free();
    recorder.wait_recovered();
    recorder.check("the disk does not keep up");
}

#[test]
fn a_writer_ends_while_the_disk_fails() {
    let _watchdog = Watchdog::start(SOON * 5);
    let mut recorder = Recorder::start();
    *recorder.faults.write.lock().unwrap() = Some(ErrorKind::StorageFull);
    recorder.fill();
    recorder.wait_failing();
    let Recorder { writer, lane, mut camera, faults, .. } = recorder;
    let store = writer.store().clone();
    drop(writer);
    assert!(!lane.put(&camera.frame(10)), "nobody would write it");
    *faults.write.lock().unwrap() = None;
    let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
    writer.lane("front", Retention::default()).unwrap();
    let (streams, damage) = read_back(&store);
    assert!(streams[&1].frames.starts_with(&(0..20).collect::<Vec<_>>()) && damage.is_empty());
}

#[test]
fn a_writer_that_panics_says_so() {
    let _watchdog = Watchdog::start(SOON * 5);
    let mut recorder = Recorder::start();
    recorder.faults.has_bug.store(true, Ordering::SeqCst);
    assert!(recorder.put());
    let reason = recorder.wait_failing();
    assert_eq!(reason, "the thread that writes has ended by a panic");
    while recorder.event() != (WriterEvent::Failing { reason: reason.clone() }) {}
    // Long before the deadline, which the watchdog does not wait for.
    let error = recorder.writer.commit(soon() + SOON * 10).unwrap_err();
    assert!(matches!(error, StoreError::Late(found) if found == reason));
    wait::until(SOON, "nothing is taken", || !recorder.put());
    recorder.faults.has_bug.store(false, Ordering::SeqCst);
    let Recorder { writer, lane, .. } = recorder;
    let store = writer.store().clone();
    drop((lane, writer));
    drop(Writer::open(store, WriterOptions::default()).unwrap());
}

#[test]
fn a_directory_that_is_moved_away_and_back_is_written_on() {
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let (path, away) = (dir.join("store"), dir.join("away"));
    let store = Store::create(&path, &StoreOptions::new(Geometry::new(1 << 14, 30).unwrap())).unwrap();
    let options = WriterOptions { commit_interval: Duration::from_millis(20), ..WriterOptions::default() };
    let writer = Writer::open(store, options).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    assert!(lane.put(&camera.frame(1000)));
    writer.commit(soon()).unwrap();
    fs::rename(&path, &away).unwrap();
    assert!(lane.put(&camera.frame(1000)));
    let reason = wait::until_some(SOON, "it fails", || match writer.state() {
        WriterState::Failing { reason, .. } => Some(reason),
        WriterState::Writing => None,
    });
    assert!(reason.contains("store/") && reason.contains("No such file"), "{reason}");
    fs::rename(&away, &path).unwrap();
    writer.commit(soon()).unwrap();
    assert_eq!(writer.state(), WriterState::Writing);
    // Another store in its place, which knows the stream by the same number.
    fs::rename(&path, &away).unwrap();
    assert!(lane.put(&camera.frame(1000)));
    wait::until(SOON, "it fails", || writer.state() != WriterState::Writing);
    drop(Store::create(&path, &StoreOptions::new(Geometry::new(1 << 14, 30).unwrap())).unwrap());
    wait::until(SOON, "it recovers", || writer.state() == WriterState::Writing);
    camera.skip_to(100);
    assert!(lane.put(&camera.frame(1000)));
    let error = writer.commit(soon()).unwrap_err();
    assert!(matches!(&error, StoreError::Lost { frames: 1, .. }), "{error}");
    writer.commit(soon()).unwrap();
    drop((lane, writer));
    let frames = |path| read_back(&Store::open(path).unwrap()).0[&1].frames.clone();
    assert_eq!((frames(&away), frames(&path)), (vec![0, 1], vec![100]));
    assert_eq!(Store::open(&path).unwrap().streams()[0].name, "front");
}

#[test]
fn a_directory_that_is_removed_is_told() {
    let _watchdog = Watchdog::start(SOON * 5);
    let dir = TempDir::new().unwrap();
    let path = dir.join("store");
    let store = Store::create(&path, &StoreOptions::new(Geometry::new(1 << 14, 30).unwrap())).unwrap();
    let options = WriterOptions { commit_interval: Duration::from_millis(20), ..WriterOptions::default() };
    let writer = Writer::open(store, options).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let mut camera = Camera::new();
    assert!(lane.put(&camera.frame(1000)));
    writer.commit(soon()).unwrap();
    fs::remove_dir_all(&path).unwrap();
    assert!(lane.put(&camera.frame(1000)));
    wait::until(SOON, "it is told", || writer.state() != WriterState::Writing);
    drop((writer, lane));
    assert!(!path.exists(), "nobody makes it again");
}
