//! A decoder in a hand-wired graph: when it decodes, what it gives out, and any order of calls.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Collector, SOON};
use valkka::clock::SystemClock;
use valkka::codec::{Codec, FrameRate};
use valkka::frame::{Body, Frame, Signal};
use valkka::graph::{DecoderStage, DecoderStageOptions};
use valkka::sink::{FnSink, Sink};
use valkka::source::StreamInfo;
use valkka::stream::{Slot, Track};
use valkka::synthetic::{Clip, SceneOptions};
use valkka::time::WallTime;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SLOT: Slot = Slot::new(5);

/// A second of small pictures, the first a key frame, from `start` on.
fn packets(start: WallTime) -> Vec<Frame> {
    let scene = SceneOptions {
        width: 160,
        height: 120,
        frames: 25,
        frame_rate: FrameRate::new(25, 1).unwrap(),
        ..SceneOptions::new("test")
    };
    let clip = Clip::generate(scene, Codec::H264, 200_000).unwrap();
    (0..)
        .zip(clip.frames())
        .map(|(n, frame)| {
            let mut frame = Frame { slot: SLOT, ..frame.clone() };
            frame.time.wall = start + Duration::from_millis(40) * n;
            frame.time.arrival = frame.time.wall;
            frame
        })
        .collect()
}

fn signal(signal: Signal) -> Frame {
    Frame::signal(SLOT, SystemClock.now(), signal)
}

struct Rig {
    stage: DecoderStage,
    input: Arc<dyn Sink>,
    out: Collector,
    _watchdog: Watchdog,
}

impl Rig {
    /// Started and decoding.
    fn new() -> Self {
        let out = Collector::default();
        let stage = DecoderStage::new(DecoderStageOptions::default(), Arc::new(out.clone()), |_| {});
        stage.set_decoding(true);
        stage.start(None).unwrap();
        Self { input: stage.waiting_input(), stage, out, _watchdog: Watchdog::start(SOON * 4) }
    }

    /// Everything that comes of `frames`.
    fn feed(&self, frames: impl IntoIterator<Item = Frame>) -> Vec<Frame> {
        frames.into_iter().for_each(|frame| self.input.put(frame));
        // Signals stay in order: when this one is through, all before it is. The decoder gives out what it holds back.
        self.input.put(signal(Signal::End));
        wait::until(SOON, "the end comes through", || {
            self.out.frames().iter().any(|frame| matches!(frame.body, Body::Signal(Signal::End)))
        });
        let mut frames = self.out.frames();
        self.out.clear();
        frames.retain(|frame| !matches!(frame.body, Body::Signal(Signal::End)));
        frames
    }
}

/// The pictures' moments, and the signals as words.
fn words(frames: &[Frame], start: WallTime) -> Vec<String> {
    let word = |frame: &Frame| match &frame.body {
        Body::Bitmap(_) => (frame.time.wall.micros_since(start) / 1000).to_string(),
        Body::Signal(signal) => format!("{signal:?}"),
        other => format!("unexpected {other:?}"),
    };
    frames.iter().map(word).collect()
}

fn moments(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| (n * 40).to_string()).collect()
}

#[test]
fn pictures_carry_their_own_times_slots_and_tracks() {
    let rig = Rig::new();
    rig.stage.set_correction(false);
    let start = SystemClock.now();
    let mut frames = packets(start);
    frames.iter_mut().for_each(|frame| frame.track = Track::new(2));
    frames.insert(0, signal(Signal::Online(Arc::new(StreamInfo::default()))));
    frames.push(signal(Signal::Offline("gone".into())));
    let out = rig.feed(frames);
    assert_eq!(words(&out, start), moments(0..25));
    assert!(out.iter().all(|frame| (frame.slot, frame.track) == (SLOT, Track::new(2))));
    assert_eq!(rig.stage.stats().decoded.get(), 25);
}

#[test]
fn nothing_is_decoded_until_told_and_then_from_a_key_frame_on() {
    let rig = Rig::new();
    rig.stage.set_correction(false);
    rig.stage.set_decoding(false);
    let start = SystemClock.now();
    let frames = packets(start);
    assert_eq!(words(&rig.feed(frames[..10].to_vec()), start), moments(0..0));
    rig.stage.set_decoding(true);
    assert_eq!(words(&rig.feed(frames[10..].to_vec()), start), moments(0..0));
    assert_eq!(words(&rig.feed(frames.clone()), start), moments(0..25));
    // What says that playing goes on passes in any case.
    rig.stage.set_decoding(false);
    assert_eq!(words(&rig.feed([signal(Signal::Play)]), start), ["Play"]);
}

