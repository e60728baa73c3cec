//! Several viewers at once, and viewers that do not read.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::sync::atomic::Ordering;

use served::client::{Client, Interleaved};
use served::{Camera, SOON, Stream, film, online, streams};
use valkka_core::frame::{Body, Frame, Packet};
use valkka_core::sink::Sink as _;
use valkka_core::stream::{Slot, Track};
use valkka_net::server::{Mount, Server, ServerOptions, ViewerInfo, ViewerTransport};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, process, require, wait};

#[test]
fn several_programs_watch_at_once() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264(), streams::aac()]);
    // Two that go on, and four beside them that see so many pictures and leave.
    let others = ["tcp", "udp"].map(|transport| {
        let url = camera.url();
        let arguments = format!("-nostdin -v error -rtsp_transport {transport} -i {url} -c copy -f null -");
        served::start("ffmpeg", &arguments)
    });
    wait::until(SOON, "two viewers", || camera.mount.stats().viewers == 2);
    std::thread::scope(|scope| {
        for transport in ["tcp", "udp", "tcp", "udp"] {
            let url = camera.url();
            scope.spawn(move || {
                let (frames, warnings) = served::ffmpeg(&url, transport, 'v', 40);
                assert_eq!((frames, warnings.as_str()), (40, ""), "{transport}");
            });
        }
    });
    assert!(camera.server.viewers().len() >= others.len(), "{:?}", camera.server.viewers());
    drop(others);
    wait::until(SOON, "the end of the viewers", || camera.mount.stats().viewers == 0);
    assert_eq!(camera.mount.stats().skipped, 0);
}

#[test]
fn each_viewer_is_listed_with_what_it_reports() {
    require!(media::available(), process::available("gst-launch-1.0"));
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let watch = |protocols: &str| {
        let url = camera.url();
        let pipeline =
            format!("rtspsrc location={url} protocols={protocols} {PATIENT} ! rtph264depay ! fakesink");
        served::start("gst-launch-1.0", &pipeline)
    };
    let watching = [watch("tcp"), watch("udp")];
    wait::until(SOON, "reports that answer ours", || {
        let viewers = camera.server.viewers();
        let answered = |viewer: &&ViewerInfo| viewer.reported.is_some_and(|said| said.round_trip.is_some());
        viewers.iter().filter(answered).count() == 2
    });
    let viewers = camera.server.viewers();
    for transport in [ViewerTransport::Tcp, ViewerTransport::Udp] {
        let viewer = viewers.iter().find(|viewer| viewer.transport == transport).unwrap();
        assert_eq!((viewer.path.as_str(), viewer.user.as_deref(), viewer.skipped), ("cam1", None, 0));
        assert!(viewer.packets > 10 && viewer.bytes > 100 * viewer.packets, "{viewer:?}");
        let said = viewer.reported.unwrap();
        assert!(said.fraction_lost <= 1.0 && said.round_trip.unwrap() < SOON, "{viewer:?}");
    }
    let sent = viewers.iter().map(|viewer| viewer.bytes).sum::<u64>();
    assert!(camera.mount.stats().bytes >= sent && camera.mount.stats().reports >= 2);
    drop(watching);
    wait::until(SOON, "nobody", || camera.server.viewers().is_empty());
}

#[test]
fn a_frozen_viewer_disturbs_nobody() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let (server, mount, source) = by_hand();
    let url = format!("rtsp://{}/cam1", server.local_addr());
    let arguments = format!("-nostdin -v error -rtsp_transport tcp -i {url} -c copy -f null -");
    let frozen = served::start("ffmpeg", &arguments);
    wait::until(SOON, "the first viewer", || mount.stats().viewers == 1);
    frozen.freeze().unwrap();
    let mut viewer = Client::connect(server.local_addr());
    viewer.play();
    // As fast as the other one reads, for more than the kernel and the server hold for the frozen one.
    let mut last: Option<u16> = None;
    let mut film = film(&source);
    for _ in 0..MORE_THAN_KEPT / SECOND {
        film.by_ref().take(SECOND).for_each(|frame| mount.put(frame));
        let mut pictures = 0;
        while pictures < SECOND {
            let packet = viewer.packet().unwrap();
            if packet.channel == 0 {
                assert!(last.is_none_or(|last| packet.sequence() == last.wrapping_add(1)));
                last = Some(packet.sequence());
                pictures += usize::from(packet.marker());
            }
        }
    }
    assert_eq!(mount.stats().skipped, 0, "all that was lost was lost by the frozen viewer");
    drop(viewer);
    frozen.thaw().unwrap();
    wait::until(SOON, "the frozen viewer's loss", || mount.stats().skipped > 0);
}

