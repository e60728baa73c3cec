//! Streams that are sent by RTP unasked, to programs that nobody here wrote.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use served::{SOON, Said, Stream, run, streams};
use valkka_core::worker::Worker;
use valkka_net::{Live, LiveOptions, RtpDestination, RtpSender};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

/// A stream on its way.
struct Sending {
    sender: Arc<RtpSender>,
    _player: Worker,
    live: Live,
}

impl Sending {
    fn start(tracks: Vec<Stream>, destination: RtpDestination) -> Self {
        let live = Live::spawn(LiveOptions::default()).unwrap();
        let sender = Arc::new(live.send(destination).unwrap());
        let player = served::play(sender.clone(), tracks, 1, Arc::default());
        Self { sender, _player: player, live }
    }
}

fn destination(address: Ipv4Addr) -> RtpDestination {
    RtpDestination { address: address.into(), port: free_ports(), ttl: 0 }
}

/// The first of four ports in a row that nobody listens at.
fn free_ports() -> u16 {
    for _ in 0..100 {
        let port = 20_000 + fastrand::u16(..10_000) * 4;
        let bind = |port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
        if (port..port + 4).map(bind).all(|socket| socket.is_ok()) {
            return port;
        }
    }
    panic!("no free ports");
}

/// Has the `ffmpeg` program receive frames of the kind (`v` or `a`); returns how many came, and what it complained of.
fn receive(sdp: &Path, kind: char, frames: u32) -> (u32, String) {
    let Said { success, output } = run(
        "ffmpeg",
        &format!(
            "-nostdin -hide_banner -loglevel warning -protocol_whitelist file,udp,rtp -i {} \
             -map 0:{kind}:0 -frames:{kind} {frames} -f framecrc -",
            sdp.display()
        ),
    );
    assert!(success, "{output}");
    let lines = output.lines().filter(|line| line.starts_with("0,")).count();
    let warnings: Vec<_> = output.lines().filter(|line| line.starts_with('[')).collect();
    (lines.try_into().unwrap(), warnings.join("\n"))
}

fn described(sending: &Sending, directory: &TempDir) -> std::path::PathBuf {
    let sdp = wait::until_some(SOON, "a description", || sending.sender.sdp());
    let path = directory.join("stream.sdp");
    fs::write(&path, sdp).unwrap();
    path
}

#[test]
fn every_codec_is_received() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let directory = TempDir::new().unwrap();
    for (name, make) in [
        ("h264", streams::h264 as fn() -> Stream),
        ("h265", streams::h265),
        ("mjpeg", streams::mjpeg),
        ("aac", streams::aac),
        ("pcmu", streams::pcmu),
        ("opus", streams::opus),
    ] {
        let stream = make();
        let kind = if stream.params.codec.is_video() { 'v' } else { 'a' };
        let sending = Sending::start(vec![stream], destination(Ipv4Addr::LOCALHOST));
        let (frames, warnings) = receive(&described(&sending, &directory), kind, 60);
        // It comes in the middle, where pictures build on others.
        let warnings: Vec<_> = warnings.lines().filter(|line| line.contains("missed")).collect();
        assert_eq!((frames, warnings.as_slice()), (60, &[] as &[&str]), "{name}");
        assert!(sending.sender.stats().sent > 60);
    }
}

#[test]
fn video_and_audio_go_to_their_ports() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let directory = TempDir::new().unwrap();
    // Audio comes first in the stream.
    let sending = Sending::start(vec![streams::pcmu(), streams::h264()], destination(Ipv4Addr::LOCALHOST));
    wait::until(SOON, "both tracks", || {
        sending.sender.sdp().is_some_and(|sdp| sdp.contains("m=video") && sdp.contains("m=audio"))
    });
    let port = sending.sender.destination().port;
    let sdp = sending.sender.sdp().unwrap();
    assert!(sdp.contains(&format!("m=video {port} RTP/AVP 96\r\n")), "{sdp}");
    assert!(sdp.contains(&format!("m=audio {} RTP/AVP 0\r\n", port + 2)), "{sdp}");
    let path = described(&sending, &directory);
    for kind in ['v', 'a'] {
        assert_eq!(receive(&path, kind, 30).0, 30, "{kind}");
    }
}

#[test]
fn a_group_is_received_by_a_description_without_parameter_sets() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let directory = TempDir::new().unwrap();
    let mut to = destination(Ipv4Addr::new(239, 255, 78, 1));
    to.address = IpAddr::V4(Ipv4Addr::new(239, 255, 78, (to.port % 251) as u8));
    // Some machines have no route for multicast.
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let target = SocketAddr::new(to.address, to.port);
    require!(probe.send_to(b"probe", target).map(|_| ()).map_err(|error| format!("no multicast: {error}")));
    let sending = Sending::start(vec![streams::h264()], to);
    let path = directory.join("by_hand.sdp");
    let text = format!(
        "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=by hand\nt=0 0\nc=IN IP4 {}\nm=video {} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        to.address, to.port
    );
    fs::write(&path, text).unwrap();
    assert_eq!(receive(&path, 'v', 60).0, 60);
    drop(sending);
}

#[test]
fn nobody_has_to_listen() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let directory = TempDir::new().unwrap();
    let sending = Sending::start(vec![streams::h264()], destination(Ipv4Addr::LOCALHOST));
    wait::until(SOON, "packets that are refused", || sending.sender.stats().refused > 10);
    assert_eq!(receive(&described(&sending, &directory), 'v', 25).0, 25);
    assert_eq!(sending.sender.stats().skipped, 0);
    // The thread that sends may end first.
    let Sending { sender, _player, live } = sending;
    assert_eq!(live.streams(), 1);
    drop(live);
    drop(_player);
    drop(sender);
}
