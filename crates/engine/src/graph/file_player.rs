//! Files that are played in real time.

mod playback;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka_av::FileReader;
use valkka_core::clock::SystemClock;
use valkka_core::frame::{Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::source::{SourceError, StreamInfo};
use valkka_core::stream::Slot;
use valkka_core::time::{MediaTime, WallTime};
use valkka_core::worker::StopToken;

use super::part_worker::PartWorker;
use crate::error::Error;
use playback::Playback;

/// Plays any number of files in real time, each into a sink of its own and told from the others by its slot.
///
/// A file that was opened stands still at its start; its first picture is sent, so that there is something to be seen.
/// [`Self::seek`] sends the pictures up to the new position at once, so that they can be decoded, and stops there;
/// [`Self::play`] goes on in real time, [`Self::pause`] stands still. At its end a file comes to a stand until it is sought.
///
/// Frames stand for the moment at which they are due: seeking and playing fix which moment that is. They keep their media
/// time, which counts from the start of the file. The first thing that a sink gets is [`Signal::Online`]; no other signal
/// follows.
///
/// Each file has a thread of its own, from [`Self::start`] on: a sink that makes one wait holds up no other. Calls may
/// come from any thread. Those about one file are carried out in their order; before the start they wait for it.
pub struct FilePlayer {
    name: String,
    on_event: Arc<dyn Fn(PlayerEvent) + Send + Sync>,
    state: Mutex<State>,
}

/// What happens to a file by itself, told from its thread.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlayerEvent {
    /// It has come to its end.
    Ended(Slot),
    /// It cannot be read any more, and stands still.
    Failed(Slot, SourceError),
}

/// A file that was opened.
#[derive(Clone, Debug)]
pub struct OpenedFile {
    /// How long it is.
    pub duration: Duration,
    /// Where it stands, from now on.
    pub position: FilePosition,
}

/// Tells where a file stands; counts from its start.
#[derive(Clone, Debug, Default)]
pub struct FilePosition(Arc<AtomicI64>);

/// Why a call of a [`FilePlayer`] did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayerError {
    /// There is a file with this slot.
    #[error("slot {0} is in use")]
    SlotTaken(Slot),
    /// There is no file with this slot.
    #[error("there is no file at slot {0}")]
    Nothing(Slot),
    /// It cannot be opened or read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Whoever takes its frames makes it wait; it gets there when that ends.
    #[error("slot {0} has not got there within {PATIENCE:?}: its frames are not taken")]
    HeldUp(Slot),
    /// The player was stopped.
    #[error("the player has been stopped")]
    Stopped,
    /// The system gave no thread.
    #[error(transparent)]
    Thread(#[from] Error),
}

struct State {
    phase: Phase,
    /// Bounded by the number of slots.
    files: BTreeMap<Slot, Entry>,
    /// Of files that were closed and may have a frame on its way.
    closing: Vec<PartWorker<Box<Running>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running { affinity: Option<usize> },
    Stopped,
}

enum Entry {
    /// Somebody is opening it.
    Opening,
    Open(File),
}

struct File {
    commands: SyncSender<Command>,
    /// Counts seeks: one that is no longer the last need not get to its end.
    seeks: Arc<AtomicU64>,
    worker: PartWorker<Box<Running>>,
}

enum Command {
    /// With its number, and where to say that it is done.
    Seek(MediaTime, u64, Sender<Result<(), SourceError>>),
    Play,
    Pause,
    /// There is something else to look at.
    Wake,
}

/// What the thread of a file owns.
struct Running {
    slot: Slot,
    info: Arc<StreamInfo>,
    playback: Playback<FileReader>,
    commands: Receiver<Command>,
    seeks: Arc<AtomicU64>,
    position: FilePosition,
    sink: Arc<dyn Sink>,
    on_event: Arc<dyn Fn(PlayerEvent) + Send + Sync>,
}

impl FilePosition {
    /// Where it stands.
    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed).max(0).unsigned_abs())
    }

    fn set(&self, position: MediaTime) {
        self.0.store(position.micros_since(MediaTime::default()), Ordering::Relaxed);
    }
}

impl FilePlayer {
    /// A player without files. `name` names its threads; `on_event` is told what happens by itself, and returns soon.
    pub fn new(name: &str, on_event: impl Fn(PlayerEvent) + Send + Sync + 'static) -> Self {
        let state = State { phase: Phase::New, files: BTreeMap::new(), closing: Vec::new() };
        Self { name: name.to_owned(), on_event: Arc::new(on_event), state: Mutex::new(state) }
    }

