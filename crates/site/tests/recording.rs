//! Cameras that are recorded: when they are to be, into a store that may go and come back.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{SOON, cameras, config, seconds, stretches, texts, wait_recorded, wait_state, wait_told};
use valkka::clock::SystemClock;
use valkka::frame::Frame;
use valkka::sink::{Discard, FnSink};
use valkka::store::{Entry, Geometry, Retention, Store, StoreOptions, Stretch, Writer, WriterOptions};
use valkka::time::WallTime;
use valkka_site::{ArchiveState, RecordConfig, RecordMode, RecordingConfig, RecordingState, Site};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

#[test]
fn cameras_are_recorded_and_go_on_after_a_restart() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(2));
    let store = directory.join("store");
    let config = config(&cameras.urls(), &store, RecordingConfig::default());
    let site = Site::start(config.clone()).unwrap();
    for camera in ["cam1", "cam2"] {
        wait_state(&site, camera, RecordingState::Recording);
        wait_recorded(&site, camera, WallTime::default(), 2.0);
        assert_eq!(site.camera(camera).unwrap().status().recording.state, RecordingState::Recording);
    }
    assert_eq!(site.archive().state(), ArchiveState::Open);
    let stats = site.archive().stats().unwrap();
    assert!(stats.recorded_bytes > 50_000 && stats.dropped == 0, "{stats:?}");
    drop(site);

    let closed = Store::open(&store).unwrap();
    let before = stretches(&closed, "cam1", WallTime::default());
    assert!(before.len() == 1 && seconds(&before[0]) >= 2.0, "{before:?}");
    let site = Site::start(config).unwrap();
    let after = wait_recorded(&site, "cam1", before[0].to, 2.0);
    let all = stretches(&site.archive().store().unwrap(), "cam1", WallTime::default());
    assert_eq!(all.len(), 2, "{all:?} and {after:?}");
    let gap = all[1].gap_before.clone().unwrap();
    assert!(!gap.reason.is_empty() && gap.from >= before[0].from && gap.to <= all[1].from, "{gap:?}");
}

#[test]
fn events_are_recorded_with_what_came_before() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let recording = RecordingConfig {
        mode: RecordMode::Events,
        before: Duration::from_secs(2),
        after: Duration::from_secs(1),
        ..RecordingConfig::default()
    };
    let site = Site::start(config(&cameras.urls(), &directory.join("store"), recording)).unwrap();
    let camera = site.camera("cam1").unwrap();
    let came = Arc::<Mutex<Vec<WallTime>>>::default();
    let coming = came.clone();
    let sink = FnSink(move |frame: Frame| {
        let is_video = frame.packet().is_some_and(|packet| packet.params.codec.is_video());
        coming.lock().unwrap().extend(is_video.then_some(frame.time.wall));
    });
    let _branch = camera.camera().packets("test", Arc::new(sink)).unwrap();
    wait::until(SOON, "some seconds", || camera.status().frames > 75);
    assert_eq!(camera.recording().state, RecordingState::Waiting, "{:?}", camera.recording());
    assert_eq!(camera.recording().mode, RecordMode::Events);
    let asked = SystemClock.now();
    camera.record_event("the door was opened").unwrap();
    wait_state(&site, "cam1", RecordingState::Recording);
    wait_state(&site, "cam1", RecordingState::Waiting);
    let found = wait_recorded(&site, "cam1", WallTime::default(), 1.5);
    assert_eq!(found.len(), 1);
    let before = asked.micros_since(found[0].from) as f64 / 1e6;
    assert!((1.0..8.0).contains(&before), "{before} s before");
    // Whenever they came: all pictures of the second after it.
    wait::until(SOON, "all of the second after it is on disk", || {
        let end = stretches(&site.archive().store().unwrap(), "cam1", WallTime::default())[0].to;
        let is_after = |picture: &WallTime| *picture > asked + Duration::from_secs(1);
        came.lock().unwrap().iter().filter(|picture| **picture > end).all(is_after)
    });
    wait_told(&site, "an event is recorded: the door was opened");
}

#[test]
fn movement_is_recorded() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let recording =
        RecordingConfig { mode: RecordMode::Motion, sensitivity: 90, ..RecordingConfig::default() };
    let site = Site::start(config(&cameras.urls(), &directory.join("store"), recording)).unwrap();
    let camera = site.camera("cam1").unwrap();
    // Where nobody wants pictures, key frames are looked at, and those of this scene are alike.
    let watched = || camera.camera().pictures("test", Arc::new(Discard)).unwrap();
    let branch = watched();
    wait_recorded(&site, "cam1", WallTime::default(), 2.0);
    drop(branch);
    // Of a new connection, too.
    camera.reconnect().unwrap();
    let _branch = watched();
    wait_recorded(&site, "cam1", SystemClock.now(), 2.0);
}

