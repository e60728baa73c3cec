//! A million frames, with readers that are stopped and continued all the time: none is torn, nobody is held up.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod common;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{env, thread};

use valkka_shm::{Reader, Shape, Writer};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

use common::{SOON, is_whole, publish, pull, say, spawn, task, unique};

const CELLS: usize = 10;
const BYTES: usize = 4096;

/// `VALKKA_SHM_FRAMES` asks for more.
fn frames() -> u64 {
    env::var("VALKKA_SHM_FRAMES").map_or(1_000_000, |frames| frames.parse().unwrap())
}

#[test]
fn no_frame_is_torn_whoever_stands_still() {
    let _watchdog = Watchdog::start(Duration::from_secs(3600));
    let name = unique("torn");
    let mut writer = Writer::create(&name, Shape::bytes(CELLS, BYTES).unwrap()).unwrap();
    let steady = spawn("read", &name, (CELLS, BYTES));
    let stopped = [spawn("read", &name, (CELLS, BYTES)), spawn("read", &name, (4, 2 * BYTES))];
    wait::until(SOON, "three readers are there", || writer.stats().readers == 3);

    let done = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(3);
            while !done.load(Ordering::Relaxed) {
                for reader in &stopped {
                    if random.bool() { reader.freeze().unwrap() } else { reader.thaw().unwrap() }
                }
                thread::sleep(Duration::from_micros(random.u64(..5000)));
            }
            stopped.iter().for_each(|reader| reader.thaw().unwrap());
        });
        let mut most = 0;
        for number in 1..=frames() {
            assert!(publish(&mut writer, number), "the writer was held up at frame {number}");
            if number % 1000 == 0 {
                most = most.max(writer.stats().cells);
                // With its own pace the machine is given to the readers at times.
                thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        most
    });
    assert_eq!(writer.stats().dropped, 0);
    println!("{} frames, at most {most} cells", frames());
    // The readers go on from where they are, and end at the last frame, or by finding that there are no more.
    for reader in [&steady, &stopped[0], &stopped[1]] {
        let report = reader.wait_line(SOON, |line| line.strip_prefix("read ").map(str::to_owned)).unwrap();
        println!("{report}");
        assert!(report.ends_with(" torn 0"), "{report}");
    }
}

#[test]
fn readers_in_time_lose_nothing_while_others_stand_still() {
    let _watchdog = Watchdog::start(Duration::from_secs(1800));
    let name = unique("steady");
    let shape = Shape::bytes(CELLS, BYTES).unwrap();
    let mut writer = Writer::create(&name, shape).unwrap();
    let others = [spawn("read", &name, (CELLS, BYTES)), spawn("read", &name, (CELLS, BYTES))];
    let mut readers = [Reader::open(&name, shape).unwrap(), Reader::open(&name, shape).unwrap()];
    wait::until(SOON, "four readers are there", || writer.stats().readers == 4);
    let positions = [AtomicU64::new(0), AtomicU64::new(0)];
    const FRAMES: u64 = 50_000;
    thread::scope(|scope| {
        for (reader, position) in readers.iter_mut().zip(&positions) {
            scope.spawn(move || {
                for expected in 1..=FRAMES {
                    assert_eq!(pull(reader), expected);
                    position.store(expected, Ordering::SeqCst);
                }
            });
        }
        let mut random = fastrand::Rng::with_seed(4);
        for number in 1..=FRAMES {
            if number % 500 == 0 {
                let other = &others[random.usize(..2)];
                if random.bool() { other.freeze().unwrap() } else { other.thaw().unwrap() }
            }
            // Those two are in time: never more than the ring behind.
            while positions.iter().any(|position| position.load(Ordering::SeqCst) + CELLS as u64 <= number) {
                thread::yield_now();
            }
            assert!(publish(&mut writer, number));
        }
    });
    assert!(readers.iter().all(|reader| reader.lost() == 0));
    assert_eq!(writer.stats().dropped, 0);
}

#[test]
fn what_a_stopped_reader_holds_stays_as_it_is() {
    let _watchdog = Watchdog::start(Duration::from_secs(600));
    let name = unique("held");
    let shape = Shape::bytes(CELLS, BYTES).unwrap();
    let mut writer = Writer::create(&name, shape).unwrap();
    let mut reader = Reader::open(&name, shape).unwrap();
    let mut held = VecDeque::new();
    for number in 1..=CELLS as u64 / 2 {
        publish(&mut writer, number);
        held.push_back(reader.pull(SOON).unwrap().unwrap());
    }
    for number in 6..=1000 {
        publish(&mut writer, number);
    }
    assert_eq!(writer.stats().cells, CELLS + CELLS / 2);
    for pulled in &held {
        assert!(is_whole(reader.frame(pulled.index).unwrap(), pulled.sequence));
    }
    // It goes on with the oldest that is still there, and all that was held comes back.
    assert_eq!(pull(&mut reader), 991);
    assert_eq!(reader.lost(), 985);
    for _ in 992..=1000 {
        pull(&mut reader);
    }
    for number in 1001..=1200 {
        publish(&mut writer, number);
        assert_eq!(pull(&mut reader), number);
    }
    assert_eq!((writer.stats().cells, reader.lost()), (CELLS, 985));
}

/// Reads in another process; see [`common::spawn`].
#[test]
#[ignore = "run by the others"]
fn peer() {
    let Some((_, name, shape)) = task() else { return };
    let mut reader = Reader::open(&name, shape).unwrap();
    say("reading");
    let (mut read, mut torn) = (0_u64, 0_u64);
    let mut held = VecDeque::new();
    // The end is when nothing comes for a while; before the first frame, it waits.
    while let Some(pulled) = reader.pull(if read == 0 { SOON } else { Duration::from_secs(5) }).unwrap() {
        read += 1;
        held.push_back(pulled);
        if held.len() > (shape.cells() / 2).max(1) {
            held.pop_front();
        }
        for pulled in [held.front().unwrap(), held.back().unwrap()] {
            let frame = reader.frame(pulled.index).expect("it is held");
            torn += u64::from(!is_whole(frame, pulled.sequence));
        }
    }
    say(&format!("read {read} lost {} torn {torn}", reader.lost()));
}
