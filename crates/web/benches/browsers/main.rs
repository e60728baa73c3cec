//! What one camera watched by many browsers costs: prints the table of `docs/performance.md`, section "In the browser".
//!
//! The load is that of the other benchmarks, 1920×1080, 25 frames a second, H.264, 4 Mbit/s, from GStreamer's RTSP server. The
//! service is a process of its own; the browsers are WebSockets of this process, which count the pictures that come.
//!
//! `cargo bench -p valkka-web --bench browsers [-- ROUNDS]` limits the rounds (one, unless told otherwise). One takes half a
//! minute.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

mod audience;
#[path = "../../../engine/benches/common/measured.rs"]
mod measured;
#[path = "../../../engine/benches/common/report.rs"]
mod report;
mod service;

use std::env;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use audience::Audience;
use report::{median, show};
use service::Service;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [service::WORD, camera] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return service::run(camera);
    }
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(1).max(1);
    let mut results = vec![Vec::new(); ROWS.len()];
    for round in 1..=rounds {
        for (row, results) in ROWS.iter().zip(&mut results) {
            eprintln!("round {round} of {rounds}: {}", row.name);
            match row.measure() {
                Ok(figures) => results.push(figures),
                Err(error) => eprintln!("  not measured: {error}"),
            }
        }
    }
    println!(
        "| Work | CPU ms per frame and browser | browsers per core | Gbit/s per core | browsers that missed pictures | KiB \
         per browser | wanted |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (row, results) in ROWS.iter().zip(&results) {
        let of = |pick: fn(&Figures) -> f64| median(results.iter().map(pick));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            show(of(|figures| figures.cpu_ms_per_frame), 4),
            show(of(|figures| figures.browsers_per_core), 0),
            show(of(|figures| figures.gbit_s_per_core), 1),
            show(of(|figures| figures.behind as f64), 0),
            show(of(|figures| figures.kib_per_browser), 0),
            row.wanted,
        );
    }
    Ok(())
}

/// One line of the table.
struct Row {
    name: &'static str,
    browsers: usize,
    /// What we want of it.
    wanted: &'static str,
}

/// What one measurement brought.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// Of the service, per picture and browser; receiving it is in it.
    cpu_ms_per_frame: f64,
    /// Browsers that one core would do for.
    browsers_per_core: f64,
    /// What came through per second of the service's CPU time.
    gbit_s_per_core: f64,
    /// Browsers that missed pictures.
    behind: usize,
    /// Resident memory of the service, but for the first browser; no number where there are too few to tell.
    kib_per_browser: f64,
}

impl Row {
    fn measure(&self) -> io::Result<Figures> {
        let mut service = Service::start()?;
        let mut audience = Audience::default();
        // The first one has the service make what it makes once.
        audience.add(service.address())?;
        audience.wait_for_pictures(PATIENCE)?;
        let rss = service.rss_bytes()?;
        for _ in 1..self.browsers {
            audience.add(service.address())?;
        }
        audience.wait_for_pictures(PATIENCE)?;
        thread::sleep(WARM_UP);

        let (before, cpu, started) = (audience.counts(), service.cpu_time()?, Instant::now());
        thread::sleep(MEASURED);
        let (after, cpu, elapsed) = (audience.counts(), service.cpu_time()? - cpu, started.elapsed());
        let grown = service.rss_bytes()?.saturating_sub(rss);

        let pictures =
            |(after, before): (&audience::Counts, &audience::Counts)| after.pictures - before.pictures;
        let bytes = |(after, before): (&audience::Counts, &audience::Counts)| after.bytes - before.bytes;
        let pairs = || after.iter().zip(&before);
        // Two pictures are at the edges.
        let all = FRAME_RATE * elapsed.as_secs_f64() - SLACK_PICTURES;
        let (cpu, shown) = (cpu.as_secs_f64(), pairs().map(pictures).sum::<u64>() as f64);
        let many = self.browsers >= MANY;
        Ok(Figures {
            cpu_ms_per_frame: cpu * 1000.0 / shown,
            browsers_per_core: shown / FRAME_RATE / cpu,
            gbit_s_per_core: pairs().map(bytes).sum::<u64>() as f64 * 8.0 / 1e9 / cpu,
            behind: pairs().filter(|&pair| (pictures(pair) as f64) < all).count(),
            kib_per_browser: if many { grown as f64 / 1024.0 / self.browsers as f64 } else { f64::NAN },
        })
    }
}

/// The table.
const ROWS: [Row; 3] = [
    Row { name: "1 browser", browsers: 1, wanted: "" },
    Row { name: "32 browsers", browsers: 32, wanted: "≤ 0.04 ms" },
    Row { name: "256 browsers", browsers: 256, wanted: "≤ 0.04 ms" },
];

/// So many browsers show what each takes of memory.
const MANY: usize = 256;
const FRAME_RATE: f64 = 25.0;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(30);
/// Pictures under way when a measurement begins or ends.
const SLACK_PICTURES: f64 = 3.0;
