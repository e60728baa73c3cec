//! The measured process: this program again, with an order.

use std::env;
use std::hint::black_box;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use valkka::av::{DecoderOptions, FileReader, PictureDecoder, decode_floor};
use valkka::filter::Filter as _;
use valkka::frame::Packet;
use valkka::sink::Discard;
use valkka::source::{SourceOptions, Transport};
use valkka::summary::{Latency, Measurement};
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Camera, CameraOptions, Engine, EngineOptions, StreamState, usage};

use crate::row::Result as Figures;

/// The argument before an order.
pub(crate) const WORD: &str = "worker";

/// What the measured process does.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Decodes a file from memory.
    Floor { file: PathBuf },
    /// Decodes a file from memory at the pace of a camera.
    PacedFloor { file: PathBuf },
    /// Receives, and what else the job says.
    Engine { job: Job, urls: Vec<String>, display: Option<String> },
}

/// What our engine does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) streams: usize,
    pub(crate) link: Link,
    pub(crate) decode: bool,
    pub(crate) windows: Option<Windows>,
}

/// How packets travel.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Link {
    Tcp,
    Udp,
}

/// Windows of one size, so many for each stream.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Windows {
    pub(crate) each: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Carries an order out in a process of its own.
pub(crate) fn spawn(order: &Order) -> io::Result<Figures> {
    let output = Command::new(env::current_exe()?)
        .args([WORD, &serde_json::to_string(order)?])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("the measured process ended with {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Carries an order out in this process, and prints the figures as JSON.
pub(crate) fn run(order: &str) -> io::Result<()> {
    let figures = match serde_json::from_str(order)? {
        Order::Floor { file } => floor(&file),
        Order::PacedFloor { file } => paced_floor(&file),
        Order::Engine { job, urls, display } => engine(job, &urls, display),
    };
    println!("{}", serde_json::to_string(&figures.map_err(io::Error::other)?)?);
    Ok(())
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn floor(file: &std::path::Path) -> Result<Figures, AnyError> {
    let mut reader = FileReader::open(file)?;
    let mut packets: Vec<Packet> = Vec::new();
    while let Some(frame) = reader.read()? {
        packets.extend(frame.packet().cloned());
    }
    // The first time warms caches and the allocator up.
    decode_floor(&packets)?;
    let measurement = Measurement::start();
    let mut frames = 0;
    while measurement.elapsed() < FLOOR_TIME {
        frames += black_box(decode_floor(&packets)?);
    }
    Ok(Figures {
        cpu_ms_per_frame: Some(measurement.cpu().as_secs_f64() * 1000.0 / frames as f64),
        ..Figures::default()
    })
}

fn paced_floor(file: &std::path::Path) -> Result<Figures, AnyError> {
    let mut reader = FileReader::open(file)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.read()? {
        frames.extend(frame.packet().is_some().then_some(frame));
    }
    let mut decoder = PictureDecoder::new("paced", DecoderOptions::default(), Arc::default());
    let started = Instant::now();
    let mut measurement = Measurement::start();
    let mut pictures = 0;
    for (n, frame) in (0..).zip(frames.into_iter().cycle()) {
        let due = Duration::from_secs_f64(f64::from(n) / FRAME_RATE);
        if due >= WARM_UP + MEASURED {
            break;
        }
        thread::sleep(due.saturating_sub(started.elapsed()));
        if due == WARM_UP {
            measurement = Measurement::start();
            pictures = 0;
        }
        decoder.push(frame, &mut |frame| pictures += u32::from(frame.bitmap().is_some()));
    }
    let millis = measurement.cpu().as_secs_f64() * 1000.0;
    Ok(Figures { cpu_ms_per_frame: Some(millis / f64::from(pictures.max(1))), ..Figures::default() })
}

fn engine(job: Job, urls: &[String], display: Option<String>) -> Result<Figures, AnyError> {
    let mut wall = match job.windows {
        None => None,
        Some(windows) => Some(open(job, windows, display)?),
    };
    let engine = Engine::new(EngineOptions::default())?;
    let transport = match job.link {
        Link::Tcp => Transport::Tcp,
        Link::Udp => Transport::Udp,
    };
    let mut cameras = Vec::new();
    let mut branches = Vec::new();
    for url in urls {
        let source = SourceOptions { transport, ..SourceOptions::default() };
        let options = CameraOptions { source, ..CameraOptions::default() };
        let camera = Arc::new(engine.camera(url.parse()?, options)?);
        match (&mut wall, job.windows) {
            (Some(wall), Some(windows)) => (0..windows.each).try_for_each(|_| wall.show(&camera))?,
            _ if job.decode => branches.push(camera.pictures("bench", Arc::new(Discard))?),
            _ => {}
        }
        camera.connect();
        cameras.push(camera);
    }
    let mut pass = |time: Duration| -> Result<(), AnyError> {
        match &mut wall {
            Some(wall) => drop(wall.run_for(time)?),
            None => thread::sleep(time),
        }
        Ok(())
    };
    let started = Instant::now();
    while !cameras.iter().all(|camera| is_running(camera, job)) {
        if started.elapsed() > START_TIMEOUT {
            let states: Vec<_> = cameras.iter().map(|camera| format!("{:?}", camera.state())).collect();
            return Err(format!("not every stream came: {}", states.join(", ")).into());
        }
        pass(Duration::from_millis(50))?;
    }
    pass(WARM_UP)?;

    let before: Vec<Counts> = cameras.iter().map(|camera| Counts::of(camera)).collect();
    let measurement = Measurement::start();
    pass(MEASURED)?;
    let (cpu, elapsed) = (measurement.cpu(), measurement.elapsed());
    let counts = cameras.iter().zip(before).map(|(camera, before)| Counts::of(camera).since(before));
    let total = counts.reduce(Counts::plus).ok_or("no streams")?;

    let sent = FRAME_RATE * elapsed.as_secs_f64() * job.streams as f64;
    let arrived = if job.windows.is_some() { total.presented } else { total.received };
    // Windows begin and end between two frames.
    let slack = job.streams as f64 * 2.0;
    let missing =
        if sent - arrived as f64 <= slack { 0.0 } else { sent - arrived as f64 } + total.dropped as f64;
    let latency = Latency::of(&cameras[0].stats().age);
    Ok(Figures {
        cpu_ms_per_frame: Some(cpu.as_secs_f64() * 1000.0 / total.received.max(1) as f64),
        missing: Some(missing),
        age_p50_ms: latency.p50,
        age_p99_ms: latency.p99,
        rss_mib: Some(usage::rss_bytes() as f64 / f64::from(1 << 20)),
        anonymous_mib: anonymous_mib(),
    })
}

/// Resident memory that is no file (`RssAnon` of proc(5)).
fn anonymous_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// A wall whose tiles have the size asked for.
fn open(job: Job, windows: Windows, display: Option<String>) -> Result<Wall, AnyError> {
    let tiles = windows.each * job.streams as u32;
    let columns = match tiles {
        1 => 1,
        2..=4 => 2,
        _ => 6,
    };
    Ok(Wall::open(WallOptions {
        output: OutputKind::X11,
        display,
        columns: Some(columns),
        width: windows.width * columns,
        height: windows.height * tiles.div_ceil(columns),
        ..WallOptions::default()
    })?)
}

fn is_running(camera: &Camera, job: Job) -> bool {
    let stats = camera.stats();
    let counter = match job {
        Job { windows: Some(_), .. } => &stats.presented,
        Job { decode: true, .. } => &stats.decoded,
        _ => &stats.received,
    };
    matches!(camera.state(), StreamState::Online(_)) && counter.get() > 0
}

/// What is counted of one camera, or of several.
#[derive(Clone, Copy)]
struct Counts {
    received: u64,
    presented: u64,
    dropped: u64,
}

impl Counts {
    fn of(camera: &Camera) -> Self {
        let stats = camera.stats();
        Self {
            received: stats.received.get(),
            presented: stats.presented.get(),
            dropped: stats.decode_dropped.get() + stats.present_dropped.get() + stats.lost_packets.get(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            received: self.received - before.received,
            presented: self.presented - before.presented,
            dropped: self.dropped - before.dropped,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            presented: self.presented + other.presented,
            dropped: self.dropped + other.dropped,
        }
    }
}

const FRAME_RATE: f64 = 25.0;
const FLOOR_TIME: Duration = Duration::from_secs(5);
const START_TIMEOUT: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);
