//! `valkka fsck`: whether a store is whole.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use valkka::store::{
    CheckOptions, CheckProgress, Finding, Format, Outcome, Place, Report, StoreError, check, upgrade,
};

use crate::in_place::InPlace;
use crate::{exit, output, progress, units};

/// Check a store of recordings, and mend it
///
/// A store is a directory with a valkkafs.json. Looked at is whether that, the table and the data agree, and whether the
/// blocks are whole. A store may be checked while it is recorded into; to be mended it must be at rest.
///
/// Exit status: 0 if nothing is wrong, 1 if all that was wrong is mended, 4 if something is still wrong, 2 if the store
/// cannot be checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the store
    dir: PathBuf,

    /// Mend what can be mended: the table is made from the data, and valkkafs.json from both, where they are damaged or lost.
    /// No recording is changed
    #[arg(long)]
    repair: bool,

    /// Read all recordings and verify their check sums, which takes as long as the disk takes to read them
    #[arg(long)]
    deep: bool,

    /// The partition or disk that holds the data, where valkkafs.json, which says so, is lost or damaged
    #[arg(long, value_name = "PATH")]
    device: Option<PathBuf>,

    /// Have a store of libValkka continue in the current format; what is recorded stays readable here, but not by libValkka
    #[arg(long)]
    upgrade: bool,

    /// Print what was found as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = match checked(args) {
        Ok(report) => report,
        Err(error) => return Ok(exit::cannot_start(&error)),
    };
    let text = if args.json { to_json(&report).to_string() + "\n" } else { to_text(&report) };
    output::print(&text)?;
    let is_left = report.count(Outcome::Mended) < report.findings.len() || report.left_out > 0;
    if args.upgrade && report.format == Format::V1 {
        if report.count(Outcome::Mendable) > 0 {
            return Ok(exit::cannot_start(&"it is not upgraded before it is mended: use --repair, too"));
        }
        if let Err(error) = upgrade(&args.dir) {
            return Ok(exit::cannot_start(&error));
        }
        if !args.json {
            output::print(&format!("{} is of the current format now\n", args.dir.display()))?;
        }
    }
    Ok(match (report.is_clean(), is_left) {
        (true, _) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(1),
        (false, true) => ExitCode::from(4),
    })
}

/// Checks the store, and shows how far it is.
fn checked(args: &Args) -> Result<Report, StoreError> {
    let bar = Arc::new(Mutex::new(Bar::new()));
    let shared = bar.clone();
    let progress = move |progress| shared.lock().unwrap_or_else(PoisonError::into_inner).tick(progress);
    let options = CheckOptions {
        repair: args.repair,
        deep: args.deep,
        device: args.device.clone(),
        progress: Some(Box::new(progress)),
    };
    let report = check(&args.dir, &options);
    // What cannot be shown any more is not worth failing for.
    let _ = bar.lock().unwrap_or_else(PoisonError::into_inner).lines.clear();
    report
}

struct Bar {
    lines: InPlace,
    started: Instant,
}

impl Bar {
    fn new() -> Self {
        let mut lines = InPlace::new(Duration::from_secs(10));
        // What is done within a second needs no bar.
        lines.pass();
        Self { lines, started: Instant::now() }
    }

    fn tick(&mut self, CheckProgress { blocks, of }: CheckProgress) {
        if self.lines.is_due() {
            let (share, position) = (blocks as f64 / of.max(1) as f64, format!("block {blocks} of {of}"));
            let line = progress::bar(share, self.started.elapsed(), &position, progress::columns());
            // Whoever reads the standard error is gone.
            let _ = self.lines.show(&line);
        }
    }
}

fn to_text(report: &Report) -> String {
    let mut text: String = report.findings.iter().map(|finding| format!("{finding}\n")).collect();
    if report.left_out > 0 {
        text += &format!("and {} more\n", report.left_out);
    }
    let count = |outcome| report.count(outcome);
    let counts = [
        (count(Outcome::Mended), "mended"),
        (count(Outcome::Mendable), "can be mended with --repair"),
        (count(Outcome::Lasting), "lost"),
    ];
    let counts: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let result = if counts.is_empty() { "nothing is wrong".to_owned() } else { counts.join(", ") };
    let Report { blocks, used_blocks, records, bytes, .. } = report;
    let size = units::size(*bytes);
    text + &format!("{used_blocks} of {blocks} blocks are used, {records} records, {size}: {result}\n")
}

fn to_json(report: &Report) -> Value {
    json!({
        "format": match report.format { Format::V1 => 1, Format::V2 => 2 },
        "blocks": report.blocks,
        "used_blocks": report.used_blocks,
        "records": report.records,
        "bytes": report.bytes,
        "findings": report.findings.iter().map(finding_to_json).collect::<Vec<_>>(),
        "left_out": report.left_out,
    })
}

fn finding_to_json(finding: &Finding) -> Value {
    let (place, block, offset) = match finding.place {
        Place::Manifest => ("valkkafs.json", None, None),
        Place::Table => ("table", None, None),
        Place::Data => ("data", None, None),
        Place::Block(block) => ("block", Some(block), None),
        Place::Record { block, offset } => ("record", Some(block), Some(offset)),
    };
    let outcome = match finding.outcome {
        Outcome::Mended => "mended",
        Outcome::Mendable => "mendable",
        Outcome::Lasting => "lost",
    };
    json!({ "place": place, "block": block, "offset": offset, "what": finding.what, "outcome": outcome })
}