    /// Starts to play, with threads that are bound to the CPU with this index. A second start does nothing.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.phase != Phase::New {
            return Ok(());
        }
        state.phase = Phase::Running { affinity };
        for entry in state.files.values() {
            if let Entry::Open(file) = entry {
                file.start(affinity)?;
            }
        }
        Ok(())
    }

    /// Asks all threads to end, and returns at once.
    pub fn request_stop(&self) {
        let state = lock(&self.state);
        state.files.values().for_each(Entry::request_stop);
    }

    /// Closes all files, and waits until no frame comes any more.
    pub fn stop(&self) {
        self.request_stop();
        let gone = {
            let mut state = lock(&self.state);
            state.phase = Phase::Stopped;
            (std::mem::take(&mut state.files), std::mem::take(&mut state.closing))
        };
        // Waits for the threads.
        drop(gone);
    }

    /// Opens the file at `path`, to be played into `sink`; returns when its first picture was sent (or, before the start,
    /// when it is open).
    ///
    /// # Errors
    /// If the slot is in use, the file cannot be read, or the system gives no thread.
    pub fn open(
        &self,
        slot: Slot,
        path: impl AsRef<Path>,
        sink: Arc<dyn Sink>,
    ) -> Result<OpenedFile, PlayerError> {
        let reserving = self.reserve(slot)?;
        let mut reader = FileReader::open(path)?;
        let duration = match reader.duration() {
            Some(duration) => duration,
            None => reader.measure(MEASURE)?,
        };
        let (commands, inbox) = sync_channel(MAX_COMMANDS);
        let (seeks, position) = (Arc::<AtomicU64>::default(), FilePosition::default());
        let running = Running {
            slot,
            info: Arc::new(reader.info().clone()),
            playback: Playback::new(reader, slot),
            commands: inbox,
            seeks: seeks.clone(),
            position: position.clone(),
            sink,
            on_event: self.on_event.clone(),
        };
        let worker = PartWorker::new("player", &self.name, Box::new(running));
        let file = File { commands, seeks, worker };
        {
            let mut state = lock(&self.state);
            match state.phase {
                Phase::New => {}
                Phase::Running { affinity } => file.start(affinity)?,
                Phase::Stopped => return Err(PlayerError::Stopped),
            }
            state.files.insert(slot, Entry::Open(file));
            reserving.keep();
        }
        match self.seek(slot, Duration::ZERO) {
            // It is open all the same.
            Ok(()) | Err(PlayerError::HeldUp(_)) => Ok(OpenedFile { duration, position }),
            Err(error) => {
                // It may have been closed meanwhile.
                let _ = self.close(slot);
                Err(error)
            }
        }
    }

    /// Goes to `to`, and stands still there; returns when all pictures up to there were sent (before the start, at once). A
    /// further seek meanwhile takes its place.
    ///
    /// # Errors
    /// If there is no such file, it cannot be read any more, or its sink makes it wait for long.
    pub fn seek(&self, slot: Slot, to: Duration) -> Result<(), PlayerError> {
        let (done, answer) = channel();
        let waits = self.with(slot, |file| {
            let number = file.seeks.fetch_add(1, Ordering::Relaxed) + 1;
            let sent = file.commands.try_send(Command::Seek(MediaTime::default() + to, number, done));
            (sent.is_ok(), file.worker.is_started())
        })?;
        match waits {
            (false, _) => Err(PlayerError::HeldUp(slot)),
            (true, false) => Ok(()),
            (true, true) => match answer.recv_timeout(PATIENCE) {
                Ok(result) => result.map_err(PlayerError::Source),
                Err(RecvTimeoutError::Timeout) => Err(PlayerError::HeldUp(slot)),
                // It was closed meanwhile.
                Err(RecvTimeoutError::Disconnected) => Err(PlayerError::Nothing(slot)),
            },
        }
    }

    /// Plays in real time from where it stands. Returns at once.
    ///
    /// # Errors
    /// If there is no such file, or its sink has made it wait for so long that no call can wait for it any more.
    pub fn play(&self, slot: Slot) -> Result<(), PlayerError> {
        self.send(slot, Command::Play)
    }

    /// Stands still. Returns at once.
    ///
    /// # Errors
    /// As [`Self::play`].
    pub fn pause(&self, slot: Slot) -> Result<(), PlayerError> {
        self.send(slot, Command::Pause)
    }

    /// Closes the file. Returns at once; a frame that is on its way may still come.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn close(&self, slot: Slot) -> Result<(), PlayerError> {
        let mut state = lock(&self.state);
        // One that is still being opened stays.
        let Some(Entry::Open(_)) = state.files.get(&slot) else { return Err(PlayerError::Nothing(slot)) };
        let Some(entry) = state.files.remove(&slot) else { return Err(PlayerError::Nothing(slot)) };
        entry.request_stop();
        let ended = state.closing.extract_if(.., |worker| worker.is_finished()).collect::<Vec<_>>();
        let rest = match entry {
            Entry::Open(File { worker, .. }) if worker.is_started() => {
                state.closing.push(worker);
                None
            }
            other => Some(other),
        };
        // What is downstream goes without the lock.
        drop(state);
        drop((ended, rest));
        Ok(())
    }

    fn send(&self, slot: Slot, command: Command) -> Result<(), PlayerError> {
        let sent = self.with(slot, |file| file.commands.try_send(command).is_ok())?;
        if sent { Ok(()) } else { Err(PlayerError::HeldUp(slot)) }
    }

    fn with<R>(&self, slot: Slot, body: impl FnOnce(&File) -> R) -> Result<R, PlayerError> {
        match lock(&self.state).files.get(&slot) {
            Some(Entry::Open(file)) => Ok(body(file)),
            _ => Err(PlayerError::Nothing(slot)),
        }
    }

    /// Takes the slot until the file is open, or the result is dropped.
    fn reserve(&self, slot: Slot) -> Result<Reserving<'_>, PlayerError> {
        let mut state = lock(&self.state);
        if state.phase == Phase::Stopped {
            return Err(PlayerError::Stopped);
        }
        if state.files.contains_key(&slot) {
            return Err(PlayerError::SlotTaken(slot));
        }
        state.files.insert(slot, Entry::Opening);
        Ok(Reserving { player: self, slot: Some(slot) })
    }
}

