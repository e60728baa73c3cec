//! A stream whose pictures change their size goes on.

mod common;

use std::sync::Arc;

use common::{Collector, SOON, connect};
use valkka::source::Transport;
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Engine, EngineOptions};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::watchdog::Watchdog;
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
