//! `valkka import`: a file into an archive.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Error};
use valkka::import::{Import, ImportError};
use valkka::store::{Retention, StoreError, Writer, WriterOptions};
use valkka::time::WallTime;
use valkka_site::check_camera_name;

use crate::archive::{self, NewStore};
use crate::exit::cannot_start;
use crate::interrupt::Interrupt;
use crate::moment::{local, parse_moment};
use crate::progress::Progress;
use crate::units;

/// Import a file into a store, as what a camera has recorded, without encoding anything
///
/// The store must not be written by anybody else meanwhile, such as a running valkka serve.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The directory of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,

    /// Make a store of this size, e.g. 10G, if there is none
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    size: Option<u64>,

    /// Which camera, by its name; it may be new
    #[arg(long, value_name = "NAME")]
    camera: String,

    /// When the recording began, e.g. "2026-11-23 14:00" or 2026-11-23T12:00:00Z; by default as the file says, or else it is taken
    /// to have ended when the file was modified last
    #[arg(long, value_name = "T", value_parser = parse_moment, allow_hyphen_values = true)]
    start: Option<WallTime>,

    /// The file: Matroska, MP4 …
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let (writer, import) = match args.prepare() {
        Ok(prepared) => prepared,
        Err(error) => return Ok(cannot_start(&format_args!("{error:#}"))),
    };
    let mut progress = Progress::new(import.from(), import.to());
    let mut failed = None;
    let report = import.run(&writer, &args.camera, Retention::default(), &mut |position| {
        failed = progress.tick(position).err();
        if failed.is_some() || interrupt.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    progress.clear()?;
    let report = match report {
        Err(error @ ImportError::Overlap { .. }) => return Ok(cannot_start(&error)),
        report => report?,
    };
    failed.map_or(Ok(()), Err)?;
    eprintln!(
        "{} to {}: {} packets, {}{}",
        local(report.from),
        local(report.to),
        report.packets,
        units::size(report.bytes),
        if report.stopped { ", stopped before the end" } else { "" }
    );
    Ok(if report.stopped { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

impl Args {
    fn prepare(&self) -> anyhow::Result<(Writer, Import)> {
        check_camera_name(&self.camera).map_err(Error::msg)?;
        let import = Import::open(&self.file, self.start)?;
        let new = NewStore { size: self.size, ..NewStore::default() };
        let store = archive::open_or_create(&self.store, &new, 1)?;
        match Writer::open(store, WriterOptions::default()) {
            Err(error @ StoreError::Locked(_)) => Err(error).context(OTHER_WRITER),
            writer => Ok((writer?, import)),
        }
    }
}

const OTHER_WRITER: &str = "nothing can be imported while valkka serve or valkka record writes the store: end that meanwhile, \
    or import into another store";

const EXAMPLES: &str = "\
Examples:
  valkka import --store /srv/video --camera front --start \"2026-11-23 14:00\" footage.mkv
  valkka import --store /srv/video --size 10G --camera front footage.mp4";
