//! What becomes of a connection, for the log of events.

use std::sync::{Arc, Mutex};

use valkka::frame::{Body, Frame, Signal};
use valkka::lock::lock;
use valkka::sink::Sink;

use crate::event::{EventKind, EventLog};

/// Notes when a camera comes and goes.
pub(super) struct Journal {
    camera: String,
    events: Arc<EventLog>,
    /// What was noted last; a camera that is away for a week is no news every few seconds.
    last: Mutex<Option<Noted>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Noted {
    Online,
    Offline(Arc<str>),
}

impl Journal {
    pub(super) fn new(camera: &str, events: Arc<EventLog>) -> Self {
        Self { camera: camera.to_owned(), events, last: Mutex::default() }
    }

    fn note(&self, noted: Noted) {
        {
            let mut last = lock(&self.last);
            if last.as_ref() == Some(&noted) {
                return;
            }
            *last = Some(noted.clone());
        }
        match noted {
            Noted::Online => self.events.note(Some(&self.camera), EventKind::Online, "connected"),
            Noted::Offline(reason) => self.events.note(Some(&self.camera), EventKind::Offline, &*reason),
        }
    }
}

impl Sink for Journal {
    fn put(&self, frame: Frame) {
        match frame.body {
            Body::Signal(Signal::Online(_)) => self.note(Noted::Online),
            Body::Signal(Signal::Offline(reason)) => self.note(Noted::Offline(reason)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use valkka::stream::Slot;
    use valkka::time::WallTime;

    #[test]
    fn only_news_is_noted() {
        let events = Arc::<EventLog>::default();
        let journal = Journal::new("front", events.clone());
        let put = |signal| journal.put(Frame::signal(Slot::new(1), WallTime::default(), signal));
        put(Signal::Offline("refused".into()));
        put(Signal::Offline("refused".into()));
        put(Signal::Offline("no route".into()));
        put(Signal::Online(Arc::default()));
        put(Signal::Offline("no route".into()));
        let texts: Vec<_> = events.recent(0).iter().map(|event| event.text.clone()).collect();
        assert_eq!(texts, ["refused", "no route", "connected", "no route"]);
        assert!(events.recent(0).iter().all(|event| event.camera.as_deref() == Some("front")));
    }
}
