//! What the tests of the server share: streams to serve, and other people's programs that watch them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

pub mod client;
pub mod house;
pub mod multicast;
pub mod streams;
pub mod watcher;

pub use streams::Stream;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use valkka_core::clock::SystemClock;
use valkka_core::codec::CodecParams;
use valkka_core::frame::{Body, Frame, FrameTime, Packet, Signal};
use valkka_core::sink::Sink;
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};
use valkka_core::worker::Worker;
use valkka_net::server::{Mount, Server, ServerOptions};
use valkka_testkit::process::{self, Child};

/// For what must happen, however slow the machine is.
pub const SOON: Duration = Duration::from_secs(60);

/// A server with one stream under `/cam1` that plays at its real pace.
pub struct Camera {
    pub server: Server,
    /// Access units put in so far.
    pub put: Arc<AtomicU64>,
    pub mount: Arc<Mount>,
    player: Worker,
}

impl Camera {
    pub fn new(tracks: Vec<Stream>) -> Self {
        Self::with(tracks, ServerOptions::default())
    }

    pub fn with(tracks: Vec<Stream>, options: ServerOptions) -> Self {
        // Groups are sent to from an address of their family.
        let home: IpAddr = match options.multicast {
            Some(range) if range.address.is_ipv6() => Ipv6Addr::LOCALHOST.into(),
            _ => Ipv4Addr::LOCALHOST.into(),
        };
        let server = Server::bind((home, 0).into(), options).unwrap();
        let mount = Arc::new(server.mount("/cam1").unwrap());
        let put = Arc::<AtomicU64>::default();
        let player = play(mount.clone(), tracks, put.clone());
        Self { server, put, mount, player }
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Stops playing and unmounts the stream; the server stays.
    pub fn unmount(self) -> Server {
        drop(self.player);
        drop(Arc::into_inner(self.mount).unwrap());
        self.server
    }

    pub fn url(&self) -> String {
        format!("rtsp://{}/cam1", self.server.local_addr())
    }

    /// The address with a user name and a password.
    pub fn url_with(&self, credentials: &str) -> String {
        format!("rtsp://{credentials}@{}/cam1", self.server.local_addr())
    }
}

/// Plays `tracks` into `sink`, again and again; counts the access units.
pub fn play(sink: Arc<dyn Sink>, tracks: Vec<Stream>, put: Arc<AtomicU64>) -> Worker {
    // Before anybody can ask for the tracks.
    sink.put(online(&tracks));
    Worker::spawn("player", None, move |stop| {
        let start = Instant::now();
        for frame in film(&tracks) {
            let elapsed = Duration::from_micros(frame.time.media.micros_since(MediaTime::default()) as u64);
            if stop.wait((start + elapsed).saturating_duration_since(Instant::now())) {
                return;
            }
            let now = SystemClock.now();
            let time = FrameTime { arrival: now, capture: Some(now), wall: now, ..frame.time };
            sink.put(Frame { time, ..frame });
            put.fetch_add(1, Ordering::SeqCst);
        }
    })
    .unwrap()
}

/// The access units of `tracks` in the order of their times, again and again without an end, as of a camera whose clock
/// shows nothing but the time of its stream.
pub fn film(tracks: &[Stream]) -> impl Iterator<Item = Frame> {
    let mut all: Vec<_> = Vec::new();
    for (index, track) in (0..).zip(tracks) {
        all.extend(track.units.iter().map(|unit| (unit, Track::new(index), &track.params)));
    }
    all.sort_by_key(|(unit, ..)| unit.time);
    let length = tracks.iter().map(|track| track.length.ticks()).max().unwrap();
    let round = move |round| {
        let frame = move |&(unit, track, params): &(&streams::Unit, Track, &Arc<CodecParams>)| {
            let media = MediaTime::from_ticks(round * length + unit.time.ticks());
            let wall = WallTime::default().offset_micros(media.micros_since(MediaTime::default()));
            let (params, payload) = (params.clone(), unit.payload.clone());
            Frame {
                slot: Slot::new(1),
                track,
                time: FrameTime { media, arrival: wall, capture: None, wall },
                body: Body::Packet(Packet { params, payload, keyframe: unit.keyframe, lost: 0 }),
            }
        };
        all.clone().into_iter().map(move |unit| frame(&unit))
    };
    (0..).flat_map(round)
}

/// Tells which tracks there will be.
pub fn online(tracks: &[Stream]) -> Frame {
    Frame::signal(Slot::new(1), SystemClock.now(), announcement(tracks))
}

fn announcement(tracks: &[Stream]) -> Signal {
    let info = |(index, track): (u8, &Stream)| TrackInfo {
        track: Track::new(index),
        medium: String::new(),
        encoding: String::new(),
        params: Some(track.params.clone()),
        skipped: None,
    };
    let tracks = (0..).zip(tracks).map(info).collect();
    Signal::Online(Arc::new(StreamInfo { tracks, ..StreamInfo::default() }))
}

/// What a program said until it ended.
pub struct Said {
    pub success: bool,
    pub output: String,
}

/// Runs `program` with `arguments`, separated by spaces, to its end.
pub fn run(program: &str, arguments: &str) -> Said {
    finish(command(program, arguments))
}

/// Runs `command` to its end.
pub fn finish(command: Command) -> Said {
    let mut child = Child::spawn(command).unwrap();
    let status = child.wait(SOON).unwrap_or_else(|error| panic!("{error}\n{}", child.output()));
    Said { success: status.success(), output: child.output() }
}

/// Starts `program` with `arguments`, separated by spaces.
pub fn start(program: &str, arguments: &str) -> Child {
    Child::spawn(command(program, arguments)).unwrap()
}

fn command(program: &str, arguments: &str) -> Command {
    let mut command = process::command(program).unwrap();
    command.args(arguments.split_ascii_whitespace());
    command
}

/// Has the `ffmpeg` program decode `frames` frames of the first track of the kind (`v` or `a`) of `url`; returns
/// how many it got, and what it complained of. If it lost packets over UDP, it tries again: its buffer overflows where the
/// machine is busy, but not time after time.
pub fn ffmpeg(url: &str, transport: &str, kind: char, frames: u32) -> (u32, String) {
    let attempts = if transport == "tcp" { 1 } else { ATTEMPTS };
    let mut heard = (0, String::new());
    for _ in 0..attempts {
        heard = ffmpeg_once(url, transport, kind, frames);
        if !lost(&heard.1) {
            break;
        }
    }
    heard
}

/// How often something is tried by UDP.
pub const ATTEMPTS: usize = 5;

/// Whether `ffmpeg` complained of packets that did not come.
pub fn lost(warnings: &str) -> bool {
    warnings.contains("missed") || warnings.contains("max delay")
}

fn ffmpeg_once(url: &str, transport: &str, kind: char, frames: u32) -> (u32, String) {
    let said = run(
        "ffmpeg",
        &format!(
            "-nostdin -hide_banner -loglevel warning -progress - -nostats -rtsp_transport {transport} -i {url} \
             -map 0:{kind}:0 -frames:{kind} {frames} -f framecrc -"
        ),
    );
    assert!(said.success, "{}", said.output);
    // One line per frame; comments and the progress report do not start with the index of the stream.
    let lines = said.output.lines().filter(|line| line.starts_with("0,")).count();
    let warnings = said.output.lines().filter(|line| line.starts_with('[')).collect::<Vec<_>>().join("\n");
    (lines.try_into().unwrap(), warnings)
}