#[test]
fn clocks_that_are_off_are_corrected_unless_told_otherwise() {
    let hour_ago = SystemClock.now() - Duration::from_secs(3600);
    // A machine that stands still amid the pictures has their clock corrected again.
    wait::until(SOON, "pictures that are decoded at once", || {
        let (rig, before) = (Rig::new(), SystemClock.now());
        let out = rig.feed(packets(hour_ago));
        assert!(out[0].time.wall >= before);
        // Their arrival is not touched, nor are their distances.
        assert_eq!((out.len(), out[0].time.arrival), (25, hour_ago));
        words(&out, out[0].time.wall) == moments(0..25)
    });
    wait::until(SOON, "times that are right to be left as they are", || {
        let (rig, now) = (Rig::new(), SystemClock.now());
        words(&rig.feed(packets(now)), now) == moments(0..25)
    });
    let rig = Rig::new();
    rig.stage.set_correction(false);
    assert_eq!(words(&rig.feed(packets(hour_ago)), hour_ago), moments(0..25));
}

#[test]
fn too_old_pictures_are_dropped_if_a_tolerance_is_set() {
    let rig = Rig::new();
    rig.stage.set_tolerance(Some(Duration::from_secs(600)));
    let hour_ago = SystemClock.now() - Duration::from_secs(3600);
    assert_eq!(rig.feed(packets(hour_ago)).len(), 0);
    // Others pass uncorrected, and also while the position moves.
    let minute_ago = SystemClock.now() - Duration::from_secs(60);
    let mut frames = packets(minute_ago);
    frames.insert(0, signal(Signal::Seek));
    let out = rig.feed(frames);
    assert_eq!(words(&out[1..], minute_ago), moments(0..25));
}

#[test]
fn while_the_position_moves_no_picture_is_given_out() {
    let rig = Rig::new();
    rig.stage.set_correction(false);
    let start = SystemClock.now();
    let mut frames = vec![signal(Signal::Seek)];
    frames.extend(packets(start));
    assert_eq!(words(&rig.feed(frames), start), ["Seek"]);
    // Playing goes on; the picture that comes next was decoded from those before.
    let mut frames = packets(start);
    frames.insert(20, signal(Signal::Play));
    let mut expected = vec!["Play".to_owned()];
    expected.extend(moments(20..25));
    let out = rig.feed(frames);
    let out = words(&out, start);
    // As many as the decoder holds back come a little later.
    assert!(out.ends_with(&expected[1..]) && out.first() == expected.first(), "{out:?}");
}

#[test]
fn when_paused_the_last_picture_comes_once_more() {
    let rig = Rig::new();
    let start = SystemClock.now() - Duration::from_secs(1);
    let mut frames = vec![signal(Signal::Seek)];
    frames.extend(packets(start));
    rig.feed(frames);
    let before = SystemClock.now();
    let out = rig.feed([signal(Signal::Stop)]);
    assert_eq!(words(&out[..1], start), ["Stop"]);
    assert_eq!(out.len(), 2);
    assert!(out[1].bitmap().is_some() && out[1].time.wall >= before);
}

#[test]
fn any_order_of_calls() {
    let _watchdog = Watchdog::start(SOON * 4);
    let start = SystemClock.now();
    let frames = packets(start);
    let new = || {
        let out = Collector::default();
        (DecoderStage::new(DecoderStageOptions::default(), Arc::new(out.clone()), |_| {}), out)
    };
    // What comes before the start waits for it.
    let (stage, out) = new();
    frames.iter().for_each(|frame| stage.input().put(frame.clone()));
    stage.set_decoding(true);
    stage.request_stop();
    stage.start(None).unwrap();
    stage.start(None).unwrap();
    stage.input().put(signal(Signal::End));
    wait::until(SOON, "all come", || out.len() == 26);
    let inputs = [stage.input(), stage.waiting_input()];
    stage.request_stop();
    stage.stop();
    stage.stop();
    stage.start(None).unwrap();
    out.clear();
    for input in inputs {
        frames.iter().for_each(|frame| input.put(frame.clone()));
    }
    assert_eq!(out.len(), 0);
    // Stopped before it was started.
    let (stage, out) = new();
    stage.stop();
    stage.start(None).unwrap();
    frames.iter().for_each(|frame| stage.waiting_input().put(frame.clone()));
    assert_eq!(out.len(), 0);
}

#[test]
fn it_stops_while_a_writer_waits_and_while_its_pictures_are_held_up() {
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = packets(SystemClock.now());
    let held = Arc::new(std::sync::Barrier::new(2));
    let gate = held.clone();
    let first = std::sync::Once::new();
    let sink = FnSink(move |_| {
        first.call_once(|| {
            gate.wait();
            gate.wait();
        });
    });
    let options = DecoderStageOptions { capacity: 1, ..DecoderStageOptions::default() };
    let stage = DecoderStage::new(options, Arc::new(sink), |_| {});
    stage.set_decoding(true);
    stage.start(None).unwrap();
    let input = stage.waiting_input();
    std::thread::scope(|scope| {
        scope.spawn(|| frames.iter().for_each(|frame| input.put(frame.clone())));
        held.wait();
        stage.request_stop();
        held.wait();
        stage.stop();
    });
}
