//! A running graph may be taken apart in any order: nothing hangs, and nothing is left behind.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::any::Any;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::filter::{Gate, KeyframeGate, chain};
use valkka_core::fork::Fork;
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::queue::{Overflow, RecvError, queue};
use valkka_core::sink::Sink;
use valkka_core::stream::{Slot, Track};
use valkka_core::worker::Worker;
use valkka_testkit::watchdog::Watchdog;

#[test]
fn every_order_of_dropping_the_parts() {
    let _watchdog = Watchdog::start(WATCHDOG);
    for overflow in [Overflow::Block(LONG), Overflow::DropOldest, Overflow::DropToKeyframe, Overflow::Flush] {
        for order in permutations((0..6).collect()) {
            let (mut parts, alive) = graph(overflow);
            for part in order {
                parts[part] = None;
            }
            assert_eq!(alive.strong_count(), 0);
        }
    }
}

#[test]
fn branches_come_and_go_while_frames_pass() {
    let _watchdog = Watchdog::start(WATCHDOG);
    let fork = Fork::new();
    let feeding = fork.clone();
    let source = Worker::spawn("source", None, move |stop| {
        while !stop.is_stopped() {
            feeding.put(frame(true));
        }
    })
    .unwrap();
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let fork = &fork;
            scope.spawn(move || {
                for _ in 0..50 {
                    let (tx, rx) = queue(name, 4, Overflow::DropOldest);
                    let branch = fork.branch(name, Arc::new(tx)).unwrap();
                    rx.recv(LONG).unwrap();
                    drop(branch);
                    // The branch held the only sender: what is left is read, and then it is over.
                    while rx.try_recv().is_ok() {}
                    assert_eq!(rx.recv(LONG).unwrap_err(), RecvError::Closed);
                }
            });
        }
    });
    drop(source);
    assert_eq!(fork.branches(), 0);
}

/// source ─▶ gate ─▶ fork ┬▶ queue ─▶ consumer
///                        └▶ key frame gate ─▶ queue that nobody reads
///
/// Returns once frames have come through, and with it a reference to what dies with the last part.
fn graph(overflow: Overflow) -> (Vec<Option<Box<dyn Any>>>, Weak<()>) {
    let token = Arc::new(());
    let alive = Arc::downgrade(&token);
    let fork = Fork::new();

    let (tx, rx) = queue("read", 2, overflow);
    let read = fork.branch("read", Arc::new(tx)).unwrap();
    let (arrived, first) = mpsc::channel();
    let consumer = Worker::spawn("consumer", None, move |stop| {
        stop.on_stop(rx.closer());
        while rx.recv(LONG).is_ok() {
            let _ = arrived.send(());
        }
        drop(token);
    })
    .unwrap();

    // What waits for room here waits until the branch or its reader goes.
    let waits =
        if matches!(overflow, Overflow::Block(_)) { Overflow::Block(Duration::ZERO) } else { overflow };
    let (tx, unread) = queue("unread", 2, waits);
    let dead = fork.branch("unread", chain(KeyframeGate::new(), Arc::new(tx))).unwrap();

    let (gate, handle) = Gate::new();
    handle.open();
    let entry = chain(gate, Arc::new(fork.clone()));
    let source = Worker::spawn("source", None, move |stop| {
        let _unread = unread;
        for n in 0_u64.. {
            if stop.is_stopped() {
                break;
            }
            entry.put(frame(n % 10 == 0));
        }
    })
    .unwrap();
    first.recv_timeout(LONG).unwrap();
    let parts: [Box<dyn Any>; 6] = [
        Box::new(source),
        Box::new(consumer),
        Box::new(read),
        Box::new(dead),
        Box::new(fork),
        Box::new(handle),
    ];
    (parts.into_iter().map(Some).collect(), alive)
}

fn frame(keyframe: bool) -> Frame {
    let params = Arc::new(CodecParams::video(Codec::H264, Bytes::new()));
    let packet = Packet { params, payload: Payload::default(), keyframe, lost: 0 };
    Frame { slot: Slot::new(1), track: Track::new(0), time: FrameTime::default(), body: Body::Packet(packet) }
}

fn permutations(items: Vec<usize>) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for &first in &items {
        let rest = items.iter().copied().filter(|&item| item != first).collect();
        all.extend(permutations(rest).into_iter().map(|mut tail| {
            tail.insert(0, first);
            tail
        }));
    }
    all
}

const LONG: Duration = Duration::from_secs(60);
/// Many times what any of these tests needs.
const WATCHDOG: Duration = Duration::from_secs(300);
