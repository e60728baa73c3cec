//! Viewers of a camera that is away for longer than a session lasts.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use served::client::Client;
use served::{SOON, play, start, streams};
use valkka_net::server::{Server, ServerOptions};
use valkka_testkit::process::Child;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

#[test]
fn viewers_who_only_look_stay_while_there_is_nothing_to_see() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 5);
    let options = ServerOptions { session_timeout: SESSION, ..ServerOptions::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let mount = Arc::new(server.mount("cam1").unwrap());
    let tracks = || vec![streams::h264(), streams::pcmu()];
    let camera = play(mount.clone(), tracks(), Arc::default());

    let programs = ["tcp", "udp"].map(|transport| {
        let url = format!("rtsp://{}/cam1", server.local_addr());
        let arguments =
            format!("-nostdin -v error -rtsp_transport {transport} -i {url} -map 0:v -c copy -f framecrc -");
        (transport, start("ffmpeg", &arguments))
    });
    for (transport, program) in &programs {
        wait::until(SOON, transport, || pictures(program) >= 25);
    }
    // One that reads, and one that does not even answer by RTCP.
    let mut by_tcp = Client::connect(server.local_addr());
    let (session, _) = by_tcp.play();
    let (rtp, rtcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let ports = [&rtp, &rtcp].map(|socket| {
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket.local_addr().unwrap().port()
    });
    let mut by_udp = Client::connect(server.local_addr());
    let transport = format!("Transport: RTP/AVP;unicast;client_port={}-{}", ports[0], ports[1]);
    let answer = by_udp.ask("SETUP", "/cam1/trackID=0", &[&transport]);
    let udp_session = format!("Session: {}", answer.header("Session").unwrap().split(';').next().unwrap());
    assert_eq!(by_udp.ask("PLAY", "/cam1/", &[&udp_session]).status, 200);
    wait::until(SOON, "all viewers", || server.viewers().len() == 4);
    let peers = || server.viewers().iter().map(|viewer| viewer.peer).collect::<Vec<_>>();
    let before = (peers(), programs.each_ref().map(|(_, program)| pictures(program)));

    // Away, for as long as it takes for so many reports: two sessions and a half.
    drop(camera);
    let mut last = None;
    let mut reports = 0;
    while reports < 10 {
        let packet = by_tcp.packet().expect("the session goes on");
        match packet.channel {
            0 => (last, reports) = (Some(packet.sequence()), 0),
            _ => reports += 1,
        }
    }
    let mut packet = [0; 2000];
    rtp.set_nonblocking(true).unwrap();
    while rtp.recv(&mut packet).is_ok() {}
    rtp.set_nonblocking(false).unwrap();
    assert_eq!(peers(), before.0);

    // It is back, and begins at zero again.
    let _camera = play(mount.clone(), tracks(), Arc::default());
    let next = std::iter::from_fn(|| by_tcp.packet()).find(|packet| packet.channel == 0).unwrap();
    assert_eq!(Some(next.sequence()), last.map(|last| last.wrapping_add(1)));
    assert!(rtp.recv(&mut packet).unwrap() > 12);
    for (viewer, session) in [(&mut by_tcp, &session), (&mut by_udp, &udp_session)] {
        assert_eq!(viewer.ask("GET_PARAMETER", "/cam1", &[session]).status, 200);
    }
    for ((transport, program), before) in programs.iter().zip(before.1) {
        wait::until(SOON, transport, || pictures(program) >= before + 50);
    }
    let stayed = peers();
    assert!(before.0[..2].iter().all(|peer| stayed.contains(peer)), "nobody has connected again: {stayed:?}");
}

/// How many pictures a program has seen.
fn pictures(program: &Child) -> usize {
    program.output().lines().filter(|line| line.starts_with("0,")).count()
}

/// How long a session lasts without a sign of life: longer than a busy machine holds anybody up.
const SESSION: Duration = Duration::from_secs(10);
