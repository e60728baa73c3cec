//! A bad network between an RTSP client and its server.

mod control;
mod message;
mod relay;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::accept::{Acceptor, Connections};

/// Stands between clients and an RTSP server, and treats what passes as told, until it is dropped.
///
/// RTP over UDP passes through it too: it changes the ports in SETUP and its answer. The RTSP connection, and
/// RTP interleaved in it, is left alone but for [`Proxy::set_dark`], as TCP repairs what a network does to it.
/// Multicast does not pass through it.
#[derive(Debug)]
pub struct Proxy {
    acceptor: Acceptor,
    network: Network,
}

/// What happens to the RTP datagrams from the server to the client. RTCP is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairment {
    /// The share that is lost, from 0 to 1.
    pub lost: f64,
    /// The share that is overtaken by later ones, from 0 to 1.
    pub late: f64,
    /// By how much these come later than the others.
    pub late_by: Duration,
    /// By how much all come later.
    pub delay: Duration,
    /// Decides which ones: with the same seed, the same ones of the same sequence.
    pub seed: u64,
}

/// How many datagrams of RTP came from servers so far, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed on, in time or late.
    pub passed: u64,
    /// Lost by chance, as told.
    pub lost: u64,
    /// Of those passed on, the late ones.
    pub late: u64,
    /// Lost because it was dark.
    pub dark: u64,
}

impl Proxy {
    /// Stands before the server at `server`, listening on a free port of the loopback interface.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn spawn(server: SocketAddr, impairment: Impairment) -> io::Result<Self> {
        let network = Network::default();
        network.set_impairment(impairment);
        let shared = network.clone();
        let acceptor = Acceptor::spawn("lossy-proxy", move |index, client, connections| {
            // An error is one of the two leaving, which ends the connection to the other.
            let _ = control::run(index, client, server, connections, &shared);
        })?;
        Ok(Self { acceptor, network })
    }

    /// Its host and port.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// The address by which a client reaches `path` of the server through it.
    pub fn url(&self, path: &str) -> String {
        format!("rtsp://{}{path}", self.address())
    }

    /// Changes what happens from now on.
    pub fn set_impairment(&self, impairment: Impairment) {
        self.network.set_impairment(impairment);
    }

    /// Pulls the cable (`true`) or puts it back.
    ///
    /// While it is dark, datagrams are dropped in both directions, and of TCP nothing passes either, not even
    /// that a connection was closed; as with a real cable, TCP catches up afterwards. Only that a new connection
    /// is accepted (and then stays silent) is not as with a cable.
    pub fn set_dark(&self, dark: bool) {
        self.network.0.dark.store(dark, Ordering::SeqCst);
    }

    /// Closes all connections, as a router does that forgets them.
    pub fn close_connections(&self) {
        self.acceptor.close_connections();
    }

    /// What became of the datagrams of RTP so far.
    pub fn counts(&self) -> Counts {
        let tally = &self.network.0.tally;
        let get = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            passed: get(&tally.passed),
            lost: get(&tally.lost),
            late: get(&tally.late),
            dark: get(&tally.dark),
        }
    }

    /// How many connections were made through it so far.
    pub fn connections(&self) -> usize {
        self.acceptor.accepted()
    }
}

/// The state of the network, known to all threads.
#[derive(Clone, Debug, Default)]
struct Network(Arc<State>);

#[derive(Debug, Default)]
struct State {
    dark: AtomicBool,
    impairment: Mutex<Impairment>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    passed: AtomicU64,
    lost: AtomicU64,
    late: AtomicU64,
    dark: AtomicU64,
}

impl Network {
    fn is_dark(&self) -> bool {
        self.0.dark.load(Ordering::SeqCst)
    }

    /// Waits until it is light; fails when everything is to end.
    fn wait_for_light(&self, connections: &Connections) -> io::Result<()> {
        while self.is_dark() {
            if connections.is_stopped() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn impairment(&self) -> Impairment {
        *self.0.impairment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_impairment(&self, impairment: Impairment) {
        *self.0.impairment.lock().unwrap_or_else(PoisonError::into_inner) = impairment;
    }
}

/// Counts one.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}
