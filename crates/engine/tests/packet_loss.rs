//! Datagrams that are lost or overtake each other: counted, and never seen.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(clippy::print_stdout, reason = "the figures are of interest")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Fingerprints, SOON, connect, picture};
use valkka::source::Transport;
use valkka::synthetic::{SceneOptions, SyntheticCameras, SyntheticOptions};
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Camera, Engine, EngineOptions, StreamState};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::lossy::{Impairment, Proxy};
use valkka_testkit::media::{self, Clip, bars};
use valkka_testkit::require;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

/// As the worst networks people run cameras on.
const BAD: Impairment =
    Impairment { lost: 0.05, late: 0.05, late_by: Duration::from_millis(15), delay: Duration::ZERO, seed: 3 };

/// Pictures of a lossy stream that a test looks at: several groups of pictures.
const PICTURES: usize = 60;

fn transport_of(camera: &Camera) -> String {
    match camera.state() {
        StreamState::Online(info) => info.transport.clone(),
        other => format!("{other:?}"),
    }
}

/// Watches a stream at once undamaged and through a bad network, and compares every picture.
fn every_picture_is_whole(server: &str, path: &str, transport: Transport) {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let whole = connect(&engine, &format!("rtsp://{server}{path}"), Transport::Tcp);
    let wanted = Fingerprints::default();
    let _whole = whole.pictures("test", Arc::new(wanted.clone())).unwrap();
    wait::until(SOON, "the undamaged stream is there", || wanted.count() > 0);

    // Where datagrams come, there is no need for another transport; but a machine that stands still while the first one is
    // tried makes it look so.
    let (network, lossy) = wait::until_some(SOON * 2, "it comes in datagrams", || {
        let network = Proxy::spawn(server.parse().unwrap(), BAD).unwrap();
        let lossy = connect(&engine, &network.url(path), transport);
        wait::until(SOON, "it is online", || matches!(lossy.state(), StreamState::Online(_)));
        (transport_of(&lossy) == "udp").then_some((network, lossy))
    });
    let shown = Fingerprints::default();
    let _lossy = lossy.pictures("test", Arc::new(shown.clone())).unwrap();
    wait::until(SOON * 4, "pictures keep coming", || shown.count() >= PICTURES);
    assert_eq!(transport_of(&lossy), "udp", "{path}");
    let stats = lossy.stats().clone();
    let (counts, lost, damaged) = (network.counts(), stats.lost_packets.get(), stats.damaged.get());
    lossy.disconnect();

    // What the one has shown, the other may have before it.
    let seen = shown.different();
    wait::until(SOON, "every picture is one of the undamaged stream", || seen.is_subset(&wanted.different()));
    println!(
        "{path} {transport}: {} pictures whole of {} received, {damaged} damaged and not shown, {lost} packets \
         told lost, {counts:?}",
        shown.count(),
        stats.received.get(),
    );
    assert!(counts.lost > 0 && counts.late > 0, "{counts:?}");
    // The last ones may still wait to be put in order; one that overtook by more than the queue holds counts as lost.
    assert!(lost * 10 >= counts.lost * 7, "{path}: {lost} told of {counts:?}");
    assert!(damaged > 0, "{path}: nothing was hidden");
}

#[test]
fn no_picture_of_gstreamer_is_damaged() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 6);
    // Moving shapes, encoded once: whoever is served, and whenever, sees the same pictures.
    let clip = Clip { bitrate_bps: 500_000, gop: 10, ..Clip::default() };
    let launch = Launch::file(&clip.file().unwrap()).unwrap();
    let server = RtspServer::with_mount("/shapes", launch).unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    every_picture_is_whole(&address, "/shapes", Transport::Udp);
}

#[test]
fn no_picture_of_a_synthetic_camera_is_damaged() {
    let _watchdog = Watchdog::start(SOON * 10);
    let defaults = common::options("127.0.0.1:0", 1);
    // Large enough for pictures of several datagrams.
    let footage = match defaults.footage {
        valkka::synthetic::Footage::Scene { scene, codec, .. } => valkka::synthetic::Footage::Scene {
            scene: SceneOptions { width: 640, height: 360, ..scene },
            codec,
            bitrate_bps: 2_000_000,
        },
        other => other,
    };
    let cameras = SyntheticCameras::start(&SyntheticOptions { footage, ..defaults }).unwrap();
    let url = cameras.urls().remove(0);
    let address = url.trim_start_matches("rtsp://").trim_end_matches("/cam1").to_owned();
    for transport in [Transport::Udp, Transport::Auto] {
        every_picture_is_whole(&address, "/cam1", transport);
    }
}

#[test]
fn bars_on_the_wall_are_never_smeared() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 480)).unwrap();
    // More than any network should lose.
    let impairment = Impairment { lost: 0.1, ..BAD };
    let network = Proxy::spawn(([127, 0, 0, 1], server.port()).into(), impairment).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let camera = connect(&engine, &network.url("/bars"), Transport::Udp);
    let options = WallOptions { output: OutputKind::Null, width: 640, height: 480, ..WallOptions::default() };
    let mut wall = Wall::open(options).unwrap();
    wall.show(&camera).unwrap();
    wait::until(SOON, "the wall shows a picture", || camera.stats().presented.get() > 0);
    let (mut looks, mut last) = (0, 0);
    wait::until(SOON, "pictures keep coming", || {
        assert!(wall.run_for(Duration::from_millis(10)).unwrap());
        let presented = camera.stats().presented.get();
        if presented > last {
            last = presented;
            looks += 1;
            let shown = picture(wall.screenshot().unwrap());
            if let Err(error) = bars::check_everywhere(&shown, bars::Area::whole(&shown), 8) {
                panic!("picture {presented}: {error}");
            }
        }
        presented >= PICTURES as u64 && looks > 10 && camera.stats().lost_packets.get() > 0
    });
    println!("{looks} looks at {last} pictures, {:?}", network.counts());
}

#[test]
fn a_network_that_lets_no_datagram_through_is_left_for_tcp() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let server = RtspServer::with_mount("/bars", Launch::h264_bars(320, 240)).unwrap();
    let impairment = Impairment { lost: 1.0, ..Impairment::default() };
    let network = Proxy::spawn(([127, 0, 0, 1], server.port()).into(), impairment).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let camera = connect(&engine, &network.url("/bars"), Transport::Auto);
    common::wait_for_frames(&camera, 25);
    assert_eq!(transport_of(&camera), "tcp");
    assert_eq!(camera.stats().reconnects.get(), 0);
}
