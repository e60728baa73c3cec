//! What a writer tells, for the log of events.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use valkka::lock::lock;
use valkka::store::{Store, StreamId, WriterEvent};

use crate::event::{EventKind, EventLog};

/// Notes what people want to know of it.
pub(super) struct Teller {
    /// Not held: the writer holds this, and the store the writer's lock.
    store: Weak<Store>,
    events: Arc<EventLog>,
    /// When it was last told that something was not recorded.
    dropped: Mutex<Option<Instant>>,
}

impl Teller {
    pub(super) fn new(store: &Arc<Store>, events: &Arc<EventLog>) -> Self {
        Self { store: Arc::downgrade(store), events: events.clone(), dropped: Mutex::default() }
    }

    pub(super) fn tell(&self, event: WriterEvent) {
        match event {
            WriterEvent::Failing { reason } => {
                self.events.note(None, EventKind::Recording, format!("nothing is recorded: {reason}"));
            }
            WriterEvent::Recovered { since } => {
                let text = format!("recording goes on; nothing was recorded since {since}");
                self.events.note(None, EventKind::Recording, text);
            }
            WriterEvent::Dropped { id, frames, reason } if self.is_time() => {
                let text = format!("{frames} packets were not recorded: {reason}");
                self.events.note(self.name(id).as_deref(), EventKind::Recording, text);
            }
            _ => {}
        }
    }

    /// When a disk is slow, it is for all cameras at once, and again and again: the gaps themselves are in the recordings.
    fn is_time(&self) -> bool {
        let mut dropped = lock(&self.dropped);
        let is_time = dropped.is_none_or(|last| last.elapsed() >= BETWEEN);
        if is_time {
            *dropped = Some(Instant::now());
        }
        is_time
    }

    fn name(&self, id: StreamId) -> Option<String> {
        Some(self.store.upgrade()?.name_of(id)).filter(|name| !name.is_empty())
    }
}

/// At least so long between two events of packets that were not recorded.
const BETWEEN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use valkka::time::WallTime;

    #[test]
    fn a_slow_disk_does_not_fill_the_log() {
        let events = Arc::<EventLog>::default();
        let teller = Teller { store: Weak::new(), events: events.clone(), dropped: Mutex::default() };
        teller.tell(WriterEvent::Failing { reason: "disk full".into() });
        teller.tell(WriterEvent::Recovered { since: WallTime::default() });
        for _ in 0..100 {
            let id = StreamId::new(1).unwrap();
            teller.tell(WriterEvent::Dropped { id, frames: 3, reason: "disk full".into() });
        }
        let texts: Vec<_> = events.recent(0).iter().map(|event| event.text.clone()).collect();
        assert_eq!(texts.len(), 3);
        assert_eq!(texts[0], "nothing is recorded: disk full");
        assert!(texts[1].ends_with("since 1970-01-01T00:00:00.000Z") && texts[2].starts_with("3 packets"));
    }
}
