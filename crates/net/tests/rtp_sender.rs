//! Streams that are sent by RTP unasked, to programs that nobody here wrote.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use served::{SOON, Said, Stream, multicast, run, start, streams};
use valkka_core::time::WallTime;
use valkka_core::worker::Worker;
use valkka_net::{Live, LiveOptions, RtpDestination, RtpSender};
use valkka_testkit::process::Child;
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
        let player = served::play(sender.clone(), tracks, Arc::default());
        Self { sender, _player: player, live }
    }
}

fn destination(address: Ipv4Addr) -> RtpDestination {
    RtpDestination { address: address.into(), port: multicast::free_ports(), ttl: 0 }
}

/// A group that no other test has, on this machine only.
fn group() -> RtpDestination {
    let range = multicast::range();
    RtpDestination { address: range.address, port: range.port, ttl: 0 }
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
    let path = directory.join("stream.sdp");
    wait::until(SOON, "a description", || sending.sender.write_sdp(&path).unwrap());
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
        let path = described(&sending, &directory);
        // It comes in the middle, where pictures build on others: not all warnings are of losses. If it was too busy to
        // read in time, it tries again.
        let mut losses = String::new();
        for _ in 0..served::ATTEMPTS {
            let (frames, warnings) = receive(&path, kind, 60);
            assert_eq!(frames, 60, "{name}");
            losses = warnings.lines().filter(|line| line.contains("missed")).collect();
            if losses.is_empty() {
                break;
            }
        }
        assert!(losses.is_empty(), "{name}: {losses}");
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
    require!(media::available(), multicast::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let directory = TempDir::new().unwrap();
    let sending = Sending::start(vec![streams::h264()], group());
    let to = sending.sender.destination();
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
fn receivers_may_come_before_the_sender_and_end_with_it() {
    require!(media::available(), multicast::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let directory = TempDir::new().unwrap();
    let to = group();
    let tracks = || vec![streams::h264(), streams::aac()];
    let first = Sending::start(tracks(), to);
    wait::until(SOON, "both tracks", || first.sender.sdp().is_some_and(|sdp| sdp.contains("m=audio")));
    let path = described(&first, &directory);
    drop(first);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(&format!("c=IN IP4 {}/{}\r\n", to.address, to.ttl)), "{text}");
    let mut receivers = ["v", "a"].map(|kind| {
        let arguments = format!(
            "-nostdin -loglevel error -protocol_whitelist file,udp,rtp -i {} -map 0:{kind}:0 -f framecrc -",
            path.display()
        );
        start("ffmpeg", &arguments)
    });
    // They are bound to their ports by now, or will be: packets come until they have seen enough.
    let sending = Sending::start(tracks(), to);
    let frames = |receiver: &Child| receiver.output().lines().filter(|line| line.starts_with("0,")).count();
    for receiver in &receivers {
        wait::until(SOON, "frames", || frames(receiver) >= 50);
    }
    // The goodbye, on both tracks, ends them.
    drop(sending);
    for receiver in &mut receivers {
        receiver.wait(SOON).unwrap();
    }
}

#[test]
fn reports_go_to_the_port_after_that_of_the_track() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let to = destination(Ipv4Addr::LOCALHOST);
    let heard: Vec<_> = [to.port + 1, to.port + 3]
        .map(|port| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            socket
        })
        .into();
    let sending = Sending::start(vec![streams::h264(), streams::pcmu()], to);
    let mut packet = [0; 1500];
    for socket in &heard {
        let length = socket.recv(&mut packet).unwrap();
        assert_eq!((packet[1], packet[length - 19]), (200, 202), "a sender report, and a name");
        let ntp = u64::from_be_bytes(packet[8..16].try_into().unwrap());
        let age = valkka_core::clock::SystemClock.now().saturating_since(WallTime::from_ntp(ntp));
        assert!(age < Duration::from_secs(600), "{age:?}");
    }
    drop(sending);
    for socket in &heard {
        let goodbye = std::iter::repeat_with(|| socket.recv(&mut packet).map(|length| packet[length - 7]));
        assert!(goodbye.map(Result::unwrap).any(|kind| kind == 203));
    }
}

#[test]
fn a_description_is_written_whole_or_not_at_all() {
    let directory = TempDir::new().unwrap();
    let live = Live::spawn(LiveOptions::default()).unwrap();
    let sender = live.send(destination(Ipv4Addr::LOCALHOST)).unwrap();
    let path = directory.join("stream.sdp");
    assert!(!sender.write_sdp(&path).unwrap(), "nothing is known yet");
    assert!(!path.exists());
    require!(media::available());
    let sender = Arc::new(sender);
    let player = served::play(sender.clone(), vec![streams::h264()], Arc::default());
    wait::until(SOON, "a description", || sender.write_sdp(&path).unwrap());
    assert!(fs::read_to_string(&path).unwrap().starts_with("v=0\r\n"));
    assert!(sender.write_sdp(&directory.join("no/such/directory.sdp")).is_err());
    assert!(sender.write_sdp(Path::new("/")).is_err());
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["stream.sdp"]);
    drop(player);
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
