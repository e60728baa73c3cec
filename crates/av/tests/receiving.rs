//! Streams of servers that nobody here wrote.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use valkka_core::clock::SystemClock;
use valkka_core::codec::Codec;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::source::{SourceOptions, StreamInfo, Transport};
use valkka_testkit::fake::{Script, Server};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::{self, Clip, Sender};
use valkka_testkit::require;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::receiver::{Receiving, patient};
use common::{decode, packed, reference};

const LIMIT: Duration = Duration::from_secs(240);

/// The description that a source sends first.
fn online(frames: &[Frame]) -> Arc<StreamInfo> {
    match &frames[0].body {
        Body::Signal(Signal::Online(info)) => info.clone(),
        other => panic!("the first frame is {other:?}"),
    }
}

fn packets(frames: &[Frame], track: u8) -> Vec<Frame> {
    frames.iter().filter(|frame| frame.packet().is_some() && frame.track.index() == track).cloned().collect()
}

#[test]
fn every_video_codec_comes_over_udp() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::builder()
        .mount("/h264", Launch::h264_bars(640, 360))
        .mount("/h265", Launch::h265_bars(320, 180))
        .mount("/mjpeg", Launch::mjpeg_bars(640, 360))
        .spawn()
        .unwrap();
    for (path, codec, width) in
        [("/h264", Codec::H264, 640), ("/h265", Codec::H265, 320), ("/mjpeg", Codec::Mjpeg, 640)]
    {
        let start = || Receiving::start(&server.url(path), patient());
        let (frames, lost) = Receiving::take_whole(60, start, || 0);
        assert_eq!(lost, 0, "{path}");
        assert_eq!(online(&frames).transport, "udp");
        let packets = packets(&frames, 0);
        let first = packets[0].packet().unwrap();
        assert_eq!(first.params.codec, codec, "{path}");
        assert!(packets.iter().all(|frame| frame.slot.number() == 3));
        let video = *packets[40].packet().unwrap().params.as_video().unwrap();
        assert_eq!(video.width, width, "{path}");
        let steps: Vec<_> =
            packets.windows(2).map(|pair| pair[1].time.media.micros_since(pair[0].time.media)).collect();
        assert!(steps.iter().all(|step| (30_000..=50_000).contains(step)), "{path}: {steps:?}");
        let now = SystemClock.now();
        assert!(
            packets.iter().all(|frame| now.saturating_since(frame.time.arrival) < Duration::from_secs(60))
        );
        let keys: Vec<_> = packets
            .iter()
            .enumerate()
            .filter(|(_, frame)| frame.packet().unwrap().keyframe)
            .map(|(i, _)| i)
            .collect();
        let gop = if codec == Codec::Mjpeg { 1 } else { 25 };
        assert!(keys.windows(2).all(|pair| pair[1] - pair[0] == gop), "{path}: {keys:?}");
        // From the first key frame on, every packet gives a picture.
        assert_eq!(decode(&packets).len(), packets.len() - keys[0], "{path}");
    }
}

#[test]
fn audio_comes_too_unless_it_is_not_wanted() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let bars = || Launch::h264_bars(320, 180);
    let server = RtspServer::builder()
        .mount("/aac", bars().and_aac())
        .mount("/pcmu", bars().and_pcmu())
        .mount("/pcma", bars().and_pcma())
        .mount("/opus", bars().and_opus())
        .spawn()
        .unwrap();
    for (path, codec, rate) in [
        ("/aac", Codec::Aac, 48_000),
        ("/pcmu", Codec::PcmMulaw, 8_000),
        ("/pcma", Codec::PcmAlaw, 8_000),
        ("/opus", Codec::Opus, 48_000),
    ] {
        let frames = Receiving::take_anew(&server.url(path), &patient(), 1, 20);
        let audio = packets(&frames, 1);
        let packet = audio[0].packet().unwrap();
        assert_eq!(packet.params.codec, codec);
        assert_eq!(packet.params.as_audio().unwrap().sample_rate_hz, rate, "{path}");
        assert!(packet.keyframe && !packet.payload.is_empty());
        assert_eq!(!packet.params.extra.is_empty(), codec == Codec::Aac);
    }
    let options = SourceOptions { audio: false, ..patient() };
    let frames = Receiving::take_anew(&server.url("/aac"), &options, 0, 30);
    assert_eq!(online(&frames).tracks.len(), 1);
    assert!(packets(&frames, 1).is_empty());
}

#[test]
fn sender_reports_give_the_capture_time() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/1", Launch::h264_bars(320, 180)).unwrap();
    let receiving = Receiving::start(&server.url("/1"), patient());
    let frame = loop {
        let frame = receiving.next();
        if frame.time.capture.is_some() {
            break frame;
        }
    };
    // The server's clock is ours.
    let capture = frame.time.capture.unwrap();
    let age = frame.time.arrival.micros_since(capture);
    assert!(age.abs() < 10_000_000, "captured {age} µs before it arrived");
    assert_eq!(frame.time.wall, capture);
    receiving.stop().unwrap();
}

#[test]
fn multicast_is_asked_for() {
    let _watchdog = Watchdog::start(LIMIT);
    let port = free_port_pair().port();
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 79, (port % 251) as u8), port);
    require!(has_route(group.into()));
    // GStreamer's server and its viewers cannot have the group's ports on one machine.
    let server = Server::spawn(Script::Multicast(group)).unwrap();
    let options = SourceOptions { transport: Transport::Multicast, ..patient() };
    let receiving = Receiving::start(&server.url(), options);
    let frames = receiving.take(0, 50);
    receiving.stop().unwrap();
    assert_eq!(online(&frames).transport, "multicast");
    assert!(decode(&packets(&frames, 0)).len() >= 20);
    // Whoever does not ask for it gets nothing from this server.
    let error = Receiving::start(&server.url(), patient()).end().unwrap_err().to_string();
    assert!(error.contains("SETUP") && error.contains("461"), "{error}");
}

