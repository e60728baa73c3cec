//! Several engines and several screens show the same cameras; each comes and goes without the others.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{SOON, connect, wait_for_undropped};
use valkka::source::Transport;
use valkka::wall::{Rendering, Wall, WallOptions};
use valkka::{Camera, Engine, EngineOptions};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::bars::{self, Area};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::xvfb::{self, Display};
use valkka_testkit::{require, wait};

/// A wall of two tiles on one of the screens.
fn open(display: &Display, screen: usize, rendering: Rendering, cameras: &[Arc<Camera>]) -> Wall {
    let mut wall = Wall::open(WallOptions {
        display: Some(display.screen(screen)),
        rendering,
        width: 640,
        height: 240,
        columns: Some(2),
        ..WallOptions::default()
    })
    .unwrap();
    cameras.iter().for_each(|camera| wall.show(camera).unwrap());
    wall
}

/// Serves all walls until the one shows bars in both tiles.
fn wait_for_bars(walls: &mut [Wall], index: usize, display: &Display) {
    wait::until(SOON, &format!("wall {index} shows the bars of both cameras"), || {
        walls.iter_mut().for_each(|wall| assert!(wall.run_for(Duration::from_millis(10)).unwrap()));
        let Ok(shown) = display.window_picture(walls[index].window().number()) else { return false };
        let tile = Area { x: 0, y: 0, width: 320, height: 240 };
        [0, 320].into_iter().all(|x| bars::check_everywhere(&shown, Area { x, ..tile }, 8).is_ok())
    });
}

#[test]
fn engines_and_screens_share_cameras_and_nothing_else() {
    require!(gst::available(), xvfb::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let display = Display::with_screens(&[(1280, 1024), (800, 600)]).unwrap();
    let server = RtspServer::builder()
        .tcp_only()
        .mount("/tcp/one", Launch::h264_bars(320, 240))
        .mount("/tcp/two", Launch::h265_bars(320, 240))
        .udp_only()
        .mount("/udp/one", Launch::h264_bars(320, 240))
        .mount("/udp/two", Launch::h265_bars(320, 240))
        .spawn()
        .unwrap();
    let engines = [Transport::Tcp, Transport::Udp].map(|transport| {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let cameras = ["one", "two"]
            .map(|name| connect(&engine, &server.url(&format!("/{transport}/{name}")), transport));
        (engine, cameras)
    });
    // Without a window manager, the newest window lies above the others of its screen: each is seen at first.
    let mut walls = Vec::new();
    for (screen, rendering) in [(0, Rendering::Software), (1, Rendering::OpenGl)] {
        for (_, cameras) in &engines {
            walls.push(open(&display, screen, rendering, cameras));
            let newest = walls.len() - 1;
            wait_for_bars(&mut walls, newest, &display);
        }
    }
    // Each camera is connected to and decoded once per engine, however many screens there are.
    for (_, cameras) in &engines {
        for camera in cameras {
            let stats = camera.stats();
            assert!(stats.decoded.get() <= stats.received.get());
            assert_eq!(stats.reconnects.get(), 0);
            wait_for_undropped(camera, 60);
        }
    }

    // The upper wall of each screen belongs to the second engine; without it, the first one's are seen.
    let [(first, _), (second, cameras)] = engines;
    drop(second);
    drop(cameras);
    drop(walls.remove(3));
    wait_for_bars(&mut walls, 2, &display);
    drop(walls.remove(1));
    wait_for_bars(&mut walls, 0, &display);
    drop(walls.remove(1));
    wait_for_bars(&mut walls, 0, &display);
    drop(first);
    wait_for_bars(&mut walls, 0, &display);
}