#[test]
fn a_slow_viewer_loses_whole_groups_of_pictures_and_never_half_a_picture() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let (server, mount, source) = by_hand();
    let mut viewer = Client::with_small_buffer(server.local_addr());
    viewer.play();
    let mut film = film(&source);
    // Has one picture, reads nothing until whole groups more than are kept for it have come, then everything.
    mount.put(film.next().unwrap());
    let mut media = std::iter::from_fn(|| viewer.packet()).filter(|packet| packet.channel == 0);
    let mut last: Option<Interleaved> = media.find(Interleaved::marker);
    film.by_ref().take(MORE_THAN_KEPT - 1).for_each(|frame| mount.put(frame));
    let mut gaps = 0;
    let mut after = 0;
    while gaps == 0 || after < 100 {
        let packet = media.next().unwrap();
        if let Some(last) = last.filter(|last| packet.sequence() != last.sequence().wrapping_add(1)) {
            gaps += 1;
            assert!(last.marker(), "the picture before the gap is whole");
            assert_eq!(packet.nal_type(), 7, "a key frame, its parameter sets first, comes after it");
        }
        after += u32::from(gaps > 0);
        last = Some(packet);
    }
    assert!(mount.stats().skipped > 0);
}

#[test]
fn a_camera_that_starts_anew_goes_on_for_its_viewers() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let source = streams::h264();
    let camera = Camera::new(vec![source.clone()]);
    let mut viewer = Client::connect(camera.addr());
    viewer.play();
    let mut last = viewer.packet().unwrap();
    while last.channel != 0 {
        last = viewer.packet().unwrap();
    }
    // Another connection to the camera: other parameters, and times that start somewhere else.
    let unit = &source.units[0];
    let params = std::sync::Arc::new((*source.params).clone());
    let packet = Packet { params, payload: unit.payload.clone(), keyframe: true, lost: 0 };
    let now = valkka_core::clock::SystemClock.now();
    let mut frame = Frame::signal(Slot::new(1), now, valkka_core::frame::Signal::End);
    frame.track = Track::new(0);
    frame.time.media = valkka_core::time::MediaTime::from_ticks(1 << 40);
    frame.body = Body::Packet(packet);
    let before = camera.put.load(Ordering::SeqCst);
    camera.mount.put(frame);
    wait::until(SOON, "pictures after the break", || camera.put.load(Ordering::SeqCst) > before + 20);
    for packet in std::iter::from_fn(|| viewer.packet()).filter(|packet| packet.channel == 0).take(300) {
        let step = packet.timestamp().wrapping_sub(last.timestamp()) as i32;
        assert!((0..90_000 * 60).contains(&step), "{step} ticks");
        assert_eq!(packet.sequence(), last.sequence().wrapping_add(1));
        last = packet;
    }
}

/// A server with a mount that is fed by hand, and what to feed it with.
fn by_hand() -> (Server, Mount, Vec<Stream>) {
    // A busy machine takes its time.
    let options = ServerOptions { session_timeout: SOON * 3, ..ServerOptions::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let mount = server.mount("/cam1").unwrap();
    let source = vec![streams::h264()];
    mount.put(online(&source));
    (server, mount, source)
}

/// Pictures in a second, and in a group.
const SECOND: usize = 25;

/// Pictures, of 20 kB or so each, of which neither the server nor the kernel keeps as many for anybody.
const MORE_THAN_KEPT: usize = 140 * SECOND;

/// `rtspsrc` gives UDP up when nothing has come for 5 s, unless it is told otherwise.
const PATIENT: &str = "timeout=60000000";
