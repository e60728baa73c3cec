//! `valkka view`, with streams of a server that nobody here wrote.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::net::TcpListener;

use common::{SOON, cameras, finish, run, start_on};
use serde_json::Value;
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::bars;
use valkka_testkit::picture::Picture;
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::xvfb::{self, Display};

/// Runs `valkka view` with these arguments for so many seconds, and for longer while `check` finds in the summary, or where
/// else it looks, that a busy machine has not shown enough.
fn view(
    display: Option<&str>,
    arguments: &[&str],
    seconds: u32,
    check: impl Fn(&Value) -> Result<(), String>,
) -> Value {
    let mut wrong = String::new();
    for seconds in [seconds, 5 * seconds, 20 * seconds] {
        let seconds = seconds.to_string();
        let all = [&["view", "--json", "--seconds", &seconds], arguments].concat();
        let outcome = finish(start_on(display, &all));
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.output);
        let summary = outcome.json();
        match check(&summary) {
            Ok(()) => return summary,
            Err(error) => wrong = format!("{error}: {summary}"),
        }
    }
    panic!("{arguments:?}: {wrong}");
}

/// Whether some pictures of the camera with this number were shown.
fn was_shown(summary: &Value, camera: usize) -> Result<(), String> {
    let presented = summary["cameras"][camera]["frames_presented"].as_u64().unwrap();
    if presented > 25 { Ok(()) } else { Err(format!("{presented} pictures were shown")) }
}

#[test]
fn every_tile_shows_the_right_colours() {
    require!(gst::available(), xvfb::available());
    let _watchdog = Watchdog::start(SOON * 15);
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
            let url = server.url(path);
            let shot = file.to_str().unwrap();
            let arguments =
                [&*url, "--replicate", "2", "--columns", "2", "--transport", transport, "--screenshot", shot];
            view(Some(display.name()), &arguments, 6, |summary| {
                was_shown(summary, 0)?;
                // Two tiles side by side, each with a picture of 4:3 in its middle.
                let picture = Picture::from_png(&file).unwrap();
                (0..2).try_for_each(|tile| {
                    let (width, height) = (picture.width() / 2, picture.height());
                    let shown = (width.min(height * 4 / 3), height.min(width * 3 / 4));
                    let area = bars::Area {
                        x: tile * width + (width - shown.0) / 2,
                        y: (height - shown.1) / 2,
                        width: shown.0,
                        height: shown.1,
                    };
                    bars::check(&picture, area, 6).map_err(|error| format!("tile {tile}: {error}"))
                })
            });
        }
    }
}

#[test]
fn without_a_display_it_says_so() {
    let _watchdog = Watchdog::start(SOON * 3);
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
    let _watchdog = Watchdog::start(SOON * 5);
    let display = Display::spawn().unwrap();
    let directory = TempDir::new().unwrap();
    let file = directory.join("wall.png");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("rtsp://{free}/cam1");
    // Letters on black.
    let has_letters = |_: &Value| {
        let picture = Picture::from_png(&file).unwrap();
        let points = (0..picture.height()).flat_map(|y| (0..picture.width()).map(move |x| (x, y)));
        let bright = points.filter(|&(x, y)| picture.pixel(x, y)[1] > 100).count();
        if bright > 500 { Ok(()) } else { Err(format!("only {bright} bright pixels")) }
    };
    view(Some(display.name()), &[&url, "--screenshot", file.to_str().unwrap()], 3, has_letters);
}

#[test]
fn one_dead_camera_disturbs_no_other() {
    let _watchdog = Watchdog::start(SOON * 5);
    let (_camera, urls) = cameras(&["--size", "320x240"]);
    let arguments = ["rtsp://127.0.0.1:9/none", &urls[0], "--output", "null"];
    let summary = view(None, &arguments, 5, |summary| was_shown(summary, 1));
    assert_eq!(summary["cameras"][0]["frames_received"], 0);
}