#[test]
fn tcp_is_asked_for() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::builder().tcp_only().mount("/tcp", Launch::h264_bars(320, 180)).spawn().unwrap();
    let options = SourceOptions { transport: Transport::Tcp, ..patient() };
    let receiving = Receiving::start(&server.url("/tcp"), options);
    assert_eq!(online(&receiving.take(0, 10)).transport, "tcp");
    receiving.stop().unwrap();
    // What the server does not offer it says, and so do we.
    let error = Receiving::start(&server.url("/tcp"), patient()).end().unwrap_err().to_string();
    assert!(error.contains("SETUP") && error.contains("461"), "{error}");
}

#[test]
fn a_change_of_size_in_mid_stream_is_followed() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut server = RtspServer::with_mount("/1", Launch::h264_bars(320, 180)).unwrap();
    let receiving = Receiving::start(&server.url("/1"), patient());
    let mut frames = receiving.take(0, 30);
    server.resize("/1", 640, 360).unwrap();
    while frames.last().is_none_or(|frame| {
        let size = frame.packet().and_then(|packet| packet.params.as_video().copied());
        size.is_none_or(|video| video.width != 640)
    }) {
        frames.push(receiving.next());
    }
    frames.extend(receiving.take(0, 30));
    let widths: Vec<_> = decode(&frames).iter().map(|frame| frame.bitmap().unwrap().width()).collect();
    assert!(widths.contains(&320) && widths.contains(&640), "{widths:?}");
    assert!(widths.is_sorted());
    receiving.stop().unwrap();
}

#[test]
fn session_descriptions_are_received_exactly() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [media::Codec::H264, media::Codec::H265] {
        let file = Clip { codec, width: 320, height: 240, seconds: 2, ..Clip::default() }.file().unwrap();
        let sender = Sender::rtp(&file, free_port_pair()).unwrap();
        let start = || Receiving::start(&sender.sdp().display().to_string(), patient());
        let (frames, lost) = Receiving::take_whole(60, start, || 0);
        assert_eq!(lost, 0, "{codec}");
        let packets = packets(&frames, 0);
        let wanted = reference(&file);
        let pictures = decode(&packets);
        assert!(pictures.len() >= 30, "{codec}: {}", pictures.len());
        for picture in pictures {
            let picture = packed(picture.bitmap().unwrap());
            assert!(wanted.contains(&picture), "{codec}: a picture that was not sent");
        }
    }
}

#[test]
fn multicast_groups_are_joined() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let file = Clip { width: 320, height: 240, seconds: 2, ..Clip::default() }.file().unwrap();
    let port = free_port_pair().port();
    let group = SocketAddr::from((Ipv4Addr::new(239, 255, 77, (port % 251) as u8), port));
    require!(has_route(group));
    let sender = Sender::rtp(&file, group).unwrap();
    let receiving = Receiving::start(&sender.sdp().display().to_string(), patient());
    assert!(decode(&receiving.take(0, 60)).len() >= 30);
    receiving.stop().unwrap();
}

#[test]
fn credentials_are_used_and_a_wrong_password_is_said_without_it() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    for server in [
        RtspServer::builder().digest("admin", "s3cret").mount("/1", Launch::h264_bars(320, 180)),
        RtspServer::builder().basic("admin", "s3cret").mount("/1", Launch::h264_bars(320, 180)),
    ] {
        let server = server.spawn().unwrap();
        let receiving = Receiving::start(&server.url_with("admin", "s3cret", "/1"), patient());
        receiving.take(0, 5);
        receiving.stop().unwrap();
        for (url, said) in [
            (server.url_with("admin", "wr0ng", "/1"), "refused our credentials"),
            (server.url("/1"), "wants a user name and a password"),
        ] {
            let error = Receiving::start(&url, patient()).end().unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(said) && !text.contains("wr0ng"), "{text}");
        }
    }
}

#[test]
fn what_the_server_lacks_is_said() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/1", Launch::h264_bars(320, 180)).unwrap();
    let error = Receiving::start(&server.url("/2"), patient()).end().unwrap_err().to_string();
    assert!(error.contains("DESCRIBE") && error.contains("404"), "{error}");
}

#[test]
fn a_server_that_dies_ends_the_stream() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut server = RtspServer::with_mount("/1", Launch::h264_bars(320, 180)).unwrap();
    let receiving = Receiving::start(&server.url("/1"), patient());
    receiving.take(0, 10);
    server.process().kill().unwrap();
    let error = receiving.end().unwrap_err().to_string();
    assert!(error.contains("ended the stream"), "{error}");
}

/// An even port with a free one behind it, on the loopback interface.
fn free_port_pair() -> SocketAddr {
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let next = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port().saturating_add(1)));
        if address.port().is_multiple_of(2) && UdpSocket::bind(next).is_ok() {
            return address;
        }
    }
}

/// Some machines have no route for multicast.
fn has_route(group: SocketAddr) -> Result<(), String> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    probe.send_to(b"probe", group).map(|_| ()).map_err(|error| format!("no multicast: {error}"))
}
