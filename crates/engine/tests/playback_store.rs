//! Playing what was recorded into a store.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "common/footage.rs"]
mod footage;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use footage::{Footage, LIMIT, Reference, START, at, look, packets, since_start, small};
use valkka::frame::Frame;
use valkka::playback::{
    PictureOptions, PictureReader, Player, PlayerOptions, PlayerStream, Precision, Step, Stills, View, Why,
};
use valkka::sink::FnSink;
use valkka::store::{Geometry, Lane, Retention, Store, StoreOptions, StreamId, Writer, WriterOptions};
use valkka::stream::Slot;
use valkka::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

/// When the picture was taken that is shown, and what it looks like.
type Screen = Mutex<Option<(WallTime, u64)>>;

const SOON: Duration = Duration::from_secs(60);

fn store(directory: &TempDir, blocks: u64) -> (Arc<Store>, Writer) {
    let options = StoreOptions::new(Geometry::new(64 << 10, blocks).unwrap());
    let store = Store::create(&directory.join("store"), &options).unwrap();
    let writer = Writer::open(store.clone(), WriterOptions::default()).unwrap();
    (store, writer)
}

/// Records all of it, however long the disk takes.
fn record(lane: &Lane, frames: &[Frame]) {
    for frame in frames {
        wait::until(SOON, "there is room", || lane.put(frame));
    }
}

fn commit(writer: &Writer) {
    writer.commit(Instant::now() + SOON).unwrap();
}

fn reader(store: &Arc<Store>, id: StreamId) -> PictureReader {
    PictureReader::new(Box::new(store.cursor(id)), PictureOptions::default())
}

#[test]
fn every_picture_of_several_cameras_is_found_again() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let (store, writer) = store(&directory, 64);
    let clips = [
        ("front", small()),
        ("yard", Clip { b_frames: 2, frame_rate: 10, gop: 100, ..small() }),
        ("gate", Clip { codec: media::Codec::H265, audio: true, gop: 50, ..small() }),
    ];
    let frames: Vec<_> = clips.iter().map(|(_, clip)| packets(clip, START)).collect();
    for ((name, _), frames) in clips.iter().zip(&frames) {
        let lane = writer.lane(name, Retention::default()).unwrap();
        record(&lane, frames);
    }
    commit(&writer);
    drop(writer);
    let mut random = fastrand::Rng::with_seed(6);
    for ((name, _), frames) in clips.iter().zip(&frames) {
        let reference = Reference::of(frames);
        let (first, last) = (reference.0[0].0, reference.0.last().unwrap().0);
        let range = since_start(first).ceil() as i64..since_start(last) as i64;
        let mut reader = reader(&store, store.stream(name).unwrap());
        for millis in range.clone().step_by(19).chain(range.clone().rev().step_by(23)) {
            reference.check(&reader.at(at(millis)).unwrap(), at(millis));
        }
        for _ in 0..100 {
            let time = at(random.i64(range.clone()));
            reference.check(&reader.at(time).unwrap(), time);
        }
    }
    let still = Stills::new(1);
    let cursor = Box::new(store.cursor(store.stream("yard").unwrap()));
    let still = still.jpeg(cursor, at(5060), Precision::Exact, Some(80), SOON).unwrap();
    assert_eq!((still.width, still.height, since_start(still.from)), (80, 60, 5000.0));
}

#[test]
fn cameras_of_a_store_are_played_in_step_over_gaps() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let (store, writer) = store(&directory, 64);
    let clip = Clip { seconds: 2, ..small() };
    let slow = Clip { frame_rate: 10, gop: 10, ..clip.clone() };
    let names = ["front", "yard"];
    let footage = [
        Footage::default().clip(&clip, at(0)).clip(&clip, at(5000)),
        Footage::default().clip(&slow, at(20)).clip(&slow, at(2020)).clip(&slow, at(4020)),
    ];
    let front = writer.lane("front", Retention::default()).unwrap();
    record(&front, &packets(&clip, at(0)));
    front.gap("the camera was not connected");
    record(&front, &packets(&clip, at(5000)));
    let yard = writer.lane("yard", Retention::default()).unwrap();
    for start in [20, 2020, 4020] {
        record(&yard, &packets(&slow, at(start)));
    }
    commit(&writer);

    let shown: [Arc<Screen>; 2] = Default::default();
    let streams = names.iter().zip(&shown).zip(1..).map(|((name, shown), number)| {
        let shown = shown.clone();
        let sink = FnSink(move |frame: Frame| {
            *shown.lock().unwrap() = frame.bitmap().map(|bitmap| (frame.time.capture.unwrap(), look(bitmap)));
        });
        let source = Box::new(store.cursor(store.stream(name).unwrap()));
        PlayerStream { slot: Slot::new(number), source, sink: Arc::new(sink) }
    });
    let player = Player::new(streams.collect(), at(20), PlayerOptions::default()).unwrap();
    let check = |position: WallTime| {
        for (index, (shown, footage)) in shown.iter().zip(&footage).enumerate() {
            let gap = if index == 0 { 2000.0..5000.0 } else { 6020.0..f64::MAX };
            let wanted = footage.pictures.at(position).filter(|_| !gap.contains(&since_start(position)));
            assert_eq!(*shown.lock().unwrap(), wanted, "{index} at {}", since_start(position));
        }
    };
    let mut position = at(20);
    for step in [Step::Next, Step::Previous] {
        for _ in 0..150 {
            position = player.step(step, SOON).unwrap();
            assert!(player.wait_shown(SOON));
            check(position);
        }
    }
    assert!(position < at(1000), "{position:?}");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..60 {
        position = at(random.i64(20..6000));
        player.seek(position);
        assert!(player.wait_shown(SOON));
        check(position);
    }
    let mut front = reader(&store, front.id().unwrap());
    let View::Blank(blank) = front.at(at(3000)).unwrap() else { panic!("a picture") };
    assert_eq!(blank.why, Why::Gap("the camera was not connected".into()));
    assert_eq!(blank.to, Some(at(5000)));
}

#[test]
fn what_is_being_recorded_is_played_up_to_what_is_on_disk() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    // So few blocks that the oldest are written over meanwhile.
    let (store, writer) = store(&directory, 6);
    let lane = writer.lane("front", Retention::default()).unwrap();
    let elsewhere = Store::open(&directory.join("store")).unwrap();
    let id = lane.id().unwrap();
    let mut both = [reader(&store, id), reader(&elsewhere, id)];
    let mut old = reader(&store, id);
    let clip = Clip { bitrate_bps: 400_000, ..small() };
    let frames = [packets(&clip, START), packets(&clip, at(10_000)), packets(&clip, at(20_000))].concat();
    let reference = Reference::of(&frames);
    for (index, chunk) in frames.chunks(7).enumerate() {
        record(&lane, chunk);
        commit(&writer);
        let time = chunk.last().unwrap().time.wall;
        for reader in &mut both {
            reference.check(&reader.at(time).unwrap(), time);
            let after = reader.at(time.offset_micros(60_000)).unwrap();
            assert!(matches!(&after, View::Blank(blank) if blank.why == Why::After), "{after:?}");
        }
        // Who looks at what is about to go sees it, or nothing, and nothing else.
        if index % 10 == 0 {
            let time = at(since_start(time) as i64 * 6 / 10);
            if let View::Picture(_) = old.at(time).unwrap() {
                reference.check(&old.at(time).unwrap(), time);
            }
        }
    }
}
