//! An end to peers that send without end.
//!
//! retina keeps what it has read until it makes sense: a line, a body, a picture. It sets no bound to that, and
//! the socket is inside it. So what a connection reads is measured from outside: the kernel counts what each
//! thread has read, and a poll of a connection reads for nobody else. Connections that bring frames are not
//! measured: only while they are being made, and when they have kept the thread busy for a while for nothing. So that
//! little comes before that is noticed, no poll reads much.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use tokio::task::consume_budget;

/// Watches one connection.
#[derive(Debug)]
pub(super) struct Leash {
    /// Whether it is measured from the start.
    tight: bool,
    /// How long it was polled since it last brought something.
    busy: Duration,
    /// What it read since, as far as it was measured.
    read_bytes: u64,
    limit_bytes: u64,
    /// `None` until it is needed.
    meter: Option<Meter>,
}

/// The peer sent more than the limit, and nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endless {
    pub(super) read_bytes: u64,
}

impl Leash {
    /// For a connection that is being made.
    pub(super) fn tight() -> Self {
        Self::new(true, CONNECT_LIMIT_BYTES)
    }

    /// For a connection that brings frames.
    pub(super) fn loose() -> Self {
        Self::new(false, FRAME_LIMIT_BYTES)
    }

    fn new(tight: bool, limit_bytes: u64) -> Self {
        Self { tight, busy: Duration::ZERO, read_bytes: 0, limit_bytes, meter: None }
    }

    /// Waits for `future`, unless it reads too much.
    pub(super) async fn finish<F: Future>(&mut self, mut future: Pin<&mut F>) -> Result<F::Output, Endless> {
        poll_fn(|cx| self.poll(cx, |cx| future.as_mut().poll(cx))).await
    }

    /// Waits for the next item, unless too much is read for it.
    pub(super) async fn next<S: Stream + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> Result<Option<S::Item>, Endless> {
        poll_fn(|cx| self.poll(cx, |cx| Pin::new(&mut *stream).poll_next(cx))).await
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        inner: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Endless>> {
        read_less_at_once(cx);
        let measured = self.tight || self.busy > HARMLESS;
        let before = if measured { self.read_so_far() } else { None };
        let began = Instant::now();
        if let Poll::Ready(item) = inner(cx) {
            self.busy = Duration::ZERO;
            self.read_bytes = 0;
            return Poll::Ready(Ok(item));
        }
        self.busy = self.busy.saturating_add(began.elapsed());
        if let (Some(before), Some(after)) = (before, measured.then(|| self.read_so_far()).flatten()) {
            self.read_bytes += after.saturating_sub(before);
            if self.read_bytes > self.limit_bytes {
                return Poll::Ready(Err(Endless { read_bytes: self.read_bytes }));
            }
        }
        Poll::Pending
    }

    fn read_so_far(&mut self) -> Option<u64> {
        self.meter.get_or_insert_with(Meter::open).read_bytes()
    }
}

/// Uses most of the task's budget up, so that one poll cannot read for long.
fn read_less_at_once(cx: &mut Context<'_>) {
    for _ in 0..BUDGET_TO_USE_UP {
        if Pin::new(&mut std::pin::pin!(consume_budget())).poll(cx).is_pending() {
            return;
        }
    }
}

/// What the kernel says this thread has read, of whatever kind.
#[derive(Debug)]
struct Meter(Option<File>);

impl Meter {
    /// Without the file (a kernel without I/O accounting), nothing is measured.
    fn open() -> Self {
        Self(File::open("/proc/thread-self/io").ok())
    }

    fn read_bytes(&self) -> Option<u64> {
        let mut text = [0; 64];
        let length = self.0.as_ref()?.read_at(&mut text, 0).ok()?;
        // "rchar: 1234\n…"
        let digits = text[..length].strip_prefix(b"rchar: ")?.split(|byte| !byte.is_ascii_digit()).next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// Answers to four kinds of requests, and what a hasty server sends before it answers the last.
const CONNECT_LIMIT_BYTES: u64 = 16 << 20;
/// More than any picture.
const FRAME_LIMIT_BYTES: u64 = 32 << 20;
/// A large key frame in small pieces takes about as long.
const HARMLESS: Duration = Duration::from_millis(3);
/// Of tokio's 128 units per turn, one for each read: four are left. A peer that sends as fast as it can fills the
/// kernel's buffer (6 MiB) from read to read.
const BUDGET_TO_USE_UP: usize = 124;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_meter_counts_what_this_thread_reads() {
        let meter = Meter::open();
        let Some(before) = meter.read_bytes() else { return };
        let mut zeros = vec![0; 100_000];
        File::open("/dev/zero").unwrap().read_exact(&mut zeros).unwrap();
        let read = meter.read_bytes().unwrap() - before;
        assert!((100_000..101_000).contains(&read), "{read}");
    }

    #[test]
    fn what_reads_too_much_for_nothing_is_ended() {
        let mut zero = File::open("/dev/zero").unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut leash = Leash::tight();
        if leash.read_so_far().is_none() {
            return;
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let end = (0..100).find_map(|_| {
            let poll = leash.poll(&mut cx, |_| {
                zero.read_exact(&mut buffer).unwrap();
                Poll::<()>::Pending
            });
            match poll {
                Poll::Ready(end) => Some(end),
                Poll::Pending => None,
            }
        });
        assert!(
            matches!(end, Some(Err(Endless { read_bytes })) if read_bytes > CONNECT_LIMIT_BYTES),
            "{end:?}"
        );
    }

    #[test]
    fn what_brings_something_may_read_any_amount() {
        let mut zero = File::open("/dev/zero").unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut leash = Leash::tight();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for turn in 0..100 {
            let poll = leash.poll(&mut cx, |_| {
                zero.read_exact(&mut buffer).unwrap();
                if turn % 10 == 9 { Poll::Ready(()) } else { Poll::Pending }
            });
            assert!(!matches!(poll, Poll::Ready(Err(_))));
        }
    }
}
