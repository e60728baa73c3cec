//! What recording costs, and how soon a recording can be seen, beside a floor and a peer in the same run: prints the tables
//! of `docs/performance.md`, section "Recording".
//!
//! The load is that of the `performance` benchmark: 1920×1080, 25 frames a second, H.264, 4 Mbit/s. Whoever records is a
//! process of its own, which writes to the temporary directory.
//!
//! `cargo bench -p valkka --bench recording [-- ROUNDS [WORD]]` limits the rounds (one, unless told otherwise), and the rows
//! to those that contain a word. One round takes some three minutes, and 13 GB of disk for a while.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

mod archive;
mod feed;
mod peer;
#[path = "../common/report.rs"]
mod report;
mod row;
mod seeks;
mod worker;

use std::collections::BTreeMap;
use std::env;
use std::io;

use report::{median, show};
use row::{Figures, ROWS};
use seeks::Waits;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [worker::WORD, order] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return worker::run(order);
    }
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(1).max(1);
    let filter = arguments.get(1).cloned().unwrap_or_default();

    let rows: Vec<_> = ROWS.iter().filter(|row| row.name.contains(&filter)).collect();
    let mut figures: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    let mut waits: Vec<Waits> = Vec::new();
    for round in 1..=rounds {
        for row in &rows {
            eprintln!("round {round} of {rounds}: {}", row.name);
            match row.measure() {
                Ok(result) => figures.entry(row.name).or_default().push(result),
                Err(error) => eprintln!("  not measured: {error}"),
            }
        }
        if seeks::NAME.contains(&filter) {
            eprintln!("round {round} of {rounds}: {}", seeks::NAME);
            match worker::spawn(&worker::Order::Seek) {
                Ok(result) => waits.push(result),
                Err(error) => eprintln!("  not measured: {error}"),
            }
        }
    }
    print_rows(&rows, &figures);
    println!();
    print_waits(&waits);
    Ok(())
}

/// Prints what recording costs, as Markdown.
fn print_rows(rows: &[&row::Row], results: &BTreeMap<&str, Vec<Figures>>) {
    println!(
        "| Work | CPU ms per frame and stream | × floor | streams per core | bytes written per byte recorded | syncs per \
         second | frames dropped | KiB per stream | wanted |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let of = |pick: fn(&Figures) -> f64| median(results.get(row.name)?.iter().map(pick));
        let cpu = |name| median(results.get(name)?.iter().map(|figures| figures.cpu_ms_per_frame));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            show(cpu(row.name), 4),
            show(cpu(row.name).zip(row.floor.and_then(cpu)).map(|(cpu, floor)| cpu / floor), 2),
            show(of(|figures| figures.streams_per_core), 0),
            show(of(|figures| figures.written_per_recorded), 3),
            show(of(|figures| figures.syncs_per_second), 1),
            show(of(|figures| figures.dropped), 0),
            show(of(|figures| figures.kib_per_stream), 0),
            row.wanted,
        );
    }
}

/// Prints how long it takes to see something, as Markdown.
fn print_waits(waits: &[Waits]) {
    println!("| {} | p50 ms | p99 ms | wanted |", seeks::NAME);
    println!("|---|---|---|---|");
    for (name, pick, wanted) in seeks::ROWS {
        let of = |percentile: usize| median(waits.iter().map(|waits| pick(waits)[percentile]));
        println!("| {name} | {} | {} | {wanted} |", show(of(0), 1), show(of(1), 1));
    }
}
