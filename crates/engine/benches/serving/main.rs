//! What serving one stream to many viewers costs, beside a floor and a peer in the same run: prints the tables of
//! `docs/performance.md`, section "Serving".
//!
//! The load is that of the `performance` benchmark, 1920×1080, 25 frames a second, H.264, 4 Mbit/s, and the same with
//! 40 Mbit/s. Servers are measured in processes of their own; the viewers are sockets of this process, which take what
//! comes, check the sequence numbers and count.
//!
//! `cargo bench -p valkka --bench serving [-- ROUNDS [WORD]]` limits the rounds (one, unless told otherwise), and the
//! rows to those that contain a word. One round takes some three minutes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

mod audience;
mod client;
mod floor;
mod load;
#[path = "../common/measured.rs"]
mod measured;
mod patience;
#[path = "../common/report.rs"]
mod report;
mod row;
mod server;
mod stream;
mod worker;

use std::collections::BTreeMap;
use std::env;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use patience::Waits;
use report::{median, show};
use row::{Figures, ROWS};

fn main() -> io::Result<()> {
    allow_many_sockets()?;
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [worker::WORD, order] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return worker::run(order);
    }
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(1).max(1);
    let filter = arguments.get(1).cloned().unwrap_or_default();

    let rows: Vec<_> = ROWS.iter().filter(|row| row.name.contains(&filter)).collect();
    let waits: Vec<_> = patience::ROWS.iter().filter(|row| row.name.contains(&filter)).collect();
    let mut figures: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    let mut waited: BTreeMap<&str, Vec<Waits>> = BTreeMap::new();
    for round in 1..=rounds {
        for row in &rows {
            eprintln!("round {round} of {rounds}: {}", row.name);
            match row.measure() {
                Ok(result) => figures.entry(row.name).or_default().push(result),
                Err(error) => eprintln!("  not measured: {error}"),
            }
        }
        for row in &waits {
            eprintln!("round {round} of {rounds}: {}", row.name);
            match row.measure() {
                Ok(result) => waited.entry(row.name).or_default().push(result),
                Err(error) => eprintln!("  not measured: {error}"),
            }
        }
    }
    print_rows(&rows, &figures);
    println!();
    print_waits(&waits, &waited);
    Ok(())
}

/// Thousands of viewers need thousands of descriptors: as many as the system lets us have. What is started by this
/// process has them too.
fn allow_many_sockets() -> io::Result<()> {
    let limits = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits })?)
}

/// Prints what serving costs, as Markdown.
fn print_rows(rows: &[&row::Row], results: &BTreeMap<&str, Vec<Figures>>) {
    println!(
        "| Work | CPU ms per frame and viewer | × floor | viewers per core | Gbit/s | Gbit/s per core | viewers that \
         fell behind | KiB per viewer | wanted |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let of = |pick: fn(&Figures) -> f64| median(results.get(row.name)?.iter().map(pick));
        let cpu = of(|figures| figures.cpu_ms_per_frame);
        let floor = row.floor.and_then(|name| results.get(name));
        let floor = floor.and_then(|floor| median(floor.iter().map(|figures| figures.cpu_ms_per_frame)));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            show(cpu, 4),
            show(cpu.zip(floor).map(|(cpu, floor)| cpu / floor), 2),
            show(of(|figures| figures.viewers_per_core), 0),
            show(of(|figures| figures.gbit_s), 2),
            show(of(|figures| figures.gbit_s_per_core), 1),
            show(of(|figures| figures.behind as f64), 0),
            show(of(|figures| figures.kib_per_viewer), 0),
            row.wanted,
        );
    }
}

/// Prints how long a new viewer waits, as Markdown.
fn print_waits(rows: &[&patience::Row], results: &BTreeMap<&str, Vec<Waits>>) {
    println!(
        "| A new viewer waits | PLAY → first packet p50 / p99 ms | DESCRIBE → first packet p50 / p99 ms | DESCRIBE → \
         first picture p50 / p99 ms | wanted |"
    );
    println!("|---|---|---|---|---|");
    for row in rows {
        let pair = |pick: fn(&Waits) -> (f64, f64)| {
            let results = results.get(row.name);
            let pair = results.and_then(|results| {
                let half = |n: usize| {
                    median(results.iter().map(|waits| if n == 0 { pick(waits).0 } else { pick(waits).1 }))
                };
                half(0).zip(half(1))
            });
            pair.map_or("–".into(), |(p50, p99)| format!("{p50:.1} / {p99:.1}"))
        };
        println!(
            "| {} | {} | {} | {} | {} |",
            row.name,
            pair(|waits| waits.play_to_packet),
            pair(|waits| waits.describe_to_packet),
            pair(|waits| waits.describe_to_picture),
            row.wanted,
        );
    }
}
