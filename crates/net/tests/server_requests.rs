//! Requests that are right, wrong, out of order, cut anywhere, or none at all.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::io::Read as _;
use std::net::{Shutdown, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::Duration;

use served::client::Client;
use served::watcher::Watcher;
use served::{Camera, SOON, streams};
use valkka_net::server::{MountError, Server, ServerOptions};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";

fn server(options: ServerOptions) -> Server {
    Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap()
}

#[test]
fn each_mistake_has_its_status() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::pcmu()]);
    let mut client = Client::connect(camera.addr());
    let cases: &[(&str, &str, &[&str], u16)] = &[
        ("OPTIONS", "/cam1", &[], 200),
        ("OPTIONS", "/nowhere", &[], 200),
        ("DESCRIBE", "/cam1", &[], 200),
        ("DESCRIBE", "/cam1/", &["Accept: application/sdp"], 200),
        ("DESCRIBE", "/cam1", &["Accept: application/rtsl"], 406),
        ("DESCRIBE", "/nowhere", &[], 404),
        ("DESCRIBE", "/", &[], 404),
        ("DESCRIBE", "/../../etc/passwd", &[], 404),
        ("DESCRIBE", "/cam1/%2e%2e/%2e%2e/etc/passwd", &[], 404),
        ("DESCRIBE", "/cam1", &["Session: 0123456789abcdef"], 454),
        ("DESCRIBE", "/cam1", &["Require: funky-feature"], 551),
        ("GET_PARAMETER", "/cam1", &[], 200),
        ("PLAY", "/cam1", &[], 455),
        ("PAUSE", "/cam1", &[], 455),
        ("TEARDOWN", "/cam1", &[], 455),
        ("SETUP", "/cam1/trackID=0", &[], 461),
        ("SETUP", "/cam1/trackID=0", &["Transport: RTP/AVP;multicast"], 461),
        ("SETUP", "/cam1/trackID=0", &["Transport: RTP/AVP;unicast;client_port=70000-70001"], 461),
        ("SETUP", "/cam1/trackID=0", &["Transport: RTP/AVP/TCP;interleaved=256-257"], 461),
        ("SETUP", "/cam1/trackID=1", &[TCP], 404),
        ("SETUP", "/cam1/trackID=999", &[TCP], 404),
        ("SETUP", "/cam1/trackID=x", &[TCP], 404),
        ("SETUP", "/trackID=0", &[TCP], 404),
        ("SETUP", "/cam1", &[TCP], 459),
        ("SETUP", "/nowhere", &[TCP], 404),
        ("ANNOUNCE", "/cam1", &[], 405),
        ("BREW", "/cam1", &[], 501),
    ];
    for (method, path, headers, status) in cases {
        let answer = client.ask(method, path, headers);
        assert_eq!(answer.status, *status, "{method} {path} {headers:?}: {}", answer.text);
    }
    client.send(b"OPTIONS * RTSP/1.0\r\n\r\n");
    assert_eq!(client.answer().status, 400, "no CSeq");
    client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    client.send(b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n");
    assert_eq!(client.answer().status, 505);
    client.send(b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 6\r\n\r\nuptime");
    assert_eq!(client.answer().status, 451);
}

#[test]
fn headers_that_make_no_sense_have_their_status() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::pcmu()]);
    let mut client = Client::connect(camera.addr());
    let long = "x".repeat(10_000);
    let commas = ",".repeat(10_000);
    let transports = [
        "",
        ";;;;",
        &long,
        &commas,
        "RTP/AVP/TCP;interleaved=0-256",
        "RTP/AVP/TCP;interleaved=-1-0",
        "RTP/AVP/TCP;interleaved=99999999999999999999-0",
        "RTP/AVP/TCP;interleaved=",
        "RTP/AVP/TCP;interleaved=a-b",
        "RTP/AVP;unicast",
        "RTP/AVP;unicast;client_port=0-1",
        "RTP/AVP;unicast;client_port=65535",
        "RTP/AVP;unicast;client_port=65536-65537",
        "RTP/AVP;unicast;client_port=-5--4",
        "RTP/AVP;unicast;client_port=5000-5000",
        "RTP/AVP;multicast;destination=239.0.0.1;port=5000-5001;ttl=1",
        "RTP/SAVP;unicast;client_port=5000-5001",
        "RAW/RAW/UDP;unicast;client_port=5000-5001",
        "RTP/AVP/TCP;unicast;mode=record",
    ];
    for transport in transports {
        let answer = client.ask("SETUP", "/cam1/trackID=0", &[&format!("Transport: {transport}")]);
        assert_eq!(answer.status, 461, "{transport}");
    }
    assert_eq!(client.ask("SETUP", "/cam1/trackID=0", &[TCP]).status, 200);
    for range in ["", "nonsense", "npt", "npt=", "npt=tomorrow-", "npt=--1", "bytes=0-499", &long] {
        let answer = client.ask("PLAY", "/cam1", &[&format!("Range: {range}")]);
        assert_eq!(answer.status, 457, "{range}");
    }
    for session in ["", ";", "0", "0123456789abcdef", "*", &long] {
        let answer = client.ask("PLAY", "/cam1", &[&format!("Session: {session}")]);
        assert_eq!(answer.status, 454, "{session}");
    }
    for cseq in ["", "x", "-1", "1.5", "99999999999999999999", "0x1"] {
        client.send(format!("OPTIONS * RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n").as_bytes());
        assert_eq!(client.answer().status, 400, "{cseq}");
    }
    for (url, status) in [
        ("*", 400),
        ("rtsp://h/%2e%2e/%2e%2e/cam1", 200),
        ("rtsp://h/../../../../etc/passwd", 404),
        ("rtsp://h/..%2f..%2fetc/passwd", 404),
        ("rtsp://h/cam1%00", 404),
        ("rtsp://user:secret@h/cam1?a=b#c", 200),
        ("rtsp://[::1]:554/cam1//", 200),
    ] {
        client.send(format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes());
        let answer = client.answer();
        assert_eq!(answer.status, status, "{url}");
        assert!(!answer.text.contains("secret"));
    }
    assert_eq!(client.ask("PLAY", "/cam1", &["Range: clock=19961108T143720Z-"]).status, 200);
}

