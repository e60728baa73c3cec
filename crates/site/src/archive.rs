//! The recordings of a site: one store, however many cameras are written into it.

mod opening;
mod teller;

use std::fmt;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use valkka::lock::lock;
use valkka::reason::reason;
use valkka::store::{Retentions, Store, Writer, WriterOptions, WriterState, WriterStats};
use valkka::worker::{StopToken, Worker};

use crate::config::{Config, RecordConfig, RecordMode};
use crate::event::{EventKind, EventLog};
use opening::Opening;
use teller::Teller;

/// Where a site records to.
///
/// The store is opened, or made where there never was one, on a thread of its own, so that a disk that hangs holds up nothing
/// else. What cannot be opened is tried again, and so is a store that cannot be written any more: meanwhile nothing is recorded,
/// an event and [`Self::state`] say why, and cameras are watched as ever. Methods may be called from any thread.
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
    /// Counts the workers. One that hangs in a disk may still be there when its successor works, and must leave it alone.
    run: u64,
    config: Option<Wanted>,
    /// To read from. It stays when it cannot be written any more.
    store: Option<Arc<Store>>,
    writer: Option<Arc<Writer>>,
    /// Why there is no writer.
    failure: Option<Arc<str>>,
    /// Why there has been none since this process recorded into the store, or began to try.
    absence: Option<String>,
}

/// What is to be recorded to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    record: RecordConfig,
    /// How many cameras are recorded, for which a new store must have room.
    cameras: usize,
    /// How much is kept of cameras that are not recorded.
    retentions: Retentions,
}

impl Wanted {
    fn of(config: &Config) -> Option<Self> {
        let record = config.record.clone()?;
        let cameras = config.cameras.values().filter(|camera| camera.record.mode != RecordMode::Off).count();
        let named = config.cameras.iter().map(|(name, camera)| (name.clone(), camera.record.retention()));
        let retentions = Retentions { named: named.collect(), others: record.others };
        Some(Self { record, cameras, retentions })
    }
}

impl Archive {
    pub(crate) fn new(events: Arc<EventLog>) -> Self {
        Self { shared: Arc::new(Shared { events, state: Mutex::default() }), worker: Mutex::default() }
    }

