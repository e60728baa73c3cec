//! Recordings played from memory: on a thread, with calls and reports from all sides.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use valkka::clock::SystemClock;
use valkka::codec::{Codec, CodecParams};
use valkka::frame::{Body, Frame, FrameTime, Packet, Signal};
use valkka::graph::cache::{CacheEvent, CacheNotice, CacheOptions, FrameCache};
use valkka::payload::Payload;
use valkka::sink::{FnSink, Sink};
use valkka::stream::{Slot, Track};
use valkka::time::{MediaTime, WallTime};
use valkka_testkit::watchdog::Watchdog;

const SOON: Duration = Duration::from_secs(60);
const SLOT: Slot = Slot::new(3);

fn at(millis: i64) -> WallTime {
    WallTime::from_micros(millis * 1000)
}

fn packet(millis: i64, keyframe: bool) -> Frame {
    let params = Arc::new(CodecParams::video(Codec::H264, Bytes::new()));
    let packet = Packet { params, payload: Payload::copy_from_slice(&[7; 1000]), keyframe, lost: 0 };
    let time = FrameTime { media: MediaTime::from_ticks(millis), wall: at(millis), ..FrameTime::default() };
    Frame { slot: SLOT, track: Track::new(0), time, body: Body::Packet(packet) }
}

/// Sends packets from `first` on, every 40 ms for a second, the first one a key frame.
fn transmit(input: &dyn Sink, first: i64) {
    input.put(Frame::signal(SLOT, at(first), Signal::TransmissionStart));
    for n in 0..25 {
        input.put(packet(first + n * 40, n == 0));
    }
    input.put(Frame::signal(SLOT, at(first), Signal::TransmissionEnd));
}

fn cache(options: CacheOptions) -> (Arc<FrameCache>, Receiver<CacheEvent>) {
    let (tx, rx) = mpsc::channel();
    (Arc::new(FrameCache::new(options, move |event| drop(tx.send(event)))), rx)
}

fn output() -> (Arc<dyn Sink>, Receiver<Frame>) {
    let (tx, rx) = mpsc::channel();
    (Arc::new(FnSink(move |frame| drop(tx.send(frame)))), rx)
}

fn is_signal(frame: &Frame, wanted: fn(&Signal) -> bool) -> bool {
    matches!(&frame.body, Body::Signal(signal) if wanted(signal))
}

/// What is told next, but for where it stands, which is told whenever a second is over.
fn told(events: &Receiver<CacheEvent>) -> CacheEvent {
    loop {
        let event = events.recv_timeout(SOON).unwrap();
        if !matches!(event, CacheEvent::At(_)) {
            return event;
        }
    }
}

/// What comes up to a signal that is `wanted`.
fn until(frames: &Receiver<Frame>, wanted: fn(&Signal) -> bool) -> Vec<Frame> {
    let mut seen = Vec::new();
    loop {
        let frame = frames.recv_timeout(SOON).unwrap();
        if is_signal(&frame, wanted) {
            return seen;
        }
        seen.push(frame);
    }
}

#[test]
fn calls_before_the_start_are_carried_out_after_it() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (cache, events) = cache(CacheOptions::default());
    let (sink, frames) = output();
    let recorded = 1_000_000_000;
    cache.register(SLOT, sink);
    transmit(&*cache.input(), recorded);
    cache.seek(at(recorded + 500), true);
    cache.start(None).unwrap();
    assert_eq!(told(&events), CacheEvent::Limits(Some((at(recorded), at(recorded + 960)))));
    assert_eq!(told(&events), CacheEvent::Notice(CacheNotice::NoTarget));
    let sought = until(&frames, |signal| matches!(signal, Signal::Stop));
    assert!(is_signal(&sought[0], |signal| matches!(signal, Signal::Seek)));
    let Body::Signal(Signal::Online(info)) = &sought[1].body else { panic!("{:?}", sought[1]) };
    assert_eq!(info.tracks[0].params.as_ref().unwrap().codec, Codec::H264);
    // 0, 40, … 480 ms.
    assert_eq!(sought.len(), 2 + 13);
    // Where it stands is told once a second, also before it stands anywhere.
    let stands = loop {
        if let CacheEvent::At(Some(position)) = events.recv_timeout(SOON).unwrap() {
            break position;
        }
    };
    assert_eq!(stands, at(recorded + 500));

    let started = SystemClock.now();
    cache.play();
    until(&frames, |signal| matches!(signal, Signal::Play));
    for n in 0..12 {
        let frame = frames.recv_timeout(SOON).unwrap();
        let early = frame.time.wall.micros_since(frame.time.arrival);
        assert!(early <= 0, "it was sent {early} µs before its time");
        let late = frame.time.wall.micros_since(started) - (20 + n * 40) * 1000;
        assert!(late >= 0, "it stands for {late} µs before its time");
    }
    cache.stop();
    assert!(frames.try_recv().is_err());
}