#[test]
fn another_mode_costs_no_connection() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(2));
    let mut config = config(&cameras.urls(), &directory.join("store"), RecordingConfig::default());
    let site = Site::start(config.clone()).unwrap();
    wait_recorded(&site, "cam1", WallTime::default(), 1.0);
    wait_recorded(&site, "cam2", WallTime::default(), 1.0);
    let record = &mut config.cameras.get_mut("cam1").unwrap().record;
    (record.mode, record.quota) = (RecordMode::Off, Some(4 << 20));
    let changes = site.apply(config.clone()).unwrap();
    assert_eq!((changes.changed.as_slice(), changes.record), (&["cam1".to_owned()][..], false), "{changes}");
    assert_eq!(site.camera("cam1").unwrap().recording().state, RecordingState::Off);
    site.camera("cam1").unwrap().record_event("nobody records").unwrap_err();
    let off = SystemClock.now();
    config.cameras.get_mut("cam1").unwrap().record.mode = RecordMode::Events;
    site.apply(config.clone()).unwrap();
    wait_state(&site, "cam1", RecordingState::Waiting);
    site.camera("cam1").unwrap().record_event("").unwrap();
    wait_recorded(&site, "cam1", off, 2.0);
    for camera in ["cam1", "cam2"] {
        assert_eq!(site.camera(camera).unwrap().status().reconnects, 0, "{camera}");
    }
    let other = stretches(&site.archive().store().unwrap(), "cam2", WallTime::default());
    assert_eq!(other.len(), 1, "nobody else notices: {other:?}");
    config.record = None;
    let changes = site.apply(config).unwrap();
    assert!(changes.record, "{changes}");
    assert_eq!(site.archive().state(), ArchiveState::Off);
    wait_state(&site, "cam2", RecordingState::Off);
}

#[test]
fn a_store_that_somebody_else_writes_is_waited_for() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let path = directory.join("store");
    let config = config(&cameras.urls(), &path, RecordingConfig::default());
    let site = Site::start(config.clone()).unwrap();
    wait_recorded(&site, "cam1", WallTime::default(), 1.0);
    drop(site);
    let other = Writer::open(Store::open(&path).unwrap(), WriterOptions::default()).unwrap();

    let site = Site::start(config).unwrap();
    wait_state(&site, "cam1", RecordingState::Failing);
    let reason = site.camera("cam1").unwrap().recording().reason.unwrap();
    assert!(reason.contains("another writer"), "{reason}");
    // It can be watched, and what is there can be read.
    wait::until(SOON, "pictures", || site.camera("cam1").unwrap().status().frames > 10);
    assert_eq!(stretches(&site.archive().store().unwrap(), "cam1", WallTime::default()).len(), 1);
    drop(other);
    wait_state(&site, "cam1", RecordingState::Recording);
    wait_told(&site, "recording goes on into");
    let told = texts(&site);
    assert_eq!(told.iter().filter(|text| text.contains("nothing is recorded")).count(), 1, "{told:?}");
}

#[test]
fn what_has_no_room_is_refused_in_words() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let path = directory.join("store");
    let mut config = config(&cameras.urls(), &path, RecordingConfig::default());
    config.record.as_mut().unwrap().min_free = 1 << 60;
    let site = Site::start(config.clone()).unwrap();
    wait_state(&site, "cam1", RecordingState::Failing);
    let reason = site.camera("cam1").unwrap().recording().reason.unwrap();
    assert!(reason.contains("bytes free") && reason.contains("1152921504606846976"), "{reason}");
    assert!(!path.exists(), "nothing is left behind");
    // What can be made is made at once.
    config.record.as_mut().unwrap().min_free = 0;
    site.apply(config.clone()).unwrap();
    wait_state(&site, "cam1", RecordingState::Recording);

    let nowhere = directory.join("no/such/store");
    config.record = Some(RecordConfig::new(&nowhere, Some(32 << 20)));
    site.apply(config).unwrap();
    wait_state(&site, "cam1", RecordingState::Failing);
    let reason = site.camera("cam1").unwrap().recording().reason.unwrap();
    assert!(reason.contains("no/such"), "{reason}");
}

#[test]
fn too_little_memory_is_told_and_events_are_recorded_all_the_same() {
    let _watchdog = Watchdog::start(6 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(2));
    let recording = RecordingConfig {
        mode: RecordMode::Events,
        before: Duration::from_secs(30),
        ..RecordingConfig::default()
    };
    let mut config = config(&cameras.urls(), &directory.join("store"), recording);
    // Less than a second of either.
    config.record.as_mut().unwrap().event_memory = 20_000;
    let site = Site::start(config.clone()).unwrap();
    let camera = site.camera("cam1").unwrap();
    let is_short = || camera.recording().reason.is_some_and(|reason| reason.contains("memory holds"));
    wait::until(SOON, "its state says so", is_short);
    wait::until(SOON, "an event", || texts(&site).iter().any(|text| text.contains("20 kB for all cameras")));
    camera.record_event("the door was opened").unwrap();
    wait_recorded(&site, "cam1", WallTime::default(), 2.0);
    config.record.as_mut().unwrap().event_memory = 100_000_000;
    site.apply(config).unwrap();
    wait::until(SOON * 2, "there is enough", || !is_short());
}

