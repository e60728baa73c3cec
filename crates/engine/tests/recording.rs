//! Cameras are recorded into a store, whatever happens to them.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{SOON, cameras, cameras_at, connect};
use valkka::recording::{
    MotionOptions, MotionWatch, NO_EVENT, Recording, RecordingMode, RecordingOptions, RecordingState,
};
use valkka::source::Transport;
use valkka::store::{Geometry, Record, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka::time::WallTime;
use valkka::{Camera, Engine, EngineOptions};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

/// A store of 32 blocks of 1 MiB, and its writer.
fn store(directory: &TempDir) -> (Arc<Store>, Arc<Writer>) {
    let geometry = Geometry::new(1 << 20, 32).unwrap();
    let store = Store::create(&directory.join("store"), &StoreOptions::new(geometry)).unwrap();
    let writer = Arc::new(Writer::open(store.clone(), WriterOptions::default()).unwrap());
    (store, writer)
}

/// What is recorded of one stream.
#[derive(Debug, Default)]
struct Recorded {
    /// The moments of the video's packets, and whether they are key frames.
    video: Vec<(WallTime, bool)>,
    audio: usize,
    /// Reasons of gaps, with how many pictures were recorded before each.
    gaps: Vec<(usize, String)>,
}

impl Recorded {
    fn of(store: &Store) -> Self {
        let mut rows: Vec<_> =
            store.rows().into_iter().enumerate().filter(|(_, row)| row.sequence > 0).collect();
        rows.sort_by_key(|(_, row)| row.sequence);
        let mut recorded = Self::default();
        for (block, _) in rows {
            for record in store.block(block as u64).unwrap() {
                match record.unwrap() {
                    Record::Packet { frame, .. } => {
                        let packet = frame.packet().unwrap();
                        if packet.params.codec.is_video() {
                            recorded.video.push((frame.time.wall, packet.keyframe));
                        } else {
                            recorded.audio += 1;
                        }
                    }
                    Record::Gap { gap, .. } => recorded.gaps.push((recorded.video.len(), gap.reason)),
                    Record::Params { .. } => {}
                }
            }
        }
        recorded
    }

    /// Whether each picture follows the one before within half a second, but for those at `gaps`.
    fn has_no_hole(&self) -> bool {
        let mut pairs = self.video.windows(2).enumerate();
        pairs.all(|(index, pair)| {
            let is_told = self.gaps.iter().any(|(before, _)| *before == index + 1);
            is_told || pair[1].0.saturating_since(pair[0].0) < Duration::from_millis(500)
        })
    }
}

fn is_recording(state: &RecordingState) -> bool {
    matches!(state, RecordingState::Recording { .. })
}

/// Waits for `seconds` of what `camera` sends.
fn let_pass(camera: &Camera, seconds: u64) {
    common::wait_for_frames(camera, seconds * 25);
}

#[test]
fn a_camera_with_sound_is_recorded_and_its_absence_too() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let directory = TempDir::new().unwrap();
    let (store, writer) = store(&directory);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let mut server = RtspServer::with_mount("/a", Launch::h264_bars(320, 240).and_pcma()).unwrap();
    let camera = connect(&engine, &server.url("/a"), Transport::Tcp);
    let states = Arc::<Mutex<Vec<RecordingState>>>::default();
    let told = states.clone();
    let recording =
        Recording::new(&writer, "front", Retention::default(), RecordingOptions::default(), move |state| {
            told.lock().unwrap().push(state);
        });
    let recording = recording.unwrap();
    recording.attach(&camera).unwrap();
    wait::until(SOON, "it is recorded", || is_recording(&recording.state()));
    let_pass(&camera, 3);
    server.drop_clients().unwrap();
    wait::until(SOON, "that is noticed", || states.lock().unwrap().len() >= 2);
    wait::until(SOON, "it goes on", || is_recording(&recording.state()));
    let_pass(&camera, 2);
    drop(recording);
    writer.commit(Instant::now() + SOON).unwrap();
    let recorded = Recorded::of(&store);
    assert!(recorded.video[0].1, "it begins with a key frame");
    assert!(recorded.video.len() > 100 && recorded.audio > 20, "{recorded:?}");
    assert!(
        recorded.gaps.iter().any(|(_, reason)| reason.starts_with("not connected: ")),
        "{:?}",
        recorded.gaps
    );
    assert!(recorded.has_no_hole(), "{recorded:?}");
    // The other stream's name is taken while it is recorded, and free then.
    let again =
        Recording::new(&writer, "front", Retention::default(), RecordingOptions::default(), |_| ()).unwrap();
    let twice = Recording::new(&writer, "front", Retention::default(), RecordingOptions::default(), |_| ());
    assert!(twice.is_err());
    drop((again, twice));
}

