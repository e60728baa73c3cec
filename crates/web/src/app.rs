//! What all connections share.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, watch};
use valkka::snapshot::Snapshots;
use valkka::stats::Counter;
use valkka_site::Site;

use crate::archive::{self, Readers};
use crate::auth::MAX_VERIFYING;
use crate::beat::Beat;
use crate::bell::Bell;
use crate::crew::Crew;
use crate::options::WebOptions;
use crate::pulse::Pulse;
use crate::sessions::Sessions;
use crate::tally::Tally;
use crate::throttle::Throttle;

/// What all connections of a web server share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) site: Arc<Site>,
    pub(crate) options: WebOptions,
    /// Cookies are sent to all ports of a host: each server has a name of its own for its cookie.
    pub(crate) cookie_name: String,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
    /// Who may have a password looked at.
    pub(crate) verifying: Arc<Semaphore>,
    /// Who makes snapshots.
    pub(crate) snapping: Crew,
    /// Who has cameras do something.
    pub(crate) changes: Crew,
    pub(crate) snapshots: Snapshots,
    /// Who may read recordings.
    pub(crate) readers: Readers,
    pub(crate) connections: Arc<Tally<IpAddr>>,
    /// WebSockets, by their user.
    pub(crate) sockets: Arc<Tally<String>>,
    pub(crate) figures: Figures,
    pub(crate) bell: Arc<Bell>,
    pub(crate) beat: Beat,
    /// How all cameras are, once a second.
    pub(crate) pulse: watch::Sender<Pulse>,
    /// Changes when somebody may no longer do what he could: whoever serves without end looks again.
    pub(crate) access: watch::Sender<u64>,
    pub(crate) stopping: watch::Sender<bool>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Bytes written to all connections, TLS included.
    pub(crate) sent_bytes: Arc<Counter>,
    pub(crate) requests: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) logins_refused: Counter,
    /// Bytes of live video, in all WebSockets and endless files.
    pub(crate) live_bytes: Counter,
    /// Bytes of films from the archive.
    pub(crate) archive_bytes: Counter,
}

impl App {
    pub(crate) fn new(
        site: Arc<Site>,
        options: WebOptions,
        sessions: Sessions,
        local_addr: SocketAddr,
    ) -> Self {
        // What has changed while nobody served.
        sessions.revise(&site.users());
        Self {
            site,
            cookie_name: format!("valkka_{}", local_addr.port()),
            sessions,
            throttle: Throttle::default(),
            verifying: Arc::new(Semaphore::new(MAX_VERIFYING)),
            snapping: Crew::new(MAX_SNAPPING, "snapshots"),
            changes: Crew::new(MAX_CHANGES, "changes of cameras"),
            snapshots: Snapshots::new(MAX_SNAPPING),
            readers: Readers::new(),
            connections: Arc::new(Tally::new(options.max_connections, options.max_connections_per_peer)),
            sockets: Arc::new(Tally::new(usize::MAX, options.max_sockets_per_user)),
            figures: Figures::default(),
            bell: Arc::default(),
            beat: Beat::new(Instant::now()),
            pulse: watch::Sender::new(Pulse::default()),
            access: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
            options,
        }
    }

    /// Whether it can be reached from this machine alone.
    pub(crate) fn is_private(&self) -> bool {
        self.options.listen.ip().to_canonical().is_loopback()
    }

    /// Has whoever serves without end look again whether he may.
    pub(crate) fn revise_access(&self) {
        self.access.send_modify(|generation| *generation += 1);
    }
}

/// Returns when the server stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error says that the server is gone.
    let _ = stopping.wait_for(|&stopping| stopping).await;
}

/// Threads that work beside the one that serves: as many as all kinds of work have together, so that none waits for
/// another.
pub(crate) const MAX_BLOCKING_THREADS: usize =
    MAX_VERIFYING + MAX_SNAPPING + MAX_CHANGES + archive::MAX_THREADS;

/// Snapshots that are made at the same time; each takes a core for some 20 ms.
const MAX_SNAPPING: usize = 2;

/// Changes at the same time; each waits for a frame on its way.
const MAX_CHANGES: usize = 2;
