//! The recordings of a site: one store, however many cameras are written into it.

mod opening;
mod presence;
mod teller;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use valkka::lock::lock;
use valkka::reason::reason;
use valkka::store::{Store, Writer, WriterOptions, WriterState, WriterStats};
use valkka::worker::{StopToken, Worker};

use crate::config::RecordConfig;
use crate::event::{EventKind, EventLog};
use opening::Opening;
use presence::Presence;
use teller::Teller;

/// Where a site records to.
///
/// The store is opened, or made, on a thread of its own, so that a disk that hangs holds up nothing else. What cannot be
/// opened is tried again, and so is a store that cannot be written any more: meanwhile nothing is recorded, an event and
/// [`Self::state`] say why, and cameras are watched as ever. Methods may be called from any thread.
pub struct Archive {
    shared: Arc<Shared>,
    /// Runs while there is something to record to.
    worker: Mutex<Option<Worker>>,
}

/// How a site's store stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveState {
    /// There is none: the configuration names none.
    Off,
    /// It is being opened, or made.
    Opening,
    /// It is written into.
    Open,
    /// It cannot be written, for this reason. What was recorded may be read all the same.
    Failing(Arc<str>),
}

struct Shared {
    events: Arc<EventLog>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    config: Option<Wanted>,
    /// To read from. It stays when it cannot be written any more.
    store: Option<Arc<Store>>,
    writer: Option<Arc<Writer>>,
    /// Why there is no writer.
    failure: Option<Arc<str>>,
}

/// What is to be recorded to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    record: RecordConfig,
    /// How many cameras are recorded, for which a new store must have room.
    cameras: usize,
}

impl Archive {
    pub(crate) fn new(events: Arc<EventLog>) -> Self {
        Self { shared: Arc::new(Shared { events, state: Mutex::default() }), worker: Mutex::default() }
    }

    /// Goes on as `record` says, for so many cameras.
    pub(crate) fn apply(&self, record: Option<&RecordConfig>, cameras: usize) -> Result<(), String> {
        let wanted = record.map(|record| Wanted { record: record.clone(), cameras });
        let directory = |wanted: &Option<Wanted>| wanted.as_ref().map(|wanted| wanted.record.store.clone());
        let mut worker = lock(&self.worker);
        {
            let mut state = self.shared.state();
            let goes_on = directory(&state.config) == directory(&wanted)
                && worker.is_some() == wanted.is_some()
                // What could not be opened is tried at once if anything is otherwise.
                && (state.config == wanted || state.writer.is_some());
            state.config.clone_from(&wanted);
            if goes_on {
                return Ok(());
            }
        }
        // The other one frees its store first: it may be the same by another name.
        drop(worker.take());
        *self.shared.state() = State { config: wanted.clone(), ..State::default() };
        if wanted.is_some() {
            let shared = self.shared.clone();
            let spawned = Worker::spawn("archive", None, move |stop| shared.run(&stop));
            *worker = Some(spawned.map_err(|error| format!("there is no thread to record with: {error}"))?);
        }
        Ok(())
    }

    /// How it stands.
    pub fn state(&self) -> ArchiveState {
        let state = self.shared.state();
        match (&state.config, &state.writer, &state.failure) {
            (None, ..) => ArchiveState::Off,
            (_, Some(writer), _) => match writer.state() {
                WriterState::Writing => ArchiveState::Open,
                WriterState::Failing { reason, .. } => ArchiveState::Failing(reason.into()),
            },
            (_, None, Some(failure)) => ArchiveState::Failing(failure.clone()),
            (_, None, None) => ArchiveState::Opening,
        }
    }

    /// What was recorded; `None` if there is no store, or it could not be opened yet.
    pub fn store(&self) -> Option<Arc<Store>> {
        self.shared.state().store.clone()
    }

    /// What was written since the store was opened.
    pub fn stats(&self) -> Option<WriterStats> {
        self.writer().map(|writer| writer.stats())
    }

