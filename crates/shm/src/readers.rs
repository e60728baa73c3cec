//! The readers of a writer, and the thread that receives them.
//!
//! A reader is connected by a socket for as long as it reads. When the socket closes, or its process ends (a process
//! that was forked off from it may keep the socket open), the reader is gone, and what it held is free.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags};
use tracing::{debug, warn};
use valkka_core::lock::lock;
use valkka_core::worker::{StopToken, Worker};

use crate::control::{Control, MAX_READERS, ReaderBits, bit_of};
use crate::directory::Listener;
use crate::event::Event;
use crate::shape::Shape;
use crate::wire::{Reply, Request, Welcome};

/// What the thread and the writer share. The lock is held while a cell is claimed, so that nobody joins or is forgotten
/// meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    /// Those whose pins count.
    pub(crate) live: ReaderBits,
    /// How many cells they may have pinned.
    pub(crate) cells: usize,
    /// What is set at every frame, and by whom it was asked for; `None` is the writer's own program.
    events: Vec<(Option<usize>, Event)>,
}

impl Readers {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.live.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Has `event` set at every frame, for the writer's own program.
    pub(crate) fn notify(&mut self, event: Event) {
        if self.events.iter().filter(|(reader, _)| reader.is_none()).count() < MAX_READERS {
            self.events.push((None, event));
        }
    }

    /// Tells all who asked for it that there is a frame.
    pub(crate) fn set_events(&self) {
        self.events.iter().for_each(|(_, event)| event.set());
    }

    /// A number for a new reader.
    fn join(&mut self) -> Option<usize> {
        let reader = (0..MAX_READERS).find(|&reader| {
            let (word, bit) = bit_of(reader);
            self.live[word] & bit == 0
        })?;
        let (word, bit) = bit_of(reader);
        self.live[word] |= bit;
        Some(reader)
    }

    fn leave(&mut self, reader: usize, control: &Control) {
        control.forget(reader, self.cells);
        let (word, bit) = bit_of(reader);
        self.live[word] &= !bit;
        self.set_event(reader, None);
    }

    fn set_event(&mut self, reader: usize, event: Option<Event>) {
        self.events.retain(|(owner, _)| *owner != Some(reader));
        self.events.extend(event.map(|event| (Some(reader), event)));
    }
}

/// What is handed to every reader.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) control_file: OwnedFd,
    /// Readers cannot write to it.
    pub(crate) data_file: OwnedFd,
    /// Of this process.
    pub(crate) process: OwnedFd,
}

impl Offer {
    fn welcome(&self, reader: usize) -> io::Result<Reply> {
        Ok(Reply::Welcome(Welcome {
            shape: self.shape,
            reader,
            control: self.control_file.try_clone()?,
            data: self.data_file.try_clone()?,
            process: self.process.try_clone()?,
        }))
    }
}

/// The same file, for reading only. Nobody opens it for writing any more, by accident.
pub(crate) fn read_only(file: &OwnedFd) -> io::Result<OwnedFd> {
    rustix::fs::fchmod(file, Mode::RUSR)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Starts the thread that receives readers.
pub(crate) fn receive(
    listener: &Listener,
    offer: Offer,
    control: Arc<Control>,
    readers: Arc<Mutex<Readers>>,
) -> io::Result<Worker> {
    let listener = listener.socket.try_clone()?;
    let stop = Arc::new(Event::new()?);
    let reception = Reception { listener, offer, control, readers, connections: VecDeque::new(), rest: None };
    Worker::spawn("ring", None, move |token: StopToken| {
        let ring = stop.clone();
        token.on_stop(move || ring.set());
        reception.run(&token, &stop);
    })
}

struct Reception {
    listener: OwnedFd,
    offer: Offer,
    control: Arc<Control>,
    readers: Arc<Mutex<Readers>>,
    /// At most [`MAX_CONNECTIONS`]; the oldest first.
    connections: VecDeque<Connection>,
    /// Nobody is accepted before this, because the system refused it.
    rest: Option<Instant>,
}

struct Connection {
    socket: OwnedFd,
    /// Its number and its process, once it has said hello.
    reader: Option<(usize, OwnedFd)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Also if a process that was forked off from this one has the socket too.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }
}

