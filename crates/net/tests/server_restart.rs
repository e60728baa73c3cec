//! A camera that dies and comes back behind a mount: its viewers stay, and go on.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::sync::{Arc, Mutex};

use served::{SOON, multicast, start};
use valkka_core::source::{SourceError, SourceOptions, SourceRequest, Transport};
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_net::server::{Server, ServerOptions};
use valkka_net::{Live, LiveOptions, Opened, Opener, Plan, Reconnect, RtspOpener, StreamConfig};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::process::{self, Child};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

/// Knows where the camera is. Each time it has another port: one that was given back may be somebody else's at once, and
/// `ffmpeg` over UDP does not bear the time that a camera takes to start on a busy machine.
struct Whereabouts(Mutex<String>);

impl Opener for Whereabouts {
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
        RtspOpener.open(request)
    }

    fn prepare(&self, plan: &mut Plan) -> Result<(), SourceError> {
        plan.request.url = self.0.lock().unwrap().parse().unwrap();
        Ok(())
    }
}

fn new_camera() -> RtspServer {
    RtspServer::with_mount("/cam", Launch::h264_bars(320, 180)).unwrap()
}

#[test]
fn a_camera_that_is_killed_comes_back_to_all_its_viewers() {
    require!(
        gst::available(),
        media::available(),
        process::available("gst-launch-1.0"),
        multicast::available()
    );
    let _watchdog = Watchdog::start(SOON * 4);
    let mut camera = new_camera();
    let whereabouts = Arc::new(Whereabouts(Mutex::new(camera.url("/cam"))));
    let options = ServerOptions { multicast: Some(multicast::range()), ..ServerOptions::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let mount = Arc::new(server.mount("cam").unwrap());
    let live = Live::spawn(LiveOptions::default()).unwrap();
    let stats = Arc::<StreamStats>::default();
    let _stream = live.add(StreamConfig {
        request: SourceRequest {
            slot: Slot::new(1),
            url: camera.url("/cam").parse().unwrap(),
            options: SourceOptions { transport: Transport::Tcp, ..SourceOptions::default() },
        },
        reconnect: Reconnect::default(),
        sink: mount.clone(),
        stats: stats.clone(),
        opener: whereabouts.clone(),
    });
    wait::until(SOON, "pictures of the camera", || stats.received.get() > 10);

    let url = format!("rtsp://{}/cam", server.local_addr());
    let ffmpeg = |transport: &str| {
        let arguments =
            format!("-nostdin -loglevel error -rtsp_transport {transport} -i {url} -c copy -f framecrc -");
        start("ffmpeg", &arguments)
    };
    let gstreamer = |protocols: &str| {
        // It gives UDP up when nothing has come for 5 s, unless it is told otherwise.
        let pipeline = format!(
            "-v rtspsrc location={url} protocols={protocols} latency=200 timeout=60000000 ! rtph264depay ! h264parse \
             ! fakesink silent=false"
        );
        start("gst-launch-1.0", &pipeline)
    };
    let viewers = [
        ("ffmpeg over TCP", ffmpeg("tcp")),
        ("ffmpeg over UDP", ffmpeg("udp")),
        ("GStreamer over UDP", gstreamer("udp")),
        ("GStreamer by multicast", gstreamer("udp-mcast")),
    ];
    let all_see = |more: usize| {
        let before: Vec<_> = viewers.iter().map(|(_, viewer)| pictures(viewer)).collect();
        for ((name, viewer), before) in viewers.iter().zip(before) {
            wait::until(SOON, name, || pictures(viewer) >= before + more);
        }
    };
    all_see(25);
    let peers = || server.viewers().iter().map(|viewer| viewer.peer).collect::<Vec<_>>();
    let before = peers();
    assert_eq!(before.len(), viewers.len());

    for _ in 0..2 {
        let next = new_camera();
        *whereabouts.0.lock().unwrap() = next.url("/cam");
        let reconnects = stats.reconnects.get();
        camera.process().kill().unwrap();
        camera = next;
        wait::until(SOON, "the camera is back", || stats.reconnects.get() > reconnects);
        all_see(50);
    }
    assert_eq!(peers(), before, "nobody has connected again");
    assert_eq!(mount.stats().skipped, 0);
    let said = viewers[0].1.output();
    let times: Vec<i64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("0,")?.split(',').next()?.trim().parse().ok())
        .collect();
    assert!(times.len() >= 125 && times.is_sorted(), "times go on: {times:?}");
}

/// How many pictures a viewer has seen.
fn pictures(viewer: &Child) -> usize {
    let is_picture = |line: &&str| line.starts_with("0,") || line.contains("last-message = chain");
    viewer.output().lines().filter(is_picture).count()
}