impl Drop for FilePlayer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for FilePlayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilePlayer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Frees the slot of a file that could not be opened.
struct Reserving<'a> {
    player: &'a FilePlayer,
    slot: Option<Slot>,
}

impl Reserving<'_> {
    /// The slot is the file's.
    fn keep(mut self) {
        self.slot = None;
    }
}

impl Drop for Reserving<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            lock(&self.player.state).files.remove(&slot);
        }
    }
}

impl Entry {
    fn request_stop(&self) {
        if let Self::Open(file) = self {
            file.worker.request_stop();
        }
    }
}

impl File {
    fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        let commands = self.commands.clone();
        self.worker.start(affinity, move |running, stop| {
            // If there is no room, it will look soon.
            stop.on_stop(move || drop(commands.try_send(Command::Wake)));
            running.run(stop);
        })
    }
}

impl Running {
    fn run(mut self, stop: &StopToken) {
        let now = SystemClock.now();
        self.sink.put(Frame::signal(self.slot, now, Signal::Online(self.info.clone())));
        while !stop.is_stopped() {
            let due = self.due();
            let wait = due.map_or(LONG, |due| due.saturating_since(SystemClock.now()));
            match (self.commands.recv_timeout(wait), due) {
                (Ok(command), _) => self.carry_out(command, stop),
                (Err(RecvTimeoutError::Timeout), Some(due)) => self.send(due),
                (Err(RecvTimeoutError::Timeout), None) => {}
                (Err(RecvTimeoutError::Disconnected), _) => break,
            }
        }
    }

    /// When the next frame is due, if the file plays. Says so when it comes to its end.
    fn due(&mut self) -> Option<WallTime> {
        let was_playing = self.playback.is_playing();
        match self.playback.due() {
            Ok(None) if was_playing => (self.on_event)(PlayerEvent::Ended(self.slot)),
            Ok(due) => return due,
            Err(error) => {
                self.playback.pause(SystemClock.now());
                (self.on_event)(PlayerEvent::Failed(self.slot, error));
            }
        }
        None
    }

    fn carry_out(&mut self, command: Command, stop: &StopToken) {
        match command {
            Command::Seek(to, number, done) => {
                let is_wanted = || !stop.is_stopped() && self.seeks.load(Ordering::Relaxed) == number;
                self.position.set(to);
                let sought = self.playback.seek(to, SystemClock.now(), |frame| {
                    self.sink.put(frame);
                    is_wanted()
                });
                // Who asked may have gone on.
                let _ = done.send(sought);
            }
            Command::Play => self.playback.play(SystemClock.now()),
            Command::Pause => {
                self.playback.pause(SystemClock.now());
                self.position.set(self.playback.position());
            }
            Command::Wake => {}
        }
    }

    fn send(&mut self, due: WallTime) {
        if let Some(frame) = self.playback.next(due, SystemClock.now()) {
            self.sink.put(frame);
            self.position.set(self.playback.position());
        }
    }
}

/// A call waits so long for its frames to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// So long a file is read to find out how long it is, if it does not tell.
const MEASURE: Duration = Duration::from_secs(2);

/// Calls that may wait for a file whose sink makes it wait.
const MAX_COMMANDS: usize = 256;

/// While a file stands still, nothing is looked at for so long.
const LONG: Duration = Duration::from_secs(3600);
