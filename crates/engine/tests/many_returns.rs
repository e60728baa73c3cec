//! Cameras that are killed and started again, two hundred times: nothing of them is left over.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::Arc;

use common::{Held, SOON, Signals, connect, held};
use valkka::sink::Discard;
use valkka::source::Transport;
use valkka::{Camera, Engine, EngineOptions, PictureBranch};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::require;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

/// How many cameras vanish at once.
const CAMERAS: usize = 40;
/// How often they vanish before it is measured what is held: pools and caches fill up.
const WARM_UP: u64 = 2;
/// How often they vanish then: with all cameras, 200 times.
const CYCLES: u64 = 5;

fn serve(port: Option<u16>) -> RtspServer {
    let launch = Launch::new(
        "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 \
         ! x264enc speed-preset=ultrafast tune=zerolatency key-int-max=5 bitrate=100 \
         ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    );
    let builder = port.map_or_else(RtspServer::builder, |port| RtspServer::builder().port(port));
    builder.mount("/bars", launch).spawn().unwrap()
}

/// One of the cameras, and what is known of it.
struct Watched {
    // Dropped first, so that the camera's decoder ends before it.
    _pictures: PictureBranch,
    _signals: valkka::fork::Branch,
    camera: Arc<Camera>,
    signals: Signals,
}

#[test]
fn two_hundred_kills_and_returns_leave_nothing_behind() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 10);
    let mut server = serve(None);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let watched: Vec<_> = (0..CAMERAS)
        .map(|index| {
            let transport = [Transport::Udp, Transport::Tcp][index % 2];
            let camera = connect(&engine, &server.url("/bars"), transport);
            let signals = Signals::default();
            Watched {
                _signals: camera.packets("signals", Arc::new(signals.clone())).unwrap(),
                _pictures: camera.pictures("pictures", Arc::new(Discard)).unwrap(),
                camera,
                signals,
            }
        })
        .collect();
    let all = |what: &str, done: &dyn Fn(&Watched) -> bool| {
        wait::until(SOON * 2, what, || watched.iter().all(done));
    };
    all("all cameras are seen", &|one| one.camera.stats().decoded.get() > 0);

    let mut before: Option<Held> = None;
    for cycle in 1..=WARM_UP + CYCLES {
        server.process().kill().unwrap();
        all("all are missed", &|one| one.signals.count("offline") as u64 == cycle);
        let decoded: Vec<_> = watched.iter().map(|one| one.camera.stats().decoded.get()).collect();
        server = serve(Some(server.port()));
        wait::until(SOON * 2, "all are seen again", || {
            watched.iter().zip(&decoded).all(|(one, before)| {
                one.camera.stats().reconnects.get() == cycle && one.camera.stats().decoded.get() > *before
            })
        });
        println!("cycle {cycle}: {:?}", held());
        if cycle == WARM_UP {
            before = Some(held());
        }
    }
    let before = before.unwrap();
    for one in &watched {
        let words = one.signals.words();
        let (offline, online) = (one.signals.count("offline"), one.signals.count("online"));
        assert_eq!((offline as u64, online as u64), (WARM_UP + CYCLES, WARM_UP + CYCLES + 1), "{words:?}");
    }
    // One per twenty cycles would be seen. What is on its way out may take a moment.
    wait::until(SOON, &format!("no descriptor is left over: {before:?}"), || {
        held().descriptors < before.descriptors + 10
    });
    wait::until(SOON, &format!("no thread is left over: {before:?}"), || held().threads < before.threads + 5);
    let after = held();
    // 64 KiB per cycle would be seen.
    assert!(after.memory_bytes < before.memory_bytes + (12 << 20), "{before:?}, {after:?}");
}