#[test]
fn a_dialogue_cut_anywhere_is_answered_as_far_as_it_goes() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let watcher = Watcher::start(camera.addr());
    let mut dialogue = Vec::new();
    let mut ends = Vec::new();
    let rest = "/cam1 RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    let requests = [
        format!("OPTIONS rtsp://h{rest}"),
        format!("DESCRIBE rtsp://h{rest}"),
        format!("SETUP rtsp://h/cam1/trackID=0 RTSP/1.0\r\nCSeq: 2\r\n{TCP}\r\n\r\n"),
        format!("PLAY rtsp://h{rest}"),
        format!("GET_PARAMETER rtsp://h{rest}"),
        "$\x01\0\x08\x01\x02\x03\x04\x05\x06\x07\x08".to_owned(),
        "$\x09\0\x01$".to_owned(),
        format!("\r\n\r\nPAUSE rtsp://h{rest}"),
        format!("TEARDOWN rtsp://h{rest}"),
    ];
    for request in requests {
        dialogue.extend(request.as_bytes());
        if !request.starts_with('$') {
            ends.push(dialogue.len());
        }
    }
    for cut in 0..=dialogue.len() {
        let mut client = Client::connect(camera.addr());
        if cut == dialogue.len() {
            client.stream.set_nodelay(true).unwrap();
            dialogue.iter().for_each(|byte| client.send(&[*byte]));
        } else {
            client.send(&dialogue[..cut]);
        }
        client.stream.shutdown(Shutdown::Write).unwrap();
        for _ in ends.iter().filter(|&&end| end <= cut) {
            assert_eq!(client.answer().status, 200, "cut after {cut} bytes");
        }
        // Nothing but packets is left, up to the goodbye of the server.
        while client.packet().is_some() {}
    }
    wait::until(SOON, "the end of all but one", || camera.mount.stats().viewers == 1);
    watcher.sees(camera.put.load(Ordering::SeqCst));
}

