//! What is measured: one line of the table each.

use std::io;

use serde::{Deserialize, Serialize};

use crate::load::Load;
use crate::peer;
use crate::worker::{self, Job, Link, Order, Windows};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Whether it decodes, so that its ratio to the floor means something.
    pub(crate) decodes: bool,
    /// What we want of it.
    pub(crate) wanted: &'static str,
    work: Work,
}

/// What one measurement brought. What does not apply is `None`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Result {
    pub(crate) cpu_ms_per_frame: Option<f64>,
    /// Frames that the camera sent and that were not received, or not shown if they were to be shown.
    pub(crate) missing: Option<f64>,
    pub(crate) age_p50_ms: Option<f64>,
    pub(crate) age_p99_ms: Option<f64>,
    /// Resident memory, and the part of it that is no file (the code of libraries is).
    pub(crate) rss_mib: Option<f64>,
    pub(crate) anonymous_mib: Option<f64>,
}

/// Who does the work of a row.
enum Work {
    /// libavcodec on packets in memory.
    Floor,
    /// The same at the pace of a camera: caches are cold when the next packet comes.
    PacedFloor,
    /// The `ffmpeg` program, with these arguments behind the input.
    Ffmpeg(&'static [&'static str]),
    /// Our engine.
    Engine(Job),
}

impl Row {
    pub(crate) fn measure(&self, load: &Load) -> io::Result<Result> {
        match &self.work {
            Work::Floor => worker::spawn(&Order::Floor { file: load.file().to_owned() }),
            Work::PacedFloor => worker::spawn(&Order::PacedFloor { file: load.file().to_owned() }),
            Work::Ffmpeg(arguments) => peer::ffmpeg(load, arguments),
            Work::Engine(job) => {
                let display = job.windows.map(|_| load.display()).transpose()?;
                worker::spawn(&Order::Engine { job: *job, urls: load.urls(job.streams), display })
            }
        }
    }
}

const fn engine(name: &'static str, job: Job, wanted: &'static str) -> Row {
    Row { name, decodes: job.decode, wanted, work: Work::Engine(job) }
}

const fn receive(streams: usize, link: Link) -> Job {
    Job { streams, link, decode: false, windows: None }
}

const fn decode(streams: usize) -> Job {
    Job { decode: true, ..receive(streams, Link::Tcp) }
}

const fn show(streams: usize, each: u32, width: u32, height: u32) -> Job {
    Job { windows: Some(Windows { each, width, height }), ..decode(streams) }
}

pub(crate) const FLOOR: &str = "floor: libavcodec, packets in memory, one thread";
pub(crate) const ONE_WINDOW: &str = "… and 1 window of 320×180";
pub(crate) const MANY_WINDOWS: &str = "… and 24 windows of 320×180";

/// The table. The floor comes first; ratios are to it.
pub(crate) const ROWS: &[Row] = &[
    Row { name: FLOOR, decodes: true, wanted: "", work: Work::Floor },
    Row {
        name: "libavcodec, packets in memory, 25 a second",
        decodes: true,
        wanted: "",
        work: Work::PacedFloor,
    },
    Row {
        name: "peer: ffmpeg -c copy, TCP",
        decodes: false,
        wanted: "",
        work: Work::Ffmpeg(&["-c", "copy", "-f", "null", "-"]),
    },
    engine("receive, TCP, 1 stream", receive(1, Link::Tcp), "≤ 0.25"),
    engine("receive, TCP, 4 streams", receive(4, Link::Tcp), ""),
    engine("receive, TCP, 16 streams", receive(16, Link::Tcp), "≤ 0.20, none lost"),
    engine("receive, UDP, 1 stream", receive(1, Link::Udp), ""),
    engine("receive, UDP, 4 streams", receive(4, Link::Udp), ""),
    Row {
        name: "peer: ffmpeg, decoding with one thread, TCP",
        decodes: true,
        wanted: "",
        work: Work::Ffmpeg(&["-f", "null", "-"]),
    },
    engine("receive and decode, TCP, 1 stream", decode(1), "≤ 1.05 × floor"),
    engine("receive and decode, TCP, 4 streams", decode(4), "≤ 1.05 × floor; ≤ 20 + 4 × 20 MiB"),
    engine(ONE_WINDOW, show(1, 1, 320, 180), "≤ 7.5 ms"),
    engine(MANY_WINDOWS, show(1, 24, 320, 180), "≤ 17 ms, none late"),
    engine("4 streams in 4 windows of 480×270", show(4, 1, 480, 270), "≤ 8 ms, none late"),
];
