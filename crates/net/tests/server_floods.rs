//! Peers that come in numbers, say everything at once, say nothing, or do not listen.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use served::client::Client;
use served::{Camera, SOON, streams};
use valkka_net::server::ServerOptions;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

/// A viewer that sees to it that nothing is missing.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watcher {
    fn start(addr: SocketAddr) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let mut client = Client::connect(addr);
        client.play();
        let thread = thread::spawn(move || {
            let (mut pictures, mut last) = (0, None::<u16>);
            while !stopped.load(Ordering::SeqCst) {
                let packet = client.packet().expect("it is not closed");
                if packet.channel == 0 {
                    assert!(last.is_none_or(|last| packet.sequence() == last.wrapping_add(1)));
                    last = Some(packet.sequence());
                    pictures += u64::from(packet.marker());
                }
            }
            pictures
        });
        Self { stop, thread }
    }

    /// How many pictures it has seen; all that there were.
    fn pictures(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_thousand_that_say_nothing_disturb_nobody() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let options = ServerOptions { max_connections: 200, ..ServerOptions::default() };
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
    for watcher in watchers {
        let pictures = watcher.pictures();
        // Those of the kept group of pictures come on top; the last one may be on its way.
        assert!(pictures + 5 >= put - before, "{pictures} pictures of {}", put - before);
    }
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
        client.stream.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n").unwrap();
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
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        let _ = answers.read_to_end(&mut all);
        all.windows(13).filter(|window| window == b"RTSP/1.0 200 ").count()
    });
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let before = camera.put.load(Ordering::SeqCst);
    while camera.put.load(Ordering::SeqCst) < before + 75 {
        let _ = stream.write(&request);
    }
    let took = start.elapsed();
    stream.shutdown(Shutdown::Both).unwrap();
    let answered = reading.join().unwrap();
    // 200 at once, and 100 a second.
    let most = 201 + took.as_millis() / 10;
    assert!(answered > 200 && answered as u128 <= most, "{answered} answers in {took:?}");
    assert!(watcher.pictures() > 50);
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

#[test]
fn those_who_do_not_listen_cost_little() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let options = ServerOptions { session_timeout: Duration::from_secs(2), ..ServerOptions::default() };
    let camera = Camera::with(vec![streams::h264()], options);
    let watcher = Watcher::start(camera.addr());
    let before = resident_bytes();
    let deaf: Vec<_> = (0..100)
        .map(|_| {
            let mut client = Client::with_small_buffer(camera.addr());
            client.play();
            client.stream.set_nonblocking(true).unwrap();
            // A megabyte of requests as well, of which it reads no answer, as far as the server takes them.
            let request = b"DESCRIBE rtsp://h/cam1 RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(20_000);
            let _ = client.stream.write(&request);
            client
        })
        .collect();
    wait::until(SOON, "the viewers that do not read", || camera.mount.stats().viewers == 101);
    let most = std::cell::Cell::new(0);
    wait::until(SOON, "the end of those who do not read", || {
        most.set(most.get().max(resident_bytes()));
        camera.mount.stats().viewers == 1
    });
    let each = most.get().saturating_sub(before) / 100;
    assert!(each < 500_000, "{each} bytes each");
    drop(deaf);
    assert!(watcher.pictures() > 0);
}

/// The memory of this process.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
