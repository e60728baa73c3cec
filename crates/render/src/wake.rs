//! Wakes a thread that waits on descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// A bell that one thread listens to and any thread rings.
#[derive(Debug)]
pub(crate) struct Wake(OwnedFd);

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Ends the wait that is going on, or else the next one.
    pub(crate) fn ring(&self) {
        // It fails only when the counter is full, and then the bell is ringing.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Waits until somebody rings, `other` becomes readable, or `timeout` is over.
    pub(crate) fn wait(&self, other: Option<BorrowedFd<'_>>, timeout: Duration) {
        let mut fds = vec![PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        fds.extend(other.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        // Interrupted by a signal is as good as woken up: the caller looks at everything anyway.
        let _ = poll(&mut fds, Some(&timeout));
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_before_the_wait_are_not_lost_and_ring_once() {
        let wake = Wake::new().unwrap();
        wake.ring();
        wake.ring();
        wake.wait(None, Duration::from_secs(60));
        wake.wait(None, Duration::ZERO);
        std::thread::scope(|scope| {
            scope.spawn(|| wake.ring());
            wake.wait(None, Duration::from_secs(60));
        });
    }
}
