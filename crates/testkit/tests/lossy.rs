//! The `ffmpeg` program watches GStreamer's server through a bad network.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::SocketAddr;
use std::time::Duration;

use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::lossy::{Counts, Impairment, Proxy};
use valkka_testkit::media::{self, bars};
use valkka_testkit::picture::Picture;
use valkka_testkit::process::{self, Child};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

const LIMIT: Duration = Duration::from_secs(300);

const PATIENCE: Duration = Duration::from_secs(60);

fn proxy(server: &RtspServer, impairment: Impairment) -> Proxy {
    Proxy::spawn(SocketAddr::from(([127, 0, 0, 1], server.port())), impairment).unwrap()
}

/// A viewer that says what it thinks is wrong, and counts the packets.
fn viewer(transport: &str, url: &str) -> Child {
    let mut command = process::command("ffmpeg").unwrap();
    command.args(["-nostdin", "-loglevel", "verbose", "-rtsp_transport", transport, "-i", url]);
    command.args(["-c", "copy", "-f", "framecrc", "-flush_packets", "1", "-"]);
    Child::spawn(command).unwrap()
}

/// How many packets a viewer has got: framecrc writes "stream, dts, pts, duration, size, checksum" of each.
fn packets(viewer: &Child) -> usize {
    viewer.output().lines().filter(|line| line.starts_with("0, ")).count()
}

#[test]
fn a_good_network_changes_nothing() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 360)).unwrap();
    for (transport, datagrams) in [("udp", true), ("tcp", false)] {
        let proxy = proxy(&server, Impairment::default());
        let picture = Picture::from_ffmpeg(&["-rtsp_transport", transport], &proxy.url("/bars")).unwrap();
        bars::check(&picture, bars::Area::whole(&picture), 6).unwrap();
        let Counts { passed, lost, late, dark } = proxy.counts();
        assert_eq!((passed > 0, lost, late, dark), (datagrams, 0, 0, 0), "{transport}");
    }
}

#[test]
fn credentials_pass() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let builder = RtspServer::builder().digest("viewer", "secret");
    let server = builder.mount("/bars", Launch::h264_bars(320, 240)).spawn().unwrap();
    let proxy = proxy(&server, Impairment::default());
    let url = proxy.url("/bars").replace("rtsp://", "rtsp://viewer:secret@");
    assert!(Picture::from_ffmpeg(&["-rtsp_transport", "udp"], &url).is_ok());
}

#[test]
fn the_share_that_was_asked_for_is_lost() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/ball", Launch::h264_ball(640, 360)).unwrap();
    let proxy = proxy(&server, Impairment { lost: 0.2, ..Impairment::default() });
    let viewer = viewer("udp", &proxy.url("/ball"));
    let total = || proxy.counts().lost + proxy.counts().passed;
    wait::until(PATIENCE, "200 datagrams", || total() > 200);
    viewer.wait_line(PATIENCE, |line| line.contains("RTP: missed").then_some(())).unwrap();
    let share = proxy.counts().lost as f64 / total() as f64;
    assert!((0.1..0.3).contains(&share), "{:?}", proxy.counts());
}

#[test]
fn late_ones_are_overtaken() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/ball", Launch::h264_ball(640, 360)).unwrap();
    let late_by = Duration::from_millis(60);
    let proxy = proxy(&server, Impairment { late: 0.1, late_by, ..Impairment::default() });
    // A viewer without a queue that puts packets in order sees the time go back.
    let mut command = process::command("ffmpeg").unwrap();
    command.args(["-nostdin", "-loglevel", "verbose", "-rtsp_transport", "udp", "-reorder_queue_size", "0"]);
    command.args(["-i", &proxy.url("/ball"), "-c", "copy", "-f", "null", "-"]);
    let viewer = Child::spawn(command).unwrap();
    viewer
        .wait_line(PATIENCE, |line| line.contains("non monotonically increasing dts").then_some(()))
        .unwrap();
    let counts = proxy.counts();
    assert!(counts.late > 0 && counts.lost == 0, "{counts:?}");
}

#[test]
fn in_the_dark_nothing_passes_and_then_it_goes_on() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/ball", Launch::h264_ball(320, 240)).unwrap();
    for transport in ["udp", "tcp"] {
        let proxy = proxy(&server, Impairment::default());
        let viewer = viewer(transport, &proxy.url("/ball"));
        wait::until(PATIENCE, "packets", || packets(&viewer) > 25);
        proxy.set_dark(true);
        if transport == "udp" {
            wait::until(PATIENCE, "datagrams in the dark", || proxy.counts().dark > 50);
        }
        // A newcomer meets silence.
        let blocked = Picture::from_ffmpeg(&["-timeout", "500000"], &proxy.url("/ball"));
        assert!(blocked.is_err());
        proxy.set_dark(false);
        let before = packets(&viewer);
        wait::until(PATIENCE, "packets after the dark", || packets(&viewer) > before + 25);
    }
}

#[test]
fn closed_connections_end_a_viewer_but_not_the_proxy() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/ball", Launch::h264_ball(320, 240)).unwrap();
    let proxy = proxy(&server, Impairment::default());
    let mut first = viewer("tcp", &proxy.url("/ball"));
    wait::until(PATIENCE, "packets", || packets(&first) > 0);
    proxy.close_connections();
    first.wait(PATIENCE).unwrap();
    let second = viewer("tcp", &proxy.url("/ball"));
    wait::until(PATIENCE, "packets of another viewer", || packets(&second) > 0);
    assert_eq!(proxy.connections(), 2);
}
