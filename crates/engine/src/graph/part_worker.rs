//! The thread of a part: made by its start, gone with its stop.

use std::fmt;
use std::sync::Mutex;

use valkka_core::lock::lock;
use valkka_core::worker::{StopToken, Worker};

use crate::error::Error;

/// A thread that is started once at most, and what it is going to own until then.
///
/// Calls may come from any thread, in any order. Dropping it stops the thread.
pub(super) struct PartWorker<T> {
    /// What people call the part: "the cache NAME".
    what: String,
    name: String,
    life: Mutex<Life<T>>,
}

enum Life<T> {
    Idle(T),
    /// What it is going to own was taken.
    Starting,
    Running(Worker),
    Stopped,
}

impl<T> PartWorker<T> {
    /// A thread called `name` that does not run yet, of a part of this kind ("cache"), and what it is going to own.
    pub(super) fn new(kind: &str, name: &str, idle: T) -> Self {
        Self { what: format!("the {kind} {name}"), name: name.to_owned(), life: Mutex::new(Life::Idle(idle)) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Starts `body` with what waits for it, bound to the CPU with this index. Once it was started or stopped, nothing
    /// happens.
    ///
    /// # Errors
    /// If the system gives no thread. What was to be owned is lost.
    pub(super) fn start(
        &self,
        affinity: Option<usize>,
        body: impl FnOnce(T, &StopToken) + Send + 'static,
    ) -> Result<(), Error>
    where
        T: Send + 'static,
    {
        let Some(idle) = self.take() else { return Ok(()) };
        self.spawn(affinity, move |stop| body(idle, stop))
    }

    /// What waits for the start, for somebody who makes something else of it before [`Self::spawn`]; `None` once it was
    /// started or stopped.
    pub(super) fn take(&self) -> Option<T> {
        let mut life = lock(&self.life);
        match std::mem::replace(&mut *life, Life::Starting) {
            Life::Idle(idle) => Some(idle),
            other => {
                *life = other;
                None
            }
        }
    }

    /// Has what was taken wait for another start, for nothing came of this one; drops it if it was stopped meanwhile.
    pub(super) fn give_back(&self, idle: T) {
        let mut life = lock(&self.life);
        if matches!(&*life, Life::Starting) {
            *life = Life::Idle(idle);
        } else {
            // What is dropped may call.
            drop(life);
            drop(idle);
        }
    }

    /// Starts `body`, after [`Self::take`].
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn spawn(
        &self,
        affinity: Option<usize>,
        body: impl FnOnce(&StopToken) + Send + 'static,
    ) -> Result<(), Error> {
        let worker = Worker::spawn(&self.name, affinity, move |stop| body(&stop))
            .map_err(|cause| Error::Thread { what: self.what.clone(), cause })?;
        let mut life = lock(&self.life);
        match &*life {
            Life::Starting => *life = Life::Running(worker),
            _ => {
                // Stopped meanwhile. Nobody is to wait for it under the lock.
                drop(life);
                drop(worker);
            }
        }
        Ok(())
    }

    /// Whether it was started, and not stopped since.
    pub(super) fn is_started(&self) -> bool {
        matches!(&*lock(&self.life), Life::Running(_))
    }

    /// Whether its thread has returned.
    pub(super) fn is_finished(&self) -> bool {
        matches!(&*lock(&self.life), Life::Running(worker) if worker.is_finished())
    }

    /// Asks its thread to stop, and returns at once.
    pub(super) fn request_stop(&self) {
        let token = match &*lock(&self.life) {
            Life::Running(worker) => worker.stop_token().clone(),
            _ => return,
        };
        token.stop();
    }

    /// Stops its thread and waits for it, or drops what was waiting for its start. It cannot be started again.
    pub(super) fn stop(&self) {
        let life = std::mem::replace(&mut *lock(&self.life), Life::Stopped);
        // Without the lock: the thread may call, and so may what is dropped.
        drop(life);
    }
}

impl<T> fmt::Debug for PartWorker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartWorker({})", self.what)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn it_runs_once_between_its_start_and_its_stop() {
        let (tx, rx) = mpsc::channel();
        let part = PartWorker::new("test", "part", 7);
        let start = || {
            let tx = tx.clone();
            part.start(None, move |number, stop| {
                tx.send(number).unwrap();
                assert!(stop.wait(SOON));
                tx.send(-number).unwrap();
            })
        };
        start().unwrap();
        assert_eq!(rx.recv_timeout(SOON), Ok(7));
        start().unwrap();
        assert!(part.is_started() && part.take().is_none());
        part.stop();
        assert_eq!(rx.try_recv(), Ok(-7), "it waits for the thread");
        start().unwrap();
        part.request_stop();
        assert!(!part.is_started() && rx.try_recv().is_err());
    }

    #[test]
    fn what_waits_goes_with_a_stop() {
        let owned = Arc::new(());
        let part = PartWorker::new("test", "part", owned.clone());
        part.request_stop();
        assert_eq!(Arc::strong_count(&owned), 2, "asking is for those who run");
        part.stop();
        assert_eq!(Arc::strong_count(&owned), 1);
        part.start(None, |_, _| panic!("it was stopped")).unwrap();
    }

    #[test]
    fn what_is_given_back_waits_for_another_start() {
        let owned = Arc::new(());
        let part = PartWorker::new("test", "part", owned.clone());
        let taken = part.take().unwrap();
        assert!(part.take().is_none());
        part.give_back(taken);
        let taken = part.take().unwrap();
        part.stop();
        part.give_back(taken);
        assert_eq!((part.take(), Arc::strong_count(&owned)), (None, 1));
    }

    #[test]
    fn a_stop_amid_the_start_is_one() {
        let (tx, rx) = mpsc::channel();
        let part = PartWorker::new("test", "part", ());
        part.take().unwrap();
        part.stop();
        part.spawn(None, move |stop| tx.send(stop.wait(SOON)).unwrap()).unwrap();
        assert_eq!(rx.try_recv(), Ok(true));
    }

    #[test]
    fn a_thread_may_stop_its_own_part() {
        let part = Arc::new(PartWorker::new("test", "part", ()));
        let (tx, rx) = mpsc::channel();
        let own = part.clone();
        part.start(None, move |(), stop| {
            own.stop();
            tx.send(stop.wait(SOON)).unwrap();
        })
        .unwrap();
        assert_eq!(rx.recv_timeout(SOON), Ok(true));
    }
}
