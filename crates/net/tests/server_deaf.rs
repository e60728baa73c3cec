//! Viewers that do not read. The only test of its process, for it looks at the memory of all of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::io::Write as _;
use std::time::Duration;

use served::client::Client;
use served::watcher::Watcher;
use served::{Camera, SOON, streams};
use valkka_net::server::ServerOptions;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

#[test]
fn those_who_do_not_listen_cost_little() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 3);
    // Longer than a busy machine takes to connect all of them.
    let options = ServerOptions { session_timeout: Duration::from_secs(15), ..ServerOptions::default() };
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
    watcher.sees(1);
}

/// The memory of this process.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
