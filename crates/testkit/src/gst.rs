//! GStreamer's RTSP server: the peer that nobody here wrote.

mod launch;

pub use launch::Launch;

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{self, Child, PYTHON};

/// Whether GStreamer's RTSP server can be run.
///
/// # Errors
/// What is missing, in words.
pub fn available() -> Result<(), String> {
    static AVAILABLE: OnceLock<Result<(), String>> = OnceLock::new();
    AVAILABLE.get_or_init(|| process::python_can(PROBE, "GStreamer's RTSP server cannot be run")).clone()
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct RtspServer {
    server: Child,
    port: u16,
    /// How often it was asked for its CPU time.
    asked: u32,
}

impl RtspServer {
    /// Describes a server that listens on a free port of the loopback interface.
    pub fn builder() -> Builder {
        Builder { arguments: Vec::new() }
    }

    /// A server with one path.
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    pub fn with_mount(path: &str, launch: Launch) -> io::Result<Self> {
        Self::builder().mount(path, launch).spawn()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }

    /// The address of `path` with credentials in it.
    pub fn url_with(&self, username: &str, password: &str, path: &str) -> String {
        format!("rtsp://{username}:{password}@127.0.0.1:{}{path}", self.port)
    }

    /// Changes the size of the pictures of `path` while somebody watches it. Only paths with a pipeline that
    /// makes its pictures itself ([`Launch::h264_bars`] and its like) can.
    ///
    /// # Errors
    /// If the server does not do it, e.g. because nobody watches.
    pub fn resize(&mut self, path: &str, width: u32, height: u32) -> io::Result<()> {
        self.command(&format!("size {path} {width} {height}"))
    }

    /// Closes every client's connection.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn drop_clients(&mut self) -> io::Result<()> {
        self.command("drop")
    }

    /// CPU time of all its threads so far; finer than [`Child::cpu_time`], which counts ticks.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn cpu_time(&mut self) -> io::Result<Duration> {
        self.asked += 1;
        let asked = format!("cpu {} ", self.asked);
        self.server.write_line(asked.trim_end())?;
        self.server.wait_line(ANSWER, |line| {
            Duration::try_from_secs_f64(line.strip_prefix(&asked)?.parse().ok()?).ok()
        })
    }

    /// The server's process, to freeze it or to kill it.
    pub fn process(&mut self) -> &mut Child {
        &mut self.server
    }

    fn command(&mut self, line: &str) -> io::Result<()> {
        self.server.ask(line, &format!("done {line}"), ANSWER)
    }
}

/// What a server is to serve, and to whom. The order of the calls matters: each applies to the mounts after it.
#[derive(Clone, Debug)]
pub struct Builder {
    arguments: Vec<String>,
}

impl Builder {
    /// Asks viewers for these credentials by the Digest scheme.
    #[must_use]
    pub fn digest(self, username: &str, password: &str) -> Self {
        self.with(["--digest", username, password])
    }

    /// Asks viewers for these credentials by the Basic scheme.
    #[must_use]
    pub fn basic(self, username: &str, password: &str) -> Self {
        self.with(["--basic", username, password])
    }

    /// Serves RTP only over UDP.
    #[must_use]
    pub fn udp_only(self) -> Self {
        self.with(["--protocols", "udp"])
    }

    /// Serves RTP only in the RTSP connection.
    #[must_use]
    pub fn tcp_only(self) -> Self {
        self.with(["--protocols", "tcp"])
    }

    /// Listens on this port, e.g. that of a server that was killed.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.with(["--port", &port.to_string()])
    }

    /// Serves `launch` at `path`, which starts with a slash. Its viewers share one pipeline.
    #[must_use]
    pub fn mount(mut self, path: &str, launch: Launch) -> Self {
        self.arguments.extend(launch.arguments(path));
        self
    }

    /// Starts the server, and returns once it listens.
    ///
    /// # Errors
    /// If it cannot be started, with what it said.
    pub fn spawn(self) -> io::Result<RtspServer> {
        let mut command = process::command(PYTHON)?;
        command.args(["-c", SCRIPT]).args(self.arguments);
        let server = Child::spawn(command)?;
        let port = server.wait_line(STARTUP, |line| line.strip_prefix("port ")?.parse().ok())?;
        Ok(RtspServer { server, port, asked: 0 })
    }

    fn with<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.arguments.extend(words.map(str::to_owned));
        self
    }
}

const SCRIPT: &str = include_str!("gst/server.py");

const PROBE: &str = "\
import gi
gi.require_version('GstRtspServer', '1.0')
from gi.repository import Gst, GstRtspServer
Gst.init(None)
for name in ['rtph264pay', 'h264parse', 'x264enc', 'x265enc', 'videotestsrc', 'voaacenc', 'jpegenc']:
    assert Gst.ElementFactory.find(name), 'no element ' + name
";

const STARTUP: Duration = Duration::from_secs(60);

const ANSWER: Duration = Duration::from_secs(60);
