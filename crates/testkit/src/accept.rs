//! A listening socket whose connections have a thread each, and end with it.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Accepts connections on a free port of the loopback interface until it is dropped.
#[derive(Debug)]
pub(crate) struct Acceptor {
    address: SocketAddr,
    connections: Connections,
    thread: Option<JoinHandle<()>>,
}

/// The connections of an [`Acceptor`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<State>);

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    accepted: AtomicUsize,
    /// Shut down in the end, which wakes the threads that read from them. Bounded by [`MAX_OPEN`].
    open: Mutex<Vec<TcpStream>>,
}

impl Acceptor {
    /// Has `serve` called for each connection, counted from 0, on a thread of the connection's own. The
    /// connection is closed when it returns.
    pub(crate) fn spawn(
        name: &str,
        serve: impl Fn(usize, TcpStream, &Connections) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let connections = Connections::default();
        let accepted = connections.clone();
        let accept = move || accept(&listener, &accepted, &Arc::new(serve));
        let thread = Some(thread::Builder::new().name(name.to_owned()).spawn(accept)?);
        Ok(Self { address, connections, thread })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.connections.0.accepted.load(Ordering::SeqCst)
    }

    /// Closes all connections; further ones are accepted.
    pub(crate) fn close_connections(&self) {
        for stream in self.connections.lock().drain(..) {
            close(&stream);
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.connections.0.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts. Once it has ended, nobody listens on the port any more.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(10)).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            // It does not panic, and there would be nobody to tell.
            let _ = thread.join();
        }
        self.close_connections();
    }
}

impl Connections {
    /// Whether everything is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// Notes a stream that is to be closed in the end; refuses when there are too many or the end has come.
    pub(crate) fn note(&self, stream: &TcpStream) -> io::Result<()> {
        let handle = stream.try_clone()?;
        let mut open = self.lock();
        // What is shut down has no peer.
        open.retain(|stream| stream.peer_addr().is_ok());
        if open.len() >= MAX_OPEN || self.is_stopped() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        open.push(handle);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a connection in both directions, for all who hold it.
pub(crate) fn close(stream: &TcpStream) {
    // It may be closed already.
    let _ = stream.shutdown(Shutdown::Both);
}

fn accept<F>(listener: &TcpListener, connections: &Connections, serve: &Arc<F>)
where
    F: Fn(usize, TcpStream, &Connections) + Send + Sync + 'static,
{
    while let Ok((stream, _)) = listener.accept() {
        if connections.is_stopped() {
            return;
        }
        let (Ok(()), Ok(handle)) = (connections.note(&stream), stream.try_clone()) else { continue };
        let index = connections.0.accepted.fetch_add(1, Ordering::SeqCst);
        let (connections, serve) = (connections.clone(), serve.clone());
        thread::spawn(move || {
            serve(index, stream, &connections);
            close(&handle);
        });
    }
}

const MAX_OPEN: usize = 1000;
