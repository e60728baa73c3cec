//! The measured servers, from outside.

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use valkka_testkit::gst::{Launch, RtspServer};
use valkka_testkit::process::Child;

use crate::load::Load;
use crate::worker::{self, Order};

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Our server.
    Ours,
    /// GStreamer's.
    GStreamer,
    /// Nothing but writing.
    Floor,
}

/// A running server; it ends when this is dropped.
pub(crate) enum Server {
    /// This program again.
    Worker {
        child: Child,
        addr: SocketAddr,
        asked: u32,
    },
    GStreamer(RtspServer),
}

impl Server {
    pub(crate) fn start(kind: Kind, load: Load) -> io::Result<Self> {
        let order = match kind {
            Kind::Ours => Order::Serve(load),
            Kind::Floor => Order::Floor(load),
            Kind::GStreamer => {
                return Ok(Self::GStreamer(RtspServer::with_mount(PATH, Launch::file(&load.file()?)?)?));
            }
        };
        let mut command = Command::new(env::current_exe()?);
        command.args([worker::WORD, &serde_json::to_string(&order)?]);
        let child = Child::spawn(command)?;
        let addr = child.wait_line(PATIENCE, |line| line.strip_prefix("address ")?.parse().ok())?;
        Ok(Self::Worker { child, addr, asked: 0 })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Self::Worker { addr, .. } => *addr,
            Self::GStreamer(server) => ([127, 0, 0, 1], server.port()).into(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("rtsp://{}{PATH}", self.addr())
    }

    /// CPU time of all its threads so far, to the microsecond: the process says so itself.
    pub(crate) fn cpu_time(&mut self) -> io::Result<Duration> {
        match self {
            Self::Worker { child, asked, .. } => {
                *asked += 1;
                child.write_line(&format!("cpu {asked}"))?;
                let answer = format!("cpu {asked} ");
                child.wait_line(PATIENCE, |line| {
                    Duration::try_from_secs_f64(line.strip_prefix(&answer)?.parse().ok()?).ok()
                })
            }
            Self::GStreamer(server) => server.cpu_time(),
        }
    }

    /// Its resident memory in bytes.
    pub(crate) fn rss_bytes(&mut self) -> io::Result<u64> {
        let id = match self {
            Self::Worker { child, .. } => child.id(),
            Self::GStreamer(server) => server.process().id(),
        };
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("the kernel does not tell its memory"))
    }
}

/// Under which the stream is served.
pub(crate) const PATH: &str = "/stream";

const PATIENCE: Duration = Duration::from_secs(30);