#[test]
fn events_are_recorded_with_what_came_before() {
    let _watchdog = Watchdog::start(SOON * 4);
    let directory = TempDir::new().unwrap();
    let (store, writer) = store(&directory);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let synthetic = cameras(1);
    let camera = connect(&engine, &synthetic.urls()[0], Transport::Tcp);
    let mode = RecordingMode::OnEvent { before: Duration::from_secs(2), after: Duration::from_secs(1) };
    let options = RecordingOptions { mode, ..RecordingOptions::default() };
    let recording = Recording::new(&writer, "front", Retention::default(), options, |_| ()).unwrap();
    recording.attach(&camera).unwrap();
    let mut triggers = Vec::new();
    for _ in 0..2 {
        let_pass(&camera, 5);
        triggers.push(valkka::clock::SystemClock.now());
        recording.trigger("the door");
        wait::until(SOON, "it is over", || !is_recording(&recording.state()));
    }
    drop(recording);
    writer.commit(Instant::now() + SOON).unwrap();
    let recorded = Recorded::of(&store);
    let [(second, reason)] = &recorded.gaps[..] else { panic!("{:?}", recorded.gaps) };
    assert_eq!(reason, NO_EVENT);
    assert!(recorded.has_no_hole(), "{recorded:?}");
    for (pictures, trigger) in
        [&recorded.video[..*second], &recorded.video[*second..]].into_iter().zip(triggers)
    {
        assert!(pictures[0].1, "it begins with a key frame");
        // From two seconds before, or a group of pictures more, up to one second after.
        let before = trigger.saturating_since(pictures[0].0).as_secs_f64();
        let after = pictures.last().unwrap().0.saturating_since(trigger).as_secs_f64();
        assert!((1.9..4.5).contains(&before) && (0.5..1.6).contains(&after), "{before} {after}");
    }
}

#[test]
fn movement_is_noticed_with_and_without_others_who_decode() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let streams = [("/still", Launch::h264_bars(320, 240)), ("/ball", Launch::h264_ball(320, 240))];
    for decodes in [false, true] {
        for (path, launch) in &streams {
            let server = RtspServer::with_mount(path, launch.clone()).unwrap();
            let camera = connect(&engine, &server.url(path), Transport::Tcp);
            let pictures =
                decodes.then(|| camera.pictures("somebody", Arc::new(valkka::sink::Discard)).unwrap());
            let seen = Arc::new(Mutex::new(0));
            let count = seen.clone();
            let options = MotionOptions { threshold: 0.001, ..MotionOptions::default() };
            let watch = MotionWatch::attach(&camera, options, move || *count.lock().unwrap() += 1).unwrap();
            if *path == "/ball" {
                wait::until(SOON, "movement is noticed", || *seen.lock().unwrap() >= 2);
            } else {
                let_pass(&camera, 6);
                assert_eq!(*seen.lock().unwrap(), 0);
            }
            // Key frames that are decoded for this alone are not counted as the camera's pictures.
            assert_eq!(camera.stats().decoded.get() > 0, decodes);
            drop((watch, pictures));
        }
    }
}

#[test]
fn two_cameras_are_recorded_and_one_goes_away_for_good() {
    let _watchdog = Watchdog::start(SOON * 4);
    let directory = TempDir::new().unwrap();
    let (store, writer) = store(&directory);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let (stays, goes) = (cameras(1), cameras_at("127.0.0.1:0", 1));
    let names = ["stays", "goes"];
    let connected = [&stays, &goes].map(|synthetic| connect(&engine, &synthetic.urls()[0], Transport::Tcp));
    let recordings = [0, 1].map(|index| {
        let recording =
            Recording::new(&writer, names[index], Retention::default(), RecordingOptions::default(), |_| ())
                .unwrap();
        recording.attach(&connected[index]).unwrap();
        recording
    });
    wait::until(SOON, "both are recorded", || {
        recordings.iter().all(|recording| is_recording(&recording.state()))
    });
    drop(goes);
    wait::until(SOON, "one is waited for", || {
        matches!(recordings[1].state(), RecordingState::Waiting { .. })
    });
    let_pass(&connected[0], 2);
    assert!(is_recording(&recordings[0].state()));
    // Cameras, recordings, writer and store may go in any order.
    drop(writer);
    drop(connected);
    drop(recordings);
    assert_eq!(store.streams().iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), names);
}
