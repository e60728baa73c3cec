//! What happened, for people who look later.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use tracing::{info, warn};
use valkka::clock::SystemClock;
use valkka::lock::lock;
use valkka::time::WallTime;

/// Something that happened.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Event {
    /// Its number; they grow by one, from 1 at the start of the service.
    pub id: u64,
    /// When it happened, in RFC 3339.
    #[serde(serialize_with = "as_shown")]
    #[schemars(with = "String")]
    pub time: WallTime,
    /// The name of the camera it is about; `None` if it is about the service.
    pub camera: Option<String>,
    /// Of what kind it is.
    pub kind: EventKind,
    /// What happened, in words, without credentials.
    pub text: String,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EventKind {
    /// A camera is connected.
    Online,
    /// The connection to a camera has ended, or could not be made.
    Offline,
    /// Somebody asked for a camera to be connected anew.
    Reconnect,
    /// A camera was added, changed or removed by a new configuration.
    Camera,
    /// A configuration was applied, or refused.
    Configuration,
    /// Recording begins, fails or goes on.
    Recording,
    /// A service cannot listen, or serve something, where it should.
    Listener,
    /// Somebody was not let in.
    Refused,
}

/// The last events, [`EventLog::KEPT`] of them, numbered. Of whichever camera has most (or the service, if it has), the
/// oldest go first, so that one that comes and goes does not push out what happened to others. Methods may be called from any
/// thread.
#[derive(Default)]
pub struct EventLog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: VecDeque<Arc<Event>>,
    /// The number of the last event.
    last: u64,
    /// Bounded by who subscribes: the connections of the web server.
    wakers: BTreeMap<u64, Waker>,
    next_waker: u64,
}

type Waker = Arc<dyn Fn() + Send + Sync>;

impl EventLog {
    /// How many events are kept.
    pub const KEPT: usize = 1000;

    /// The kept events after number `since`, the oldest first. A number that is yet to come is of a time before the
    /// service was restarted: then all are returned.
    pub fn recent(&self, since: u64) -> Vec<Arc<Event>> {
        let state = lock(&self.state);
        let since = if since > state.last { 0 } else { since };
        state.kept.iter().filter(|event| event.id > since).cloned().collect()
    }

    /// The number of the last event; 0 if there was none.
    pub fn last_id(&self) -> u64 {
        lock(&self.state).last
    }

    /// Has `wake` called after each event, until the subscription is dropped. It is called in the thread in which the
    /// event happened and must not wait; [`Self::recent`] may be called in it.
    pub fn subscribe(self: &Arc<Self>, wake: impl Fn() + Send + Sync + 'static) -> Subscription {
        let mut state = lock(&self.state);
        let id = state.next_waker;
        state.next_waker += 1;
        state.wakers.insert(id, Arc::new(wake));
        Subscription { log: self.clone(), id }
    }

    /// Notes an event, now: of `camera`, or of the service as a whole. `text` holds no credentials.
    pub fn note(&self, camera: Option<&str>, kind: EventKind, text: impl Into<String>) {
        let text = text.into();
        match kind {
            EventKind::Listener | EventKind::Refused => warn!(camera, ?kind, "{text}"),
            _ => info!(camera, ?kind, "{text}"),
        }
        let wakers: Vec<_> = {
            let mut state = lock(&self.state);
            state.last += 1;
            if state.kept.len() >= Self::KEPT
                && let Some(index) = superfluous(&state.kept)
            {
                state.kept.remove(index);
            }
            let camera = camera.map(str::to_owned);
            let event = Event { id: state.last, time: SystemClock.now(), camera, kind, text };
            state.kept.push_back(Arc::new(event));
            state.wakers.values().cloned().collect()
        };
        wakers.iter().for_each(|wake| wake());
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").field("last", &self.last_id()).finish_non_exhaustive()
    }
}

/// Somebody is told of events until this is dropped.
#[must_use = "dropping the subscription ends it"]
pub struct Subscription {
    log: Arc<EventLog>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let waker = lock(&self.log.state).wakers.remove(&self.id);
        // After the lock: what it holds may have a drop of its own.
        drop(waker);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// Which of `kept` goes first: the oldest one of whoever has most.
fn superfluous(kept: &VecDeque<Arc<Event>>) -> Option<usize> {
    let mut counts = BTreeMap::<Option<&str>, usize>::new();
    for event in kept {
        *counts.entry(event.camera.as_deref()).or_default() += 1;
    }
    let most = counts.values().max()?;
    kept.iter().position(|event| counts.get(&event.camera.as_deref()) == Some(most))
}

fn as_shown<S: Serializer>(time: &WallTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn ids(events: &[Arc<Event>]) -> Vec<u64> {
        events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn the_last_events_are_kept_and_numbered() {
        let log = EventLog::default();
        assert!(log.recent(0).is_empty());
        for number in 0..EventLog::KEPT + 3 {
            log.note(Some("front"), EventKind::Online, number.to_string());
        }
        let all = log.recent(0);
        assert_eq!((all.len(), all[0].id, log.last_id()), (EventLog::KEPT, 4, 1003));
        assert_eq!(ids(&log.recent(1001)), [1002, 1003]);
        assert!(log.recent(1003).is_empty());
        assert_eq!(log.recent(5000).len(), EventLog::KEPT, "of a time before a restart");
    }

    #[test]
    fn a_camera_that_comes_and_goes_leaves_the_events_of_others() {
        let log = EventLog::default();
        log.note(None, EventKind::Configuration, "applied");
        log.note(Some("yard"), EventKind::Online, "connected");
        for number in 0..3 * EventLog::KEPT {
            log.note(Some("front"), EventKind::Offline, number.to_string());
        }
        let all = log.recent(0);
        assert_eq!((all.len(), &ids(&all)[..3]), (EventLog::KEPT, &[1, 2, 2005][..]));
        // Two that do so share the room.
        for number in 0..3 * EventLog::KEPT {
            log.note(Some("gate"), EventKind::Offline, number.to_string());
        }
        let all = log.recent(0);
        let of = |camera| all.iter().filter(|event| event.camera.as_deref() == camera).count();
        let counts = [None, Some("yard"), Some("front"), Some("gate")].map(of);
        assert_eq!((counts, log.last_id()), ([1, 1, 498, 500], 6002));
    }

    #[test]
    fn whoever_subscribed_is_told_until_he_leaves() {
        let log = Arc::<EventLog>::default();
        let (tx, rx) = mpsc::channel();
        let reader = log.clone();
        let subscription = log.subscribe(move || tx.send(reader.last_id()).unwrap());
        log.note(None, EventKind::Configuration, "applied");
        assert_eq!(rx.try_recv(), Ok(1));
        drop(subscription);
        log.note(None, EventKind::Configuration, "applied");
        assert!(rx.try_recv().is_err());
    }

    #[test]
    fn events_are_written_as_json() {
        let log = EventLog::default();
        log.note(None, EventKind::Refused, "x");
        let json = serde_json::to_value(&*log.recent(0)[0]).unwrap();
        assert_eq!((&json["id"], &json["camera"]), (&1.into(), &serde_json::Value::Null));
        assert_eq!(json["kind"], "refused");
        assert!(json["time"].as_str().unwrap().ends_with('Z'));
    }
}
