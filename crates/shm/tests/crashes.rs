//! Readers and writers that are killed.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use valkka_shm::{Reader, Shape, Writer};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

use common::{SOON, publish, pull, say, spawn, task, unique};

const CELLS: usize = 8;
const BYTES: usize = 10_000;

fn shape() -> Shape {
    Shape::bytes(CELLS, BYTES).unwrap()
}

fn socket_of(name: &str) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    PathBuf::from(format!("/dev/shm/valkka-{user}/{name}"))
}

#[test]
fn what_killed_readers_held_comes_back() {
    let _watchdog = Watchdog::start(SOON * 5);
    let name = unique("killed-readers");
    let mut writer = Writer::create(&name, shape()).unwrap();
    let mut number = 0;
    for _ in 0..3 {
        let mut readers = [(); 3].map(|()| spawn("hold", &name, (CELLS, BYTES)));
        wait::until(SOON, "three readers are there", || writer.stats().readers == 3);
        for reader in &readers {
            // Different readers hold different frames.
            while reader
                .wait_line(Duration::from_millis(1), |line| (line == "holding").then_some(()))
                .is_err()
            {
                number += 1;
                assert!(publish(&mut writer, number));
            }
        }
        for _ in 0..100 {
            number += 1;
            assert!(publish(&mut writer, number));
        }
        assert!(writer.stats().cells > CELLS, "readers that stand still hold frames");
        readers.iter_mut().for_each(|reader| reader.kill().unwrap());
        wait::until(SOON, "nobody is there", || writer.stats().readers == 0);
        for _ in 0..200 {
            number += 1;
            assert!(publish(&mut writer, number));
        }
        assert_eq!(writer.stats().cells, CELLS);
    }
    assert_eq!(writer.stats().dropped, 0);
}

#[test]
fn a_killed_writer_is_noticed_and_its_successor_found() {
    let _watchdog = Watchdog::start(SOON * 5);
    let name = unique("killed-writer");
    let mut reader = Reader::open(&name, shape()).unwrap();
    for _ in 0..3 {
        let mut writer = spawn("write", &name, (CELLS, BYTES));
        // Whatever number the writer is at: its frames come one after the other.
        let first = pull(&mut reader);
        assert!(pull(&mut reader) > first);
        assert!(reader.is_connected());
        writer.kill().unwrap();
        // What it has published can still be read.
        let deadline = Instant::now() + SOON;
        while reader.is_connected() {
            assert!(Instant::now() < deadline, "the reader did not notice");
            let before = Instant::now();
            let pulled = reader.pull(Duration::from_millis(300)).unwrap();
            assert!(pulled.is_some() || before.elapsed() >= Duration::from_millis(300));
        }
        assert!(reader.pull(Duration::from_millis(50)).unwrap().is_none());
    }
    // A killed process removes nothing; the next writer does, of whatever name.
    let other = Writer::create(&unique("other"), shape()).unwrap();
    assert!(!socket_of(&name).exists());
    drop(other);
}

#[test]
fn a_reader_that_waits_for_ever_is_woken_by_the_next_writer() {
    let _watchdog = Watchdog::start(SOON * 5);
    let name = unique("for-ever");
    let mut first = spawn("write", &name, (CELLS, BYTES));
    let mut reader = Reader::open(&name, shape()).unwrap();
    pull(&mut reader);
    first.kill().unwrap();
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            // More than the first one can have left behind.
            for _ in 0..=CELLS {
                reader.pull(Duration::MAX).unwrap().expect("it waits for ever");
            }
        });
        let _second = spawn("write", &name, (CELLS, BYTES));
        reading.join().unwrap();
    });
}

#[test]
fn a_writer_that_is_stopped_is_left_for_its_successor() {
    let _watchdog = Watchdog::start(SOON * 5);
    let name = unique("stopped-writer");
    let old = spawn("write", &name, (CELLS, BYTES));
    let mut reader = Reader::open(&name, shape()).unwrap();
    pull(&mut reader);
    old.freeze().unwrap();
    while reader.pull(Duration::from_millis(300)).unwrap().is_some() {}
    // Nothing comes from it, and it answers nobody.
    let mut late = Reader::open(&name, shape()).unwrap();
    assert!(late.pull(Duration::from_millis(100)).unwrap().is_none());
    let mut new = Writer::create(&name, shape()).unwrap();
    wait::until(SOON, "both readers come", || {
        assert!(publish(&mut new, 1));
        let found = [&mut reader, &mut late].map(|reader| reader.pull(Duration::ZERO).unwrap().is_some());
        new.stats().readers == 2 || found == [true, true]
    });
    old.thaw().unwrap();
}

/// Reads or writes in another process; see [`common::spawn`].
#[test]
#[ignore = "run by the others"]
fn peer() {
    let Some((role, name, shape)) = task() else { return };
    if role == "hold" {
        let mut reader = Reader::open(&name, shape).unwrap();
        for _ in 0..shape.cells() {
            pull(&mut reader);
        }
        say("holding");
        thread::sleep(SOON * 5);
    } else {
        let mut writer = Writer::create(&name, shape).unwrap();
        for number in 1.. {
            assert!(publish(&mut writer, number));
            thread::sleep(Duration::from_millis(1));
        }
    }
}
