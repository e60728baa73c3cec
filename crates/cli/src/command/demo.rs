//! `valkka demo`: the whole way from cameras to the screen, without hardware.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use valkka::Camera;
use valkka::source::Transport;
use valkka::summary::Measurement;
use valkka::url::StreamUrl;
use valkka_site::{CameraConfig, Config, RecordConfig, RtspConfig, Site, WebConfig};

use super::view::WallArgs;
use crate::companion::Companion;
use crate::interrupt::Interrupt;
use crate::second_process::SecondProcess;
use crate::table::{LiveTable, print_summary};
use crate::web_service::WebService;
use crate::window::Output;

/// Start synthetic cameras in a process of their own, receive them, show them on a wall, serve, record and share them
///
/// They are served to this machine in the browser and over RTSP; the addresses are printed. They are recorded into a
/// directory that is removed in the end, so that the page can go back. A second process reads their pictures from shared
/// memory, as machine vision would. Without a display, everything is done but the drawing. A live table shows what
/// happens; a summary ends it.
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
    let mut wall = match args.wall.window.open("Valkka demo", args.wall.window.output) {
        Ok(wall) => wall,
        Err(error) if args.wall.window.output == Output::Auto => {
            eprintln!("{error}; going on without: everything is done but the drawing");
            args.wall.window.open("Valkka demo", Output::Null)?
        }
        Err(error) => return Err(error.into()),
    };
    eprintln!("Starting {} camera{} …", args.cameras, if args.cameras == 1 { "" } else { "s" });
    let synthetic = SyntheticProcess::start(args.cameras)?;
    let service = Service::start(&synthetic.urls, args.transport)?;
    let cameras = service.cameras();
    service.announce();
    args.wall.show(&mut wall, &cameras)?;
    let mut second = SecondProcess::start(&cameras)?;

    let measurement = Measurement::start();
    let mut table = LiveTable::new();
    args.wall.window.run(&mut wall, &interrupt, |_| Ok(table.tick(&cameras, &second.frames())?))?;
    WallArgs::drain(&mut wall, &cameras)?;
    let mut summary = measurement.summary(cameras.iter().map(|camera| &**camera));
    for (camera, frames) in summary.cameras.iter_mut().zip(second.frames()) {
        camera.frames_shared = Some(frames);
    }
    print_summary(&summary, args.json)?;
    let silent = summary.cameras.iter().filter(|camera| camera.frames_received == 0).count();
    if silent > 0 && measurement.elapsed() > GRACE {
        bail!("{silent} of {} cameras brought nothing", summary.cameras.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// The daemon's parts, with the cameras of the demo: each is connected to once, for the wall and for all viewers.
struct Service {
    // Dropped first: it asks the site until its end.
    web: WebService,
    site: Arc<Site>,
    // Dropped last: nothing is recorded any more then.
    recordings: Option<Recordings>,
}

impl Service {
    /// For whoever is on this machine.
    fn start(urls: &[StreamUrl], transport: Transport) -> anyhow::Result<Self> {
        let camera = |(index, url): (usize, &StreamUrl)| {
            (format!("cam{}", index + 1), CameraConfig { transport, ..CameraConfig::new(url.clone()) })
        };
        let recordings =
            Recordings::new().inspect_err(|error| eprintln!("Nothing is recorded: {error}")).ok();
        let size = (urls.len() as u64 * SIZE_PER_CAMERA).max(LEAST_SIZE);
        let config = Config {
            record: recordings.as_ref().map(|recordings| RecordConfig::new(recordings.store(), Some(size))),
            rtsp: Some(RtspConfig {
                listen: free(RtspConfig::LISTEN),
                anyone: true,
                ..RtspConfig::default()
            }),
            web: Some(WebConfig { listen: free(WebConfig::LISTEN), anyone: true, ..WebConfig::default() }),
            cameras: urls.iter().enumerate().map(camera).collect(),
            ..Config::default()
        };
        let site = Arc::new(Site::start(config).context("cannot serve the cameras")?);
        let web = WebService::start(&site)?;
        Ok(Self { web, site, recordings })
    }

    /// The cameras, in the order of their numbers.
    fn cameras(&self) -> Vec<Arc<Camera>> {
        let numbers = 1..=self.site.cameras().len();
        let camera = |number| self.site.camera(&format!("cam{number}"));
        numbers.filter_map(camera).map(|camera| camera.camera()).collect()
    }

    /// Says where they can be watched.
    fn announce(&self) {
        let count = self.site.cameras().len();
        let rtsp = self.site.rtsp_urls().into_iter().map(|base| match count {
            1 => format!("{base}/cam1"),
            _ => format!("{base}/cam1 to /cam{count}"),
        });
        for address in self.web.url().into_iter().chain(rtsp) {
            eprintln!("Watch them at {address}");
        }
        if let Some(recordings) = &self.recordings {
            eprintln!("Recording them into {}", recordings.store().display());
        }
    }
}

/// A directory for what is recorded, which goes with the demo.
struct Recordings(PathBuf);

impl Recordings {
    fn new() -> io::Result<Self> {
        let dir = env::temp_dir().join(format!("valkka-demo-{}", process::id()));
        // Others on this machine are not to see what is recorded.
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self(dir))
    }

    fn store(&self) -> PathBuf {
        self.0.join("store")
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// What is reserved for recordings: some minutes of each camera.
const SIZE_PER_CAMERA: u64 = 32 << 20;
const LEAST_SIZE: u64 = 256 << 20;

/// `address` if nobody listens there, else one with a free port.
fn free(address: SocketAddr) -> SocketAddr {
    if TcpListener::bind(address).is_ok() { address } else { SocketAddr::new(address.ip(), 0) }
}

/// A run as short as this may end before the first frame.
const GRACE: Duration = Duration::from_secs(5);

/// Synthetic cameras in a process of their own, so that their work is not counted as ours.
struct SyntheticProcess {
    _companion: Companion,
    urls: Vec<StreamUrl>,
}

impl SyntheticProcess {
    fn start(count: u16) -> anyhow::Result<Self> {
        let count_text = count.to_string();
        let arguments = ["camera", "--listen", "127.0.0.1:0", "--until-stdin-closes", "--count", &count_text];
        let (companion, lines) = Companion::start(&arguments.map(str::to_owned))?;
        let mut urls = Vec::new();
        while urls.len() < usize::from(count) {
            let line = lines.recv_timeout(START_TIMEOUT).context("the cameras did not start")?;
            urls.push(line.parse().with_context(|| format!("the cameras said \"{line}\""))?);
        }
        Ok(Self { _companion: companion, urls })
    }
}

/// For encoding the scenes on a slow machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);