#[test]
fn playing_begins_when_it_is_asked_for_however_late_the_thread_is() {
    let _watchdog = Watchdog::start(SOON * 3);
    let (cache, _events) = cache(CacheOptions::default());
    let (tx, frames) = mpsc::channel::<Frame>();
    // Its thread is held up as soon as it has come to the position, until it is let go.
    let (let_go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let sink = FnSink(move |frame: Frame| {
        let stops = is_signal(&frame, |signal| matches!(signal, Signal::Stop));
        tx.send(frame).unwrap();
        if stops {
            held.lock().unwrap().recv_timeout(SOON).unwrap();
        }
    });
    let recorded = 1_000_000_000;
    cache.register(SLOT, Arc::new(sink));
    cache.start(None).unwrap();
    transmit(&*cache.input(), recorded);
    cache.seek(at(recorded), true);
    until(&frames, |signal| matches!(signal, Signal::Stop));
    let first = SystemClock.now();
    cache.play();
    let last = SystemClock.now();
    // So much later it comes to it.
    thread::sleep(Duration::from_millis(100));
    let_go.send(()).unwrap();
    until(&frames, |signal| matches!(signal, Signal::Play));
    for n in 1..25 {
        let wall = frames.recv_timeout(SOON).unwrap().time.wall;
        let due = Duration::from_millis(n * 40);
        assert!((first + due..=last + due).contains(&wall), "packet {n} stands for another moment");
    }
    cache.stop();
}

#[test]
fn reports_may_call_back_and_stop_it() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (tx, rx) = mpsc::channel();
    let own = Arc::new(OnceLock::<Arc<FrameCache>>::new());
    let inside = own.clone();
    let cache = Arc::new(FrameCache::new(CacheOptions::default(), move |event| {
        let Some(cache) = inside.get() else { return };
        match event {
            CacheEvent::Limits(Some((first, _))) => {
                cache.seek(first, true);
                cache.play();
            }
            // From its own thread.
            CacheEvent::At(Some(_)) => {
                cache.request_stop();
                cache.stop();
            }
            _ => {}
        }
        let _ = tx.send(event);
    }));
    own.set(cache.clone()).unwrap();
    cache.start(None).unwrap();
    cache.start(None).unwrap();
    transmit(&*cache.input(), 5000);
    loop {
        if let CacheEvent::At(Some(position)) = rx.recv_timeout(SOON).unwrap() {
            assert!(position >= at(5000));
            break;
        }
    }
    cache.stop();
    // Nobody carries these out, and nothing hangs.
    for _ in 0..5000 {
        cache.play();
    }
    transmit(&*cache.input(), 5000);
}

#[test]
fn memory_is_bounded() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (cache, events) = cache(CacheOptions { max_bytes: 20_000, ..CacheOptions::default() });
    let input = cache.input();
    transmit(&*input, 1000);
    let full = CacheEvent::Notice(CacheNotice::Full { max_bytes: 20_000 });
    assert_eq!(events.try_recv().unwrap(), full);
    assert!(cache.filling().is_empty());
    input.put(packet(1, true));
    input.put(packet(2, true));
    assert_eq!(cache.filling().len(), 2);
    input.put(Frame::signal(SLOT, at(0), Signal::TransmissionStart));
    assert!(cache.filling().is_empty());
    cache.start(None).unwrap();
    let CacheEvent::Limits(Some((first, last))) = told(&events) else { panic!() };
    assert_eq!(first, at(1000));
    assert!(last < at(1960), "{last:?}");
    cache.clear();
    let cleared = |event| matches!(event, CacheEvent::Limits(None));
    while !cleared(events.recv_timeout(SOON).unwrap()) {}
}

#[test]
fn what_is_larger_than_the_cache_is_played_piece_by_piece() {
    let _watchdog = Watchdog::start(SOON * 3);
    // A second and some more.
    let (cache, events) = cache(CacheOptions { max_bytes: 40_000, ..CacheOptions::default() });
    let (sink, frames) = output();
    let input = cache.input();
    // From one of three blocks of a second on, which do not fit in.
    let blocks_from = |block: i64| {
        input.put(Frame::signal(SLOT, at(0), Signal::TransmissionStart));
        (block * 25..75).for_each(|n| input.put(packet(n * 40 + 1, n % 25 == 0)));
        input.put(Frame::signal(SLOT, at(0), Signal::TransmissionEnd));
    };
    cache.register(SLOT, sink);
    cache.start(None).unwrap();
    cache.seek(at(500), true);
    blocks_from(0);
    assert_eq!(told(&events), CacheEvent::Notice(CacheNotice::Full { max_bytes: 40_000 }));
    let CacheEvent::Limits(Some((first, last))) = told(&events) else { panic!() };
    // Where it was sought is there, and the beginning of the block behind it.
    assert_eq!(first, at(1));
    assert!(last > at(1040) && last < at(2000), "{last:?}");
    cache.play();
    let mut played = Vec::new();
    let mut next = 1;
    while played.len() < 75 {
        let frame = frames.recv_timeout(SOON).unwrap();
        if frame.packet().is_some() {
            played.push(frame);
        }
        // Whoever reads asks for the next ones when it comes there.
        if played.len() == 25 * next + 1 && next < 3 {
            blocks_from(i64::try_from(next).unwrap());
            next += 1;
        }
    }
    // Each once.
    let played: Vec<_> = played.iter().map(|frame| frame.time.media.ticks()).collect();
    assert_eq!(played, (0..75).map(|n| n * 40 + 1).collect::<Vec<_>>());
}

#[test]
fn calls_that_nobody_carries_out_are_bounded_too() {
    let (cache, events) = cache(CacheOptions::default());
    for _ in 0..2000 {
        cache.pause();
    }
    assert!(matches!(events.try_recv().unwrap(), CacheEvent::Notice(CacheNotice::Busy(_))));
}
