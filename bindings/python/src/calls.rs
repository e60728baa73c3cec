//! The calls of Python that threads of ours are making.

use std::cell::Cell;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A call that is being made. The interpreter does not end before it has returned.
pub(crate) struct Call {
    /// Whether this thread is in another one, which this one is part of.
    nested: bool,
}

impl Call {
    /// Begins a call; `None` when the interpreter is ending.
    pub(crate) fn begin() -> Option<Self> {
        let one_more = |calls| {
            let calls = here(calls);
            (calls & CLOSED == 0).then_some(calls + 1)
        };
        CALLS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(Self { nested: INSIDE.replace(true) })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        INSIDE.set(self.nested);
        // A process that was forked off within it never began it.
        let one_less = |calls| (here(calls) & COUNT > 0).then(|| here(calls) - 1);
        let _ = CALLS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
    }
}

/// Whether this thread is making a call: whom it waits for may be waiting for it.
pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// Lets no call begin any more, and waits for those that are being made.
///
/// Threads that have been stopped make none, but for those that one of their own calls has stopped.
pub(crate) fn close() {
    let closed = |calls| Some(here(calls) | CLOSED);
    let _ = CALLS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, closed);
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    while CALLS.load(Ordering::SeqCst) & COUNT > 0 && !is_inside() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The calls as this process sees them: one that was forked off has none of the threads that make its parent's.
fn here(calls: u64) -> u64 {
    let process = u64::from(process::id()) << PROCESS_SHIFT;
    if calls & !(CLOSED | COUNT) == process { calls } else { process }
}

/// How many calls are being made, whether it is closed, and of which process that holds: one word without a lock, which
/// somebody could hold while a process is forked off.
static CALLS: AtomicU64 = AtomicU64::new(0);

const PROCESS_SHIFT: u32 = 32;
const CLOSED: u64 = 1 << 31;
const COUNT: u64 = CLOSED - 1;

/// A call that does not return in this time is in nobody's interest.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}
