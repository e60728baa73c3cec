//! `valkka watch`: what is shared with other processes.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use valkka::lock::lock;
use valkka::shm::{Content, Pulled, Reader, Shape};
use valkka::stats::Histogram;
use valkka::summary::Latency;
use valkka::worker::{StopToken, Worker};

use crate::interrupt::Interrupt;
use crate::{output, stdin};

/// Watch the frames that a program shares under a name, and tell how many come and how late
///
/// Any number of processes may watch a name; none holds up the program that shares, or another one. A name that nobody
/// shares is waited for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Under what the frames are shared
    #[arg(required = true, value_name = "NAME", num_args = 1..=256)]
    names: Vec<String>,

    /// Leave after this many seconds
    #[arg(long, value_name = "N", value_parser = crate::window::parse_seconds)]
    seconds: Option<Duration>,

    /// Print each line as a JSON object
    #[arg(long)]
    json: bool,

    /// End when standard input closes, for programs that start this one
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// What was seen of one name so far; a line of `--json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The name.
    pub(crate) name: String,
    /// Frames read.
    pub(crate) frames: u64,
    /// Frames that were overtaken before they were read.
    pub(crate) lost: u64,
    /// Frames per second since the last line.
    pub(crate) fps: f64,
    /// What the newest frame is, e.g. `480x270`; empty before the first.
    pub(crate) content: String,
    /// From publishing until a frame is in the hands of this process.
    pub(crate) wake_ms: Latency,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let stdin = args.until_stdin_closes.then(stdin::wait_for_end);
    let started = Instant::now();
    let mut watched =
        args.names.iter().map(|name| Watched::start(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut last = started;
    loop {
        let over = interrupt.is_set()
            || args.seconds.is_some_and(|seconds| started.elapsed() >= seconds)
            || stdin.as_ref().is_some_and(thread::JoinHandle::is_finished);
        if over || last.elapsed() >= INTERVAL {
            let seconds = last.elapsed().as_secs_f64().max(1e-3);
            last = Instant::now();
            let lines: Vec<_> = watched
                .iter_mut()
                .map(|watched| watched.report(seconds))
                .map(|report| if args.json { Ok(serde_json::to_string(&report)?) } else { Ok(line(&report)) })
                .collect::<anyhow::Result<_>>()?;
            output::print(&(lines.join("\n") + "\n"))?;
        }
        if over {
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(error) = watched.iter().find_map(|watched| lock(&watched.seen.error).take()) {
            return Err(error);
        }
        thread::sleep(POLL);
    }
}

/// A name, and the thread that reads it.
struct Watched {
    name: String,
    seen: Arc<Seen>,
    /// Frames in the last report.
    before: u64,
    _worker: Worker,
}

#[derive(Default)]
struct Seen {
    frames: AtomicU64,
    lost: AtomicU64,
    wake: Histogram,
    content: Mutex<Option<(Content, usize)>>,
    error: Mutex<Option<anyhow::Error>>,
}

impl Watched {
    fn start(name: &str) -> anyhow::Result<Self> {
        let reader = Reader::open(name, Shape::bytes(CELLS, Shape::MAX_BYTES)?)?;
        let seen = Arc::<Seen>::default();
        let shared = seen.clone();
        let worker = Worker::spawn("watch", None, move |stop| {
            if let Err(error) = shared.read(reader, &stop) {
                *lock(&shared.error) = Some(error);
            }
        })
        .context("the system gives no thread")?;
        Ok(Self { name: name.to_owned(), seen, before: 0, _worker: worker })
    }

    fn report(&mut self, seconds: f64) -> Report {
        let frames = self.seen.frames.load(Ordering::Relaxed);
        let fps = (frames - self.before) as f64 / seconds;
        self.before = frames;
        Report {
            name: self.name.clone(),
            frames,
            lost: self.seen.lost.load(Ordering::Relaxed),
            fps: (fps * 10.0).round() / 10.0,
            content: lock(&self.seen.content).map(describe).unwrap_or_default(),
            wake_ms: Latency::of(&self.seen.wake),
        }
    }
}

impl Seen {
    fn read(&self, mut reader: Reader, stop: &StopToken) -> anyhow::Result<()> {
        while !stop.is_stopped() {
            if let Some(Pulled { len, meta, age, .. }) = reader.pull(PATIENCE)? {
                self.wake.record(age);
                *lock(&self.content) = Some((meta.content, len));
                self.frames.fetch_add(1, Ordering::Relaxed);
                self.lost.store(reader.lost(), Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

fn describe((content, len): (Content, usize)) -> String {
    match content {
        Content::Bytes => format!("{len} bytes"),
        Content::Picture { width, height } => format!("{width}x{height}"),
        Content::Fragment { kind, .. } => format!("{}, {len} bytes", kind.escape_ascii()),
    }
}

fn line(report: &Report) -> String {
    let Report { name, frames, lost, fps, content, wake_ms } = report;
    let wake = match (wake_ms.p50, wake_ms.p99) {
        (Some(p50), Some(p99)) => format!("{p50:.2}/{p99:.2} ms after publishing"),
        _ => "nothing yet".to_owned(),
    };
    format!("{name}: {fps:.1} fps, {content}{}{wake}, {frames} in all, {lost} lost", comma(content))
}

fn comma(before: &str) -> &str {
    if before.is_empty() { "" } else { ", " }
}

/// Places for frames; the reader looks at none of them for long.
const CELLS: usize = 2;
/// How often lines are printed.
const INTERVAL: Duration = Duration::from_secs(1);
/// How soon an end is noticed.
const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(200);
