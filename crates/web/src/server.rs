//! The listener, its thread and its connections.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use valkka::worker::{StopToken, Worker};
use valkka_site::{Certificate, Site};

use crate::app::{App, MAX_BLOCKING_THREADS, stopped};
use crate::options::WebOptions;
use crate::sessions::Sessions;
use crate::tally::{Admission, network};
use crate::tls::Tls;
use crate::wire::Wire;
use crate::{pulse, routes};

/// A web server: the page, the API and live video of one [`Site`]. Dropping it closes its connections and ends its
/// thread.
#[derive(Debug)]
pub struct Web {
    local_addr: SocketAddr,
    app: Arc<App>,
    tls: Option<Tls>,
    _worker: Worker,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Web {
    /// Listens and serves `site`, on a thread of its own.
    ///
    /// # Errors
    /// If the certificate cannot be used, the address is not to be had, or the system gives no thread.
    pub fn start(site: Arc<Site>, options: WebOptions) -> io::Result<Self> {
        Self::resume(site, options, &Sessions::default())
    }

    /// As [`Self::start`], for a server that takes the place of another one of the same site: whoever is logged in by
    /// `sessions` is so here, unless he is gone or his password has changed. Browsers know the port that they logged in at.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn resume(site: Arc<Site>, options: WebOptions, sessions: &Sessions) -> io::Result<Self> {
        let tls = options.tls.as_ref().map(Tls::new).transpose()?;
        let listener = StdListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let local_addr = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .thread_name("web-blocking")
            .build()?;
        let affinity = options.affinity;
        let app = Arc::new(App::new(site, options, sessions.clone(), local_addr));
        let (serving, speaks) = (app.clone(), tls.clone());
        let worker = Worker::spawn("web", affinity, move |stop| {
            runtime.block_on(serve(listener, speaks, serving, &stop));
            // A password or a snapshot on its way takes fractions of a second, and nobody waits for it any more.
            runtime.shutdown_background();
        })?;
        Ok(Self { local_addr, app, tls, _worker: worker })
    }

    /// Shows `certificate` from the next connection on; those that there are go on as they are.
    ///
    /// # Errors
    /// If it cannot be used, or no HTTPS is spoken; then nothing changes.
    pub fn renew_certificate(&self, certificate: &Certificate) -> io::Result<()> {
        let tls = self.tls.as_ref().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{} speaks no TLS", self.local_addr))
        })?;
        tls.renew(certificate)
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address of the page, for people.
    pub fn url(&self) -> String {
        let scheme = if self.app.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.local_addr)
    }

    /// How long ago its thread last showed that it runs, which it does about once a second.
    pub fn silence(&self) -> Duration {
        self.app.beat.elapsed(Instant::now())
    }
}

/// Accepts connections until `stop` says stop.
async fn serve(listener: StdListener, tls: Option<Tls>, app: Arc<App>, stop: &StopToken) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return warn!(%error, "the web server cannot listen"),
    };
    let mut stopping = app.stopping.subscribe();
    let stopper = app.clone();
    stop.on_stop(move || {
        stopper.stopping.send_replace(true);
    });
    let router = routes::router(&app);
    let pulse = tokio::spawn(pulse::run(app.clone()));
    let bell = tokio::spawn(app.bell.clone().run());
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Proxies of this machine are many peers in one.
                let bounded = !peer.ip().to_canonical().is_loopback();
                let Some(admission) = app.connections.admit(network(peer.ip()), bounded) else {
                    // Dropping the stream closes it.
                    app.figures.connections_refused.add(1);
                    debug!(%peer, "too many connections, closed");
                    continue;
                };
                let connection = Connection {
                    app: app.clone(),
                    peer,
                    router: TowerToHyperService::new(router.clone()),
                    tls: tls.clone(),
                    stopping: stopping.clone(),
                };
                tokio::spawn(connection.serve(stream, admission));
            }
            // Out of descriptors, or the peer was gone before it was accepted: neither is cured by haste.
            Err(error) => {
                warn!(%error, "the web server cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Live connections say goodbye.
    let _ = timeout(GOODBYE_TIMEOUT, async {
        while app.connections.total() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    pulse.abort();
    bell.abort();
}

/// One connection.
struct Connection {
    app: Arc<App>,
    peer: SocketAddr,
    router: TowerToHyperService<Router>,
    tls: Option<Tls>,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, admission: Admission<IpAddr>) {
        // Answers and fragments are whole when they are written: waiting for more only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(peer = %self.peer, %error, "cannot switch off the delay of small packets");
        }
        let options = &self.app.options;
        let wire = Wire::new(stream, admission, self.app.figures.sent_bytes.clone(), options.patience);
        match self.tls.as_ref().map(Tls::acceptor) {
            None => self.speak(wire).await,
            Some(acceptor) => match timeout(options.request_timeout, acceptor.accept(wire)).await {
                Ok(Ok(stream)) => self.speak(stream).await,
                Ok(Err(error)) => debug!(peer = %self.peer, %error, "no TLS"),
                Err(_) => debug!(peer = %self.peer, "no TLS within {:?}", options.request_timeout),
            },
        }
    }

    /// Speaks HTTP until the peer leaves or the server stops.
    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { app, peer, router, mut stopping, .. } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(app.options.request_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "a connection ended");
        }
    }
}

/// Bytes of a request's first line and headers; more is refused.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long stopping waits for connections to end by themselves.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);
