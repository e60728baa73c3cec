//! Takes in connections at an address.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::connection::{self, Ends};
use super::connections::Permit;
use super::{Shared, TlsIdentity};

/// An address at which a [`Server`](super::Server) listens. Dropping it frees the address; the viewers who came by it
/// stay. Dropping it in a process that was forked off from the one that made it does nothing, as with a
/// [`Worker`](valkka_core::worker::Worker).
#[derive(Debug)]
pub struct Listener {
    local_addr: SocketAddr,
    identity: watch::Sender<Option<TlsIdentity>>,
    task: AbortHandle,
    /// Disconnected when the address is free.
    closed: mpsc::Receiver<()>,
    /// That made it.
    process: u32,
}

impl Listener {
    /// Listens on `addr`, with TLS if there is an identity; `handle` is that of the server's runtime.
    pub(super) fn open(
        addr: SocketAddr,
        identity: Option<TlsIdentity>,
        shared: &Arc<Shared>,
        handle: &Handle,
    ) -> io::Result<Self> {
        let listener = StdListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let local_addr = listener.local_addr()?;
        let listener = {
            let _in_runtime = handle.enter();
            TcpListener::from_std(listener)?
        };
        let (identity, identities) = watch::channel(identity);
        let (open, closed) = mpsc::channel();
        let shared = shared.clone();
        // Dropped in this order: the one tells that the other is closed.
        let ends = (listener, open);
        let task = handle.spawn(async move {
            let ends = ends;
            accept(&ends.0, identities, shared).await;
        });
        Ok(Self { local_addr, identity, task: task.abort_handle(), closed, process: process::id() })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Shows `identity` to those who connect from now on (a certificate was renewed); those who are connected notice
    /// nothing. A listener without TLS gets none by this.
    pub fn set_identity(&self, identity: TlsIdentity) {
        self.identity.send_if_modified(|current| {
            let has_tls = current.is_some();
            if has_tls {
                *current = Some(identity);
            }
            has_tls
        });
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.process != process::id() {
            return;
        }
        self.task.abort();
        // So that whoever drops it can listen there again. The server's thread has nothing to do that takes long.
        let _ = self.closed.recv_timeout(CLOSE_TIMEOUT);
    }
}

/// Takes in connections.
async fn accept(
    listener: &TcpListener,
    identities: watch::Receiver<Option<TlsIdentity>>,
    shared: Arc<Shared>,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Out of descriptors, or the peer was gone before it was accepted: neither is cured by haste.
            Err(error) => {
                warn!(%error, "the RTSP server cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(permit) = shared.connections.admit(peer.ip()) else {
            // Dropping the stream closes it.
            debug!(%peer, "too many connections, closed");
            continue;
        };
        let identity = identities.borrow().clone();
        let shared = shared.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = serve(stream, peer, identity, &permit, &shared) => {}
                () = permit.displaced() => debug!(%peer, "makes way for another connection"),
            }
        });
    }
}

/// Serves one connection from its first byte to its last.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    identity: Option<TlsIdentity>,
    permit: &Permit,
    shared: &Shared,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers and pictures are written in one piece each: waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    // A viewer has nothing to say while its stream brings nothing; that its machine is gone is found out by this.
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_INTERVAL);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&probes);
    let Some(identity) = identity else {
        let (reading, writing) = stream.into_split();
        let ends = Ends { peer, local, is_encrypted: false };
        return connection::serve(reading, writing, ends, permit, shared).await;
    };
    let handshake = async {
        permit.peer().handshake().await;
        TlsAcceptor::from(identity.server_config().clone()).accept(stream).await
    };
    match timeout(HANDSHAKE_TIMEOUT.min(shared.options.idle_timeout), handshake).await {
        Ok(Ok(stream)) => {
            let (reading, writing) = tokio::io::split(stream);
            let ends = Ends { peer, local, is_encrypted: true };
            connection::serve(reading, writing, ends, permit, shared).await;
        }
        Ok(Err(error)) => debug!(%peer, %error, "no TLS with a peer"),
        Err(_) => debug!(%peer, "no TLS with a peer: it does not finish the handshake"),
    }
}

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that has been idle for so long is asked by the kernel whether its other end is there,
const PROBE_AFTER: Duration = Duration::from_secs(30);

/// and so often, nine times, before it is given up.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long dropping a listener waits for its address to be free. It takes no time, unless the machine stands still.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
