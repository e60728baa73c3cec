//! A stream whose pictures change their size goes on.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Collector, SOON, connect, picture};
use valkka::source::Transport;
use valkka::wall::{OutputKind, Rendering, Wall, WallOptions};
use valkka::{Engine, EngineOptions};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::bars::{self, Area};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::xvfb::{self, Display};
use valkka_testkit::{require, wait};

#[test]
fn pictures_are_shown_at_their_new_size() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 4);
    for transport in [Transport::Tcp, Transport::Udp] {
        let mut server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 480)).unwrap();
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let camera = connect(&engine, &server.url("/bars"), transport);
        let mut wall =
            Wall::open(WallOptions { output: OutputKind::Null, ..WallOptions::default() }).unwrap();
        wall.show(&camera).unwrap();
        let pictures = Collector::default();
        let _branch = camera.pictures("test", Arc::new(pictures.clone())).unwrap();
        let shows = |width, height| {
            let last = pictures.frames().iter().rev().find_map(|frame| frame.bitmap().cloned());
            last.is_some_and(|bitmap| (bitmap.width(), bitmap.height()) == (width, height))
        };
        wait::until(SOON, "pictures of 640x480 come", || shows(640, 480));
        server.resize("/bars", 320, 240).unwrap();
        wait::until(SOON, "pictures of 320x240 come", || shows(320, 240));
        let video = camera.video_params().and_then(|params| params.as_video().copied()).unwrap();
        assert_eq!((video.width, video.height), (320, 240), "{transport}");
        // They are shown too, and the connection was not made again.
        let presented = camera.stats().presented.get();
        wait::until(SOON, "they are presented", || camera.stats().presented.get() > presented + 10);
        assert_eq!(camera.stats().reconnects.get(), 0, "{transport}");
    }
}

#[test]
fn on_the_screen_the_new_picture_fills_its_tile() {
    require!(gst::available(), xvfb::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let display = Display::spawn().unwrap();
    for rendering in [Rendering::Software, Rendering::OpenGl] {
        let mut server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 480)).unwrap();
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let camera = connect(&engine, &server.url("/bars"), Transport::Udp);
        let mut wall = Wall::open(WallOptions {
            output: OutputKind::X11,
            display: Some(display.name().to_owned()),
            rendering,
            width: 800,
            height: 300,
            columns: Some(2),
            ..WallOptions::default()
        })
        .unwrap();
        wall.show(&camera).unwrap();
        wall.show(&camera).unwrap();
        // Each tile has 400 x 300 pixels: 4:3 fills it, 16:9 leaves room above and below, 1:1 at the sides.
        let sizes = [
            (None, Area { x: 0, y: 0, width: 400, height: 300 }),
            (Some((320, 180)), Area { x: 0, y: 38, width: 400, height: 224 }),
            (Some((480, 480)), Area { x: 50, y: 0, width: 300, height: 300 }),
            (Some((640, 480)), Area { x: 0, y: 0, width: 400, height: 300 }),
        ];
        for (size, tile) in sizes {
            if let Some((width, height)) = size {
                server.resize("/bars", width, height).unwrap();
            }
            wait::until(SOON, &format!("{rendering:?}: bars of {size:?} fill their tiles"), || {
                assert!(wall.run_for(Duration::from_millis(20)).unwrap());
                let Ok(shown) = display.window_picture(wall.window().number()) else { return false };
                let taken = picture(wall.screenshot().unwrap());
                let right = [&shown, &taken].into_iter().try_for_each(|shown| {
                    [0, 400].into_iter().try_for_each(|x| {
                        bars::check_everywhere(shown, Area { x: x + tile.x, ..tile }, 8)?;
                        is_framed(shown, Area { x, y: 0, width: 400, height: 300 }, tile)
                    })
                });
                right.is_ok()
            });
        }
        assert_eq!(camera.stats().reconnects.get(), 0);
    }
}

/// Checks that what a picture leaves of its tile is black, and that its outermost bars reach their edges.
fn is_framed(shown: &valkka_testkit::picture::Picture, tile: Area, part: Area) -> Result<(), String> {
    let (middle_x, bar_y) = (tile.x + tile.width / 2, part.y + part.height / 3);
    let mut expected = Vec::new();
    if part.height < tile.height {
        expected.extend([(middle_x, tile.y + 2, 0..=8), (middle_x, tile.y + tile.height - 3, 0..=8)]);
    }
    if part.width < tile.width {
        expected.extend([(tile.x + 2, bar_y, 0..=8), (tile.x + tile.width - 3, bar_y, 0..=8)]);
    }
    // Grey at the left, blue at the right.
    let (left, right) = (tile.x + part.x + 2, tile.x + part.x + part.width - 3);
    expected.extend([(left, bar_y, 175..=205), (right, bar_y, 175..=205), (left, part.y + 3, 175..=205)]);
    for (x, y, wanted) in expected {
        let blue = shown.pixel(x, y)[2];
        if !wanted.contains(&blue) {
            return Err(format!("the blue of ({x}, {y}) is {blue}, not {wanted:?}"));
        }
    }
    Ok(())
}