#[test]
fn recordings_of_a_removed_camera_grow_old_too() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(2));
    let mut config = config(&cameras.urls(), &directory.join("store"), RecordingConfig::default());
    let site = Site::start(config.clone()).unwrap();
    for camera in ["cam1", "cam2"] {
        wait_recorded(&site, camera, WallTime::default(), 1.0);
    }
    let store = site.archive().store().unwrap();
    let first = stretches(&store, "cam1", WallTime::default())[0].from;
    config.cameras.remove("cam2");
    let others = Retention { max_age: Some(Duration::from_secs(2)), max_bytes: None };
    config.record.as_mut().unwrap().others = others;
    site.apply(config).unwrap();
    wait::until(SOON, "it is gone", || stretches(&store, "cam2", WallTime::default()).is_empty());
    // The other one is recorded, and not for some days only.
    assert_eq!(stretches(&store, "cam1", WallTime::default())[0].from, first);
}

/// A small file system in memory, for as long as this lives.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Result<Self, String> {
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(directory.path());
        match mount.output() {
            Ok(output) if output.status.success() => Ok(Self(directory)),
            Ok(output) => {
                Err(format!("tmpfs cannot be mounted: {}", String::from_utf8_lossy(&output.stderr)))
            }
            Err(error) => Err(format!("there is no mount: {error}")),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_waited_for() {
    let disk = SmallDisk::mount("40m");
    require!(disk.as_ref().map(|_| ()).map_err(Clone::clone));
    let (disk, _watchdog) = (disk.unwrap(), Watchdog::start(4 * SOON));
    let (path, ballast) = (disk.0.join("store"), disk.0.join("ballast"));
    // A store whose room is not reserved, as others may have made it.
    let geometry = Geometry::new(1 << 20, 32).unwrap();
    Store::create(&path, &StoreOptions::new(geometry)).unwrap();
    let data = fs::OpenOptions::new().write(true).open(path.join("dumpfile")).unwrap();
    data.set_len(0).unwrap();
    data.set_len(geometry.data_bytes()).unwrap();
    // All but some 400 kB.
    let mut fill = fs::File::create(&ballast).unwrap();
    while fill.write_all(&[1; 4096]).is_ok() {}
    let bytes = fill.metadata().unwrap().len();
    fill.set_len(bytes - 400_000).unwrap();
    drop((fill, data));

    let cameras = cameras(1);
    let site = Site::start(config(&cameras.urls(), &path, RecordingConfig::default())).unwrap();
    wait_state(&site, "cam1", RecordingState::Failing);
    let camera = site.camera("cam1").unwrap();
    let reason = camera.recording().reason.unwrap();
    assert!(reason.contains("No space left"), "{reason}");
    let frames = camera.status().frames;
    wait::until(SOON, "live pictures", || camera.status().frames > frames + 25);
    wait_told(&site, "nothing is recorded: ");

    fs::remove_file(&ballast).unwrap();
    let room = SystemClock.now();
    wait_state(&site, "cam1", RecordingState::Recording);
    wait_recorded(&site, "cam1", room, 2.0);
    wait_told(&site, "recording goes on");
    // What waited in memory is on the disk now; what did not find room there has its reason.
    let all = stretches(&site.archive().store().unwrap(), "cam1", WallTime::default());
    let is_told = |stretch: &Stretch| {
        stretch.gap_before.as_ref().is_some_and(|gap| gap.reason.contains("No space left"))
    };
    assert!(all[1..].iter().all(is_told), "{all:?}");
    assert_eq!(camera.status().reconnects, 0);
}

#[test]
fn every_packet_of_a_stretch_is_there() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let path = directory.join("store");
    let site = Site::start(config(&cameras.urls(), &path, RecordingConfig::default())).unwrap();
    wait_recorded(&site, "cam1", WallTime::default(), 3.0);
    drop(site);
    let store = Store::open(&path).unwrap();
    let mut cursor = store.cursor(store.stream("cam1").unwrap());
    assert!(cursor.seek(WallTime::default()).unwrap());
    let (mut times, mut keys) = (Vec::new(), 0);
    while let Some(entry) = cursor.next().unwrap() {
        let Entry::Frame(frame) = entry else { panic!("{entry:?}") };
        let packet = frame.packet().unwrap();
        if packet.params.codec.is_video() {
            assert!(packet.keyframe || !times.is_empty(), "it begins with a key frame");
            keys += usize::from(packet.keyframe);
            times.push(frame.time.media);
        }
    }
    let odd: Vec<_> = times.windows(2).filter(|pair| pair[1].micros_since(pair[0]) != 40_000).collect();
    assert!(
        times.len() > 70 && keys >= 3 && odd.is_empty(),
        "{} pictures, {keys} keys: {odd:?}",
        times.len()
    );
}
