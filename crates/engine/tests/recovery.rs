//! Cameras that vanish and come back.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::Arc;
use std::time::Instant;

use common::{Collector, SOON, cameras_at, connect, connect_prompt, wait_for_frames};
use valkka::frame::{Body, Signal};
use valkka::source::{SourceOptions, Transport};
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Engine, EngineOptions, StreamState};
use valkka_testkit::fake::{Script, Server};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

/// Starts cameras again where some were; their port may be busy for a moment.
fn restart(listen: &str) -> valkka::synthetic::SyntheticCameras {
    let mut cameras = None;
    wait::until(SOON, "the port is free again", || {
        cameras = valkka::synthetic::SyntheticCameras::start(&common::options(listen, 1)).ok();
        cameras.is_some()
    });
    cameras.unwrap()
}

#[test]
fn a_camera_that_was_restarted_is_seen_again() {
    let _watchdog = Watchdog::start(SOON * 5);
    for transport in [Transport::Tcp, Transport::Udp, Transport::Auto] {
        let cameras = cameras_at("127.0.0.1:0", 1);
        let url = cameras.urls().remove(0);
        let listen = url.trim_start_matches("rtsp://").trim_end_matches("/cam1").to_owned();
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let camera = connect(&engine, &url, transport);
        let mut wall =
            Wall::open(WallOptions { output: OutputKind::Null, ..WallOptions::default() }).unwrap();
        wall.show(&camera).unwrap();
        let seen = Collector::default();
        let _branch = camera.packets("test", Arc::new(seen.clone())).unwrap();
        wait::until(SOON, "pictures are shown", || camera.stats().presented.get() > 10);

        drop(cameras);
        wait::until(SOON, "its absence is noticed", || matches!(camera.state(), StreamState::Waiting { .. }));
        seen.clear();
        let _cameras = restart(&listen);
        let back = Instant::now();
        wait::until(SOON, "it is connected again", || camera.stats().reconnects.get() == 1);
        let presented = camera.stats().presented.get();
        wait::until(SOON, "pictures are shown again", || camera.stats().presented.get() > presented + 10);
        println!("{transport}: pictures again after {:?}", back.elapsed());
        let online = seen
            .frames()
            .iter()
            .filter(|frame| matches!(frame.body, Body::Signal(Signal::Online(_))))
            .count();
        assert_eq!(online, 1, "{transport}: one connection was made");
    }
}

#[test]
fn a_camera_that_falls_silent_is_given_up_and_tried_again() {
    let _watchdog = Watchdog::start(SOON * 2);
    let server = Server::spawn(Script::SilentAfter { pictures: 5 }).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let camera = connect_prompt(&engine, &server.url(), Transport::Tcp);
    wait_for_frames(&camera, 5);
    // If this machine stands still meanwhile, a connection may end otherwise; the next one is silent, too.
    wait::until(
        SOON,
        "the silence is noticed",
        || matches!(camera.state(), StreamState::Waiting { reason, .. } if reason.contains("sent nothing for")),
    );
    wait::until(SOON, "it is tried again", || server.connections() >= 2);
}

#[test]
fn an_engine_stops_at_once_while_cameras_are_out_of_reach() {
    let _watchdog = Watchdog::start(SOON * 4);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let server = Server::spawn(Script::Ignores(valkka_testkit::fake::Method::Describe)).unwrap();
    // Had the drop to wait for a timeout, the watchdog would bark.
    let options = |transport| valkka::CameraOptions {
        source: SourceOptions {
            transport,
            connect_timeout: SOON * 60,
            silence_timeout: SOON * 60,
            ..Default::default()
        },
        ..Default::default()
    };
    let cameras = [Transport::Tcp, Transport::Udp, Transport::Auto]
        .map(|transport| engine.camera(server.url().parse().unwrap(), options(transport)).unwrap());
    cameras.iter().for_each(valkka::Camera::connect);
    wait::until(SOON, "they are trying", || server.connections() >= 3);
    drop(cameras);
    drop(engine);
}
