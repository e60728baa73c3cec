//! `valkka view`: a wall of live streams.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use valkka::render::write_png;
use valkka::source::{SourceOptions, Transport};
use valkka::summary::Measurement;
use valkka::wall::{OutputKind, Wall, WallOptions};
use valkka::{Camera, CameraOptions, Engine, EngineOptions, Reconnect};

use crate::address::Address;
use crate::exit::cannot_start;
use crate::interrupt::Interrupt;
use crate::table::print_summary;

/// Show streams in one window, a tile each
///
/// Esc and q leave, f switches to the full screen and back, a double click enlarges a tile. A stream that
/// cannot be received is tried again and again; its tile says why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// rtsp://USER:PASSWORD@HOST:PORT/PATH, rtsps://…, the path of an .sdp file, or a camera of this machine: /dev/video0
    #[arg(required = true, value_name = "URL")]
    urls: Vec<Address>,

    #[command(flatten)]
    wall: WallArgs,

    /// How the packets are to travel: auto, udp, tcp or multicast
    #[arg(long, default_value = "auto")]
    transport: Transport,

    /// Connect again when a stream brings nothing for this many seconds; more for cameras with few pictures
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_seconds)]
    silence: Duration,

    /// Write the wall as a PNG file here before leaving
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,

    /// Print a summary as one JSON object before leaving
    #[arg(long)]
    json: bool,
}

/// What every command with a wall can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct WallArgs {
    /// Show each stream this many times; it is received and decoded once all the same
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    replicate: u16,

    /// Tiles side by side; by default as many as fit the window best
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    columns: Option<u16>,

    /// Where to show
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,

    /// The X display, e.g. :0.1; by default that of the environment
    #[arg(long, value_name = "DISPLAY")]
    display: Option<String>,

    /// Leave after this many seconds
    #[arg(long, value_name = "N", value_parser = parse_seconds)]
    seconds: Option<Duration>,
}

/// Where to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// On the display there is
    #[default]
    Auto,
    /// Nowhere: decode and pace, but draw nothing
    Null,
    /// In a window of an X11 display
    X11,
}

impl WallArgs {
    pub(crate) fn open(&self, title: &str, output: Output) -> Result<Wall, valkka::Error> {
        Wall::open(WallOptions {
            output: match output {
                Output::Auto | Output::X11 => OutputKind::X11,
                Output::Null => OutputKind::Null,
            },
            display: self.display.clone(),
            columns: self.columns.map(u32::from),
            title: title.to_owned(),
            ..WallOptions::default()
        })
    }

    /// Adds each camera to `wall` as often as asked for.
    pub(crate) fn show(&self, wall: &mut Wall, cameras: &[Arc<Camera>]) -> Result<(), valkka::Error> {
        for camera in cameras {
            for _ in 0..self.replicate {
                wall.show(camera)?;
            }
        }
        Ok(())
    }

    /// Ends the connections, and waits until what has arrived is shown, so that it is counted.
    pub(crate) fn drain(wall: &mut Wall, cameras: &[Arc<Camera>]) -> Result<(), valkka::Error> {
        cameras.iter().for_each(|camera| camera.disconnect());
        wall.run_for(WallOptions::default().buffering + POLL).map(drop)
    }

    /// Whether the run is over.
    pub(crate) fn is_over(&self, measurement: &Measurement) -> bool {
        self.seconds.is_some_and(|length| measurement.elapsed() >= length)
    }
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let mut urls = Vec::new();
    for (index, address) in args.urls.into_iter().enumerate() {
        match address.parsed() {
            Ok(url) => urls.push(url),
            Err(error) => return Ok(cannot_start(&format_args!("URL {}: {error}", index + 1))),
        }
    }
    let mut wall = match args.wall.open("Valkka", args.wall.output) {
        Ok(wall) => wall,
        Err(error) => return Ok(cannot_start(&format_args!("{:#}", anyhow::Error::new(error)))),
    };
    let engine = Engine::new(EngineOptions::default())?;
    let mut cameras = Vec::new();
    for url in urls {
        let source = SourceOptions {
            transport: args.transport,
            silence_timeout: args.silence,
            ..SourceOptions::default()
        };
        let reconnect = Reconnect::After(args.silence);
        let options = CameraOptions { source, reconnect, ..CameraOptions::default() };
        cameras.push(Arc::new(engine.camera(url, options)?));
    }
    args.wall.show(&mut wall, &cameras)?;

    let measurement = Measurement::start();
    while !interrupt.is_set() && !args.wall.is_over(&measurement) && wall.run_for(POLL)? {}

    if let Some(file) = &args.screenshot {
        let image = wall.screenshot().context("cannot take a picture of the wall")?;
        write_png(file, &image).with_context(|| format!("cannot write {}", file.display()))?;
    }
    WallArgs::drain(&mut wall, &cameras)?;
    let summary = measurement.summary(cameras.iter().map(|camera| &**camera));
    if args.json || args.wall.seconds.is_some() {
        print_summary(&summary, args.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn parse_seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds: f64 = text.parse().context("it is no number")?;
    Duration::try_from_secs_f64(seconds).context("it is no length of time")
}

/// How often the wall's loop looks at the clock and the user's signals.
pub(crate) const POLL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds() {
        assert_eq!(parse_seconds("1.5").unwrap(), Duration::from_millis(1500));
        assert_eq!(parse_seconds("0").unwrap(), Duration::ZERO);
        for text in ["", "x", "-1", "NaN", "inf", "1e300"] {
            parse_seconds(text).unwrap_err();
        }
    }
}