impl Reception {
    fn run(mut self, stop: &StopToken, stopped: &Event) {
        while !stop.is_stopped() {
            if let Err(error) = self.turn(stopped) {
                warn!(name = self.offer.name, %error, "cannot wait for readers of shared memory; trying again");
                stop.wait(REST);
            }
        }
        self.connections.clear();
        self.control.ring_bell();
    }

    /// Waits until something happens, and deals with it.
    fn turn(&mut self, stopped: &Event) -> io::Result<()> {
        let now = Instant::now();
        self.rest = self.rest.filter(|rest| *rest > now);
        let timeout = self.rest.map(|rest| rest - now).map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let hears = if self.rest.is_some() { PollFlags::empty() } else { PollFlags::IN };
        let mut polled = vec![PollFd::new(stopped, PollFlags::IN), PollFd::new(&self.listener, hears)];
        for connection in &self.connections {
            polled.push(PollFd::new(&connection.socket, PollFlags::IN));
            if let Some((_, process)) = &connection.reader {
                polled.push(PollFd::new(process, PollFlags::IN));
            }
        }
        // Without a time limit, unless it rests: the event of the stop ends it.
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
        let mut happened = polled.iter().map(|polled| !polled.revents().is_empty()).skip(1);
        let knocks = happened.next().unwrap_or(false);
        let mut busy = Vec::new();
        for connection in &self.connections {
            let speaks = happened.next().unwrap_or(false);
            let ended = connection.reader.is_some() && happened.next().unwrap_or(false);
            busy.push((speaks, ended));
        }
        for (speaks, ended) in busy {
            // Each is taken from the front and put back at the end, unless it is gone.
            let Some(mut connection) = self.connections.pop_front() else { break };
            if ended || (speaks && !self.listen(&mut connection)) {
                self.part(connection);
            } else {
                self.connections.push_back(connection);
            }
        }
        if knocks {
            self.accept();
        }
        Ok(())
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            match rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => {
                    self.connections.push_back(Connection { socket, reader: None });
                    self.make_room();
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => (),
                Err(error) => {
                    warn!(name = self.offer.name, %error, "cannot accept readers of shared memory for a while");
                    self.rest = Some(Instant::now() + REST);
                    return;
                }
            }
        }
    }

    /// Of those that have connected and say nothing, the one that has said nothing for longest has to go.
    fn make_room(&mut self) {
        if self.connections.len() > MAX_CONNECTIONS {
            let silent = self.connections.iter().position(|connection| connection.reader.is_none());
            drop(silent.and_then(|index| self.connections.remove(index)));
        }
    }

    /// Takes what a reader has to say. Returns whether it is still there.
    fn listen(&mut self, connection: &mut Connection) -> bool {
        match Request::receive(&connection.socket) {
            Ok(Ok(request)) => self.answer(connection, request).is_ok(),
            Ok(Err(version)) => {
                debug!(name = self.offer.name, version, "a reader of another version");
                let _ = Reply::Version(version).send(&connection.socket);
                false
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    fn answer(&mut self, connection: &mut Connection, request: Request) -> io::Result<()> {
        let Connection { socket, reader } = connection;
        match (request, &reader) {
            (Request::Hello { process, event }, None) => {
                let event = event.map(Event::from_fd).transpose()?;
                let mut readers = lock(&self.readers);
                let Some(number) = readers.join() else {
                    return Reply::Full.send(socket);
                };
                readers.set_event(number, event);
                drop(readers);
                *reader = Some((number, process));
                debug!(name = self.offer.name, reader = number, "a reader of shared memory has come");
                self.offer.welcome(number)?.send(socket)
            }
            (Request::Event(event), Some((number, _))) => {
                lock(&self.readers).set_event(*number, Some(Event::from_fd(event)?));
                Reply::Noted.send(socket)
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn part(&self, mut connection: Connection) {
        if let Some((number, _)) = connection.reader.take() {
            lock(&self.readers).leave(number, &self.control);
            debug!(name = self.offer.name, reader = number, "a reader of shared memory has gone");
        }
    }
}

/// How long nobody is accepted after the system has refused it.
const REST: Duration = Duration::from_secs(1);
const ACCEPTED_AT_ONCE: usize = 16;
/// Readers, and some who have not said hello yet.
const MAX_CONNECTIONS: usize = MAX_READERS + 32;
