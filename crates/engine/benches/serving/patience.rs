//! How long a new viewer waits.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::audience::{Audience, Link};
use crate::client::Client;
use crate::load::Load;
use crate::row::until_pictures;
use crate::server::{Kind, Server};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    kind: Kind,
    /// Viewers that are there already.
    others: usize,
    /// What we want of it.
    pub(crate) wanted: &'static str,
}

/// The median and the 99th percentile of each time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) play_to_packet: (f64, f64),
    pub(crate) describe_to_packet: (f64, f64),
    /// All of a key frame is there.
    pub(crate) describe_to_picture: (f64, f64),
}

impl Row {
    pub(crate) fn measure(&self) -> io::Result<Waits> {
        let server = Server::start(self.kind, Load::Usual)?;
        let audience = Audience::new()?;
        // A camera is not started for the viewer who is measured.
        for _ in 0..self.others.max(1) {
            audience.add(server.addr(), &server.url(), Link::Tcp)?;
        }
        until_pictures(&audience, self.others.max(1))?;
        thread::sleep(WARM_UP);
        let end = Instant::now() + MEASURED;
        let server = &server;
        let seen = thread::scope(|scope| {
            let viewers: Vec<_> =
                (0..VIEWERS).map(|seed| scope.spawn(move || come_and_go(server, seed, end))).collect();
            viewers
                .into_iter()
                .map(|viewer| viewer.join().expect("it does not panic"))
                .collect::<io::Result<Vec<_>>>()
        })?;
        let quantiles = |time: usize| quantiles(seen.iter().flatten().map(|times| times[time]));
        let [play_to_packet, describe_to_packet, describe_to_picture] = [0, 1, 2].map(quantiles);
        Ok(Waits { play_to_packet, describe_to_packet, describe_to_picture })
    }
}

/// Watches again and again until `end`; the times of each, in milliseconds.
fn come_and_go(server: &Server, seed: u64, end: Instant) -> io::Result<Vec<[f64; 3]>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut times = Vec::new();
    while Instant::now() < end {
        // At any moment between two key frames: the last one may just have come.
        thread::sleep(Duration::from_micros(random.u64(..GROUP_MICROS)));
        times.push(view(server)?.map(|time| time.as_secs_f64() * 1000.0));
    }
    Ok(times)
}

/// Watches until a picture is there: the time from PLAY to the first packet, from DESCRIBE to it, and from DESCRIBE to
/// the last packet of the first key frame.
fn view(server: &Server) -> io::Result<[Duration; 3]> {
    let mut client = Client::connect(server.addr(), &server.url())?;
    let described = Instant::now();
    let track = client.describe()?;
    client.set_up_tcp(&track)?;
    let played = Instant::now();
    client.play()?;
    let mut packet = client.packet()?;
    let (to_packet, all_to_packet) = (played.elapsed(), described.elapsed());
    let mut key = false;
    loop {
        key |= is_key(&packet);
        let ends = packet.get(1).is_some_and(|byte| byte & 0x80 != 0);
        if key && ends {
            return Ok([to_packet, all_to_packet, described.elapsed()]);
        }
        packet = client.packet()?;
    }
}

/// Whether a packet (without extensions and contributors) has a part of a key frame of H.264 (RFC 6184).
fn is_key(packet: &[u8]) -> bool {
    let Some(&[indicator, header]) = packet.get(12..).and_then(|payload| payload.first_chunk()) else {
        return false;
    };
    const IDR: u8 = 5;
    const FU_A: u8 = 28;
    match indicator & 0x1f {
        IDR => true,
        FU_A => header & 0x1f == IDR,
        _ => false,
    }
}

/// The median and the 99th percentile.
fn quantiles(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    (at(0.5), at(0.99))
}

const fn row(name: &'static str, kind: Kind, others: usize, wanted: &'static str) -> Row {
    Row { name, kind, others, wanted }
}

/// The table.
pub(crate) const ROWS: &[Row] = &[
    row("for us, 1 other there", Kind::Ours, 1, "packet ≤ 50 ms after PLAY"),
    row("for us, 255 others there", Kind::Ours, 255, "packet ≤ 50 ms after PLAY"),
    row("for GStreamer, 1 other there", Kind::GStreamer, 1, ""),
    row("for GStreamer, 255 others there", Kind::GStreamer, 255, ""),
];

const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);
/// Viewers that come and go at the same time.
const VIEWERS: u64 = 8;
/// From one key frame to the next.
const GROUP_MICROS: u64 = 1_000_000;
