//! `valkka view`: a wall of live streams.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use valkka::source::{SourceOptions, Transport};
use valkka::summary::Measurement;
use valkka::wall::{Wall, WallOptions};
use valkka::{Camera, CameraOptions, Engine, EngineOptions, Reconnect};

use crate::address::Address;
use crate::exit::cannot_start;
use crate::interrupt::Interrupt;
use crate::table::print_summary;
use crate::window::{POLL, WindowArgs, parse_seconds, save_screenshot};

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

    #[command(flatten)]
    pub(crate) window: WindowArgs,
}

impl WallArgs {
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
    let mut wall = match args.wall.window.open("Valkka", args.wall.window.output) {
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
    args.wall.window.run(&mut wall, &interrupt, |_| Ok(()))?;
    if let Some(file) = &args.screenshot {
        save_screenshot(&wall, file)?;
    }
    WallArgs::drain(&mut wall, &cameras)?;
    let summary = measurement.summary(cameras.iter().map(|camera| &**camera));
    if args.json || args.wall.window.seconds.is_some() {
        print_summary(&summary, args.json)?;
    }
    Ok(ExitCode::SUCCESS)
}
