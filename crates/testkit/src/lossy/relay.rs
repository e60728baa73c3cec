//! The datagrams of one track through the proxy.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use valkka_core::worker::{StopToken, Worker};

use super::message::Ports;
use super::{Network, count};

/// Passes on RTP and RTCP between a client and a server, until it is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    ports_for_client: Ports,
    ports_for_server: Ports,
    server: Arc<Mutex<Option<(IpAddr, Ports)>>>,
    _worker: Worker,
}

impl Relay {
    /// Starts for a client that receives at these ports. What the server sends may come before
    /// [`Self::set_server`].
    pub(super) fn spawn(client: IpAddr, ports: Ports, seed: u64, network: &Network) -> io::Result<Self> {
        let (to_client, to_server) = (Pair::bind()?, Pair::bind()?);
        let server = Arc::new(Mutex::new(None));
        let relay = Running {
            client: [SocketAddr::new(client, ports.0), SocketAddr::new(client, ports.1)],
            server: server.clone(),
            network: network.clone(),
            random: fastrand::Rng::with_seed(network.impairment().seed.wrapping_add(seed)),
            queue: BinaryHeap::new(),
            count: 0,
        };
        let (ports_for_client, ports_for_server) = (to_client.ports, to_server.ports);
        let worker =
            Worker::spawn("lossy-relay", None, move |stop| relay.run(&to_client, &to_server, &stop))?;
        Ok(Self { ports_for_client, ports_for_server, server, _worker: worker })
    }

    /// Where the client finds what it takes for the server.
    pub(super) fn ports_for_client(&self) -> Ports {
        self.ports_for_client
    }

    /// Where the server finds what it takes for the client.
    pub(super) fn ports_for_server(&self) -> Ports {
        self.ports_for_server
    }

    /// Says where the client's datagrams go.
    pub(super) fn set_server(&self, address: IpAddr, ports: Ports) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some((address, ports));
    }
}

/// The thread's own.
struct Running {
    /// Its addresses for RTP and RTCP.
    client: [SocketAddr; 2],
    server: Arc<Mutex<Option<(IpAddr, Ports)>>>,
    network: Network,
    random: fastrand::Rng,
    /// What is to be sent later. Bounded by [`MAX_QUEUED`].
    queue: BinaryHeap<Reverse<Delayed>>,
    /// Datagrams queued so far.
    count: u64,
}

impl Running {
    fn run(mut self, to_client: &Pair, to_server: &Pair, stop: &StopToken) {
        let mut buffer = vec![0; 65_536];
        while !stop.is_stopped() {
            self.send_due(to_client);
            let wait = self
                .queue
                .peek()
                .map_or(TICK, |Reverse(next)| next.due.saturating_duration_since(Instant::now()).min(TICK));
            let sockets = [&to_server.sockets, &to_client.sockets].map(|[rtp, rtcp]| [rtp, rtcp]);
            let mut fds: Vec<_> =
                sockets.iter().flatten().map(|socket| PollFd::new(*socket, PollFlags::IN)).collect();
            let wait = Timespec::try_from(wait).ok();
            // Interrupted or not, what is there is read.
            let _ = poll(&mut fds, wait.as_ref());
            for channel in 0..2 {
                while let Ok((length, _)) = to_server.sockets[channel].recv_from(&mut buffer) {
                    self.take_from_server(channel, &buffer[..length], to_client);
                }
                while let Ok((length, _)) = to_client.sockets[channel].recv_from(&mut buffer) {
                    self.take_from_client(channel, &buffer[..length], to_server);
                }
            }
        }
    }

    fn take_from_client(&self, channel: usize, datagram: &[u8], to_server: &Pair) {
        let server = *self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((address, ports)) = server.filter(|_| !self.network.is_dark()) else { return };
        let port = if channel == 0 { ports.0 } else { ports.1 };
        to_server.send(channel, datagram, SocketAddr::new(address, port));
    }

    fn take_from_server(&mut self, channel: usize, datagram: &[u8], to_client: &Pair) {
        let tally = &self.network.0.tally;
        let rtp = channel == 0;
        if self.network.is_dark() {
            if rtp {
                count(&tally.dark);
            }
            return;
        }
        if !rtp {
            to_client.send(channel, datagram, self.client[channel]);
            return;
        }
        let impairment = self.network.impairment();
        // Both are drawn for each datagram, so that the choice of the one does not depend on that of the other.
        let (lost, late) = (self.random.f64() < impairment.lost, self.random.f64() < impairment.late);
        if lost || self.queue.len() >= MAX_QUEUED {
            count(&tally.lost);
            return;
        }
        count(&tally.passed);
        let mut delay = impairment.delay;
        if late {
            count(&tally.late);
            delay += impairment.late_by;
        }
        if delay.is_zero() {
            to_client.send(channel, datagram, self.client[channel]);
        } else {
            self.count += 1;
            let delayed =
                Delayed { due: Instant::now() + delay, number: self.count, data: datagram.to_vec() };
            self.queue.push(Reverse(delayed));
        }
    }

    fn send_due(&mut self, to_client: &Pair) {
        let now = Instant::now();
        while self.queue.peek().is_some_and(|Reverse(next)| next.due <= now) {
            let Some(Reverse(datagram)) = self.queue.pop() else { return };
            if !self.network.is_dark() {
                to_client.send(0, &datagram.data, self.client[0]);
            }
        }
    }
}

/// A datagram on its way, ordered by when it is due and then by when it came.
#[derive(PartialEq, Eq)]
struct Delayed {
    due: Instant,
    number: u64,
    data: Vec<u8>,
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Two sockets on an even port and the next one, for RTP and RTCP (RFC 3550, section 11).
#[derive(Debug)]
struct Pair {
    sockets: [UdpSocket; 2],
    ports: Ports,
}

impl Pair {
    fn bind() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..ATTEMPTS {
            let rtp = UdpSocket::bind(("127.0.0.1", 0))?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 1 {
                continue;
            }
            match UdpSocket::bind(("127.0.0.1", port + 1)) {
                Ok(rtcp) => {
                    let sockets = [rtp, rtcp];
                    for socket in &sockets {
                        socket.set_nonblocking(true)?;
                        // The only losses are to be those that were asked for. Beyond the system's limit only
                        // the administrator may go; others get what the limit allows.
                        if sockopt::set_socket_recv_buffer_size_force(socket, RECV_BUFFER_BYTES).is_err() {
                            sockopt::set_socket_recv_buffer_size(socket, RECV_BUFFER_BYTES)?;
                        }
                    }
                    return Ok(Self { sockets, ports: (port, port + 1) });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn send(&self, channel: usize, datagram: &[u8], to: SocketAddr) {
        // A full buffer or a port nobody listens to is a loss, as in any network.
        let _ = self.sockets[channel].send_to(datagram, to);
    }
}

/// How often the thread looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// About 90 MB of full datagrams.
const MAX_QUEUED: usize = 65_536;

const RECV_BUFFER_BYTES: usize = 8 << 20;

const ATTEMPTS: usize = 200;
