//! `Transport::Auto`, and blocking sources on threads of their own.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::fake::Fake;
use common::{SOON, receive_with, request};
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet, Signal};
use valkka_core::payload::Payload;
use valkka_core::sink::Sink;
use valkka_core::source::{Source, SourceError, SourceRequest, StreamInfo, Transport};
use valkka_core::stream::Track;
use valkka_core::time::WallTime;
use valkka_core::worker::StopToken;
use valkka_net::{Opened, Opener, Reconnect, RtspTcp};
use valkka_testkit::{wait, watchdog::Watchdog};

/// TCP by the real source; anything else by a blocking source that does as it is told.
struct Openers {
    behaviour: Behaviour,
    tried: Mutex<Vec<Transport>>,
    running: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum Behaviour {
    /// Connects, and brings nothing.
    Silent,
    /// The server refuses the transport.
    Refused,
    /// Brings a frame, and ends.
    Working,
    Panicking,
}

impl Openers {
    fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self { behaviour, tried: Mutex::default(), running: Arc::default() })
    }

    fn tried(&self) -> Vec<Transport> {
        self.tried.lock().unwrap().clone()
    }
}

impl Opener for Openers {
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
        self.tried.lock().unwrap().push(request.options.transport);
        Ok(match request.options.transport {
            Transport::Tcp => Opened::Task(Box::new(RtspTcp::new(request.clone()))),
            _ => Opened::Thread(Box::new(Blocking {
                request: request.clone(),
                behaviour: self.behaviour,
                running: self.running.clone(),
            })),
        })
    }
}

struct Blocking {
    request: SourceRequest,
    behaviour: Behaviour,
    running: Arc<AtomicUsize>,
}

impl Source for Blocking {
    fn run(&mut self, sink: &dyn Sink, stop: &StopToken) -> Result<(), SourceError> {
        let running = self.running.clone();
        running.fetch_add(1, Ordering::SeqCst);
        let _ended = scopeguard(move || {
            running.fetch_sub(1, Ordering::SeqCst);
        });
        let host = self.request.url.host();
        let (slot, now) = (self.request.slot, WallTime::default());
        let online =
            Signal::Online(Arc::new(StreamInfo { transport: "udp".into(), ..StreamInfo::default() }));
        match self.behaviour {
            Behaviour::Refused => {
                let (method, reason) = ("SETUP".into(), "Unsupported Transport".into());
                Err(SourceError::Status { host, method, code: 461, reason })
            }
            Behaviour::Silent => {
                sink.put(Frame::signal(slot, now, online));
                stop.wait(SOON);
                // Too late: the next transport has its turn.
                sink.put(self.picture());
                Ok(())
            }
            Behaviour::Working => {
                sink.put(Frame::signal(slot, now, online));
                sink.put(self.picture());
                Err(SourceError::Ended { host })
            }
            Behaviour::Panicking => panic!("on purpose"),
        }
    }
}

impl Blocking {
    fn picture(&self) -> Frame {
        let params = Arc::new(CodecParams::video(Codec::Mjpeg, Bytes::new()));
        let packet = Packet { params, payload: Payload::from_vec(vec![0xff, 0xd8]), keyframe: true, lost: 0 };
        let (slot, track) = (self.request.slot, Track::default());
        Frame { slot, track, time: FrameTime::default(), body: Body::Packet(packet) }
    }
}

fn scopeguard(end: impl FnOnce()) -> impl Drop {
    struct Guard<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Guard<F> {
        fn drop(&mut self) {
            if let Some(end) = self.0.take() {
                end();
            }
        }
    }
    Guard(Some(end))
}

fn automatic(url: &str) -> SourceRequest {
    let mut request = request(url);
    request.options.transport = Transport::Auto;
    request
}

fn camera() -> Fake {
    Fake::start(|peer| {
        peer.play()?;
        peer.picture(1)?;
        peer.wait_for_end()
    })
}

