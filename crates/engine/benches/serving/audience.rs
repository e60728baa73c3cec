//! Many viewers on one thread that costs little: they read into one buffer, look at the packets' headers and count.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;

use crate::client::Client;
use crate::stream::{Counts, Interleaved, Track};

/// How the viewers want their packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Interleaved in the RTSP connection.
    Tcp,
    Udp,
    /// As over TCP, from a server that sends unasked.
    Bare,
}

/// Running viewers; they leave when this is dropped.
pub(crate) struct Audience {
    orders: Sender<Order>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Add(Viewer),
    Count(Sender<Vec<Counts>>),
}

struct Viewer {
    source: Source,
    /// It left, was sent away, or sent what is no packet.
    over: bool,
}

enum Source {
    Connection(TcpStream, Interleaved),
    Datagrams { rtp: UdpSocket, track: Track, _kept: Kept },
}

/// What must stay open as long as datagrams are to come: the connection, and the socket for RTCP.
type Kept = (Client, UdpSocket);

impl Audience {
    pub(crate) fn new() -> io::Result<Self> {
        let (orders, taken) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let end = ended.clone();
        let thread = thread::Builder::new().name("audience".into()).spawn(move || {
            let mut viewers = Vec::new();
            while !end.load(Ordering::Relaxed) {
                if let Err(error) = turn(&epoll, &mut viewers, &taken) {
                    panic!("the audience cannot go on: {error}");
                }
            }
        })?;
        Ok(Self { orders, ended, thread: Some(thread) })
    }

    /// Adds one that plays the stream at `addr`.
    pub(crate) fn add(&self, addr: SocketAddr, url: &str, link: Link) -> io::Result<()> {
        let source = match link {
            Link::Bare => Source::Connection(TcpStream::connect(addr)?, Interleaved::default()),
            Link::Tcp => {
                let mut client = Client::connect(addr, url)?;
                let track = client.describe()?;
                client.set_up_tcp(&track)?;
                client.play()?;
                let mut packets = Interleaved::default();
                packets.read(&client.take_buffer()).map_err(|_| io::Error::other("not a packet"))?;
                Source::Connection(client.stream, packets)
            }
            Link::Udp => {
                let mut client = Client::connect(addr, url)?;
                let track = client.describe()?;
                let [rtp, rtcp] = client.set_up_udp(&track)?;
                client.play()?;
                Source::Datagrams { rtp, track: Track::default(), _kept: (client, rtcp) }
            }
        };
        self.order(Order::Add(Viewer { source, over: false }))
    }

    /// What each has got so far.
    pub(crate) fn counts(&self) -> io::Result<Vec<Counts>> {
        let (answer, counts) = mpsc::channel();
        self.order(Order::Count(answer))?;
        counts.recv_timeout(PATIENCE).map_err(io::Error::other)
    }

    fn order(&self, order: Order) -> io::Result<()> {
        self.orders.send(order).map_err(|_| io::Error::other("the audience has gone"))
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads what is there, or waits for it a little, and does what is ordered.
fn turn(epoll: impl AsFd, viewers: &mut Vec<Viewer>, orders: &Receiver<Order>) -> io::Result<()> {
    for order in orders.try_iter() {
        match order {
            Order::Add(viewer) => {
                let data = EventData::new_u64(viewers.len() as u64);
                match &viewer.source {
                    Source::Connection(stream, _) => {
                        stream.set_nonblocking(true)?;
                        epoll::add(&epoll, stream, data, EventFlags::IN)?;
                    }
                    Source::Datagrams { rtp, .. } => {
                        rtp.set_nonblocking(true)?;
                        epoll::add(&epoll, rtp, data, EventFlags::IN)?;
                    }
                }
                viewers.push(viewer);
            }
            Order::Count(answer) => {
                let _ = answer.send(viewers.iter().map(Viewer::counts).collect());
            }
        }
    }
    let mut events = Vec::with_capacity(MAX_EVENTS);
    match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&TICK)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut buffer = vec![0; READ_BYTES];
    for event in events {
        let viewer = &mut viewers[event.data.u64() as usize];
        match viewer.read(&mut buffer) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(false) | Err(_) => {
                viewer.over = true;
                match &viewer.source {
                    Source::Connection(stream, _) => epoll::delete(&epoll, stream)?,
                    Source::Datagrams { rtp, .. } => epoll::delete(&epoll, rtp)?,
                }
            }
        }
    }
    Ok(())
}

impl Viewer {
    /// Reads once (datagrams: all there are); whether there may be more some time.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match &mut self.source {
            Source::Connection(stream, packets) => {
                let length = stream.read(buffer)?;
                Ok(length > 0 && packets.read(&buffer[..length]).is_ok())
            }
            Source::Datagrams { rtp, track, .. } => loop {
                let length = rtp.recv(buffer)?;
                track.counts.bytes += length as u64;
                if let Some(&head) = buffer[..length].first_chunk() {
                    track.packet(head);
                }
            },
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = match &self.source {
            Source::Connection(_, packets) => packets.track.counts,
            Source::Datagrams { track, .. } => track.counts,
        };
        counts.over = self.over;
        counts
    }
}

const READ_BYTES: usize = 256 << 10;
const MAX_EVENTS: usize = 256;
/// How often it looks for orders when nothing comes.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
const PATIENCE: Duration = Duration::from_secs(10);