#[test]
fn a_session_has_its_states() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264(), streams::pcmu()]);
    // Where a track starts is known once it has begun.
    wait::until(SOON, "a picture", || camera.put.load(Ordering::SeqCst) > 0);
    let mut client = Client::connect(camera.addr());
    let (session, answer) = client.play();
    assert!(session.len() >= "Session: ".len() + 16);
    assert_eq!(answer.header("Range"), Some("npt=now-"));

    // What RTP-Info tells is what comes.
    let info = answer.header("RTP-Info").unwrap();
    let first = std::iter::from_fn(|| client.packet()).find(|packet| packet.channel == 0).unwrap();
    let ends = format!("/cam1/trackID=0;seq={};rtptime={}", first.sequence(), first.timestamp());
    assert!(info.starts_with("url=rtsp://") && info.ends_with(&ends), "{info} and {ends}");

    assert_eq!(client.ask("SETUP", "/cam1/trackID=1", &[&session, TCP]).status, 455, "while it plays");
    assert_eq!(client.ask("GET_PARAMETER", "/cam1", &[&session]).status, 200);
    assert_eq!(client.ask("PAUSE", "/cam1/", &[&session]).status, 200);
    assert_eq!(camera.mount.stats().viewers, 0);
    assert_eq!(client.ask("PAUSE", "/cam1/", &[&session]).status, 455);
    assert_eq!(client.ask("PLAY", "/cam1/", &[&session, "Range: nonsense"]).status, 457);
    assert_eq!(client.ask("PLAY", "/cam1/", &[&session, "Range: npt=0.000-"]).status, 200);
    assert_eq!(client.packet().unwrap().channel, 1, "a sender report comes first");

    let mut other = Client::connect(camera.addr());
    assert_eq!(other.ask("PLAY", "/cam1/", &[&session]).status, 454, "a session of another connection");
    assert_eq!(other.ask("TEARDOWN", "/cam1/", &[&session]).status, 454);

    assert_eq!(client.ask("TEARDOWN", "/cam1/", &[&session]).status, 200);
    assert_eq!(client.ask("PLAY", "/cam1/", &[&session]).status, 454, "it is over");
}

#[test]
fn tracks_may_take_any_channels_that_are_free() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264(), streams::pcmu()]);
    let mut client = Client::connect(camera.addr());
    let transport = |channels: &str| format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels}");
    let answer = client.ask("SETUP", "/cam1/trackID=1", &[&transport("254-255")]);
    assert_eq!(answer.status, 200);
    assert!(answer.header("Transport").unwrap().contains("interleaved=254-255"));
    let session = format!("Session: {}", answer.header("Session").unwrap().split(';').next().unwrap());
    assert_eq!(client.ask("SETUP", "/cam1/trackID=0", &[&session, &transport("255-1")]).status, 461);
    assert_eq!(client.ask("SETUP", "/cam1/trackID=0", &[&session, &transport("7-3")]).status, 200);
    assert_eq!(client.ask("PLAY", "/cam1/", &[&session]).status, 200);
    let mut missing = vec![254, 255, 7, 3];
    while !missing.is_empty() {
        let packet = client.packet().unwrap();
        missing.retain(|channel| *channel != packet.channel);
        assert!([254, 255, 7, 3].contains(&packet.channel));
    }
}

#[test]
fn a_mount_that_has_brought_nothing_yet_is_not_available_yet() {
    let _watchdog = Watchdog::start(SOON * 3);
    let server = server(ServerOptions { describe_timeout: Duration::from_millis(50), ..Default::default() });
    let mount = server.mount("/a/b c/").unwrap();
    assert_eq!(mount.path(), "a/b%20c");
    assert_eq!(server.mount("a/b c").unwrap_err(), MountError::PathTaken { path: "a/b%20c".into() });
    for bad in ["", "/", "a?b", "a#b", "..", "/./"] {
        assert!(matches!(server.mount(bad), Err(MountError::BadPath { .. })), "{bad}");
    }
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.ask("DESCRIBE", "/a/b%20c", &[]).status, 503);
    drop(mount);
    assert_eq!(client.ask("DESCRIBE", "/a/b%20c", &[]).status, 404);
    server.mount("a/b c").unwrap();
}