    /// Goes on as `config` says.
    pub(crate) fn apply(&self, config: &Config) -> Result<(), String> {
        let wanted = Wanted::of(config);
        let mut worker = lock(&self.worker);
        {
            let mut state = self.shared.state();
            let goes_on = directory(&state.config) == directory(&wanted)
                && worker.is_some() == wanted.is_some()
                // What could not be opened is tried at once if anything is otherwise.
                && (state.config == wanted || state.writer.is_some());
            state.config.clone_from(&wanted);
            if goes_on {
                if let (Some(writer), Some(wanted)) = (&state.writer, wanted) {
                    writer.set_retentions(wanted.retentions);
                }
                return Ok(());
            }
        }
        // The other one frees its store first: it may be the same by another name.
        drop(worker.take());
        let (run, before) = self.shared.restart(wanted.clone());
        leave(before);
        if wanted.is_some() {
            let shared = self.shared.clone();
            let spawned = Worker::spawn("archive", None, move |stop| shared.run(run, &stop));
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
        let (_, before) = self.shared.restart(None);
        drop(before);
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

    /// The state, if the worker `run` is the one that it belongs to.
    fn state_of(&self, run: u64) -> Option<MutexGuard<'_, State>> {
        Some(self.state()).filter(|state| state.run == run)
    }

    /// Begins anew, with what is wanted now. Returns the number of the worker to come, and what was before: whoever drops that
    /// last waits for its disk.
    fn restart(&self, config: Option<Wanted>) -> (u64, State) {
        let mut state = self.state();
        let run = state.run + 1;
        let is_same = directory(&state.config) == directory(&config);
        let absence = state.absence.take().filter(|_| is_same);
        (run, mem::replace(&mut *state, State { run, config, absence, ..State::default() }))
    }

    /// Opens the store, looks after it, and opens it again when it is gone, until `stop` says stop.
    fn run(self: Arc<Self>, run: u64, stop: &StopToken) {
        let mut opening = None;
        let mut pause = FIRST_PAUSE;
        while !stop.is_stopped() {
            let Some(wanted) = self.state_of(run).and_then(|state| state.config.clone()) else { return };
            let opening = opening.get_or_insert_with(|| Opening::new(&wanted.record));
            match self.open(run, &wanted, opening) {
                Ok(_) if stop.is_stopped() => return,
                Ok((writer, store)) => {
                    pause = FIRST_PAUSE;
                    self.begin(run, &wanted.record.store, writer);
                    let failure = self.look_after(run, &store, stop);
                    self.release(run);
                    match failure {
                        Some(failure) => self.fail(run, &failure, || failure.clone()),
                        None => return,
                    }
                }
                Err(failure) => self.fail(run, &failure, never_opened),
            }
            stop.wait(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Opens the store to read from and, if nobody else does, to write into.
    fn open(
        self: &Arc<Self>,
        run: u64,
        wanted: &Wanted,
        opening: &mut Opening,
    ) -> Result<(Writer, Arc<Store>), String> {
        let tell = |text| self.events.note(None, EventKind::Recording, text);
        let store = opening.open(&wanted.record, wanted.cameras, tell)?;
        let absence = {
            let mut state = self.state_of(run).ok_or(SUCCEEDED)?;
            state.store = Some(store.clone());
            state.absence.clone()
        };
        let teller = Teller::new(&store, &self.events);
        let on_event = Arc::new(move |event| teller.tell(event));
        let mut options = WriterOptions { on_event, ..WriterOptions::default() };
        if let Some(absence) = absence {
            options.absence = absence;
        }
        let writer = Writer::open(store.clone(), options).map_err(|error| reason(&error))?;
        Ok((writer, store))
    }

    /// Waits until the store cannot be used any more, and says why; `None` if it was asked to stop.
    fn look_after(&self, run: u64, store: &Store, stop: &StopToken) -> Option<String> {
        let mut failing_since = None;
        while !stop.wait(LOOK) {
            if let Err(gone) = store.check_places() {
                return Some(reason(&gone));
            }
            let writer = self.state_of(run).and_then(|state| state.writer.clone());
            let Some(state) = writer.map(|writer| writer.state()) else { return Some(SUCCEEDED.to_owned()) };
            let WriterState::Failing { reason, .. } = state else {
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
    fn release(&self, run: u64) {
        let Some(writer) = self.state_of(run).and_then(|mut state| state.writer.take()) else { return };
        wait_for_cameras(&writer, LET_GO);
    }

    fn begin(&self, run: u64, directory: &Path, writer: Writer) {
        let failure = {
            let Some(mut state) = self.state_of(run) else { return };
            if let Some(wanted) = &state.config {
                writer.set_retentions(wanted.retentions.clone());
            }
            state.writer = Some(Arc::new(writer));
            state.absence = None;
            state.failure.take()
        };
        let again = if failure.is_some() { "recording goes on" } else { "recording" };
        self.events.note(None, EventKind::Recording, format!("{again} into {}", directory.display()));
    }

    /// Nothing can be recorded, for the reason `failure`; told once. If it could be until now, `absence` is what stands in the
    /// gap.
    fn fail(&self, run: u64, failure: &str, absence: impl FnOnce() -> String) {
        let is_news = {
            let Some(mut state) = self.state_of(run) else { return };
            let is_news = state.failure.as_deref() != Some(failure);
            state.failure = Some(failure.into());
            state.absence.get_or_insert_with(absence);
            is_news
        };
        if is_news {
            self.events.note(None, EventKind::Recording, format!("nothing is recorded: {failure}"));
        }
    }
}

/// The directory of the store that is wanted, if one is.
fn directory(wanted: &Option<Wanted>) -> Option<&Path> {
    wanted.as_ref().map(|wanted| wanted.record.store.as_path())
}

/// What stands in the gap before the first frame where the store could not be opened before. It is not told why: that has
/// paths in it, and may have changed meanwhile; the events tell it.
fn never_opened() -> String {
    format!("{}; its store could not be opened", WriterOptions::default().absence)
}

/// Gives up what a worker has left that may hang in its disk, on a thread that nobody waits for.
fn leave(before: State) {
    let left = move || {
        if let Some(writer) = &before.writer {
            wait_for_cameras(writer, LEFT);
        }
        drop(before);
    };
    // Where there is no thread to be had, it is given up here.
    let _ = thread::Builder::new().name("archive left".into()).spawn(left);
}

/// Waits until cameras have let go of `writer`, which they do within the second, or `limit` is over: so it is not one of them
/// who drops it last, and waits for the disk.
fn wait_for_cameras(writer: &Arc<Writer>, limit: Duration) {
    let deadline = Instant::now() + limit;
    while Arc::strong_count(writer) > 1 && Instant::now() < deadline {
        thread::sleep(LET_GO / 100);
    }
}

/// How often the store is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a writer may fail before the store is opened anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long cameras have to let go of a store that is not to be written any more.
const LET_GO: Duration = Duration::from_secs(3);
/// The same, where nobody waits for it.
const LEFT: Duration = Duration::from_secs(60);
/// How long it is until what could not be opened is tried again; twice as long after each further failure …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … up to this.
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// Why a worker that was left behind goes; nobody is told.
const SUCCEEDED: &str = "another thread looks after the recordings now";

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;
    use valkka_testkit::wait;
    use valkka_testkit::watchdog::Watchdog;

    use super::*;

    fn shared() -> Arc<Shared> {
        Arc::new(Shared { events: Arc::default(), state: Mutex::default() })
    }

    fn wanted(temp: &TempDir, name: &str) -> Wanted {
        Wanted {
            record: RecordConfig { min_free: 0, ..RecordConfig::new(temp.join(name), Some(8 << 20)) },
            cameras: 1,
            retentions: Retentions::default(),
        }
    }

    #[test]
    fn a_writer_that_was_left_is_not_dropped_by_a_camera() {
        let _watchdog = Watchdog::start(Duration::from_secs(120));
        let (temp, shared) = (TempDir::new().unwrap(), shared());
        let wanted = wanted(&temp, "store");
        let (run, _) = shared.restart(Some(wanted.clone()));
        let (writer, store) = shared.open(run, &wanted, &mut Opening::new(&wanted.record)).unwrap();
        shared.begin(run, &wanted.record.store, writer);
        let held_by_a_camera = shared.state().writer.clone().unwrap();
        leave(shared.restart(None).1);
        assert_eq!(Arc::strong_count(&held_by_a_camera), 2);
        let weak = Arc::downgrade(&held_by_a_camera);
        drop((held_by_a_camera, store));
        wait::until(Duration::from_secs(60), "it is given up", || weak.strong_count() == 0);
    }

    #[test]
    fn why_nothing_was_recorded_is_known_until_something_is() {
        let _watchdog = Watchdog::start(Duration::from_secs(60));
        let (temp, shared) = (TempDir::new().unwrap(), shared());
        let (one, other) = (wanted(&temp, "one"), wanted(&temp, "other"));
        let absence = || shared.state().absence.clone();
        let (run, _) = shared.restart(Some(one.clone()));
        shared.fail(run, "not mounted", never_opened);
        assert_eq!(absence(), Some("the recorder was not running; its store could not be opened".into()));
        let (writer, _) = shared.open(run, &one, &mut Opening::new(&one.record)).unwrap();
        shared.begin(run, &one.record.store, writer);
        assert_eq!(absence(), None);
        // What it began with stays, also over a configuration that is otherwise in something else.
        shared.fail(run, "an error of the disk", || "an error of the disk".into());
        shared.fail(run, "not mounted", never_opened);
        let (run, _) = shared.restart(Some(Wanted { cameras: 2, ..one }));
        shared.fail(run, "not mounted", never_opened);
        assert_eq!(absence().as_deref(), Some("an error of the disk"));
        shared.restart(Some(other));
        assert_eq!(absence(), None);
    }

    #[test]
    fn a_worker_that_was_left_behind_leaves_its_successor_alone() {
        let _watchdog = Watchdog::start(Duration::from_secs(60));
        let temp = TempDir::new().unwrap();
        let (old, new) = (wanted(&temp, "old"), wanted(&temp, "new"));
        let shared = shared();
        let (left_behind, _) = shared.restart(Some(old.clone()));
        let (old_writer, old_store) = shared.open(left_behind, &old, &mut Opening::new(&old.record)).unwrap();
        let (successor, _) = shared.restart(Some(new.clone()));
        let (writer, _) = shared.open(successor, &new, &mut Opening::new(&new.record)).unwrap();
        shared.begin(successor, &new.record.store, writer);

        // Its disk answers at last.
        shared.begin(left_behind, &old.record.store, old_writer);
        let failure = shared.look_after(left_behind, &old_store, &StopToken::default());
        assert_eq!(failure.as_deref(), Some(SUCCEEDED));
        shared.release(left_behind);
        shared.fail(left_behind, "an error of the disk", never_opened);
        assert!(shared.open(left_behind, &old, &mut Opening::new(&old.record)).is_err());
        let state = shared.state();
        assert_eq!(state.store.as_ref().unwrap().directory(), Some(new.record.store.as_path()));
        assert!(state.writer.is_some() && state.failure.is_none());
        assert_eq!(shared.events.last_id(), 1);
    }
}