    /// Closes the store, once all that was recorded is on the disk.
    pub(crate) fn close(&self) {
        let worker = lock(&self.worker).take();
        drop(worker);
        *self.shared.state() = State::default();
    }

    /// What takes the frames, while there is something.
    pub(crate) fn writer(&self) -> Option<Arc<Writer>> {
        self.shared.state().writer.clone()
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Opens the store, looks after it, and opens it again when it is gone, until `stop` says stop.
    fn run(self: Arc<Self>, stop: &StopToken) {
        let mut opening = Opening::default();
        let mut pause = FIRST_PAUSE;
        while !stop.is_stopped() {
            let Some(wanted) = self.state().config.clone() else { return };
            match self.open(&wanted, &mut opening) {
                Ok((writer, presence)) => {
                    pause = FIRST_PAUSE;
                    self.begin(&wanted.record.store, writer);
                    let failure = self.look_after(&presence, stop);
                    self.release();
                    match failure {
                        Some(failure) => self.fail(failure),
                        None => return,
                    }
                }
                Err(failure) => self.fail(failure),
            }
            stop.wait(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Opens the store to read from and, if nobody else does, to write into.
    fn open(self: &Arc<Self>, wanted: &Wanted, opening: &mut Opening) -> Result<(Writer, Presence), String> {
        let store = opening.open(&wanted.record, wanted.cameras)?;
        self.state().store = Some(store.clone());
        let presence = Presence::of(&wanted.record.store)?;
        let teller = Teller::new(&store, &self.events);
        let on_event = Arc::new(move |event| teller.tell(event));
        let options = WriterOptions { on_event, ..WriterOptions::default() };
        let writer = Writer::open(store, options).map_err(|error| reason(&error))?;
        Ok((writer, presence))
    }

    /// Waits until the store cannot be used any more, and says why; `None` if it was asked to stop.
    fn look_after(&self, presence: &Presence, stop: &StopToken) -> Option<String> {
        let mut failing_since = None;
        while !stop.wait(LOOK) {
            if let Err(gone) = presence.check() {
                return Some(gone);
            }
            let state = self.state().writer.as_ref().map(|writer| writer.state());
            let Some(WriterState::Failing { reason, .. }) = state else {
                failing_since = None;
                continue;
            };
            // A writer recovers by itself, but not from a disk that comes back as another device.
            if failing_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Some(reason);
            }
        }
        None
    }

    /// Gives the writer up, in this thread: what waits for the disk then is nobody else.
    fn release(&self) {
        let Some(writer) = self.state().writer.take() else { return };
        // Cameras let go of it within the second.
        let deadline = Instant::now() + LET_GO;
        while Arc::strong_count(&writer) > 1 && Instant::now() < deadline {
            thread::sleep(LET_GO / 100);
        }
    }

    fn begin(&self, directory: &Path, writer: Writer) {
        let failure = {
            let mut state = self.state();
            state.writer = Some(Arc::new(writer));
            state.failure.take()
        };
        let again = if failure.is_some() { "recording goes on" } else { "recording" };
        self.events.note(None, EventKind::Recording, format!("{again} into {}", directory.display()));
    }

    /// Nothing can be recorded, for the reason `failure`; told once.
    fn fail(&self, failure: String) {
        let is_news = {
            let mut state = self.state();
            let is_news = state.failure.as_deref() != Some(failure.as_str());
            state.failure = Some(failure.as_str().into());
            is_news
        };
        if is_news {
            self.events.note(None, EventKind::Recording, format!("nothing is recorded: {failure}"));
        }
    }
}

/// How often the store is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a writer may fail before the store is opened anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long cameras have to let go of a store that is not to be written any more.
const LET_GO: Duration = Duration::from_secs(3);
/// How long it is until what could not be opened is tried again; twice as long after each further failure …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … up to this.
const LAST_PAUSE: Duration = Duration::from_secs(30);
