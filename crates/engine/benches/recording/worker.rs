//! The measured process: this program again, with an order.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use valkka::frame::Body;
use valkka::store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka::usage;
use valkka::worker::Worker;
use valkka_testkit::process::Child;
use valkka_testkit::temp::TempDir;

use crate::feed::Feed;
use crate::row::Figures;
use crate::seeks;

/// The argument before an order.
pub(crate) const WORD: &str = "worker";

/// What the measured process does.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Records into a store.
    Record { streams: usize },
    /// Writes what comes to a file, and syncs it once a second.
    Floor { streams: usize },
    /// Looks for moments in a large archive.
    Seek,
}

/// Carries an order out, and prints `result JSON`.
pub(crate) fn run(order: &str) -> io::Result<()> {
    let result = match serde_json::from_str(order)? {
        Order::Record { streams } => serde_json::to_string(&record(streams)?)?,
        Order::Floor { streams } => serde_json::to_string(&floor(streams)?)?,
        Order::Seek => serde_json::to_string(&seeks::measure()?)?,
    };
    println!("result {result}");
    Ok(())
}

/// Has another process carry `order` out.
pub(crate) fn spawn<T: DeserializeOwned>(order: &Order) -> io::Result<T> {
    let mut command = Command::new(env::current_exe()?);
    command.args([WORD, &serde_json::to_string(order)?]);
    let child = Child::spawn(command)?;
    child.wait_line(PATIENCE, |line| serde_json::from_str(line.strip_prefix("result ")?).ok())
}

fn record(streams: usize) -> io::Result<Figures> {
    let directory = TempDir::new()?;
    let geometry = Geometry::new(BLOCK_BYTES, streams as u64 * 3).map_err(io::Error::other)?;
    let store =
        Store::create(&directory.join("store"), &StoreOptions::new(geometry)).map_err(io::Error::other)?;
    let writer = Arc::new(Writer::open(store, WriterOptions::default()).map_err(io::Error::other)?);
    let lanes = (0..streams).map(|index| writer.lane(&format!("camera{index}"), Retention::default()));
    let lanes = lanes.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let memory = usage::rss_bytes();
    let feed = Feed::start(streams, move |stream, frame| {
        lanes[stream].put(frame);
    })?;
    let stats = || {
        // What was sent so far and what was written so far are of the same frames then.
        let _ = writer.commit(Instant::now() + PATIENCE);
        let stats = writer.stats();
        (stats.syncs, stats.dropped)
    };
    measure(&feed, streams, memory, stats)
}

fn floor(streams: usize) -> io::Result<Figures> {
    let directory = TempDir::new()?;
    let file = fs::File::create(directory.join("data"))?;
    let size = streams as u64 * BLOCK_BYTES * 3;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size)?;
    let file = Arc::new(file);
    let (syncs, synced) = (Arc::new(AtomicU64::new(0)), file.clone());
    let counted = syncs.clone();
    let _syncing = Worker::spawn("syncing", None, move |stop| {
        while !stop.wait(Duration::from_secs(1)) {
            if synced.sync_data().is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    })?;
    let memory = usage::rss_bytes();
    let mut ends: Vec<u64> = (0..streams as u64).map(|stream| stream * BLOCK_BYTES * 3).collect();
    let ends_of = std::sync::Mutex::new(std::mem::take(&mut ends));
    let feed = Feed::start(streams, move |stream, frame| {
        let Body::Packet(packet) = &frame.body else { return };
        let mut ends = ends_of.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if file.write_all_at(&packet.payload, ends[stream]).is_ok() {
            ends[stream] += packet.payload.len() as u64;
        }
    })?;
    measure(&feed, streams, memory, || (syncs.load(Ordering::Relaxed), 0))
}

/// Measures this process for a while. `memory` is what it had before it did anything; `stats` tells syncs and dropped
/// frames so far.
fn measure(feed: &Feed, streams: usize, memory: u64, stats: impl Fn() -> (u64, u64)) -> io::Result<Figures> {
    thread::sleep(WARM_UP);
    let look = || {
        let stats = stats();
        io::Result::Ok((feed.sent(), usage::cpu_time(), written_bytes()?, stats, Instant::now()))
    };
    let before = look()?;
    thread::sleep(MEASURED);
    let after = look()?;
    let frames = (after.0.0 - before.0.0) as f64;
    let cpu = (after.1 - before.1).as_secs_f64();
    let seconds = (after.4 - before.4).as_secs_f64();
    Ok(Figures {
        cpu_ms_per_frame: cpu * 1000.0 / frames,
        streams_per_core: frames / FRAME_RATE / cpu,
        written_per_recorded: (after.2 - before.2) as f64 / (after.0.1 - before.0.1) as f64,
        syncs_per_second: (after.3.0 - before.3.0) as f64 / seconds,
        dropped: (after.3.1 - before.3.1) as f64,
        kib_per_stream: usage::rss_bytes().saturating_sub(memory) as f64 / 1024.0 / streams as f64,
    })
}

/// What this process had the kernel write, in whole pages (proc(5)).
fn written_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok())
        .ok_or_else(|| io::Error::other("the kernel does not tell what is written"))
}

/// A stream fills one in half a minute.
const BLOCK_BYTES: u64 = 16 << 20;
const FRAME_RATE: f64 = 25.0;
const WARM_UP: Duration = Duration::from_secs(4);
const MEASURED: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(180);
