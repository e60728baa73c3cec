//! One file descriptor and what waits for it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use valkka_core::payload::Payload;
use valkka_core::queue::QueueReceiver;
use valkka_core::stream::Slot;

/// A descriptor that is written without waiting.
pub(super) struct Output {
    slot: Slot,
    file: OwnedFd,
    way: Way,
    packets: QueueReceiver,
    /// The packet that was begun, and how much of it is written.
    current: Option<(Payload, usize)>,
    gone: Arc<AtomicBool>,
}

/// How a descriptor is written without waiting, and without changing flags that others share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Sockets can be told with each call.
    Socket,
    /// A pipe that we have opened for ourselves once more, with flags of its own.
    NonBlocking,
    /// Anything else: as little at a time as a pipe or terminal takes without waiting, when it is ready. Files are
    /// always ready.
    Careful,
}

/// How far [`Output::write`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All is written.
    Idle,
    /// The reader has to read first.
    Waiting,
}

impl Output {
    pub(super) fn new(slot: Slot, file: OwnedFd, packets: QueueReceiver, gone: Arc<AtomicBool>) -> Self {
        let kind = rustix::fs::fstat(&file).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let (file, way) = match kind {
            Ok(FileType::Socket) => (file, Way::Socket),
            Ok(FileType::Fifo) => match reopened(&file) {
                Ok(own) => (own, Way::NonBlocking),
                // Without /proc, or somebody else's pipe.
                Err(_) => (file, Way::Careful),
            },
            _ => (file, Way::Careful),
        };
        Self { slot, file, way, packets, current: None, gone }
    }

    pub(super) fn slot(&self) -> Slot {
        self.slot
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether it is not to be written any more.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Whether it is of the registration with this mark.
    pub(super) fn belongs_to(&self, gone: &Arc<AtomicBool>) -> bool {
        Arc::ptr_eq(&self.gone, gone)
    }

    /// Whether a packet was begun whose rest the reader has no room for.
    pub(super) fn is_waiting(&self) -> bool {
        self.current.is_some()
    }

    /// Writes what waits, as far as the reader has room.
    pub(super) fn write(&mut self) -> io::Result<Progress> {
        loop {
            if self.current.is_none() {
                let Ok(frame) = self.packets.try_recv() else { return Ok(Progress::Idle) };
                self.current = frame.packet().map(|packet| (packet.payload.clone(), 0));
            }
            while let Some((payload, written)) = &self.current {
                let rest = &payload[*written..];
                if rest.is_empty() {
                    self.current = None;
                    break;
                }
                match self.write_some(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        if let Some((_, written)) = &mut self.current {
                            *written += count;
                        }
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return Ok(Progress::Waiting),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    fn write_some(&self, data: &[u8]) -> Result<usize, Errno> {
        match self.way {
            Way::Socket => rustix::net::send(&self.file, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Way::NonBlocking => rustix::io::write(&self.file, data),
            Way::Careful => {
                let mut ready = [PollFd::new(&self.file, PollFlags::OUT)];
                poll(&mut ready, Some(&NO_TIME))?;
                if ready[0].revents().is_empty() {
                    return Err(Errno::AGAIN);
                }
                rustix::io::write(&self.file, &data[..data.len().min(PIPE_BUF)])
            }
        }
    }
}

/// The pipe behind `file`, opened for ourselves alone.
fn reopened(file: &OwnedFd) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty())
}

/// A pipe that is ready takes so much without waiting (`pipe(7)`).
const PIPE_BUF: usize = 4096;
const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
