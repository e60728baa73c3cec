//! The measured servers, from outside.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use valkka_testkit::gst::{Launch, RtspServer};

use crate::load::Load;
use crate::measured::{self, Measured};
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
    Worker(Measured),
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
        Ok(Self::Worker(Measured::start([worker::WORD, &serde_json::to_string(&order)?])?))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Self::Worker(worker) => worker.address(),
            Self::GStreamer(server) => ([127, 0, 0, 1], server.port()).into(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("rtsp://{}{PATH}", self.addr())
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu_time(&mut self) -> io::Result<Duration> {
        match self {
            Self::Worker(worker) => worker.cpu_time(),
            Self::GStreamer(server) => server.cpu_time(),
        }
    }

    /// Its resident memory in bytes.
    pub(crate) fn rss_bytes(&mut self) -> io::Result<u64> {
        match self {
            Self::Worker(worker) => worker.rss_bytes(),
            Self::GStreamer(server) => measured::rss_bytes(server.process().id()),
        }
    }
}

/// Under which the stream is served.
pub(crate) const PATH: &str = "/stream";
