//! Streams that a live thread of a hand-wired graph receives and sends: any order of calls, from any thread.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::collections::HashSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use common::{Collector, SOON, cameras};
use valkka::frame::{Body, Frame, Signal};
use valkka::graph::live::{Address, Ask, Connection, Live, LiveEvent, Outlet, SendError, SlotError};
use valkka::sink::{FnSink, Sink};
use valkka::source::Transport;
use valkka::stream::Slot;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

const SLOT: Slot = Slot::new(5);

fn quiet(name: &str) -> Live {
    Live::new(name, |_| ())
}

fn ask(url: &str, sink: Arc<dyn Sink>) -> Arc<Ask> {
    let url = url.to_owned();
    Arc::new(move || Connection {
        address: Address::Url(url.clone()),
        transport: Transport::Tcp,
        ..Connection::to(sink.clone())
    })
}

fn packets(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.packet().is_some()).count()
}

#[test]
fn slots_are_reserved_played_stopped_and_freed() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(1);
    let url = &cameras.urls()[0];
    let out = Collector::default();
    let live = quiet("live");
    let receiver = live.receiver();
    assert_eq!(receiver.play(SLOT), Err(SlotError::Nothing(SLOT)));
    assert_eq!(receiver.stop(SLOT), Err(SlotError::Nothing(SLOT)));
    assert_eq!(receiver.deregister(SLOT), Err(SlotError::Nothing(SLOT)));
    receiver.register(SLOT, ask(url, Arc::new(out.clone()))).unwrap();
    assert_eq!(receiver.register(SLOT, ask(url, Arc::new(out.clone()))), Err(SlotError::Reserved(SLOT)));
    receiver.play(SLOT).unwrap();
    receiver.play(SLOT).unwrap();
    assert!(receiver.stream_state(SLOT).is_none(), "it does not run yet");
    live.start(None).unwrap();
    assert!(live.start(None).unwrap_err().to_string().contains("runs already"));
    wait::until(SOON, "frames", || packets(&out.frames()) > 10);
    assert!(out.frames().iter().all(|frame| frame.slot == SLOT));
    assert!(matches!(out.frames()[0].body, Body::Signal(Signal::Online(_))));
    receiver.play(SLOT).unwrap();
    let online = || out.frames().iter().filter(|f| matches!(f.body, Body::Signal(_))).count();
    assert_eq!(online(), 1, "it is connected once");

    receiver.stop(SLOT).unwrap();
    let count = out.len();
    receiver.play(SLOT).unwrap();
    assert!(receiver.stream_state(SLOT).is_none());
    // What was stopped may be registered anew.
    receiver.register(SLOT, ask(url, Arc::new(out.clone()))).unwrap();
    receiver.play(SLOT).unwrap();
    wait::until(SOON, "frames again", || out.len() > count + 10);
    assert_eq!(online(), 2);
    receiver.deregister(SLOT).unwrap();
    assert_eq!(receiver.play(SLOT), Err(SlotError::Nothing(SLOT)));
    let count = out.len();
    live.stop();
    live.stop();
    assert_eq!(out.len(), count);
}

#[test]
fn a_sink_may_end_what_feeds_it() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(2);
    type End = fn(&Live);
    let ends: [End; 3] = [
        |live| live.receiver().stop(SLOT).unwrap(),
        |live| live.receiver().deregister(SLOT).unwrap(),
        Live::stop,
    ];
    for transport in [Transport::Tcp, Transport::Udp] {
        for end in ends {
            let live = Arc::new(quiet("live"));
            let (seen, own) = (Arc::new(AtomicU64::new(0)), Arc::new(OnceLock::<Weak<Live>>::new()));
            let (count, ending) = (seen.clone(), own.clone());
            let sink: Arc<dyn Sink> = Arc::new(FnSink(move |_: Frame| {
                if count.fetch_add(1, Ordering::SeqCst) == 3 {
                    end(&ending.get().unwrap().upgrade().unwrap());
                }
            }));
            own.set(Arc::downgrade(&live)).unwrap();
            let urls = cameras.urls();
            let asked = ask(&urls[0], sink);
            let asked: Arc<Ask> = Arc::new(move || Connection { transport, ..asked() });
            live.receiver().register(SLOT, asked).unwrap();
            live.receiver().play(SLOT).unwrap();
            live.start(None).unwrap();
            wait::until(SOON, "the frame that ends it", || seen.load(Ordering::SeqCst) == 4);
            // Another stream shows that time passes for the thread, if it still runs.
            let other = Collector::default();
            live.receiver().register(Slot::new(9), ask(&urls[1], Arc::new(other.clone()))).unwrap();
            live.receiver().play(Slot::new(9)).unwrap();
            if live.receiver().stream_state(Slot::new(9)).is_some() {
                wait::until(SOON, "other frames", || other.len() > 20);
            }
            live.stop();
            assert_eq!(seen.load(Ordering::SeqCst), 4, "it was the last frame");
        }
    }
}

