//! Threads that somebody owns.

use std::fmt;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{error, warn};

use crate::lock::lock;

/// How long dropping a [`Worker`] waits for its thread before it says so and leaves it behind.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A named thread that is asked to stop, and joined, when its owner is dropped.
///
/// Dropping it on its own thread (a callback that drops the owner) asks it to stop and does not wait. Dropping it in
/// a process that was forked off from the one that made it does nothing: the thread does not exist there.
#[derive(Debug)]
pub struct Worker {
    stop: StopToken,
    thread: Option<JoinHandle<()>>,
    /// That made it.
    process: u32,
}

impl Worker {
    /// Starts `body` on a thread called `name` (the kernel shows its first 15 bytes; NULs are left out), bound to the CPU
    /// with index `affinity` if one is given. An index that this machine lacks is a warning, and binds nothing.
    ///
    /// `body` must return soon after its token says stop.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(
        name: &str,
        affinity: Option<usize>,
        body: impl FnOnce(StopToken) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = StopToken::default();
        let token = stop.clone();
        // A name with a NUL would be a panic, and names come from users.
        let thread = thread::Builder::new().name(name.replace('\0', "")).spawn(move || {
            let _finished = Finished(token.clone());
            if let Some(cpu) = affinity {
                bind_to_cpu(cpu);
            }
            body(token);
        })?;
        Ok(Self { stop, thread: Some(thread), process: process::id() })
    }

    /// The token of its thread, e.g. to ask for a stop without waiting.
    pub fn stop_token(&self) -> &StopToken {
        &self.stop
    }

    /// Whether its thread has returned.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.process != process::id() {
            // Locks may be held for ever here by threads that were not forked.
            return;
        }
        self.stop.stop();
        let Some(thread) = self.thread.take() else { return };
        if thread.thread().id() == thread::current().id() {
            return;
        }
        let name = thread.thread().name().unwrap_or("unnamed").to_owned();
        if !self.stop.wait_finished(JOIN_TIMEOUT) {
            error!(worker = name, "still running {JOIN_TIMEOUT:?} after it was asked to stop; left behind");
        } else if thread.join().is_err() {
            error!(worker = name, "ended by a panic");
        }
    }
}

/// Tells a worker to stop. Clones speak of the same worker.
#[derive(Clone, Default)]
pub struct StopToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Read without the lock in loops; written under it.
    stopped: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    finished: bool,
    /// Called once, when stop is asked for. Bounded by what the worker registers: a handful.
    wakers: Vec<Box<dyn FnOnce() + Send>>,
}

impl StopToken {
    /// A token of no worker, for code that runs on the caller's thread.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a stop, and returns at once. May be called from any thread, any number of times.
    pub fn stop(&self) {
        let wakers = {
            let mut state = self.lock();
            self.0.stopped.store(true, Ordering::SeqCst);
            self.0.changed.notify_all();
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(|wake| wake());
    }

    /// Whether a stop was asked for.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// Has `wake` called when a stop is asked for (at once if it was already), so that a worker that waits
    /// on something else wakes up. It is kept as long as the token: register once per worker, not per task.
    pub fn on_stop(&self, wake: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if self.is_stopped() {
            drop(state);
            wake();
        } else {
            state.wakers.push(Box::new(wake));
        }
    }

    /// Waits until a stop is asked for, or `timeout` is over. Returns whether a stop was asked for.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.wait_until(timeout, |_| self.is_stopped())
    }

    fn wait_finished(&self, timeout: Duration) -> bool {
        self.wait_until(timeout, |state| state.finished)
    }

    fn wait_until(&self, timeout: Duration, done: impl Fn(&State) -> bool) -> bool {
        let waited = self.0.changed.wait_timeout_while(self.lock(), timeout, |state| !done(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl fmt::Debug for StopToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopToken").field("stopped", &self.is_stopped()).finish()
    }
}

/// Says that the thread is done, also when it ends by a panic.
struct Finished(StopToken);

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.lock().finished = true;
        self.0.0.changed.notify_all();
    }
}

fn bind_to_cpu(cpu: usize) {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    let bound = if cpu < CpuSet::MAX_CPU {
        set.set(cpu);
        sched_setaffinity(None, &set)
    } else {
        Err(rustix::io::Errno::INVAL)
    };
    if let Err(error) = bound {
        warn!(cpu, %error, "cannot bind the thread to this CPU; it runs on any");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_name_may_be_anything() {
        for name in ["", "\0", "a\0b", "ä".repeat(300).as_str()] {
            let (tx, rx) = mpsc::channel();
            let _worker = Worker::spawn(name, None, move |_| tx.send(()).unwrap()).unwrap();
            rx.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }

    #[test]
    fn stops_on_drop() {
        let (tx, rx) = mpsc::channel();
        let worker = Worker::spawn("test", None, move |stop| {
            tx.send("started").unwrap();
            assert!(stop.wait(Duration::from_secs(60)));
            tx.send("stopped").unwrap();
        })
        .unwrap();
        assert_eq!(rx.recv().unwrap(), "started");
        drop(worker);
        assert_eq!(rx.try_recv().unwrap(), "stopped");
    }

    #[test]
    fn dropped_on_its_own_thread_it_does_not_wait() {
        let (worker_tx, worker_rx) = mpsc::channel::<Worker>();
        let (done_tx, done_rx) = mpsc::channel();
        let worker = Worker::spawn("test", None, move |stop| {
            drop(worker_rx.recv().unwrap());
            assert!(stop.is_stopped());
            done_tx.send(()).unwrap();
        })
        .unwrap();
        worker_tx.send(worker).unwrap();
        done_rx.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn a_panic_in_the_body_does_not_hang_the_owner() {
        drop(Worker::spawn("test", None, |_| panic!("on purpose")).unwrap());
    }

    #[test]
    fn wakers_run_once_and_late_ones_at_once() {
        let token = StopToken::new();
        let (tx, rx) = mpsc::channel();
        let early = tx.clone();
        token.on_stop(move || early.send(1).unwrap());
        assert!(rx.try_recv().is_err());
        token.stop();
        token.stop();
        token.on_stop(move || tx.send(2).unwrap());
        assert_eq!(rx.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn one_can_wait_for_ever() {
        let token = StopToken::new();
        let other = token.clone();
        let waiting = thread::spawn(move || other.wait(Duration::MAX));
        token.stop();
        assert!(waiting.join().unwrap());
        assert!(!StopToken::new().wait(Duration::ZERO));
    }

    #[test]
    fn an_impossible_cpu_binds_nothing() {
        let (tx, rx) = mpsc::channel();
        for cpu in [CPU_MISSING, usize::MAX] {
            let tx = tx.clone();
            let _worker = Worker::spawn("test", Some(cpu), move |_| tx.send(()).unwrap()).unwrap();
            rx.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }

    const CPU_MISSING: usize = 1000;
}
