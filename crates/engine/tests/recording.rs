//! Cameras are recorded into a store, whatever happens to them.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{SOON, cameras, cameras_at, connect};
use valkka::clock::SystemClock;
use valkka::codec::{Codec, CodecParams};
use valkka::frame::{Body, Frame, FrameTime, Packet};
use valkka::payload::Payload;
use valkka::recording::{
    MotionOptions, MotionWatch, NO_EVENT, Recording, RecordingMode, RecordingOptions, RecordingState,
};
use valkka::sink::{FnSink, Sink as _};
use valkka::source::Transport;
use valkka::store::{Geometry, Record, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka::stream::{Slot, Track};
use valkka::time::{MediaTime, WallTime};
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

/// A packet of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Picture {
    wall: WallTime,
    media: MediaTime,
    keyframe: bool,
}

impl Picture {
    fn of(frame: &Frame) -> Option<Self> {
        let packet = frame.packet().filter(|packet| packet.params.codec.is_video())?;
        Some(Self { wall: frame.time.wall, media: frame.time.media, keyframe: packet.keyframe })
    }
}

/// What is recorded of one stream.
#[derive(Debug, Default)]
struct Recorded {
    video: Vec<Picture>,
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
                    Record::Packet { frame, .. } => match Picture::of(&frame) {
                        Some(picture) => recorded.video.push(picture),
                        None => recorded.audio += 1,
                    },
                    Record::Gap { gap, .. } => recorded.gaps.push((recorded.video.len(), gap.reason)),
                    Record::Params { .. } => {}
                }
            }
        }
        recorded
    }

    /// Whether each picture follows the one before within half a second of the camera's time, but for those at `gaps`.
    fn has_no_hole(&self) -> bool {
        let mut pairs = self.video.windows(2).enumerate();
        pairs.all(|(index, pair)| {
            let is_told = self.gaps.iter().any(|(before, _)| *before == index + 1);
            is_told || (0..500_000).contains(&pair[1].media.micros_since(pair[0].media))
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
    states.lock().unwrap().clear();
    server.drop_clients().unwrap();
    wait::until(SOON, "that is noticed", || states.lock().unwrap().iter().any(|state| !is_recording(state)));
    wait::until(SOON, "it goes on", || is_recording(&recording.state()));
    let_pass(&camera, 2);
    drop(recording);
    writer.commit(Instant::now() + SOON).unwrap();
    let recorded = Recorded::of(&store);
    assert!(recorded.video[0].keyframe, "it begins with a key frame");
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
    let came = Arc::<Mutex<Vec<Picture>>>::default();
    let coming = came.clone();
    let sink = FnSink(move |frame: Frame| coming.lock().unwrap().extend(Picture::of(&frame)));
    let _branch = camera.packets("test", Arc::new(sink)).unwrap();
    let recording = Recording::new(&writer, "front", Retention::default(), options, |_| ()).unwrap();
    recording.attach(&camera).unwrap();
    let mut triggers = Vec::new();
    for _ in 0..2 {
        let_pass(&camera, 6);
        let (before, count) = (SystemClock.now(), came.lock().unwrap().len());
        recording.trigger("the door");
        triggers.push((count, before, SystemClock.now()));
        wait::until(SOON, "it is over", || !is_recording(&recording.state()));
    }
    drop(recording);
    writer.commit(Instant::now() + SOON).unwrap();
    let recorded = Recorded::of(&store);
    let [(second, reason)] = &recorded.gaps[..] else { panic!("{:?}", recorded.gaps) };
    assert_eq!(reason, NO_EVENT);
    for (pictures, (count, earliest, latest)) in
        [&recorded.video[..*second], &recorded.video[*second..]].into_iter().zip(triggers)
    {
        // Whenever they came: all from the last key frame that was two seconds old, up to one second after.
        let came = came.lock().unwrap().clone();
        let first = came.iter().position(|picture| *picture == pictures[0]).unwrap();
        let (these, later) = came[first..].split_at(pictures.len());
        assert_eq!(these, pictures);
        let old = Duration::from_secs(2);
        assert!(pictures[0].keyframe && pictures[0].wall <= latest - old, "{latest:?}, {pictures:?}");
        let mut newer = came[first + 1..count].iter().filter(|picture| picture.keyframe);
        assert!(newer.all(|keyframe| keyframe.wall > earliest - old), "{earliest:?}, {pictures:?}");
        let end = Duration::from_secs(1);
        assert!(these.iter().all(|picture| picture.wall <= latest + end), "{latest:?}, {pictures:?}");
        assert!(later.first().unwrap().wall > earliest + end, "{earliest:?}, {pictures:?}");
    }
}

#[test]
fn an_event_is_recorded_whole_however_large_its_packets_are() {
    let _watchdog = Watchdog::start(SOON * 4);
    let directory = TempDir::new().unwrap();
    let geometry = Geometry::new(1 << 20, 32).unwrap();
    let store = Store::create(&directory.join("store"), &StoreOptions::new(geometry)).unwrap();
    // Key frames do not fit into the queue, and nothing else does beside what is kept free in it.
    let writing = WriterOptions { max_queued_bytes: 50_000, ..WriterOptions::default() };
    let writer = Arc::new(Writer::open(store.clone(), writing).unwrap());
    let mode = RecordingMode::OnEvent { before: Duration::from_secs(60), after: Duration::ZERO };
    let options = RecordingOptions { mode, ..RecordingOptions::default() };
    let recording = Recording::new(&writer, "front", Retention::default(), options, |_| ()).unwrap();
    let params = Arc::new(CodecParams::video(Codec::H264, Vec::new().into()));
    let start = SystemClock.now() - Duration::from_secs(2);
    let put = |number: u64| {
        let keyframe = number.is_multiple_of(5);
        let payload = Payload::from_vec(vec![7; if keyframe { 100_000 } else { 1000 }]);
        let packet = Packet { params: params.clone(), payload, keyframe, lost: 0 };
        let wall = start + Duration::from_millis(40) * number as u32;
        let time = FrameTime { wall, arrival: wall, ..FrameTime::default() };
        let (slot, track) = (Slot::default(), Track::default());
        recording.put(Frame { slot, track, time, body: Body::Packet(packet) });
    };
    (0..20).for_each(put);
    assert!(recording.trigger("the door"));
    let mut number = 20;
    wait::until(SOON, "what came before it is recorded, too", || {
        put(number);
        number += 1;
        writer.commit(Instant::now() + SOON).unwrap();
        Recorded::of(&store).video.len() >= 20
    });
    let recorded = Recorded::of(&store);
    assert_eq!(recorded.gaps, []);
    let moments = (0..).map(|number| start + Duration::from_millis(40) * number);
    assert!(recorded.video.iter().map(|picture| picture.wall).zip(moments).all(|(is, was)| is == was));
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
    wait::until(SOON, "the other one goes on", || is_recording(&recordings[0].state()));
    // Cameras, recordings, writer and store may go in any order.
    drop(writer);
    drop(connected);
    drop(recordings);
    assert_eq!(store.streams().iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), names);
}
