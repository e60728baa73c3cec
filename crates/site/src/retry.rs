//! What has failed and is tried again.

use std::time::{Duration, Instant};

/// Says when to try again what has failed: ever less often. Bounded: it knows the last failure.
#[derive(Debug, Default)]
pub(crate) struct Retry(Option<Failure>);

#[derive(Debug)]
struct Failure {
    message: String,
    again: Instant,
    pause: Duration,
}

impl Retry {
    /// Whether it may be tried at `now`: it has not failed, or long enough ago.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|failure| now >= failure.again)
    }

    /// It has failed, at `now`. Returns `message` if that is news.
    pub(crate) fn fail(&mut self, message: String, now: Instant) -> Option<String> {
        let last = self.0.take();
        let pause = last.as_ref().map_or(FIRST_PAUSE, |last| (last.pause * 2).min(LAST_PAUSE));
        let is_news = last.is_none_or(|last| last.message != message);
        self.0 = Some(Failure { message: message.clone(), again: now + pause, pause });
        is_news.then_some(message)
    }

    /// It has not failed, or not in this way: it may be tried at once.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

/// How long it is until what has failed is tried again; twice as long after each further failure …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … up to this.
const LAST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_ever_less_often_and_told_once() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        assert!(retry.is_due(now));
        assert_eq!(retry.fail("no route".into(), now).as_deref(), Some("no route"));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let before = now;
            while !retry.is_due(now) {
                now += Duration::from_secs(1);
            }
            pauses.push((now - before).as_secs());
            assert_eq!(retry.fail("no route".into(), now), None);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry.fail("refused".into(), now).as_deref(), Some("refused"));
        retry.forget();
        assert!(retry.is_due(now));
        assert_eq!(retry.fail("refused".into(), now).as_deref(), Some("refused"));
        assert!(retry.is_due(now + FIRST_PAUSE));
    }
}
