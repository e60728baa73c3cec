//! Connections that come and go for long. The only test of its process, for it looks at what all of it holds.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::io;
use std::sync::Arc;

use common::fake::Fake;
use common::{SOON, request};
use valkka_net::{Reconnect, StreamState};
use valkka_testkit::{wait, watchdog::Watchdog};

#[test]
fn two_hundred_cycles_leave_nothing_behind() {
    let _watchdog = Watchdog::start(SOON * 5);
    let fake = Fake::start(|peer| {
        peer.play()?;
        for number in 0..5 {
            peer.picture(number)?;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    // A cycle is a connection, its frames and its end; the supervisor's waits are left out, for 200 of them
    // would take minutes.
    let live = common::live();
    let cycle = || {
        let recorder = Arc::<common::Recorder>::default();
        let stream = live.add(common::config(request(&fake.url()), Reconnect::Never, recorder.clone()));
        wait::until(SOON, "the end", || matches!(stream.state(), StreamState::Failed { .. }));
        assert_eq!(recorder.packets().len(), 5);
        assert_eq!(recorder.wait_signals(2).len(), 2);
    };
    for _ in 0..20 {
        cycle();
    }
    wait::until(SOON, "nothing held of the first streams", || live.streams() == 0);
    let (descriptors, threads, memory) = held();
    for _ in 0..200 {
        cycle();
    }
    // Connections close a moment after their streams ended.
    wait::until(SOON, "all connections closed", || held().0 <= descriptors + 20);
    wait::until(SOON, "all threads ended", || held().1 <= threads + 20);
    let grown = held().2.saturating_sub(memory) >> 20;
    assert!(grown < 30, "grew by {grown} MiB over 200 cycles");
}

/// Open descriptors, threads, and bytes of resident memory of this process.
fn held() -> (usize, usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    (count("/proc/self/fd"), count("/proc/self/task"), pages * 4096)
}
