//! Readers and writers that are killed, stopped and started again at random: all is well afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, thread};

use valkka_core::stream::Slot;
use valkka_shm::{Meta, Reader, Shape, Writer};
use valkka_testkit::process::Child;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

use common::{SOON, fill, is_whole, say, spawn, task, unique};

const CELLS: usize = 6;
const BYTES: usize = 20_000;
const READERS: usize = 4;
/// The slot of the writer that comes last.
const LAST: u16 = 9999;

/// `VALKKA_SHM_SECONDS` asks for more.
fn seconds() -> Duration {
    Duration::from_secs(env::var("VALKKA_SHM_SECONDS").map_or(5, |seconds| seconds.parse().unwrap()))
}

#[test]
fn everybody_finds_the_last_writer() {
    let _watchdog = Watchdog::start(seconds() + SOON * 5);
    let name = unique("chaos");
    let reader = || spawn("read", &name, (CELLS, BYTES));
    let writer = || spawn("write", &name, (CELLS, BYTES));
    let mut random = fastrand::Rng::with_seed(21);
    let mut readers: Vec<Child> = (0..READERS).map(|_| reader()).collect();
    let mut writers: Vec<Child> = vec![writer()];
    let start = Instant::now();
    while start.elapsed() < seconds() {
        let (group, start): (_, &dyn Fn() -> Child) =
            if random.u8(..3) == 0 { (&mut writers, &writer) } else { (&mut readers, &reader) };
        let index = random.usize(..group.len());
        match random.u8(..4) {
            0 => {
                group[index].kill().unwrap();
                group[index] = start();
            }
            1 => group[index].freeze().unwrap(),
            _ => group[index].thaw().unwrap(),
        }
        thread::sleep(Duration::from_millis(random.u64(..40)));
    }
    // The last writer comes beside one that may stand still.
    let mut last = Writer::create(&name, Shape::bytes(CELLS, BYTES).unwrap()).unwrap();
    readers.iter().for_each(|reader| reader.thaw().unwrap());
    let found = format!("slot {LAST}");
    for reader in &readers {
        wait::until(SOON, "a reader finds the last writer", || {
            publish(&mut last, LAST);
            reader.output().lines().any(|line| line == found)
        });
        assert!(!reader.output().contains("torn"), "{}", reader.output());
    }
    assert_eq!(last.stats().dropped, 0);
    drop(readers);
    wait::until(SOON, "all readers are gone", || last.stats().readers == 0);
    drop((last, writers));
    drop(Writer::create(&unique("chaos-next"), Shape::bytes(1, 1).unwrap()).unwrap());
    let user = rustix::process::geteuid().as_raw();
    let left = fs::read_dir(PathBuf::from(format!("/dev/shm/valkka-{user}")));
    let left = left.into_iter().flatten().flatten().filter(|file| *file.file_name() == *name);
    assert_eq!(left.count(), 0);
}

fn publish(writer: &mut Writer, slot: u16) {
    let number = writer.stats().published + 1;
    let mut cell = writer.claim().expect("a cell");
    fill(&mut cell, number);
    let len = cell.len();
    cell.publish(Meta { slot: Slot::new(slot), ..Meta::default() }, len);
}

/// Reads or writes in another process; see [`common::spawn`].
#[test]
#[ignore = "run by the others"]
fn peer() {
    let Some((role, name, shape)) = task() else { return };
    if role == "write" {
        let mut writer = Writer::create(&name, shape).unwrap();
        loop {
            publish(&mut writer, 1);
            thread::sleep(Duration::from_millis(1));
        }
    }
    let mut reader = Reader::open(&name, shape).unwrap();
    let mut slot = None;
    loop {
        let Some(pulled) = reader.pull(Duration::from_millis(100)).unwrap() else { continue };
        if !is_whole(reader.frame(pulled.index).unwrap(), pulled.sequence) {
            say("torn");
        }
        if slot.replace(pulled.meta.slot) != Some(pulled.meta.slot) {
            say(&format!("slot {}", pulled.meta.slot));
        }
    }
}
