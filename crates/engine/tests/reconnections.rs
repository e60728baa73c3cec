//! Cameras whose connections end again and again: nothing of them is left over. In a process of its own, so that nobody else
//! takes anything meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use common::{SOON, held};
use valkka::source::{SourceOptions, Transport};
use valkka::{Engine, EngineOptions};
use valkka_testkit::fake::{Script, Server};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

#[test]
fn nothing_is_left_over_after_many_reconnections() {
    let _watchdog = Watchdog::start(SOON * 5);
    // Sends some pictures and closes the connection, again and again.
    let server = Server::spawn(Script::ClosesAfter { pictures: 3 }).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let options = valkka::CameraOptions {
        source: SourceOptions { transport: Transport::Tcp, ..Default::default() },
        ..Default::default()
    };
    // Many at once, so that it does not take long.
    let cameras: Vec<_> =
        (0..20).map(|_| engine.camera(server.url().parse().unwrap(), options.clone()).unwrap()).collect();
    cameras.iter().for_each(valkka::Camera::connect);
    let cycles = |at_least: u64| {
        wait::until(SOON * 3, "connections are made again", || {
            cameras.iter().all(|camera| camera.stats().reconnects.get() >= at_least)
        });
    };
    cycles(2);
    let before = held();
    cycles(12);
    // 200 cycles: what leaked a descriptor, a thread or 64 KiB per cycle would show, however many are connected just now.
    wait::until(SOON, &format!("no descriptor is left over: {before:?}"), || {
        held().descriptors <= before.descriptors + 40
    });
    wait::until(SOON, &format!("no thread is left over: {before:?}"), || {
        held().threads <= before.threads + 40
    });
    wait::until(SOON, &format!("no memory is left over: {before:?}"), || {
        held().memory_bytes < before.memory_bytes + (12 << 20)
    });
}
