//! A cable that is pulled: no datagram passes, and of TCP nothing either, not even that a connection ended.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{SOON, Signals, connect_prompt, picture};
use valkka::fork::Branch;
use valkka::source::Transport;
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Camera, Engine, EngineOptions, StreamState};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::lossy::{Impairment, Proxy};
use valkka_testkit::media::bars;
use valkka_testkit::require;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

/// A camera behind a cable of its own, on a wall of its own.
struct Outage {
    name: String,
    network: Proxy,
    _branch: Branch,
    camera: Arc<Camera>,
    signals: Signals,
    wall: Wall,
}

impl Outage {
    fn prepare(engine: &Engine, server: &RtspServer, transport: Transport, dark: Duration) -> Self {
        let network = Proxy::spawn(([127, 0, 0, 1], server.port()).into(), Impairment::default()).unwrap();
        let camera = connect_prompt(engine, &network.url("/bars"), transport);
        let signals = Signals::default();
        let branch = camera.packets("signals", Arc::new(signals.clone())).unwrap();
        let options =
            WallOptions { output: OutputKind::Null, width: 320, height: 240, ..WallOptions::default() };
        let mut wall = Wall::open(options).unwrap();
        wall.show(&camera).unwrap();
        Self { name: format!("{transport}, {dark:?}"), network, _branch: branch, camera, signals, wall }
    }

    /// Serves the wall until it shows the camera's picture, or until it does not.
    fn wait_for_picture(&mut self, wanted: bool) {
        let what = format!("{}: the picture is {}", self.name, if wanted { "shown" } else { "gone" });
        wait::until(SOON, &what, || {
            assert!(self.wall.run_for(Duration::from_millis(10)).unwrap());
            let shown = picture(self.wall.screenshot().unwrap());
            bars::check_everywhere(&shown, bars::Area::whole(&shown), 8).is_ok() == wanted
        });
    }

    /// Pulls the cable for so long, and returns how long after its return the first new picture was shown.
    fn pull(&mut self, dark: Duration) -> Duration {
        self.wait_for_picture(true);
        // None yet, unless this machine stood still meanwhile.
        let outages = self.signals.count("offline");
        let pulled = Instant::now();
        self.network.set_dark(true);
        if dark > GIVEN_UP {
            self.wait_for_picture(false);
            wait::until(SOON, &format!("{}: the outage is told", self.name), || {
                assert!(self.wall.run_for(Duration::from_millis(10)).unwrap());
                self.signals.count("offline") > outages
            });
            let Some(reason) = reason(&self.camera) else {
                panic!("{}: {:?} without a reason", self.name, self.camera.state());
            };
            let host = self.camera.url().host();
            assert!(reason.contains(&host), "{}: {reason}", self.name);
            let told = self.signals.words().pop().unwrap();
            assert_eq!(told, format!("offline: {host} sent nothing for 2 s"), "{}", self.name);
        }
        wait::until(SOON * 2, "the cable is put back", || {
            assert!(self.wall.run_for(Duration::from_millis(10)).unwrap());
            pulled.elapsed() >= dark
        });
        if dark > GIVEN_UP {
            let words = self.signals.words();
            assert_eq!(self.signals.count("offline"), outages + 1, "{}: {words:?}", self.name);
        }
        let presented = self.camera.stats().presented.get();
        self.network.set_dark(false);
        let back = Instant::now();
        wait::until(SOON, &format!("{}: pictures come again", self.name), || {
            assert!(self.wall.run_for(Duration::from_millis(5)).unwrap());
            self.camera.stats().presented.get() > presented
        });
        let after = back.elapsed();
        self.wait_for_picture(true);
        after
    }
}

/// Why there is no connection now. While one is tried, there is none for a moment.
fn reason(camera: &Camera) -> Option<String> {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if let StreamState::Waiting { reason, .. } = camera.state() {
            return Some(reason.to_string());
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// As [`valkka::Reconnect::PROMPT`] has it.
const GIVEN_UP: Duration = Duration::from_secs(2);

#[test]
fn pictures_are_back_soon_after_a_cable_that_was_pulled() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 5);
    let launch = Launch::new(
        "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 \
         ! x264enc speed-preset=ultrafast tune=zerolatency key-int-max=10 bitrate=500 \
         ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    );
    let server = RtspServer::with_mount("/bars", launch).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let mut cases = Vec::new();
    for transport in [Transport::Tcp, Transport::Udp, Transport::Auto] {
        for seconds in [1, 5, 20] {
            let dark = Duration::from_secs(seconds);
            cases.push((Outage::prepare(&engine, &server, transport, dark), dark));
        }
    }
    // All at once, so that the longest decides how long it takes.
    let threads = cases.into_iter().map(|(mut outage, dark)| {
        thread::spawn(move || {
            let after = outage.pull(dark);
            (outage, dark, after)
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        let (outage, dark, after) = thread.join().unwrap();
        let Outage { name, camera, signals, .. } = &outage;
        println!("{name}: the picture was back {after:?} after the cable; {:?}", signals.words());
        // A short one is bridged, a long one is told once, and so is each time that this machine stood still meanwhile.
        wait::until(SOON, &format!("{name}: each end of a connection has its return"), || {
            let outages = signals.count("offline");
            let is_told = outages >= usize::from(dark > GIVEN_UP);
            is_told
                && signals.count("online") == outages + 1
                && camera.stats().reconnects.get() == outages as u64
        });
    }
}
