//! A small RTSP server (RFC 2326).
//!
//! A [`Server`] listens on one address and runs on one thread of its own. A stream is served under a path for
//! as long as its [`Mount`] lives; a mount is a [`Sink`](valkka_core::sink::Sink), and whatever packets are put
//! into it go to all its viewers, over UDP or interleaved in the RTSP connection, as they ask.
//!
//! Packets are cut into RTP once, in the thread that puts them, and kept in a ring that the viewers share; a
//! viewer is a position in it. So a viewer costs no queue of its own, a new one starts at the last key
//! frame with a picture at once, and one that does not keep up falls out of the ring at its far end and goes on at
//! the last key frame: it loses whole groups of pictures, never half a picture, and nobody else notices.
//!
//! Sender reports tell viewers when pictures were taken, by the camera's clock where it tells
//! ([`FrameTime::capture`](valkka_core::frame::FrameTime::capture)). They come when a viewer begins to play, and every few
//! seconds, also while the source brings nothing.
//!
//! Over UDP a viewer gets 16 packets per millisecond or two, its first group of pictures too: a key frame sent at
//! once overflows the receive buffers of simple clients.
//!
//! With [`ServerOptions::multicast`], viewers may ask for a group instead of packets of their own. Each mount has one, to
//! which it is sent once, however many play it: from the last key frame for the first of them, from where it is for the
//! others, who have a picture at the next key frame. It leaves by the interface by which viewers have connected, and
//! for those on this machine it stays there. What viewers report of their reception is in [`Server::viewers`].
//!
//! Anyone may watch unless a [`Gatekeeper`] says otherwise, path by path. Viewers may come by TLS as well
//! ([`Server::listen_tls`]). Strangers who guess passwords, open connections and say nothing, flood the server or do not
//! read slow down themselves, not the viewers.
//!
//! ```no_run
//! use valkka_core::sink::Sink;
//! use valkka_net::server::{Server, ServerOptions};
//! # fn frames() -> Vec<valkka_core::frame::Frame> { Vec::new() }
//!
//! let server = Server::bind("127.0.0.1:8554".parse()?, ServerOptions::default())?;
//! let mount = server.mount("cam1")?;
//! println!("rtsp://{}/cam1", server.local_addr());
//! for frame in frames() {
//!     mount.put(frame);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activity;
mod audience;
mod auth;
mod authorization;
mod channel;
mod connection;
mod connections;
mod datagrams;
mod describe;
mod flow;
mod gatekeeper;
mod group;
mod group_sockets;
mod handler;
mod listener;
mod mount;
mod multicast;
mod pace;
mod peer;
mod pulse;
mod range;
mod reception;
mod request;
mod response;
mod rtp_sender;
mod sdp;
mod session;
mod tcp;
mod tls;
mod track_set;
mod transport;
mod udp;
mod viewer;
mod viewer_info;

pub use gatekeeper::{Asks, Gatekeeper, Open, REALM, digest_secret};
pub use listener::Listener;
pub use mount::{Mount, MountError, MountStats};
pub use multicast::MulticastRange;
pub use rtp_sender::{RtpDestination, RtpSender, RtpSenderStats};
pub use tls::{TlsError, TlsIdentity};
pub use viewer_info::{ViewerInfo, ViewerReport, ViewerTransport};

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use valkka_core::lock::lock;
use valkka_core::worker::{StopToken, Worker};

use audience::Audience;
use auth::Checks;
use connections::Connections;
use mount::Registry;
use multicast::Groups;

use crate::answers::answers;

/// How a server is to run. All fields are free.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Who may watch what: anyone ([`Open`]), one user ([`Credentials`](valkka_core::url::Credentials)), or whoever
    /// a [`Gatekeeper`] of your own lets in.
    pub access: Arc<dyn Gatekeeper>,
    /// The groups that viewers may ask for instead of packets of their own; without, they are told to ask for something
    /// else.
    pub multicast: Option<MulticastRange>,
    /// The index of the CPU its thread is bound to.
    pub affinity: Option<usize>,
    /// Connections at the same time. When there are more, those that have neither set anything up nor shown credentials
    /// make way, the oldest first; if there are none of these, new ones are closed as they come.
    pub max_connections: usize,
    /// Connections from the same address at the same time, in the same way. A network of /64 counts as one IPv6 address.
    pub max_connections_per_peer: usize,
    /// A viewer that gives no sign of life (requests, RTCP, or reading what it is sent over TCP) for so long is
    /// closed. While its stream brings nothing it need not give any; what counts then is its connection.
    pub session_timeout: Duration,
    /// A connection without a session is closed when it has sent nothing for so long.
    pub idle_timeout: Duration,
    /// How long DESCRIBE waits for the parameters of a stream that has only just been mounted.
    pub describe_timeout: Duration,
    /// Bytes kept per mount at most. A group of pictures that is larger is not kept whole: new viewers wait for
    /// the next key frame then.
    pub kept_bytes: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            access: Arc::new(Open),
            multicast: None,
            affinity: None,
            max_connections: 1024,
            max_connections_per_peer: 768,
            session_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(20),
            describe_timeout: Duration::from_secs(2),
            kept_bytes: 32 << 20,
        }
    }
}