#[test]
fn what_people_should_know_is_told_without_passwords() {
    let _watchdog = Watchdog::start(SOON * 2);
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let live = Live::new("live", move |event| {
        let online = matches!(event, LiveEvent::Disconnected { was_online: true, .. });
        telling.lock().unwrap().push((event.to_string(), online));
    });
    live.start(None).unwrap();
    let sink = Arc::new(Collector::default());
    for (slot, url) in
        [(1, "rtsp://u:s3cret@127.0.0.1:1/a"), (2, "rtsp://u:s3cret@"), (3, "http://u:s3cret@h/")]
    {
        live.receiver().register(Slot::new(slot), ask(url, sink.clone())).unwrap();
        live.receiver().play(Slot::new(slot)).unwrap();
    }
    wait::until(SOON, "three failures", || {
        let told = told.lock().unwrap();
        ["slot 1:", "slot 2:", "slot 3:"]
            .iter()
            .all(|slot| told.iter().any(|(text, _)| text.starts_with(slot)))
    });
    let cameras = cameras(1);
    live.receiver().register(SLOT, ask(&cameras.urls()[0], sink.clone())).unwrap();
    live.receiver().play(SLOT).unwrap();
    wait::until(SOON, "frames", || sink.len() > 10);
    drop(cameras);
    wait::until(SOON, "the end of a connection", || told.lock().unwrap().iter().any(|(_, online)| *online));
    let mut told: Vec<_> = told.lock().unwrap().iter().map(|(text, _)| text.clone()).collect();
    assert!(!told.concat().contains("s3cret"));
    told.sort();
    // The same is told again after a while.
    told.dedup();
    assert!(
        told[0].starts_with("slot 1: rtsp://127.0.0.1:1/a cannot be received: cannot connect to"),
        "{told:?}"
    );
    assert!(
        told[1]
            .starts_with("slot 2: rtsp://***@ cannot be received: cannot receive a stream: not an address"),
        "{told:?}"
    );
    assert!(told[2].starts_with("slot 3: http://h/ cannot be received"), "{told:?}");
}

#[test]
fn outlets_wait_for_the_start_and_say_what_is_wrong() {
    let _watchdog = Watchdog::start(SOON * 2);
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let live = Live::new("live", move |event| telling.lock().unwrap().push(event.to_string()));
    let sender = live.sender();
    let rtsp = |path: &str| Outlet::Rtsp { path: path.into() };
    sender.register(Slot::new(1), rtsp("a")).unwrap();
    assert!(matches!(sender.register(Slot::new(1), rtsp("b")), Err(SendError::Taken(_))));
    sender.register(Slot::new(2), rtsp("a")).unwrap();
    sender
        .register(Slot::new(3), Outlet::Rtp { address: Ipv4Addr::LOCALHOST.into(), port: 0, ttl: 1 })
        .unwrap();
    let addr = sender.serve("127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(sender.serve(addr).unwrap_err().to_string().contains(&addr.to_string()));
    live.start(None).unwrap();
    let told: HashSet<_> = told.lock().unwrap().drain(..).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|text| text.ends_with("the path \"a\" is taken")), "{told:?}");
    assert!(
        told.contains("slot 3 is not sent: cannot send to 127.0.0.1:0: 0 is no port to send to"),
        "{told:?}"
    );

    assert!(sender.deregister(Slot::new(1)) || sender.deregister(Slot::new(2)));
    sender.register(Slot::new(7), rtsp("a")).unwrap();
    live.stop();
    assert!(
        matches!(quiet("other").sender().serve(addr), Ok(other) if other == addr),
        "the port is free again"
    );
}

