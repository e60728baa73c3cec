//! Peers that come in numbers, say everything at once, say nothing, or do not listen.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use served::client::Client;
use served::watcher::Watcher;
use served::{Camera, SOON, streams};
use valkka_net::server::ServerOptions;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

#[test]
fn a_thousand_that_say_nothing_disturb_nobody() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    // Nobody is closed for being silent too long.
    let options = ServerOptions { max_connections: 200, idle_timeout: SOON * 3, ..ServerOptions::default() };
    let camera = Camera::with(vec![streams::h264()], options);
    let before = camera.put.load(Ordering::SeqCst);
    let watchers = [Watcher::start(camera.addr()), Watcher::start(camera.addr())];
    let silent: Vec<_> = (0..1000).map(|_| TcpStream::connect(camera.addr()).unwrap()).collect();
    // There is room for whoever has something to say, again and again.
    for _ in 0..20 {
        let mut viewer = Client::connect(camera.addr());
        viewer.play();
        assert!(std::iter::from_fn(|| viewer.packet()).any(|packet| packet.channel == 0 && packet.marker()));
    }
    // The oldest have made way.
    let is_closed = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        !matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    wait::until(SOON, "the closing of the oldest", || is_closed(&silent[0]) && is_closed(&silent[700]));
    assert!(!is_closed(&silent[999]), "the newest is still welcome");
    let put = camera.put.load(Ordering::SeqCst);
    // Those of the kept group of pictures come on top.
    watchers.into_iter().for_each(|watcher| watcher.sees(put - before));
    assert_eq!(camera.mount.stats().skipped, 0);
}

#[test]
fn viewers_make_way_for_nobody() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let options = ServerOptions { max_connections_per_peer: 4, ..ServerOptions::default() };
    let camera = Camera::with(vec![streams::h264()], options);
    let mut viewers: Vec<_> = (0..4).map(|_| Client::connect(camera.addr())).collect();
    for viewer in &mut viewers {
        viewer.play();
    }
    assert!(Client::connect(camera.addr()).rest().is_empty(), "there is no room");
    for viewer in &mut viewers {
        assert_eq!(viewer.ask("GET_PARAMETER", "/cam1", &[]).status, 200);
    }
    drop(viewers.pop());
    wait::until(SOON, "room for another", || camera.mount.stats().viewers == 3);
    let has_room = || {
        let mut client = Client::connect(camera.addr());
        // It may be closed at once.
        let _ = client.stream.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        client.stream.shutdown(Shutdown::Write).is_ok() && client.rest().starts_with(b"RTSP/1.0 200 ")
    };
    wait::until(SOON, "room for another", has_room);
}

#[test]
fn a_flood_of_requests_is_slowed_down_and_disturbs_nobody() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let watcher = Watcher::start(camera.addr());
    let request = b"DESCRIBE rtsp://h/cam1 RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(100);
    let start = Instant::now();
    let mut stream = TcpStream::connect(camera.addr()).unwrap();
    let mut answers = stream.try_clone().unwrap();
    answers.set_read_timeout(Some(SOON)).unwrap();
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut all, mut buffer) = (Vec::new(), [0; 65_536]);
            while let Ok(length @ 1..) = answers.read(&mut buffer) {
                all.extend_from_slice(&buffer[..length]);
                let found = all.windows(13).filter(|window| window == b"RTSP/1.0 200 ").count();
                answered.fetch_add(found as u64, Ordering::SeqCst);
                // What may be the beginning of the next one.
                all.drain(..all.len().saturating_sub(12));
            }
        });
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let before = camera.put.load(Ordering::SeqCst);
        wait::until(SOON, "more answers than come at once", || {
            let _ = stream.write(&request);
            answered.load(Ordering::SeqCst) > 200 && camera.put.load(Ordering::SeqCst) >= before + 75
        });
        stream.shutdown(Shutdown::Both).unwrap();
    });
    // 200 at once, and 100 a second, up to the last that was read.
    let (answered, took) = (answered.into_inner(), start.elapsed());
    let most = 201 + took.as_millis() / 10;
    assert!(u128::from(answered) <= most, "{answered} answers in {took:?}");
    watcher.sees(51);
    assert_eq!(camera.mount.stats().skipped, 0);
}

#[test]
fn requests_all_at_once_are_answered_in_turn() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::pcmu()]);
    let mut client = Client::connect(camera.addr());
    let requests: String = (1..=150)
        .map(|cseq| {
            let method = ["OPTIONS", "DESCRIBE", "PAUSE"][cseq % 3];
            format!("{method} rtsp://h/cam1 RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n")
        })
        .collect();
    client.send(requests.as_bytes());
    for cseq in 1..=150 {
        let answer = client.answer();
        assert_eq!(answer.header("CSeq").unwrap(), cseq.to_string());
        assert_eq!(answer.status, [200, 200, 455][cseq % 3]);
    }
}
