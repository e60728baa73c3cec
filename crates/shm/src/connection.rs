//! What ties a reader to its writer.

use std::io;
use std::os::fd::OwnedFd;
use std::process;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::control::{Control, Layout};
use crate::directory::{self, Identity};
use crate::error::{Error, trying};
use crate::event::Event;
use crate::shape::Shape;
use crate::wire::{Reply, Request, VERSION, Welcome};
use crate::writer::this_process;

/// A reader's connection to a writer. It lasts until it is dropped; the writer may be gone before.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    /// The writer's process: one that was forked off from it may keep the socket open.
    process: OwnedFd,
    /// The writer's socket file, to see whether another writer has taken its place.
    identity: Identity,
    /// Frames and their place.
    pub(crate) data: OwnedFd,
    pub(crate) control: Control,
    pub(crate) shape: Shape,
    /// Our number.
    pub(crate) reader: usize,
    owner: u32,
}

impl Connection {
    /// Connects to the writer of `name`, within `timeout` if it answers. `None` if there is no writer, or it does not
    /// answer. `event` is set at every frame from then on.
    pub(crate) fn open(name: &str, event: Option<&Event>, timeout: Duration) -> Result<Option<Self>, Error> {
        let Some((socket, identity)) = directory::connect(name)? else { return Ok(None) };
        let meet = || {
            let process = this_process()?;
            Request::send(&socket, Some(&process), event.map(Event::fd))?;
            wait_reply(&socket, timeout)
        };
        let welcome = match meet() {
            Ok(Some(Reply::Welcome(welcome))) => welcome,
            Ok(Some(Reply::Full)) => {
                return Err(Error::Full { name: name.to_owned(), max: crate::control::MAX_READERS });
            }
            Ok(Some(Reply::Version(theirs))) => {
                return Err(Error::Version { name: name.to_owned(), ours: VERSION, theirs });
            }
            Ok(Some(Reply::Noted) | None) => return Ok(None),
            // It is going just now.
            Err(error) if is_parting(&error) => return Ok(None),
            Err(error) => return Err(trying(name, "agree with its writer")(error)),
        };
        let Welcome { shape, reader, control, data, process } = welcome;
        let control = Control::map(&control, Layout::of(shape)).map_err(trying(name, "map the memory"))?;
        let owner = process::id();
        Ok(Some(Self { socket, process, identity, data, control, shape, reader, owner }))
    }

    /// Whether the writer is there: its process runs and has not dropped it.
    pub(crate) fn is_alive(&self) -> bool {
        // The socket becomes readable when it is closed; nothing else is said there unasked.
        let mut polled =
            [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.process, PollFlags::IN)];
        match poll(&mut polled, Some(&Timespec::default())) {
            Ok(happened) => happened == 0,
            Err(_) => true,
        }
    }

    /// Whether another writer has taken the place of this one.
    pub(crate) fn is_superseded(&self, name: &str) -> bool {
        directory::current(name).is_some_and(|current| current != self.identity)
    }

    /// Has `event` set at every frame from now on, in place of the one before.
    pub(crate) fn use_event(&self, event: &Event) -> io::Result<()> {
        Request::send(&self.socket, None, Some(event.fd()))?;
        wait_reply(&self.socket, REPLY_TIMEOUT).map(drop)
    }

    /// Lets the writer have the cell.
    pub(crate) fn release(&self, cell: usize) {
        // In a process that was forked off, the frames are its parent's.
        if self.owner == process::id() {
            self.control.cell(cell).unpin(self.reader);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A process that was forked off may have the socket too, and must not keep what we held. In such a process,
        // the connection is its parent's.
        if self.owner == process::id() {
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        }
    }
}

/// The writer's reply; `None` if there is none within `timeout`.
fn wait_reply(socket: &OwnedFd, timeout: Duration) -> io::Result<Option<Reply>> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&limit)) {
            Ok(0) => return Ok(None),
            Ok(_) => return Reply::receive(socket).map(Some),
            Err(Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_parting(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof, WouldBlock};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected | UnexpectedEof | WouldBlock)
}

/// A writer that runs answers at once; one that is stopped does not.
const REPLY_TIMEOUT: Duration = Duration::from_millis(500);
