//! `valkka archive`: what a store holds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use valkka::store::{Store, StreamSummary};
use valkka::time::WallTime;

use crate::exit::cannot_start;
use crate::moment::{local, parse_moment};
use crate::{archive, output, units};

/// List what a store has recorded: cameras, times, and why there are gaps
///
/// The store may be written meanwhile. Times are local; with --json they are in UTC.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the store
    #[arg(value_name = "DIR")]
    store: PathBuf,

    /// Of this camera alone
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,

    /// From when on, e.g. "2026-11-23 14:00" or -1h
    #[arg(long, value_name = "T", value_parser = parse_moment, allow_hyphen_values = true)]
    from: Option<WallTime>,

    /// Up to when
    #[arg(long, value_name = "T", value_parser = parse_moment, allow_hyphen_values = true)]
    to: Option<WallTime>,

    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

/// What is printed; with `--json`, as it is.
#[derive(Debug, Serialize)]
struct Listing {
    store: PathBuf,
    /// Bytes that are reserved.
    size_bytes: u64,
    cameras: Vec<Camera>,
}

#[derive(Debug, Serialize)]
struct Camera {
    name: String,
    /// Its number in the store.
    id: u64,
    from: Option<Moment>,
    to: Option<Moment>,
    bytes: u64,
    stretches: Vec<Span>,
    gaps: Vec<Gap>,
}

#[derive(Clone, Debug, Serialize)]
struct Span {
    from: Moment,
    to: Moment,
}

#[derive(Debug, Serialize)]
struct Gap {
    #[serde(flatten)]
    span: Span,
    /// Why nothing was recorded; empty if nobody has said so.
    reason: String,
}

/// As RFC 3339 in JSON.
#[derive(Clone, Copy, Debug)]
struct Moment(WallTime);

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = match Store::open(&args.store) {
        Ok(store) => store,
        Err(error) => return Ok(cannot_start(&format_args!("{:#}", anyhow::Error::new(error)))),
    };
    let wanted = args.camera.as_deref().map(|name| archive::stream(&store, name)).transpose();
    let wanted = match wanted.with_context(|| args.store.display().to_string()) {
        Ok(wanted) => wanted,
        Err(error) => return Ok(cannot_start(&format_args!("{error:#}"))),
    };
    let streams = store.streams().into_iter().filter(|stream| wanted.is_none_or(|id| id == stream.id));
    let cameras = streams.map(|stream| args.camera(&store, stream)).collect::<anyhow::Result<_>>()?;
    let listing = Listing { store: args.store.clone(), size_bytes: store.geometry().data_bytes(), cameras };
    output::print(&if args.json { serde_json::to_string(&listing)? + "\n" } else { text(&listing) })?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn camera(&self, store: &Arc<Store>, stream: StreamSummary) -> anyhow::Result<Camera> {
        let beginning = WallTime::from_micros(i64::MIN);
        let range = self.from.unwrap_or(beginning)..self.to.unwrap_or(WallTime::from_micros(i64::MAX));
        let (mut stretches, mut gaps) = (Vec::<Span>::new(), Vec::new());
        for stretch in store.stretches(stream.id, range)? {
            match (stretch.gap_before, stretches.last()) {
                (Some(gap), _) => {
                    let span = Span { from: Moment(gap.from), to: Moment(gap.to) };
                    gaps.push(Gap { span, reason: gap.reason });
                }
                (None, Some(before)) => {
                    let span = Span { from: before.to, to: Moment(stretch.from) };
                    gaps.push(Gap { span, reason: String::new() });
                }
                (None, None) => {}
            }
            stretches.push(Span { from: Moment(stretch.from), to: Moment(stretch.to) });
        }
        Ok(Camera {
            name: archive::title(&stream.name, stream.id),
            id: stream.id.number(),
            from: stream.first.map(Moment),
            to: stream.last.map(Moment),
            bytes: stream.bytes,
            stretches,
            gaps,
        })
    }
}

fn text(listing: &Listing) -> String {
    let used: u64 = listing.cameras.iter().map(|camera| camera.bytes).sum();
    let mut text = format!(
        "{}: {} of {} used\n",
        listing.store.display(),
        units::size(used),
        units::size(listing.size_bytes)
    );
    for camera in &listing.cameras {
        text += &match (camera.from, camera.to) {
            (Some(from), Some(to)) => {
                format!(
                    "{}: {} to {}, {}\n",
                    camera.name,
                    local(from.0),
                    local(to.0),
                    units::size(camera.bytes)
                )
            }
            _ => format!("{}: nothing\n", camera.name),
        };
        for Gap { span, reason } in &camera.gaps {
            let length = units::length(span.to.0.saturating_since(span.from.0));
            let reason = if reason.is_empty() { "nobody has said why" } else { reason };
            text += &format!(
                "  nothing from {} to {} ({length}): {reason}\n",
                local(span.from.0),
                local(span.to.0)
            );
        }
    }
    text
}
