//! `valkka probe`: what a stream is like, or what is wrong with it.

use std::process::ExitCode;

use valkka::probe::{ProbeOptions, ProbeReport, TrackReport, probe};
use valkka::source::{SourceOptions, Transport};
use valkka::{CameraOptions, Engine, EngineOptions};

use crate::address::Address;
use crate::exit::cannot_start;
use crate::output;

/// Connect to a stream, look at it for a while, and tell what it is like
///
/// Exits with 2, within 10 seconds, if it cannot be received; the reason is one line on standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// rtsp://USER:PASSWORD@HOST:PORT/PATH, rtsps://…, the path of an .sdp file, or a camera of this machine: /dev/video0
    url: Address,

    /// How the packets are to travel: auto, udp, tcp or multicast
    #[arg(long, default_value = "auto")]
    transport: Transport,

    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let engine = Engine::new(EngineOptions::default())?;
    let source = SourceOptions { transport: args.transport, ..SourceOptions::default() };
    let options = CameraOptions { source, ..CameraOptions::default() };
    let url = match args.url.parsed() {
        Ok(url) => url,
        Err(error) => return Ok(cannot_start(&error)),
    };
    match probe(&engine, url, options, ProbeOptions::default()) {
        Ok(report) if args.json => output::print(&(serde_json::to_string(&report)? + "\n"))?,
        Ok(report) => output::print(&text(&report))?,
        Err(error) => return Ok(cannot_start(&error)),
    }
    Ok(ExitCode::SUCCESS)
}

fn text(report: &ProbeReport) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text += &format!("{name:14}{value}\n");
    line("address", &report.url);
    line("transport", &report.transport);
    if let Some(server) = &report.server {
        line("server", server);
    }
    if let Some(millis) = report.first_packet_ms {
        line("first packet", &format!("after {millis} ms"));
    }
    let offset = report.clock_offset_ms.map(|millis| format!("{millis:+.1} ms (camera minus this machine)"));
    line("clock offset", offset.as_deref().unwrap_or("not known: no sender report"));
    line("lost packets", &report.lost_packets.to_string());
    for (index, track) in report.tracks.iter().enumerate() {
        line(&format!("track {index}"), &describe(track));
    }
    text
}

/// One line about a track, from what is known of it.
fn describe(track: &TrackReport) -> String {
    let mut parts = vec![format!("{} {}", track.medium, track.codec)];
    if let (Some(width), Some(height)) = (track.width, track.height) {
        parts.push(format!("{width}x{height}"));
    }
    match (track.frame_rate, track.nominal_frame_rate) {
        (Some(seen), Some(nominal)) => parts.push(format!("{seen:.2} frames/s (says {nominal:.2})")),
        (Some(seen), None) if track.medium == "video" => parts.push(format!("{seen:.2} frames/s")),
        _ => {}
    }
    if let (Some(rate), Some(channels)) = (track.sample_rate_hz, track.channels) {
        parts.push(format!("{rate} Hz, {channels} ch"));
    }
    if let Some(bits) = track.bit_rate_bps {
        parts.push(format!("{:.0} kbit/s", bits / 1000.0));
    }
    if let Some(gop) = track.gop {
        parts.push(format!("GOP {gop}"));
    }
    match &track.skipped {
        Some(reason) => parts.push(format!("not received: {reason}")),
        None if track.frames == 0 => parts.push("no packet seen".into()),
        None => {}
    }
    parts.join(", ")
}
