//! Viewers who ask for multicast: one stream of packets for all of them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use served::client::Client;
use served::{Camera, SOON, multicast, start, streams};
use valkka_net::server::{MulticastRange, Server, ServerOptions, ViewerTransport};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, process, require, wait};

fn camera(range: MulticastRange, tracks: Vec<served::Stream>) -> Camera {
    Camera::with(tracks, ServerOptions { multicast: Some(range), ..ServerOptions::default() })
}

/// Listens to one port of the first group.
fn listen(range: MulticastRange, port: u16) -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_recv_buffer_size(4 << 20).unwrap();
    socket.bind(&SocketAddr::new(range.address, port).into()).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let socket = UdpSocket::from(socket);
    let group = range.address.to_string().parse().unwrap();
    socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED).unwrap();
    socket
}

/// `rtspsrc` gives UDP up when nothing has come for 5 s, unless it is told otherwise.
const PATIENT: &str = "timeout=60000000";

const ASK: &str = "Transport: RTP/AVP;multicast;destination=224.9.9.9;port=9-10;ttl=99";

/// Sets up the first track by multicast and plays; returns the viewer and the header of its session.
fn play(camera: &Camera) -> (Client, String) {
    let mut client = Client::connect(camera.addr());
    let answer = client.ask("SETUP", "/cam1/trackID=0", &[ASK]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let session = format!("Session: {}", answer.header("Session").unwrap().split(';').next().unwrap());
    assert_eq!(client.ask("PLAY", "/cam1/", &[&session]).status, 200);
    (client, session)
}

#[test]
fn ffmpeg_and_gstreamer_share_one_stream() {
    require!(media::available(), process::available("gst-launch-1.0"), multicast::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let range = multicast::range();
    let camera = camera(range, vec![streams::h264(), streams::aac()]);
    let url = camera.url();
    let pipeline = format!(
        "-v rtspsrc location={url} protocols=udp-mcast latency=200 {PATIENT} ! rtph264depay ! h264parse ! fakesink silent=false"
    );
    let gst = start("gst-launch-1.0", &pipeline);
    gst.wait_line(SOON, |line| line.contains("chain").then_some(())).unwrap();
    let arguments = format!("-nostdin -v error -rtsp_transport udp_multicast -i {url} -c copy -f null -");
    let watching = start("ffmpeg", &arguments);
    let (by_hand, _) = play(&camera);
    wait::until(SOON, "three viewers", || camera.mount.stats().viewers == 3);
    let viewers = camera.server.viewers();
    assert!(viewers.iter().all(|viewer| viewer.transport == ViewerTransport::Multicast), "{viewers:?}");
    let heard = listen(range, range.port);
    std::thread::scope(|scope| {
        for kind in ['v', 'a'] {
            let url = &url;
            scope.spawn(move || {
                // It comes in the middle, where pictures build on others: not all warnings are of losses.
                let (frames, warnings) = served::ffmpeg(url, "udp_multicast", kind, 60);
                assert_eq!((frames, served::lost(&warnings)), (60, false), "{kind}: {warnings}");
            });
        }
        // Each packet comes once; some may be lost here while this thread is held up.
        let (mut packet, mut last) = ([0; 2000], None::<u16>);
        for _ in 0..500 {
            heard.recv(&mut packet).unwrap();
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            let is_next = |last: u16| (1..0x8000).contains(&sequence.wrapping_sub(last));
            assert!(last.is_none_or(is_next), "{last:?} {sequence}");
            last = Some(sequence);
        }
    });
    drop(by_hand);
    // GStreamer's reports leave this machine and do not come back; those of ffmpeg are heard.
    wait::until(SOON, "a report that answers one of ours", || {
        let viewers = camera.server.viewers();
        viewers.iter().any(|viewer| viewer.reported.is_some_and(|said| said.round_trip.is_some()))
    });
    drop((watching, gst));
}

#[test]
fn groups_of_ipv6_are_played() {
    require!(media::available(), process::available("gst-launch-1.0"), multicast::available_v6());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = camera(multicast::range_v6(), vec![streams::h264()]);
    let url = camera.url();
    let pipeline = format!(
        "-v rtspsrc location={url} protocols=udp-mcast latency=200 {PATIENT} ! rtph264depay ! h264parse ! fakesink silent=false"
    );
    let gst = start("gst-launch-1.0", &pipeline);
    for _ in 0..30 {
        gst.wait_line(SOON, |line| line.contains("chain").then_some(())).unwrap();
    }
    let (frames, warnings) = served::ffmpeg(&url, "udp_multicast", 'v', 60);
    assert_eq!(frames, 60, "{warnings}");
}

#[test]
fn a_group_is_sent_to_while_it_has_members() {
    require!(media::available(), multicast::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let range = multicast::range();
    let camera = camera(range, vec![streams::h264()]);
    let (rtp, rtcp) = (listen(range, range.port), listen(range, range.port + 1));
    let (mut first, session) = play(&camera);
    let (second, _) = play(&camera);
    let mut packet = [0; 2000];
    let length = rtcp.recv(&mut packet).unwrap();
    assert_eq!(packet[1], 200, "a sender report comes first");
    let source = &packet[4..8].to_vec();
    assert!(rtp.recv(&mut packet).unwrap() > 12 && length >= 28);
    assert_eq!(packet[8..12], source[..]);

    // What the two report is told apart by who reports.
    for (reporter, lost) in [(1, 3), (2, 5)] {
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, reporter];
        report.extend_from_slice(source);
        report.extend([32, 0, 0, lost, 0, 0, 0, 0, 0, 0, 0, 90]);
        report.resize(32, 0);
        rtcp.send_to(&report, SocketAddr::new(range.address, range.port + 1)).unwrap();
        let said =
            || camera.server.viewers().into_iter().filter_map(|viewer| viewer.reported).collect::<Vec<_>>();
        wait::until(SOON, "the report", || said().len() == usize::from(reporter));
        let said = said().pop().unwrap();
        assert_eq!(
            (said.fraction_lost, said.lost, said.jitter),
            (0.125, lost.into(), Duration::from_millis(1))
        );
    }
    wait::until(SOON, "packets for both", || camera.server.viewers().iter().all(|viewer| viewer.packets > 0));

    assert_eq!(first.ask("PAUSE", "/cam1", &[&session]).status, 200);
    wait::until(SOON, "one viewer less", || camera.mount.stats().viewers == 1);
    let before = camera.mount.stats().packets;
    wait::until(SOON, "packets for the other", || camera.mount.stats().packets > before + 100);
    drop(second);
    wait::until(SOON, "no viewer", || camera.mount.stats().viewers == 0);
    let goodbye =
        std::iter::repeat_with(|| rtcp.recv(&mut packet).map(|length| packet[..length].to_vec()).unwrap())
            .find(|packet| packet[1] == 200 && packet[packet.len() - 7] == 203);
    assert_eq!(&goodbye.unwrap()[4..8], source);
    let before = camera.mount.stats().packets;
    let put = camera.put.load(std::sync::atomic::Ordering::SeqCst);
    wait::until(SOON, "pictures", || camera.put.load(std::sync::atomic::Ordering::SeqCst) > put + 10);
    assert_eq!(camera.mount.stats().packets, before, "nothing is sent to nobody");

    // The same group, once more, from a key frame on.
    assert_eq!(first.ask("PLAY", "/cam1", &[&session]).status, 200);
    wait::until(SOON, "a viewer", || camera.mount.stats().viewers == 1);
    wait::until(SOON, "packets", || camera.mount.stats().packets > before + 100);
    // The end of the stream ends its viewers.
    drop(camera.unmount());
    assert!(String::from_utf8_lossy(&first.rest()).is_empty());
}

#[test]
fn each_mount_has_its_group_and_tells_it() {
    require!(media::available(), multicast::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let range = multicast::range();
    let camera = camera(range, vec![streams::h264(), streams::pcmu()]);
    let mut client = Client::connect(camera.addr());
    for (track, ports) in [(0, range.port), (1, range.port + 2)] {
        let answer = client.ask("SETUP", &format!("/cam1/trackID={track}"), &[ASK]);
        let words = answer.header("Transport").unwrap();
        assert!(words.starts_with(&format!("RTP/AVP;multicast;destination={};", range.address)), "{words}");
        assert!(words.contains(&format!(";port={ports}-{};ttl=0;ssrc=", ports + 1)), "{words}");
    }
    let other = camera.server.mount("cam2").unwrap();
    let player = served::play(std::sync::Arc::new(other), vec![streams::pcmu()], Default::default());
    let mut client = Client::connect(camera.addr());
    assert_eq!(client.ask("DESCRIBE", "/cam2", &[]).status, 200);
    let answer = client.ask("SETUP", "/cam2/trackID=0", &[ASK]);
    let next = range
        .address
        .to_string()
        .rsplit_once('.')
        .map(|(net, host)| format!("{net}.{}", host.parse::<u8>().unwrap() + 1));
    assert!(answer.text.contains(&format!("destination={};", next.unwrap())), "{}", answer.text);
    drop(player);
}

#[test]
fn without_groups_viewers_are_told_to_ask_for_something_else() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let mut client = Client::connect(camera.addr());
    assert_eq!(client.ask("SETUP", "/cam1/trackID=0", &[ASK]).status, 461);
    let answer = client.ask("SETUP", "/cam1/trackID=0", &[&format!("{ASK},RTP/AVP/TCP;interleaved=0-1")]);
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[test]
fn what_is_no_group_is_refused_at_once() {
    let address = "10.0.0.1".parse().unwrap();
    let options = ServerOptions {
        multicast: Some(MulticastRange { address, port: 5000, ttl: 1 }),
        ..ServerOptions::default()
    };
    let error = Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap_err();
    assert_eq!(error.to_string(), "10.0.0.1 is no address of a multicast group");
}
