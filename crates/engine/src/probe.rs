//! What a stream is like: connects, looks at it for a while, and tells.

mod observer;
mod report;

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use valkka_core::frame::Frame;
use valkka_core::sink::FnSink;
use valkka_core::url::StreamUrl;
use valkka_net::{Reconnect, StreamState};

use self::observer::Observer;
use crate::camera::CameraOptions;
use crate::engine::Engine;
use crate::error::Error;

pub use self::report::{ProbeReport, TrackReport};

/// How long [`probe`] may take and looks. All fields are free.
#[derive(Clone, Copy, Debug)]
pub struct ProbeOptions {
    /// From the first video packet on, the stream is looked at for this long …
    pub look: Duration,
    /// … and, until two groups of pictures were seen, longer, but never after this, counted from the call.
    pub deadline: Duration,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self { look: Duration::from_secs(2), deadline: Duration::from_secs(9) }
    }
}

/// Why a stream could not be looked at; the message is one line without credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The engine could not start it.
    #[error(transparent)]
    Engine(#[from] Error),
    /// The connection failed.
    #[error("{reason}")]
    Failed {
        /// The source's reason.
        reason: String,
    },
    /// Connected, but nothing came.
    #[error("{host}: connected, but no packet came within {} s", .waited.as_secs())]
    NoPacket {
        /// Host and port.
        host: String,
        /// For how long we waited.
        waited: Duration,
    },
}

/// Connects to `url` once, looks at the stream and disconnects. Blocks, at most for `probe.deadline`.
///
/// # Errors
/// If the stream could not be received; see [`ProbeError`].
pub fn probe(
    engine: &Engine,
    url: StreamUrl,
    mut options: CameraOptions,
    probe: ProbeOptions,
) -> Result<ProbeReport, ProbeError> {
    let started = Instant::now();
    options.reconnect = Reconnect::Never;
    options.source.connect_timeout = options.source.connect_timeout.min(probe.deadline);
    let camera = engine.camera(url, options)?;
    // Bounded: what the observer cannot take in time is not looked at.
    let (tx, rx) = mpsc::sync_channel(1024);
    let sink = FnSink(move |frame: Frame| drop(tx.try_send(frame)));
    let _branch = camera.packets("probe", Arc::new(sink))?;

    let mut observer = Observer::default();
    while started.elapsed() < probe.deadline && !observer.is_done(probe.look) {
        if let Ok(frame) = rx.recv_timeout(TICK) {
            observer.take(&frame, started.elapsed());
            continue;
        }
        if let StreamState::Failed { reason } = camera.state() {
            if observer.has_seen_packets() {
                break;
            }
            return Err(ProbeError::Failed { reason: reason.to_string() });
        }
    }
    if !observer.has_seen_packets() {
        let host = camera.url().host();
        return Err(match camera.state() {
            StreamState::Online(_) => ProbeError::NoPacket { host, waited: started.elapsed() },
            _ => ProbeError::Failed {
                reason: format!("{host} did not answer within {} s", probe.deadline.as_secs()),
            },
        });
    }
    Ok(observer.report(&camera))
}

/// How often a silent stream's state is looked at.
const TICK: Duration = Duration::from_millis(20);