/// An RTSP server. Dropping it says goodbye to all viewers and ends its thread.
#[derive(Debug)]
pub struct Server {
    // Dropped in this order: nobody is taken in any more, then everybody is told goodbye.
    place: Mutex<Place>,
    shared: Arc<Shared>,
    /// Of the worker's runtime.
    handle: Handle,
    _worker: Worker,
}

/// Where a server listens without TLS.
#[derive(Debug)]
struct Place {
    /// Where it does, or did last.
    local_addr: SocketAddr,
    /// `None` if it could be had neither at a new address nor at the old one again.
    listener: Option<Listener>,
}

/// What all connections of a server share.
#[derive(Debug)]
struct Shared {
    options: ServerOptions,
    registry: Arc<Registry>,
    audience: Arc<Audience>,
    groups: Groups,
    checks: Arc<Checks>,
    connections: Arc<Connections>,
    /// Tells connections that viewers may have to be looked at again, or that the server stops.
    revisions: watch::Sender<()>,
    stopping: AtomicBool,
}

impl Server {
    /// Listens on `addr` (port 0 takes any free one) and starts serving. Nothing is served before something is
    /// [mounted](Self::mount).
    ///
    /// # Errors
    /// If the address is not to be had, or the system gives no thread.
    pub fn bind(addr: SocketAddr, options: ServerOptions) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let affinity = options.affinity;
        if let Some(range) = &options.multicast {
            range.check()?;
        }
        let shared = Arc::new(Shared {
            registry: Arc::default(),
            audience: Arc::default(),
            groups: Groups::new(options.multicast),
            checks: Arc::new(Checks::new(options.access.clone())),
            connections: Arc::new(Connections::new(
                options.max_connections,
                options.max_connections_per_peer,
            )),
            revisions: watch::Sender::new(()),
            stopping: AtomicBool::new(false),
            options,
        });
        let listener = Listener::open(addr, None, &shared, &handle)?;
        let serving = shared.clone();
        let worker = Worker::spawn("rtsp-server", affinity, move |stop| {
            runtime.block_on(run(&serving, &stop));
            // Tasks that are left end here: there is nothing in them that blocks. A gatekeeper may.
            runtime.shutdown_timeout(GOODBYE_TIMEOUT);
        })?;
        let place = Place { local_addr: listener.local_addr(), listener: Some(listener) };
        Ok(Self { place: Mutex::new(place), shared, handle, _worker: worker })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        lock(&self.place).local_addr
    }

    /// Listens on `addr` instead. The viewers stay.
    ///
    /// # Errors
    /// If the address is not to be had; then it goes on at the old one.
    pub fn move_to(&self, addr: SocketAddr) -> io::Result<()> {
        let mut place = lock(&self.place);
        let open = |addr| Listener::open(addr, None, &self.shared, &self.handle);
        let (old, same_port) = (place.local_addr, place.local_addr.port() == addr.port());
        let opened = match open(addr) {
            // From all addresses to one of them, or back: the old one is in the way.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && same_port => {
                place.listener = None;
                open(addr)
            }
            opened => opened,
        };
        match opened {
            Ok(listener) => *place = Place { local_addr: listener.local_addr(), listener: Some(listener) },
            Err(error) => {
                if place.listener.is_none() {
                    place.listener = Some(open(old)?);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Listens on `addr`, too, for viewers who connect by TLS (RTSPS): they see the same streams, and what they are sent
    /// comes inside the connection, never by UDP. It ends when the listener is dropped; the viewers stay.
    ///
    /// # Errors
    /// If the address is not to be had.
    pub fn listen_tls(&self, addr: SocketAddr, identity: &TlsIdentity) -> io::Result<Listener> {
        Listener::open(addr, Some(identity.clone()), &self.shared, &self.handle)
    }

    /// Whether its thread still works: whether it gets to something new within `limit`.
    pub fn answers(&self, limit: Duration) -> bool {
        answers(&self.handle, limit)
    }

    /// Who is being sent to now, in the order in which they began to play.
    pub fn viewers(&self) -> Vec<ViewerInfo> {
        self.shared.audience.list()
    }

    /// Serves what is put into the mount under `path` (`cam1`, `live/east`; a slash at either end makes no
    /// difference), until the mount is dropped.
    ///
    /// # Errors
    /// If something is mounted there, or `path` is no path.
    pub fn mount(&self, path: &str) -> Result<Mount, MountError> {
        Mount::new(path, &self.shared.registry, &self.shared.options, &self.handle)
    }

    /// Asks the [`Gatekeeper`] again whether those who watch still may, and closes the connections of those who may
    /// not; the others notice nothing. Returns at once.
    pub fn revise_access(&self) {
        self.shared.revisions.send_replace(());
    }
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Runs until `stop` says stop, then lets connections say goodbye.
async fn run(shared: &Shared, stop: &StopToken) {
    let stopping = Arc::new(Notify::new());
    let wake = stopping.clone();
    stop.on_stop(move || wake.notify_one());
    stopping.notified().await;
    shared.stopping.store(true, Ordering::Relaxed);
    shared.registry.close_all();
    shared.revisions.send_replace(());
    let _ = timeout(GOODBYE_TIMEOUT, shared.connections.wait_empty()).await;
}

/// How long stopping waits for connections to end by themselves.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);
