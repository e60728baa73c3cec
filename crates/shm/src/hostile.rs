//! Tests with somebody who writes where he should not: no crash, no hang, and all is well afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use valkka_testkit::watchdog::Watchdog;

use crate::connection::Connection;
use crate::control::bit_of;
use crate::meta::Meta;
use crate::reader::Reader;
use crate::shape::Shape;
use crate::writer::Writer;

const LIMIT: Duration = Duration::from_secs(120);

fn shape() -> Shape {
    Shape::bytes(5, 1000).unwrap()
}

fn ring(name: &str) -> (String, Writer, Connection) {
    let name = format!("test-hostile-{name}-{}", std::process::id());
    let writer = Writer::create(&name, shape()).unwrap();
    let hostile = Connection::open(&name, None, LIMIT).unwrap().unwrap();
    (name, writer, hostile)
}

/// Writes anything anywhere: mostly small numbers, which are more likely to mean something.
fn scribble(hostile: &Connection, random: &mut fastrand::Rng) {
    let words = hostile.control.words();
    // The cells in use are at the beginning.
    let end = if random.bool() { 200 } else { words.len() };
    let index = random.usize(..end);
    let value = match random.u8(..5) {
        0 => 0,
        1 => u64::MAX,
        2 => random.u64(..),
        3 => random.u64(..64),
        _ => random.u64(..1000) << 16 | random.u64(..8),
    };
    words[index].store(value, Ordering::SeqCst);
}

#[test]
fn a_writer_gets_over_garbage() {
    let _watchdog = Watchdog::start(LIMIT);
    let (name, mut writer, hostile) = ring("writer");
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        scribble(&hostile, &mut random);
        writer.push(Meta::default(), &[1; 10]);
    }
    assert!(writer.stats().cells <= hostile.control.layout().pool());
    // When whoever did that has gone, there are cells again, and those who come now see frames.
    drop(hostile);
    valkka_testkit::wait::until(LIMIT, "the hostile one has gone", || writer.stats().readers == 0);
    let mut reader = Reader::open(&name, shape()).unwrap();
    while !reader.is_connected() {
        reader.pull(Duration::from_millis(20)).unwrap();
    }
    for _ in 0..100 {
        assert!(writer.push(Meta::default(), &[2; 20]));
    }
    while let Some(pulled) = reader.pull(Duration::ZERO).unwrap() {
        assert!(pulled.len <= 1000);
    }
    assert!(writer.push(Meta::default(), &[3; 30]));
    let pulled = reader.pull(LIMIT).unwrap().unwrap();
    assert_eq!(reader.frame(pulled.index).unwrap(), [3; 30]);
}

#[test]
fn a_reader_gets_over_garbage() {
    let _watchdog = Watchdog::start(LIMIT);
    let (name, mut writer, hostile) = ring("reader");
    let hostile = Arc::new(hostile);
    let mut reader = Reader::open(&name, shape()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = hostile.clone();
        let done = &done;
        scope.spawn(move || {
            let mut random = fastrand::Rng::with_seed(12);
            while !done.load(Ordering::Relaxed) {
                scribble(&other, &mut random);
            }
        });
        for _ in 0..5000 {
            writer.push(Meta::default(), &[1; 10]);
            if let Some(pulled) = reader.pull(Duration::from_micros(10)).unwrap() {
                let frame = reader.frame(pulled.index).unwrap();
                assert!(frame.len() == pulled.len && frame.len() <= 1000);
                // All of it can be read.
                assert!(frame.iter().map(|&byte| u64::from(byte)).sum::<u64>() < 256_000);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    // Pins of others keep cells only as long as they are there, and the writer's own words are right again.
    for reader in 0..crate::control::MAX_READERS {
        hostile.control.forget(reader, hostile.control.layout().pool());
    }
    for _ in 0..10 {
        assert!(writer.push(Meta::default(), &[2; 20]));
    }
    while reader.pull(Duration::ZERO).unwrap().is_some() {}
    assert!(writer.push(Meta::default(), &[3; 30]));
    let pulled = reader.pull(LIMIT).unwrap().unwrap();
    assert_eq!(reader.frame(pulled.index).unwrap(), [3; 30]);
}

#[test]
fn who_pins_everything_costs_frames_and_no_more() {
    let _watchdog = Watchdog::start(LIMIT);
    let (_, mut writer, hostile) = ring("pins");
    let pool = hostile.control.layout().pool();
    let (word, bit) = bit_of(hostile.reader);
    assert!(word == 0 && bit == 1);
    for cell in 0..pool {
        hostile.control.cell(cell).pin(hostile.reader);
    }
    for _ in 0..2 * pool {
        writer.push(Meta::default(), &[1]);
    }
    // Cells that were never used can be written once, whatever is pinned.
    assert_eq!((writer.stats().dropped, writer.stats().cells), (pool as u64 + 5, pool));
    drop(hostile);
    valkka_testkit::wait::until(LIMIT, "the hostile one has gone", || writer.stats().readers == 0);
    assert!(writer.push(Meta::default(), &[1]));
}
