//! What is measured: one line of the table each.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::audience::{Audience, Link};
use crate::load::Load;
use crate::server::{Kind, Server};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    kind: Kind,
    load: Load,
    link: Link,
    viewers: usize,
    /// The row it is held against.
    pub(crate) floor: Option<&'static str>,
    /// What we want of it.
    pub(crate) wanted: &'static str,
}

/// What one measurement brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Of the server, per picture and viewer.
    pub(crate) cpu_ms_per_frame: f64,
    /// Viewers that one core would do for.
    pub(crate) viewers_per_core: f64,
    /// What came through.
    pub(crate) gbit_s: f64,
    /// What came through per second of the server's CPU time.
    pub(crate) gbit_s_per_core: f64,
    /// Viewers that missed packets or pictures.
    pub(crate) behind: usize,
    /// Resident memory of the server; no number where there are too few viewers to tell.
    pub(crate) kib_per_viewer: f64,
}

impl Row {
    pub(crate) fn measure(&self) -> io::Result<Figures> {
        let mut server = Server::start(self.kind, self.load)?;
        let audience = Audience::new()?;
        // The first viewer has the server make what it makes once.
        audience.add(server.addr(), &server.url(), self.link)?;
        until_pictures(&audience, 1)?;
        // What is kept of the stream is no viewer's. It takes a while until there is all of it.
        let many = self.viewers >= MANY;
        thread::sleep(if many { FILLING } else { Duration::ZERO });
        let rss = server.rss_bytes()?;
        for _ in 1..self.viewers {
            audience.add(server.addr(), &server.url(), self.link)?;
        }
        until_pictures(&audience, self.viewers)?;
        thread::sleep(WARM_UP);

        let (before, cpu, started) = (audience.counts()?, server.cpu_time()?, Instant::now());
        thread::sleep(if self.viewers == 1 { MEASURED_ONE } else { MEASURED });
        let (after, cpu, elapsed) = (audience.counts()?, server.cpu_time()? - cpu, started.elapsed());
        let grown = server.rss_bytes()?.saturating_sub(rss);

        let counts: Vec<_> = after.iter().zip(&before).map(|(after, before)| after.since(*before)).collect();
        let pictures: u64 = counts.iter().map(|counts| counts.pictures).sum();
        let bits = counts.iter().map(|counts| counts.bytes).sum::<u64>() as f64 * 8.0;
        // Two pictures are at the edges.
        let all = self.load.frame_rate() * elapsed.as_secs_f64() - SLACK_PICTURES;
        let is_behind =
            |counts: &crate::stream::Counts| counts.over || counts.lost > 0 || (counts.pictures as f64) < all;
        let cpu = cpu.as_secs_f64();
        let viewer_seconds = pictures as f64 / self.load.frame_rate();
        Ok(Figures {
            cpu_ms_per_frame: cpu * 1000.0 / pictures as f64,
            viewers_per_core: viewer_seconds / cpu,
            gbit_s: bits / 1e9 / elapsed.as_secs_f64(),
            gbit_s_per_core: bits / 1e9 / cpu,
            behind: counts.iter().filter(|counts| is_behind(counts)).count(),
            kib_per_viewer: if many { grown as f64 / 1024.0 / self.viewers as f64 } else { f64::NAN },
        })
    }
}

/// Waits until so many viewers have got pictures.
pub(crate) fn until_pictures(audience: &Audience, viewers: usize) -> io::Result<()> {
    let started = Instant::now();
    loop {
        let counts = audience.counts()?;
        let playing = counts.iter().filter(|counts| counts.pictures > 0).count();
        if playing >= viewers {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{playing} of {viewers} viewers got pictures")));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

const fn row(kind: Kind, load: Load, link: Link, viewers: usize, name: &'static str) -> Row {
    Row { name, kind, load, link, viewers, floor: None, wanted: "" }
}

const fn against(floor: &'static str, wanted: &'static str, row: Row) -> Row {
    Row { floor: Some(floor), wanted, ..row }
}

const FLOOR_1: &str = "floor: write(), TCP, 1 viewer";
const FLOOR_32: &str = "floor: write(), TCP, 32 viewers";
const FLOOR_256: &str = "floor: write(), TCP, 256 viewers";
const FLOOR_HEAVY: &str = "floor: write(), TCP, 32 viewers of 40 Mbit/s";
const FLOOR_FLOOD: &str = "floor: write(), TCP, 32 viewers of 320 Mbit/s";

/// The table.
pub(crate) const ROWS: &[Row] = &[
    row(Kind::Floor, Load::Usual, Link::Bare, 1, FLOOR_1),
    against(FLOOR_1, "≤ 0.3 ms", row(Kind::Ours, Load::Usual, Link::Tcp, 1, "serve, TCP, 1 viewer")),
    against(FLOOR_1, "", row(Kind::GStreamer, Load::Usual, Link::Tcp, 1, "peer: GStreamer, TCP, 1 viewer")),
    row(Kind::Floor, Load::Usual, Link::Bare, 32, FLOOR_32),
    against(FLOOR_32, "≤ 0.02 ms", row(Kind::Ours, Load::Usual, Link::Tcp, 32, "serve, TCP, 32 viewers")),
    against(
        FLOOR_32,
        "",
        row(Kind::GStreamer, Load::Usual, Link::Tcp, 32, "peer: GStreamer, TCP, 32 viewers"),
    ),
    row(Kind::Floor, Load::Usual, Link::Bare, 256, FLOOR_256),
    against(FLOOR_256, "≤ 0.02 ms", row(Kind::Ours, Load::Usual, Link::Tcp, 256, "serve, TCP, 256 viewers")),
    against(
        FLOOR_256,
        "",
        row(Kind::GStreamer, Load::Usual, Link::Tcp, 256, "peer: GStreamer, TCP, 256 viewers"),
    ),
    row(Kind::Ours, Load::Usual, Link::Udp, 32, "serve, UDP, 32 viewers"),
    row(Kind::GStreamer, Load::Usual, Link::Udp, 32, "peer: GStreamer, UDP, 32 viewers"),
    row(Kind::Floor, Load::Heavy, Link::Bare, 32, FLOOR_HEAVY),
    against(
        FLOOR_HEAVY,
        "≥ 8 Gbit/s per core",
        row(Kind::Ours, Load::Heavy, Link::Tcp, 32, "serve, TCP, 32 viewers of 40 Mbit/s"),
    ),
    against(
        FLOOR_HEAVY,
        "",
        row(Kind::GStreamer, Load::Heavy, Link::Tcp, 32, "peer: GStreamer, TCP, 32 viewers of 40 Mbit/s"),
    ),
    Row {
        wanted: "3 × the viewers per core of GStreamer",
        ..row(Kind::Ours, Load::Usual, Link::Tcp, 2048, "serve, TCP, 2048 viewers")
    },
    row(Kind::GStreamer, Load::Usual, Link::Tcp, 2048, "peer: GStreamer, TCP, 2048 viewers"),
    row(Kind::Floor, Load::Flood, Link::Bare, 32, FLOOR_FLOOD),
    against(
        FLOOR_FLOOD,
        "≥ 8 Gbit/s per core",
        row(Kind::Ours, Load::Flood, Link::Tcp, 32, "serve, TCP, 32 viewers of 320 Mbit/s"),
    ),
];

/// So many viewers show what each takes of memory.
const MANY: usize = 256;
const FILLING: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(5);
/// One viewer costs so little that a longer time is needed to see it.
const MEASURED_ONE: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(20);
/// Pictures under way when a measurement begins or ends.
const SLACK_PICTURES: f64 = 3.0;