#[test]
fn a_stream_goes_through_two_threads_in_both_ways() {
    let _watchdog = Watchdog::start(SOON * 2);
    let cameras = cameras(1);
    let (sender, receiver, viewer) = (quiet("sender"), quiet("receiver"), quiet("viewer"));
    let addr = sender.sender().serve("127.0.0.1:0".parse().unwrap()).unwrap();
    for live in [&sender, &receiver, &viewer] {
        live.start(None).unwrap();
    }
    receiver.receiver().register(SLOT, ask(&cameras.urls()[0], sender.sender().clone())).unwrap();
    receiver.receiver().play(SLOT).unwrap();
    sender.sender().register(SLOT, Outlet::Rtsp { path: "garden".into() }).unwrap();
    let (served, sent) = (Collector::default(), Collector::default());
    viewer
        .receiver()
        .register(Slot::new(1), ask(&format!("rtsp://{addr}/garden"), Arc::new(served.clone())))
        .unwrap();
    viewer.receiver().play(Slot::new(1)).unwrap();
    wait::until(SOON, "frames that were served", || packets(&served.frames()) > 30);

    // The other way, with the description that the sender writes.
    sender.sender().deregister(SLOT);
    let port = free_port();
    let address = Ipv4Addr::LOCALHOST.into();
    sender.sender().register(SLOT, Outlet::Rtp { address, port, ttl: 1 }).unwrap();
    let sdp = wait::until_some(SOON, "a description", || sender.sender().sdp(SLOT));
    let directory = valkka_testkit::temp::TempDir::new().unwrap();
    let path = directory.join("described");
    std::fs::write(&path, sdp).unwrap();
    let (path, sink) = (path.display().to_string(), Arc::new(sent.clone()));
    let asked: Arc<Ask> =
        Arc::new(move || Connection { address: Address::Sdp(path.clone()), ..Connection::to(sink.clone()) });
    viewer.receiver().register(Slot::new(2), asked).unwrap();
    viewer.receiver().play(Slot::new(2)).unwrap();
    wait::until(SOON, "frames that were sent", || packets(&sent.frames()) > 30);
    assert!(sent.frames().iter().all(|frame| frame.slot == Slot::new(2)));
}

#[test]
fn any_calls_from_any_threads() {
    let _watchdog = Watchdog::start(SOON * 3);
    let cameras = cameras(4);
    let (live, out) = (quiet("live"), Collector::default());
    live.sender().serve("127.0.0.1:0".parse().unwrap()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..3 {
            let (live, out, done, urls) = (&live, &out, &done, cameras.urls());
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                while !done.load(Ordering::SeqCst) {
                    let slot = Slot::new(random.u16(0..4));
                    let url = &urls[usize::from(slot.number())];
                    // Whether a call fits depends on the others.
                    match random.u8(0..9) {
                        0 => drop(live.receiver().register(slot, ask(url, Arc::new(out.clone())))),
                        1 => drop(live.receiver().register(slot, ask(url, live.sender().clone()))),
                        2 | 3 => drop(live.receiver().play(slot)),
                        4 => drop(live.receiver().stop(slot)),
                        5 => drop(live.receiver().deregister(slot)),
                        6 => drop(live.sender().register(slot, Outlet::Rtsp { path: format!("cam{slot}") })),
                        7 => {
                            let address = Ipv4Addr::LOCALHOST.into();
                            drop(live.sender().register(slot, Outlet::Rtp { address, port: 40_000, ttl: 1 }));
                        }
                        _ => drop(live.sender().deregister(slot)),
                    }
                    thread::sleep(Duration::from_millis(random.u64(0..20)));
                }
            });
        }
        for _ in 0..5 {
            live.start(None).unwrap();
            let before = out.len();
            wait::until(SOON, "frames amid all that", || out.len() > before);
            live.stop();
        }
        done.store(true, Ordering::SeqCst);
    });
    let count = out.len();
    assert!(count > 0);
    drop(live);
    assert_eq!(out.len(), count);
}

/// The first of two UDP ports side by side that nobody listens at, below those that the system gives to who asks for any.
fn free_port() -> u16 {
    wait::until_some(SOON, "two free ports", || {
        let port = 20_000 + fastrand::u16(..6_000) * 2;
        let bind = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        (bind(port) && bind(port + 1)).then_some(port)
    })
}
