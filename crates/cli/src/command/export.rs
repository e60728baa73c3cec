//! `valkka export`: a part of an archive as a file.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use valkka::export::{ExportError, ExportOptions, ExportReport, Gaps, export};
use valkka::store::{Store, StreamId};
use valkka::time::WallTime;

use super::record::Format;
use crate::exit::cannot_start;
use crate::interrupt::Interrupt;
use crate::moment::{MOMENTS, local, parse_moment};
use crate::progress::Progress;
use crate::{archive, output, units};

/// Export a part of what a camera has recorded as a file, sound included, without encoding anything
///
/// It begins with the key frame before the beginning that is asked for. The store may be written meanwhile. Where the camera's
/// parameters change (another resolution), FILE-2 follows. The path of each file is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{MOMENTS}\n\n{EXAMPLES}"))]
pub(crate) struct Args {
    /// The directory of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,

    /// Which camera, by its name
    #[arg(long, value_name = "NAME")]
    camera: String,

    /// From when on, e.g. "2026-11-23 14:00" or -10m; by default from the oldest recording on
    #[arg(long, value_name = "T", value_parser = parse_moment, allow_hyphen_values = true)]
    #[arg(required_unless_present_any = ["to", "all"])]
    from: Option<WallTime>,

    /// Up to when; by default up to now
    #[arg(long, value_name = "T", value_parser = parse_moment, allow_hyphen_values = true)]
    to: Option<WallTime>,

    /// All there is
    #[arg(long, conflicts_with_all = ["from", "to"])]
    all: bool,

    /// What becomes of times in which nothing was recorded
    #[arg(long, value_enum, default_value_t)]
    gaps: GapArg,

    /// How the file is laid out; by default as its name says
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Write over FILE if it is there
    #[arg(long)]
    overwrite: bool,

    /// The file: FILE.mkv takes everything, FILE.mp4 no G.711
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What becomes of gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum GapArg {
    /// The last picture stays until they are over, so that the file's clock is that of the recording
    #[default]
    Keep,
    /// What follows comes at once
    Close,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let prepared = args.prepare();
    let (store, id, options) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Ok(cannot_start(&format_args!("{error:#}"))),
    };
    let summary = store.streams().into_iter().find(|stream| stream.id == id);
    let (first, last) = summary.map(|stream| (stream.first, stream.last)).unwrap_or_default();
    // Sound may go on after the last picture, and recording now.
    let (beginning, end) = (WallTime::from_micros(i64::MIN), WallTime::from_micros(i64::MAX));
    let range = args.from.unwrap_or(beginning)..args.to.unwrap_or(end);
    let shown = (first.unwrap_or_default().max(range.start), last.unwrap_or_default().min(range.end));
    let mut progress = Progress::new(shown.0, shown.1);
    let mut failed = None;
    let report = export(&mut store.cursor(id), range, &args.file, &options, &mut |position| {
        failed = progress.tick(position).err();
        if failed.is_some() || interrupt.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    progress.clear()?;
    let report = match report {
        Err(ExportError::Nothing { .. }) => bail!("nothing is recorded{}", when(args.from, args.to)),
        report => report?,
    };
    failed.map_or(Ok(()), Err)?;
    tell(&report)?;
    Ok(if report.stopped { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

impl Args {
    fn prepare(&self) -> anyhow::Result<(Arc<Store>, StreamId, ExportOptions)> {
        let format = self.format.map_or_else(|| Format::of(&self.file), Ok)?;
        ensure!(
            self.overwrite || !self.file.exists(),
            "{} is there already (--overwrite)",
            self.file.display()
        );
        let store = Store::open(&self.store)?;
        let id = archive::stream(&store, &self.camera).with_context(|| self.store.display().to_string())?;
        let gaps = match self.gaps {
            GapArg::Keep => Gaps::Keep,
            GapArg::Close => Gaps::Close,
        };
        Ok((store, id, ExportOptions { container: format.container(), gaps, segment: None }))
    }
}

/// In which time there is nothing.
fn when(from: Option<WallTime>, to: Option<WallTime>) -> String {
    match (from.map(local), to.map(local)) {
        (None, None) => String::new(),
        (Some(from), None) => format!(" from {from} on"),
        (None, Some(to)) => format!(" before {to}"),
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
    }
}

fn tell(report: &ExportReport) -> anyhow::Result<()> {
    for path in &report.files {
        output::print(&format!("{}\n", path.display()))?;
    }
    eprintln!(
        "{} to {}: {} pictures, {}",
        local(report.from),
        local(report.to),
        report.pictures,
        units::size(report.bytes)
    );
    if report.gaps > 0 {
        let gap_time = units::length(report.gap_time);
        eprintln!("{} time{} without recordings, {gap_time} in all", report.gaps, plural(report.gaps));
    }
    if report.damaged > 0 {
        eprintln!("{} place{} in the store cannot be read", report.damaged, plural(report.damaged));
    }
    for track in &report.left_out {
        eprintln!("without {track}");
    }
    if report.stopped {
        eprintln!("stopped before the end");
    }
    Ok(())
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

const EXAMPLES: &str = "\
Examples:
  valkka export --store /srv/video --camera front --from \"2026-11-23 14:00\" --to \"2026-11-23 14:10\" front.mkv
  valkka export --store /srv/video --camera front --from -10m last-ten-minutes.mp4
  valkka export --store /srv/video --camera gate --all --gaps close events.mkv";
