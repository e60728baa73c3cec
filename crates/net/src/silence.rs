//! How long a stream has brought nothing.

use std::future::pending;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep_until;
use valkka_core::lock::lock;

/// Notices that a stream has brought nothing for longer than its owner bears, whether it is connected or not. Each
/// silence is noticed once; it ends with the next frame.
pub(crate) struct Silence {
    state: Mutex<State>,
    /// Notified when the wait for the next silence may have to begin anew.
    changed: Notify,
}

struct State {
    /// When the last frame came, or the stream was asked for.
    since: Instant,
    /// How long a silence may be; `None` if it may last for ever.
    limit: Option<Duration>,
    noticed: bool,
}

impl Silence {
    /// A silence that begins at `now`.
    pub(crate) fn new(limit: Option<Duration>, now: Instant) -> Self {
        let state = State { since: now, limit, noticed: false };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// From now on a silence may be so long.
    pub(crate) fn set_limit(&self, limit: Option<Duration>) {
        let before = std::mem::replace(&mut self.lock().limit, limit);
        if before != limit {
            self.changed.notify_one();
        }
    }

    /// A frame has come.
    pub(crate) fn end(&self, now: Instant) {
        let mut state = self.lock();
        state.since = now;
        if std::mem::take(&mut state.noticed) {
            self.changed.notify_one();
        }
    }

    /// Whether it has been noticed, or never will be.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().due().is_none()
    }

    /// The length of a silence that is too long at `now`; that silence is noticed with it.
    pub(crate) fn notice(&self, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        state.noticed = state.due()? <= now;
        state.noticed.then(|| now.duration_since(state.since))
    }

    /// Waits until there may be something to [notice](Self::notice).
    pub(crate) async fn wait(&self) {
        let due = self.lock().due();
        let over = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            () = self.changed.notified() => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// When this silence becomes too long; `None` if that has been noticed, or never happens.
    fn due(&self) -> Option<Instant> {
        let limit = self.limit.filter(|_| !self.noticed)?;
        self.since.checked_add(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn each_silence_is_noticed_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let silence = Silence::new(Some(LIMIT), start);
        assert_eq!(silence.notice(at(4)), None);
        assert!(!silence.is_settled());
        assert_eq!(silence.notice(at(5)), Some(LIMIT));
        assert!(silence.is_settled());
        assert_eq!(silence.notice(at(100)), None);
        silence.end(at(100));
        assert_eq!(silence.notice(at(104)), None);
        silence.end(at(104));
        assert_eq!(silence.notice(at(108)), None);
        assert_eq!(silence.notice(at(110)), Some(Duration::from_secs(6)));
    }

    #[test]
    fn the_limit_may_change_and_may_be_none() {
        let start = Instant::now();
        let silence = Silence::new(None, start);
        assert!(silence.is_settled());
        assert_eq!(silence.notice(start + LIMIT), None);
        silence.set_limit(Some(Duration::MAX));
        assert_eq!(silence.notice(start + LIMIT), None);
        silence.set_limit(Some(LIMIT));
        assert_eq!(silence.notice(start + LIMIT), Some(LIMIT));
    }

    #[tokio::test]
    async fn what_changes_ends_the_wait() {
        let silence = Silence::new(None, Instant::now());
        silence.set_limit(Some(Duration::ZERO));
        silence.wait().await;
        assert!(silence.notice(Instant::now()).is_some());
        silence.end(Instant::now());
        silence.wait().await;
    }
}