#[test]
fn udp_that_brings_nothing_gives_way_to_tcp() {
    let _watchdog = Watchdog::start(SOON * 2);
    // One picture, and the end when it is told.
    let hang_up = Arc::new(AtomicBool::new(false));
    let told = hang_up.clone();
    let fake = Fake::start(move |peer| {
        peer.play()?;
        peer.picture(1)?;
        wait::until(SOON, "the word to hang up", || told.load(Ordering::SeqCst));
        Ok(())
    });
    let opener = Openers::new(Behaviour::Silent);
    let receiving = receive_with(automatic(&fake.url()), Reconnect::After(SOON), opener.clone());
    wait::until(SOON, "a frame", || receiving.stats.received.get() > 0);
    assert_eq!(opener.tried(), [Transport::Udp, Transport::Tcp]);
    // What was on trial was never online, and is gone.
    assert_eq!(receiving.recorder.signals()[0], "online");
    assert_eq!(receiving.info().transport, "tcp");
    wait::until(SOON, "the end of what was on trial", || opener.running.load(Ordering::SeqCst) == 0);
    // TCP is remembered (and its source runs again, so nothing is opened).
    hang_up.store(true, Ordering::SeqCst);
    wait::until(SOON, "another connection", || receiving.stats.reconnects.get() > 0);
    assert!(!opener.tried()[2..].contains(&Transport::Udp), "{:?}", opener.tried());
}

#[test]
fn a_refused_transport_gives_way_at_once() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (fake, opener) = (camera(), Openers::new(Behaviour::Refused));
    let receiving = receive_with(automatic(&fake.url()), Reconnect::Never, opener.clone());
    wait::until(SOON, "a frame", || receiving.stats.received.get() > 0);
    assert_eq!(opener.tried(), [Transport::Udp, Transport::Tcp]);
    assert_eq!(receiving.recorder.signals(), ["online"]);
}

#[test]
fn udp_that_works_is_kept() {
    let _watchdog = Watchdog::start(SOON * 2);
    let opener = Openers::new(Behaviour::Working);
    let receiving = receive_with(automatic("rtsp://host/cam"), Reconnect::default(), opener.clone());
    wait::until(SOON, "a frame", || receiving.stats.received.get() > 0);
    // A machine that stands still within the trial ends it, but not once a frame has come.
    let trials = opener.tried();
    assert_eq!(trials[0], Transport::Udp);
    wait::until(SOON, "another connection", || receiving.stats.reconnects.get() > 1);
    let tried = opener.tried();
    assert!(tried.len() > trials.len(), "{tried:?}");
    assert!(tried[trials.len()..].iter().all(|&transport| transport == Transport::Udp), "{tried:?}");
    let signals = receiving.recorder.signals();
    let online = signals.iter().position(|signal| signal == "online").unwrap();
    assert_eq!(signals[online..][..3], ["online", "offline: host:554 ended the stream", "online"]);
}

#[test]
fn a_blocking_source_ends_with_its_stream() {
    let _watchdog = Watchdog::start(SOON * 2);
    let opener = Openers::new(Behaviour::Silent);
    let mut request = request("rtsp://host/cam");
    request.options.transport = Transport::Udp;
    let receiving = receive_with(request, Reconnect::default(), opener.clone());
    receiving.info();
    drop(receiving.stream);
    wait::until(SOON, "its end", || opener.running.load(Ordering::SeqCst) == 0);
    assert_eq!(receiving.recorder.signals(), ["online"], "nothing comes after the handle's drop");
    drop(receiving.live);
}

#[test]
fn a_blocking_source_that_panics_is_an_error() {
    let _watchdog = Watchdog::start(SOON * 2);
    let mut request = request("rtsp://host/cam");
    request.options.transport = Transport::Udp;
    let receiving = receive_with(request, Reconnect::Never, Openers::new(Behaviour::Panicking));
    assert!(receiving.failure().contains("the source failed"));
}
