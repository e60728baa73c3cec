//! The measured process: this program again, as a service with one camera.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use valkka_site::{CameraConfig, Config, Site};
use valkka_testkit::gst::{Launch, RtspServer};
use valkka_testkit::media::Clip;
use valkka_web::{Web, WebOptions};

use crate::measured::{self, Measured};

/// The argument before the camera's address.
pub(crate) const WORD: &str = "service";

/// The name of the camera.
pub(crate) const CAMERA: &str = "front";

/// Serves the camera to anyone until the standard input is closed.
pub(crate) fn run(camera: &str) -> io::Result<()> {
    let camera = CameraConfig::new(camera.parse().map_err(io::Error::other)?);
    let config = Config { cameras: [(CAMERA.to_owned(), camera)].into(), ..Config::default() };
    let site = Arc::new(Site::start(config).map_err(io::Error::other)?);
    let options = WebOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        anyone: true,
        max_sockets_per_user: MOST,
        ..WebOptions::default()
    };
    let web = Web::start(site, options).map_err(io::Error::other)?;
    measured::answer_until_closed(web.local_addr())
}

/// A running service, from outside; it ends when this is dropped.
pub(crate) struct Service {
    process: Measured,
    _camera: RtspServer,
}

impl Service {
    pub(crate) fn start() -> io::Result<Self> {
        let camera = RtspServer::with_mount(PATH, Launch::file(&Clip::bench().file()?)?)?;
        let url = format!("rtsp://127.0.0.1:{}{PATH}", camera.port());
        Ok(Self { process: Measured::start([WORD, &url])?, _camera: camera })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu_time(&mut self) -> io::Result<Duration> {
        self.process.cpu_time()
    }

    /// Its resident memory in bytes.
    pub(crate) fn rss_bytes(&self) -> io::Result<u64> {
        self.process.rss_bytes()
    }
}

const PATH: &str = "/stream";
/// More than ever come.
const MOST: usize = 1024;
