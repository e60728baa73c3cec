//! A kernel's event, to wait for with `select`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::EventfdFlags;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// A kernel's event (eventfd): a file descriptor that can be read, in the sense of `select` and `poll`, while it is set.
/// Processes that are forked off share it.
#[derive(Debug)]
pub struct Event(OwnedFd);

impl Event {
    /// An event that is not set.
    ///
    /// # Errors
    /// If the system has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// The event behind this file descriptor, which does not block from now on.
    ///
    /// # Errors
    /// If it is no eventfd.
    pub fn from_fd(file: OwnedFd) -> io::Result<Self> {
        // Anything else, a pipe say, could keep whoever sets it.
        let kind = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new())?;
        if !kind.as_bytes().ends_with(b"[eventfd]") {
            let kind = kind.to_string_lossy().into_owned();
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{kind} is not an eventfd")));
        }
        let flags = rustix::fs::fcntl_getfl(&file)?;
        if !flags.contains(OFlags::NONBLOCK) {
            rustix::fs::fcntl_setfl(&file, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self(file))
    }

    /// Sets it.
    pub fn set(&self) {
        // It fails if it is set more often than can be counted: then it is set.
        while rustix::io::write(&self.0, &1_u64.to_ne_bytes()) == Err(Errno::INTR) {}
    }

    /// Makes it unset. Does nothing if it was not set.
    pub fn clear(&self) {
        let mut count = [0; 8];
        // It fails if nothing is there to be read.
        while rustix::io::read(&self.0, &mut count) == Err(Errno::INTR) {}
    }

    /// Another handle on the same event.
    ///
    /// # Errors
    /// If the system has no file descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.0
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_set(event: &Event) -> bool {
        let mut polled = [PollFd::new(event, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn it_is_set_and_cleared_in_any_order() {
        let event = Event::new().unwrap();
        event.clear();
        assert!(!is_set(&event));
        event.set();
        event.set();
        assert!(is_set(&event) && is_set(&event.try_clone().unwrap()));
        event.try_clone().unwrap().clear();
        assert!(!is_set(&event));
    }

    #[test]
    fn setting_never_blocks() {
        let blocking = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let event = Event::from_fd(blocking).unwrap();
        rustix::io::write(&event, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        event.set();
        event.clear();
        event.clear();
    }

    #[test]
    fn anything_else_is_refused() {
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let error = Event::from_fd(socket.into()).unwrap_err().to_string();
        assert!(error.starts_with("socket:[") && error.ends_with("] is not an eventfd"), "{error}");
    }
}
