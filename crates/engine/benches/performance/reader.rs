//! A reader of shared memory that is not Python.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use valkka::shm::{Reader, Shape};
use valkka::summary::Measurement;

/// Pulls pictures of `width` × `height` from the ring `name` and touches them, as a process of the Python benchmark does
/// (`bindings/python/benches/sharing`): says that they come, measures from the next byte of the standard input to the
/// one behind it, and prints the figures as JSON.
pub(crate) fn run(name: &str, width: u32, height: u32) -> io::Result<()> {
    let shape = Shape::pictures(CELLS, width, height).map_err(io::Error::other)?;
    let mut reader = Reader::open(name, shape).map_err(io::Error::other)?;
    if reader.pull(START_TIMEOUT).map_err(io::Error::other)?.is_none() {
        return Err(io::Error::other(format!("nobody writes to {name}")));
    }
    println!("ready");
    wait_for_order()?;
    // What has come meanwhile is old.
    while reader.pull(Duration::ZERO).map_err(io::Error::other)?.is_some() {}
    let measurement = Measurement::start();
    let done = AtomicBool::new(false);
    let ages = thread::scope(|scope| {
        let pulling = scope.spawn(|| pull(&mut reader, &done));
        let ordered = wait_for_order();
        done.store(true, Ordering::Relaxed);
        let ages = pulling.join().map_err(|_| io::Error::other("the reader panicked"))?;
        ordered.and(ages)
    })?;
    let ages: Vec<f64> = ages.iter().map(Duration::as_secs_f64).collect();
    println!("{}", json!({ "cpu": measurement.cpu().as_secs_f64(), "ages": ages }));
    Ok(())
}

/// The time from the publishing of each picture until it was in hand.
fn pull(reader: &mut Reader, done: &AtomicBool) -> io::Result<Vec<Duration>> {
    let mut ages = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let pulled = reader.pull(TICK).map_err(io::Error::other)?;
        let Some(pulled) = pulled else { continue };
        let in_hand = Instant::now();
        let first = reader.frame(pulled.index).and_then(|frame| frame.first());
        std::hint::black_box(first);
        ages.push(pulled.age + in_hand.elapsed());
    }
    Ok(ages)
}

/// Waits for a byte on the standard input; its end is an error.
fn wait_for_order() -> io::Result<()> {
    io::Read::read_exact(&mut io::stdin(), &mut [0])
}

const CELLS: usize = 10;
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it looks whether it is to go on.
const TICK: Duration = Duration::from_millis(250);
