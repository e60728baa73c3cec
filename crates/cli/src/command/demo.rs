//! `valkka demo`: the whole way from cameras to the screen, without hardware.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use valkka::source::{SourceOptions, Transport};
use valkka::summary::Measurement;
use valkka::url::StreamUrl;
use valkka::{CameraOptions, Engine, EngineOptions, Reconnect};

use super::view::{Output, POLL, WallArgs};
use crate::interrupt::Interrupt;
use crate::table::{LiveTable, print_summary};

/// Start synthetic cameras in a process of their own, receive and decode them, and show them on a wall
///
/// Without a display, everything is done but the drawing. A live table shows what happens; a summary ends it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many cameras
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    cameras: u16,

    #[command(flatten)]
    wall: WallArgs,

    /// How the packets are to travel: auto, udp or tcp
    #[arg(long, default_value = "auto")]
    transport: Transport,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let mut wall = match args.wall.open("Valkka demo", args.wall.output) {
        Ok(wall) => wall,
        Err(error) if args.wall.output == Output::Auto => {
            eprintln!("{error}; going on without: everything is done but the drawing");
            args.wall.open("Valkka demo", Output::Null)?
        }
        Err(error) => return Err(error.into()),
    };
    eprintln!("Starting {} camera{} …", args.cameras, if args.cameras == 1 { "" } else { "s" });
    let synthetic = SyntheticProcess::start(args.cameras)?;
    let engine = Engine::new(EngineOptions::default())?;
    let mut cameras = Vec::new();
    for (index, url) in synthetic.urls.iter().enumerate() {
        let options = CameraOptions {
            name: format!("cam{}", index + 1),
            source: SourceOptions { transport: args.transport, ..SourceOptions::default() },
            reconnect: Reconnect::PROMPT,
            ..CameraOptions::default()
        };
        cameras.push(Arc::new(engine.camera(url.clone(), options)?));
    }
    args.wall.show(&mut wall, &cameras)?;

    let measurement = Measurement::start();
    let mut table = LiveTable::new();
    while !interrupt.is_set() && !args.wall.is_over(&measurement) && wall.run_for(POLL)? {
        table.tick(&cameras)?;
    }

    WallArgs::drain(&mut wall, &cameras)?;
    let summary = measurement.summary(cameras.iter().map(|camera| &**camera));
    print_summary(&summary, args.json)?;
    let silent = summary.cameras.iter().filter(|camera| camera.frames_received == 0).count();
    if silent > 0 && measurement.elapsed() > GRACE {
        bail!("{silent} of {} cameras brought nothing", summary.cameras.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// A run as short as this may end before the first frame.
const GRACE: Duration = Duration::from_secs(5);

/// Synthetic cameras in a process of their own, so that their work is not counted as ours.
struct SyntheticProcess {
    child: Child,
    urls: Vec<StreamUrl>,
}

impl SyntheticProcess {
    fn start(count: u16) -> anyhow::Result<Self> {
        let program = env::current_exe().context("cannot find the path of this program")?;
        let mut child = Command::new(program)
            .args([
                "camera",
                "--listen",
                "127.0.0.1:0",
                "--until-stdin-closes",
                "--count",
                &count.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the cameras")?;
        let stdout = child.stdout.take().context("the cameras have no output")?;
        let mut process = Self { child, urls: Vec::new() };
        let (tx, rx) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    return;
                }
            }
        });
        while process.urls.len() < usize::from(count) {
            let line = rx.recv_timeout(START_TIMEOUT).context("the cameras did not start")?;
            process.urls.push(line.parse().with_context(|| format!("the cameras said \"{line}\""))?);
        }
        Ok(process)
    }
}

/// For encoding the scenes on a slow machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);

impl Drop for SyntheticProcess {
    fn drop(&mut self) {
        // It has nothing to lose, so there is no need to ask; errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
