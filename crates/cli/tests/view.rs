//! `valkka view`, with streams of a server that nobody here wrote.

mod common;

use std::net::TcpListener;

use common::{SOON, cameras, finish, run, start_on};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::bars;
use valkka_testkit::picture::Picture;
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::xvfb::{self, Display};

#[test]
fn every_tile_shows_the_right_colours() {
    require!(gst::available(), xvfb::available());
    let _watchdog = Watchdog::start(SOON * 5);
    let display = Display::spawn().unwrap();
    let directory = TempDir::new().unwrap();
    let streams = [
        ("/h264", Launch::h264_bars(640, 480)),
        ("/h265", Launch::h265_bars(640, 480)),
        ("/mjpeg", Launch::mjpeg_bars(640, 480)),
    ];
    for (path, launch) in streams {
        let server = RtspServer::with_mount(path, launch).unwrap();
        for transport in ["udp", "tcp"] {
            let file = directory.join("wall.png");
            let arguments = [
                "view",
                &server.url(path),
                "--replicate",
                "2",
                "--columns",
                "2",
                "--seconds",
                "6",
                "--json",
                "--transport",
                transport,
                "--screenshot",
                file.to_str().unwrap(),
            ];
            let outcome = finish(start_on(Some(display.name()), &arguments));
            assert_eq!(outcome.code, Some(0), "{path} {transport}: {}", outcome.output);
            let summary = outcome.json();
            assert!(
                summary["cameras"][0]["frames_presented"].as_u64().unwrap() > 25,
                "{path} {transport}: {summary}"
            );
            // Two tiles side by side, each with a picture of 4:3 in its middle.
            let picture = Picture::from_png(&file).unwrap();
            for tile in 0..2 {
                let (width, height) = (picture.width() / 2, picture.height());
                let shown = (width.min(height * 4 / 3), height.min(width * 3 / 4));
                let area = bars::Area {
                    x: tile * width + (width - shown.0) / 2,
                    y: (height - shown.1) / 2,
                    width: shown.0,
                    height: shown.1,
                };
                bars::check(&picture, area, 6)
                    .unwrap_or_else(|error| panic!("{path} {transport} tile {tile}: {error}"));
            }
        }
    }
}

#[test]
fn without_a_display_it_says_so() {
    let _watchdog = Watchdog::start(SOON);
    for arguments in
        [&["view", "rtsp://127.0.0.1/x"][..], &["view", "rtsp://127.0.0.1/x", "--display", ":4711"]]
    {
        let outcome = run(arguments);
        assert_eq!(outcome.code, Some(2), "{}", outcome.output);
        assert!(outcome.output.contains("display"), "{}", outcome.output);
    }
}

#[test]
fn a_camera_that_is_not_there_is_tried_again_and_its_tile_says_why() {
    require!(xvfb::available());
    let _watchdog = Watchdog::start(SOON * 2);
    let display = Display::spawn().unwrap();
    let directory = TempDir::new().unwrap();
    let file = directory.join("wall.png");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("rtsp://{free}/cam1");
    let arguments = ["view", &url, "--seconds", "3", "--screenshot", file.to_str().unwrap()];
    let outcome = finish(start_on(Some(display.name()), &arguments));
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    // Letters on black.
    let picture = Picture::from_png(&file).unwrap();
    let bright = (0..picture.height())
        .flat_map(|y| (0..picture.width()).map(move |x| (x, y)))
        .filter(|&(x, y)| picture.pixel(x, y)[1] > 100)
        .count();
    assert!(bright > 500, "only {bright} bright pixels");
}

#[test]
fn one_dead_camera_disturbs_no_other() {
    let _watchdog = Watchdog::start(SOON * 2);
    let (_camera, urls) = cameras(&["--size", "320x240"]);
    let outcome =
        run(&["view", "rtsp://127.0.0.1:9/none", &urls[0], "--output", "null", "--seconds", "5", "--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let summary = outcome.json();
    assert_eq!(summary["cameras"][0]["frames_received"], 0);
    assert!(summary["cameras"][1]["frames_presented"].as_u64().unwrap() > 25, "{summary}");
}