#[test]
fn what_is_no_request_ends_the_connection_and_nothing_else() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let watcher = Watcher::start(camera.addr());
    let long = format!("OPTIONS * RTSP/1.0\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let cases = [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "400"),
        (long.as_bytes(), "400"),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4000000000\r\n\r\n", "413"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
    ];
    for (data, status) in cases {
        let mut client = Client::connect(camera.addr());
        // The server may close before it has taken everything.
        let _ = std::io::Write::write_all(&mut client.stream, data);
        let rest = String::from_utf8(client.rest()).unwrap();
        // A reset may overtake the answer when we had more to say.
        assert!(rest.is_empty() || rest.starts_with(&format!("RTSP/1.0 {status} ")), "{rest}");
    }
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..200 {
        let mut client = Client::connect(camera.addr());
        let data: Vec<u8> = (0..random.usize(1..300)).map(|_| random.u8(..)).collect();
        let _ = std::io::Write::write_all(&mut client.stream, &data);
    }
    watcher.sees(camera.put.load(Ordering::SeqCst));
}

#[test]
fn unmounting_says_goodbye() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let addr = camera.addr();
    let mut viewer = Client::connect(addr);
    viewer.play();
    viewer.packet().unwrap();
    let server = camera.unmount();
    let last = std::iter::from_fn(|| viewer.packet()).last().unwrap();
    assert_eq!(last.channel, 1);
    // A compound packet: report, name, and the goodbye in its last eight bytes.
    assert_eq!(last.data[last.data.len() - 8..][..2], [0x81, 203]);
    assert_eq!(Client::connect(addr).ask("DESCRIBE", "/cam1", &[]).status, 404);
    drop(server);
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn connections_that_say_nothing_are_bounded_and_closed() {
    let _watchdog = Watchdog::start(SOON * 3);
    let options =
        ServerOptions { max_connections: 8, idle_timeout: Duration::from_secs(1), ..Default::default() };
    let server = server(options);
    let silent: Vec<_> = (0..100).map(|_| Client::connect(server.local_addr())).collect();
    // Most make way for the next; the others are closed when they have been silent for long enough.
    for client in silent {
        assert!(client.rest().is_empty());
    }
    let answered = || {
        let mut client = Client::connect(server.local_addr());
        let _ = std::io::Write::write_all(&mut client.stream, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        client.stream.shutdown(Shutdown::Write).is_ok() && client.rest().starts_with(b"RTSP/1.0 200 ")
    };
    wait::until(SOON, "room for a connection", answered);
}

#[test]
fn a_viewer_without_life_is_closed_and_one_with_reports_is_not() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    // Longer than a busy machine holds this thread up.
    let options = ServerOptions { session_timeout: Duration::from_secs(10), ..Default::default() };
    let camera = Camera::with(vec![streams::pcmu()], options);
    let viewer = || {
        let (rtp, rtcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let ports = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let mut client = Client::connect(camera.addr());
        let transport = format!("Transport: RTP/AVP;unicast;client_port={}-{}", ports(&rtp), ports(&rtcp));
        let answer = client.ask("SETUP", "/cam1/trackID=0", &[&transport]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let session = format!("Session: {}", answer.header("Session").unwrap().split(';').next().unwrap());
        assert_eq!(client.ask("PLAY", "/cam1/", &[&session]).status, 200);
        (client, rtp, rtcp)
    };
    let (mut alive, rtp, rtcp) = viewer();
    let (mut dead, _rtp, _rtcp) = viewer();
    // Sender reports come to the second port; the answers to them keep the session.
    rtcp.set_read_timeout(Some(SOON)).unwrap();
    let mut report = [0; 1500];
    let (_, server_rtcp) = rtcp.recv_from(&mut report).unwrap();
    assert_eq!(report[1], 200);
    // One block, on the source that has reported.
    let mut answer = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
    answer.extend(&report[4..8]);
    answer.resize(32, 0);
    rtp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    dead.stream.set_nonblocking(true).unwrap();
    let mut packets = 0;
    while !matches!(dead.stream.read(&mut [0]), Ok(0)) {
        rtcp.send_to(&answer, server_rtcp).unwrap();
        packets += usize::from(rtp.recv(&mut report).is_ok());
    }
    assert!(packets > 0);
    assert_eq!(alive.ask("GET_PARAMETER", "/cam1", &[]).status, 200);
    assert!(camera.mount.stats().reports > 0);
}
