//! Consumers come and go, stop and sleep; nobody else notices.

mod common;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use common::{Collector, SOON, cameras, connect, wait_for_frames, wait_for_undropped};
use valkka::queue::{Overflow, queue};
use valkka::sink::{Discard, FnSink};
use valkka::source::Transport;
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Engine, EngineOptions};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

#[test]
fn nothing_is_decoded_while_nobody_wants_pictures() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(1);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let camera = connect(&engine, &cameras.urls()[0], Transport::Tcp);
    let stats = camera.stats().clone();
    wait_for_frames(&camera, 50);
    assert_eq!(stats.decoded.get(), 0);

    let pictures = Collector::default();
    let branch = camera.pictures("test", Arc::new(pictures.clone())).unwrap();
    wait::until(SOON, "pictures come", || pictures.len() >= 10);
    assert!(pictures.frames().iter().all(|frame| frame.bitmap().is_none_or(|bitmap| bitmap.width() == 320)));
    drop(branch);
    let (decoded, seen) = (stats.decoded.get(), pictures.len());
    wait_for_frames(&camera, 30);
    assert_eq!((stats.decoded.get(), pictures.len()), (decoded, seen));

    // And again, with two that want the same pictures: each is decoded once.
    let (one, two) = (Collector::default(), Collector::default());
    let _first = camera.pictures("one", Arc::new(one.clone())).unwrap();
    let _second = camera.pictures("two", Arc::new(two.clone())).unwrap();
    wait::until(SOON, "pictures come to both", || one.len() >= 20 && two.len() >= 20);
    assert!(stats.decoded.get() - decoded <= one.len().max(two.len()) as u64 + 2);
    assert!(camera.pictures("one", Arc::new(Discard)).is_err());
}

#[test]
fn a_stopped_consumer_disturbs_nobody() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(2);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let stopped = connect(&engine, &cameras.urls()[0], Transport::Tcp);
    let other = connect(&engine, &cameras.urls()[1], Transport::Tcp);

    // A consumer of pictures that never returns, until the test ends.
    let (go, wait_here) = mpsc::channel::<()>();
    let wait_here = Mutex::new(wait_here);
    let sink = FnSink(move |_| {
        let _ = wait_here.lock().unwrap().recv();
    });
    let branch = stopped.pictures("stopped", Arc::new(sink)).unwrap();
    let pictures = Collector::default();
    let _other = other.pictures("test", Arc::new(pictures.clone())).unwrap();

    // More frames than the decoder's queue holds arrive all the same, on both cameras.
    wait_for_frames(&stopped, 150);
    wait::until(SOON, "the other camera's pictures come", || pictures.len() >= 100);
    wait_for_undropped(&other, 100);
    drop(go);
    wait::until(SOON, "what could not be decoded is counted", || stopped.stats().decode_dropped.get() > 0);
    drop(branch);
}

#[test]
fn a_queue_that_nobody_reads_disturbs_nobody_at_the_same_camera() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(1);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let camera = connect(&engine, &cameras.urls()[0], Transport::Tcp);
    let (packets, unread_packets) = queue("packets", 10, Overflow::DropToKeyframe);
    let (pictures, unread_pictures) = queue("pictures", 2, Overflow::DropOldest);
    let _packets = camera.packets("stopped", Arc::new(packets)).unwrap();
    let _pictures = camera.pictures("stopped", Arc::new(pictures)).unwrap();
    let seen = Collector::default();
    let _other = camera.pictures("test", Arc::new(seen.clone())).unwrap();
    wait::until(SOON, "the others have their pictures", || seen.len() >= 100);
    wait_for_undropped(&camera, 100);
    assert_eq!(camera.stats().reconnects.get(), 0);
    drop((unread_packets, unread_pictures));
}

#[test]
fn everything_may_be_dropped_in_any_order() {
    let _watchdog = Watchdog::start(SOON * 4);
    for order in 0..4 {
        let cameras = cameras(1);
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let camera = connect(&engine, &cameras.urls()[0], Transport::Auto);
        let mut wall =
            Wall::open(WallOptions { output: OutputKind::Null, ..WallOptions::default() }).unwrap();
        wall.show(&camera).unwrap();
        let pictures = Collector::default();
        let branch = camera.pictures("test", Arc::new(pictures.clone())).unwrap();
        wait::until(SOON, "pictures come", || pictures.len() > 3);
        match order {
            0 => {
                drop(engine);
                drop(camera);
                drop(wall);
                drop(branch);
                drop(cameras);
            }
            1 => {
                drop(cameras);
                drop(branch);
                drop(wall);
                drop(camera);
                drop(engine);
            }
            2 => {
                drop(wall);
                drop(camera);
                drop(cameras);
                drop(engine);
                drop(branch);
            }
            _ => {
                drop(camera);
                drop(branch);
                drop(engine);
                drop(cameras);
                drop(wall);
            }
        }
    }
}
