//! The streams that are sent.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_net::server::{Mount, MountError, Server, ServerOptions};
use valkka_net::{RtpDestination, RtpSender};

use super::{LiveEvent, Notify};

/// The streams that a [`Live`](super::Live) sends, by slot: a sink for the frames of all of them. Frames of slots that
/// are not registered are dropped.
///
/// What announces a stream is kept, and parameters ride on its packets: a stream may be registered at any time, and is
/// sent from its next key frame on. Putting a frame costs the caller the packetising and never waits for the network.
pub struct Sender {
    notify: Notify,
    state: Mutex<State>,
}

/// Where a stream is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlet {
    /// To whoever asks the RTSP server ([`Sender::serve`]) for this path.
    Rtsp {
        /// The path, e.g. `cam1`.
        path: String,
    },
    /// By RTP, unasked: video to `port`, audio to the port two above it.
    Rtp {
        /// The address of a machine or of a multicast group.
        address: IpAddr,
        /// The UDP port.
        port: u16,
        /// Over how many routers packets may go.
        ttl: u8,
    },
}

/// Why a stream is not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The slot is in use.
    #[error("slot {0} is sent already")]
    Taken(Slot),
    /// There is nothing that could serve it.
    #[error("there is no RTSP server to serve \"{path}\"")]
    NoServer {
        /// The path.
        path: String,
    },
    /// The server does not take it.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The destination cannot be sent to.
    #[error("cannot send to {to}: {cause}")]
    Destination {
        /// Address and port.
        to: SocketAddr,
        /// The system's reason.
        cause: io::Error,
    },
}

/// Bounded by the number of slots.
#[derive(Default)]
struct State {
    /// While it runs.
    live: Option<Arc<valkka_net::Live>>,
    streams: HashMap<Slot, Stream>,
    /// What announced each stream last.
    announced: HashMap<Slot, Frame>,
    /// Dropped after the mounts.
    server: Option<Server>,
}

struct Stream {
    outlet: Outlet,
    /// `None` until it runs.
    way: Option<Arc<Way>>,
}

/// How frames leave.
enum Way {
    Rtsp(Mount),
    Rtp(RtpSender),
}

impl Sender {
    pub(super) fn new(notify: Notify) -> Self {
        Self { notify, state: Mutex::default() }
    }

    /// Listens on `addr` for viewers of the streams that are sent to a path, without asking them for credentials;
    /// returns the address with the port that was taken for port 0. Can be called before the start.
    ///
    /// # Errors
    /// If the address is not to be had, or a server listens already.
    pub fn serve(&self, addr: SocketAddr) -> io::Result<SocketAddr> {
        let mut state = self.state();
        if let Some(server) = &state.server {
            let message = format!("the RTSP server listens on {} already", server.local_addr());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        let server = Server::bind(addr, ServerOptions::default()).map_err(|cause| {
            io::Error::new(cause.kind(), format!("the RTSP server cannot listen on {addr}: {cause}"))
        })?;
        let addr = server.local_addr();
        state.server = Some(server);
        Ok(addr)
    }

    /// Sends the frames of `slot` to `outlet` from now on, or from the start on.
    ///
    /// # Errors
    /// If the slot is taken or, once it runs, if it cannot be sent there.
    pub fn register(&self, slot: Slot, outlet: Outlet) -> Result<(), SendError> {
        let mut state = self.state();
        if state.streams.contains_key(&slot) {
            return Err(SendError::Taken(slot));
        }
        let way = state.open(slot, &outlet)?;
        state.streams.insert(slot, Stream { outlet, way });
        Ok(())
    }

    /// Sends the frames of `slot` no more. Returns whether they were sent.
    pub fn deregister(&self, slot: Slot) -> bool {
        let stream = self.state().streams.remove(&slot);
        stream.is_some()
    }

    /// What receivers of a stream that is sent by RTP must know, in the format of `.sdp` files; `None` before enough of
    /// it has come.
    pub fn sdp(&self, slot: Slot) -> Option<String> {
        match &**self.state().streams.get(&slot)?.way.as_ref()? {
            Way::Rtp(sender) => sender.sdp(),
            Way::Rtsp(_) => None,
        }
    }

    /// Opens the ways of what is registered.
    pub(super) fn start(&self, live: &Arc<valkka_net::Live>) {
        let mut failures = Vec::new();
        let mut state = self.state();
        state.live = Some(live.clone());
        let waiting: Vec<_> =
            state.streams.iter().map(|(&slot, stream)| (slot, stream.outlet.clone())).collect();
        for (slot, outlet) in waiting {
            match state.open(slot, &outlet) {
                Ok(way) => drop(state.streams.insert(slot, Stream { outlet, way })),
                Err(reason) => {
                    state.streams.remove(&slot);
                    failures.push((slot, reason));
                }
            }
        }
        drop(state);
        for (slot, reason) in &failures {
            (self.notify)(LiveEvent::NotSent { slot: *slot, reason });
        }
    }

    /// Ends and forgets all streams and the server.
    pub(super) fn clear(&self) {
        let state = std::mem::take(&mut *self.state());
        drop(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Sink for Sender {
    fn put(&self, frame: Frame) {
        let way = {
            let mut state = self.state();
            if matches!(frame.body, Body::Signal(Signal::Online(_))) {
                state.announced.insert(frame.slot, frame.clone());
            }
            state.streams.get(&frame.slot).and_then(|stream| stream.way.clone())
        };
        if let Some(way) = way {
            way.put(frame);
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("streams", &self.state().streams.len()).finish_non_exhaustive()
    }
}

impl State {
    /// The way to `outlet`, which knows already what `slot` consists of; `None` while it does not run.
    fn open(&self, slot: Slot, outlet: &Outlet) -> Result<Option<Arc<Way>>, SendError> {
        let Some(live) = &self.live else { return Ok(None) };
        let way = match outlet {
            Outlet::Rtsp { path } => {
                let server =
                    self.server.as_ref().ok_or_else(|| SendError::NoServer { path: path.clone() })?;
                Way::Rtsp(server.mount(path)?)
            }
            &Outlet::Rtp { address, port, ttl } => {
                let to = SocketAddr::new(address, port);
                let sender = live.send(RtpDestination { address, port, ttl });
                Way::Rtp(sender.map_err(|cause| SendError::Destination { to, cause })?)
            }
        };
        if let Some(announced) = self.announced.get(&slot) {
            way.put(announced.clone());
        }
        Ok(Some(Arc::new(way)))
    }
}

impl Sink for Way {
    fn put(&self, frame: Frame) {
        match self {
            Self::Rtsp(mount) => mount.put(frame),
            Self::Rtp(sender) => sender.put(frame),
        }
    }
}
