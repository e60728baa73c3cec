//! From the threads that receive cameras to the tasks that serve them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;
use valkka::lock::lock;

/// Wakes the tasks of this thread that something is there for.
///
/// Waking a task of another thread costs a system call. Of however many viewers a frame is for, only the first one that
/// is rung for pays for it: the rest set a flag, which is looked at here.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// Whether [`Self::run`] has been woken and has not looked yet.
    rung: AtomicBool,
    wake: Notify,
    /// Bounded by the connections.
    ropes: Mutex<Vec<Weak<Rope>>>,
}

/// One task that is waiting.
#[derive(Debug, Default)]
pub(crate) struct Rope {
    pulled: AtomicBool,
    wake: Notify,
}

impl Bell {
    /// A rope for one task, hung up for as long as it lives.
    pub(crate) fn rope(&self) -> Arc<Rope> {
        let rope = Arc::new(Rope::default());
        lock(&self.ropes).push(Arc::downgrade(&rope));
        rope
    }

    /// Wakes the task of `rope`. Cheap, and for any thread.
    pub(crate) fn pull(&self, rope: &Rope) {
        if !rope.pulled.swap(true, Ordering::AcqRel) && !self.rung.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// Wakes whoever was rung for, for ever. Runs in the thread of the tasks.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            // Before the ropes are looked at: what is pulled from here on rings again, and what was pulled is seen.
            self.rung.swap(false, Ordering::AcqRel);
            lock(&self.ropes).retain(|rope| {
                let Some(rope) = rope.upgrade() else { return false };
                if rope.pulled.swap(false, Ordering::AcqRel) {
                    rope.wake.notify_one();
                }
                true
            });
        }
    }
}

impl Rope {
    /// Returns when it was pulled, or has been since the last time.
    pub(crate) async fn pulled(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use tokio::runtime;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn whoever_is_rung_for_wakes_and_nobody_else() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bell = Arc::new(Bell::default());
            tokio::spawn(bell.clone().run());
            let (one, other) = (bell.rope(), bell.rope());
            let (ringer, rope) = (bell.clone(), one.clone());
            let thread = thread::spawn(move || (0..1000).for_each(|_| ringer.pull(&rope)));
            timeout(Duration::from_secs(60), one.pulled()).await.unwrap();
            thread.join().unwrap();
            assert!(timeout(Duration::ZERO, other.pulled()).await.is_err());
            drop(other);
            // What is left of the thousand pulls may wake it before the bell has looked at the ropes again.
            while lock(&bell.ropes).len() > 1 {
                bell.pull(&one);
                timeout(Duration::from_secs(60), one.pulled()).await.unwrap();
            }
        });
    }

    #[test]
    fn no_pull_is_lost() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bell = Arc::new(Bell::default());
            tokio::spawn(bell.clone().run());
            let ropes: Vec<_> = (0..4).map(|_| bell.rope()).collect();
            for round in 0..500 {
                let rope = ropes[round % ropes.len()].clone();
                let ringer = bell.clone();
                let pulled = rope.clone();
                let thread = thread::spawn(move || ringer.pull(&pulled));
                timeout(Duration::from_secs(60), rope.pulled()).await.unwrap();
                thread.join().unwrap();
            }
        });
    }
}
