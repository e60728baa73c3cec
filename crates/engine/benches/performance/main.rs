//! What Valkka costs, beside the floor and its peers in the same run: prints the table of
//! `docs/performance.md`.
//!
//! The load is defined: 1920×1080, 25 frames a second, H.264 main, 4 Mbit/s, a key frame a second, no B
//! frames, served by GStreamer's RTSP server on loopback. Each row is measured in processes of their own, in
//! turn, several times; medians are printed. CPU time is user and system time of the measured process alone.
//!
//! `cargo bench -p valkka --bench performance [-- ROUNDS [WORD]]` limits the rounds, and the rows to those
//! that contain a word.
//!
//! Other benchmarks take parts of it: `serve COUNT` serves the load and prints its addresses until its standard input
//! is closed, and `read NAME WIDTH HEIGHT` reads pictures from shared memory until then, and prints what it saw.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

mod load;
mod peer;
mod reader;
#[path = "../common/report.rs"]
mod report;
mod row;
mod worker;

use std::collections::BTreeMap;
use std::env;
use std::io;

use report::{median, show};
use row::{ROWS, Result as Figures};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [worker::WORD, job] => return worker::run(job),
        ["serve", count] => return load::serve(count.parse().map_err(io::Error::other)?),
        ["read", name, width, height] => {
            let [width, height] = [width, height].map(|side| side.parse().map_err(io::Error::other));
            return reader::run(name, width?, height?);
        }
        _ => {}
    }
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(3).max(1);
    let filter = arguments.get(1).cloned().unwrap_or_default();

    let load = load::Load::start()?;
    let rows: Vec<_> = ROWS.iter().filter(|row| row.name.contains(&filter)).collect();
    let mut results: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 1..=rounds {
        for row in &rows {
            eprintln!("round {round} of {rounds}: {}", row.name);
            match row.measure(&load) {
                Ok(figures) => results.entry(row.name).or_default().push(figures),
                Err(error) => eprintln!("  not measured: {error}"),
            }
        }
    }
    print(&rows, &results);
    Ok(())
}

/// Prints the table as Markdown.
fn print(rows: &[&row::Row], results: &BTreeMap<&str, Vec<Figures>>) {
    println!("{}\n", machine());
    println!(
        "| Work | CPU ms/frame | × floor | frames lost or late | age p50 / p99 ms | memory MiB (not files) | wanted |"
    );
    println!("|---|---|---|---|---|---|---|");
    let median =
        |name: &str, pick: fn(&Figures) -> Option<f64>| median(results.get(name)?.iter().filter_map(pick));
    let floor = median(row::FLOOR, |figures| figures.cpu_ms_per_frame);
    for row in rows {
        let cpu = median(row.name, |figures| figures.cpu_ms_per_frame);
        let ratio = cpu.zip(floor).filter(|_| row.decodes).map(|(cpu, floor)| cpu / floor);
        let ages = median(row.name, |figures| figures.age_p50_ms)
            .zip(median(row.name, |figures| figures.age_p99_ms));
        let memory = median(row.name, |figures| figures.rss_mib);
        let memory = memory.zip(median(row.name, |figures| figures.anonymous_mib));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            show(cpu, 3),
            show(ratio, 2),
            show(median(row.name, |figures| figures.missing), 0),
            ages.map_or("–".into(), |(p50, p99)| format!("{p50:.0} / {p99:.0}")),
            memory.map_or("–".into(), |(all, anonymous)| format!("{all:.0} ({anonymous:.0})")),
            row.wanted,
        );
    }
    let one = median(row::ONE_WINDOW, |figures| figures.cpu_ms_per_frame);
    let many = median(row::MANY_WINDOWS, |figures| figures.cpu_ms_per_frame);
    if let Some((one, many)) = one.zip(many) {
        println!("\nEach further window of 320×180: {:.3} ms (wanted ≤ 0.42).", (many - one) / 23.0);
    }
}

/// One line about the machine and the day.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let os = read("/etc/os-release");
    let os = os.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {cores} cores, {}", model.map_or("unknown CPU", |(_, model)| model), os.trim_matches('"'))
}
