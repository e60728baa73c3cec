//! Recordings that are played from memory.
//!
//! A reader sends frames of a recording as fast as it can, between [`Signal::TransmissionStart`] and
//! [`Signal::TransmissionEnd`]. The cache keeps them, and plays those of the last complete transmission in real time,
//! all slots by one clock.

mod recording;
mod replay;
#[cfg(test)]
mod testing;

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tracing::debug;
use valkka_core::clock::SystemClock;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_core::worker::StopToken;

use super::part_worker::PartWorker;
use crate::error::Error;
use recording::{Filling, Recording};
use replay::{Next, Replay};

/// Keeps recorded packets in memory and plays them into a sink per slot.
///
/// There are two sets of packets: the one that is played, and the one that is being filled. The end of a transmission
/// puts the second in the place of the first, and playing goes on in it without a break where the two meet.
///
/// Nothing is sent before the first [`Self::seek`]. It sends the pictures up to the new position at once, so that they
/// can be decoded, and stops there; [`Self::play`] goes on in real time. What is sent stands for the moment at which it
/// is sent; its capture time stays. Signals tell each sink of the state: [`Signal::Online`] before its first packet,
/// [`Signal::Seek`], [`Signal::Play`] and [`Signal::Stop`].
///
/// Calls are carried out in their order on the cache's own thread, from [`Self::start`] on; they return at once, may
/// come from any thread, also from within its own reports, and do nothing after it was stopped. Time goes on and stands
/// still from the moment of the call, however late the thread comes to it: several caches that are played at the same
/// moment stay in step.
pub struct FrameCache {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    worker: PartWorker<(Receiver<Command>, Replay)>,
}

/// How a [`FrameCache`] runs. All fields are free.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// The name of its thread, of which the kernel shows 15 bytes.
    pub name: String,
    /// Bytes that one set of packets may take. If a transmission has more, its end is dropped. There are two sets, and a
    /// third for the moment in which they change places.
    pub max_bytes: usize,
}

impl Default for CacheOptions {
    /// 512 MiB, which is a quarter of an hour of one stream of 4 Mbit/s.
    fn default() -> Self {
        Self { name: "cache".into(), max_bytes: 512 << 20 }
    }
}

/// What a [`FrameCache`] reports, most of it from its own thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheEvent {
    /// Once a second: where it stands on the clock of the recording; `None` if it is nowhere.
    At(Option<WallTime>),
    /// Another set of packets is in use, from the first to the second moment; `None` if it is empty.
    Limits(Option<(WallTime, WallTime)>),
    /// Something did not go as asked. [`CacheNotice::Full`] comes on the thread that feeds the cache.
    Notice(CacheNotice),
}

/// What did not go as asked of a [`FrameCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheNotice {
    /// The slot has a sink already; the other one is ignored.
    #[error("slot {0} is reserved")]
    SlotTaken(Slot),
    /// There is no sink to take away.
    #[error("nothing at slot {0}")]
    NoSuchSlot(Slot),
    /// Nothing can be played, for no position was asked for.
    #[error("no position to play from: seek first")]
    NoTarget,
    /// A transmission is larger than the cache. Said once for each.
    #[error("a transmission takes more than {max_bytes} bytes, its end is dropped")]
    Full {
        /// The limit.
        max_bytes: usize,
    },
    /// Calls come faster than they are carried out. The last one is dropped.
    #[error("{0} calls wait already, another one is dropped")]
    Busy(usize),
}

type Report = dyn Fn(CacheEvent) + Send + Sync;

struct Shared {
    sets: Mutex<Sets>,
    max_bytes: usize,
    report: Box<Report>,
}

/// The packets that are not played.
struct Sets {
    filling: Filling,
    /// A complete transmission, until the thread takes it.
    filled: Option<Vec<Frame>>,
}

enum Command {
    Register(Slot, Arc<dyn Sink>),
    Deregister(Slot),
    Seek {
        target: Option<WallTime>,
        used: bool,
    },
    /// Asked for at this moment, as the next one.
    Play(WallTime),
    Pause(WallTime),
    Clear,
    /// There may be a complete transmission.
    Filled,
    /// Look whether to stop.
    Wake,
}

impl FrameCache {
    /// An empty cache that does not run yet. `report` is called without any lock, and must return soon.
    pub fn new(options: CacheOptions, report: impl Fn(CacheEvent) + Send + Sync + 'static) -> Self {
        let CacheOptions { name, max_bytes } = options;
        let (commands, queue) = sync_channel(MAX_COMMANDS);
        let sets = Mutex::new(Sets { filling: Filling::new(max_bytes), filled: None });
        let shared = Arc::new(Shared { sets, max_bytes, report: Box::new(report) });
        let worker = PartWorker::new("cache", &name, (queue, Replay::default()));
        Self { shared, commands, worker }
    }

    /// Starts its thread, bound to the CPU with this index. A second start does nothing.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        let (shared, commands) = (self.shared.clone(), self.commands.clone());
        self.worker.start(affinity, move |(queue, replay), stop| {
            // If there is no room for it, there is something to wake up for already.
            stop.on_stop(move || drop(commands.try_send(Command::Wake)));
            run(&shared, &queue, replay, stop);
        })
    }

    /// Asks its thread to stop, and returns at once.
    pub fn request_stop(&self) {
        self.worker.request_stop();
    }

    /// Stops its thread; no frame and no report comes from it after this. It cannot be started again.
    pub fn stop(&self) {
        self.worker.stop();
    }

    /// Takes packets and the marks of transmissions; other frames are dropped. Never waits.
    pub fn input(&self) -> Arc<dyn Sink> {
        Arc::new(Input { shared: self.shared.clone(), commands: self.commands.clone() })
    }

    /// Has the packets of `slot` played into `sink`.
    pub fn register(&self, slot: Slot, sink: Arc<dyn Sink>) {
        self.send(Command::Register(slot, sink));
    }

    /// Has nothing of `slot` played any more.
    pub fn deregister(&self, slot: Slot) {
        self.send(Command::Deregister(slot));
    }

    /// Jumps to `target` on the clock of the recording and stops there; to nowhere if that is not after the epoch. If
    /// the packets in use do not reach there, or are not to be `used`, the pictures come with the next transmission
    /// that does.
    pub fn seek(&self, target: WallTime, used: bool) {
        let target = Some(target).filter(|&target| target > WallTime::default());
        self.send(Command::Seek { target, used });
    }

    /// Plays on from where it stands.
    pub fn play(&self) {
        self.send(Command::Play(SystemClock.now()));
    }

    /// Stands still where it is.
    pub fn pause(&self) {
        self.send(Command::Pause(SystemClock.now()));
    }

    /// Forgets all packets and the position.
    pub fn clear(&self) {
        let emptied = {
            let mut sets = lock(&self.shared.sets);
            (sets.filling.take(), sets.filled.take())
        };
        drop(emptied);
        self.send(Command::Clear);
    }

    /// The packets of the transmission that is coming in, so far. They are not copied.
    pub fn filling(&self) -> Vec<Frame> {
        lock(&self.shared.sets).filling.frames().to_vec()
    }

    fn send(&self, command: Command) {
        self.shared.send(&self.commands, command);
    }
}

impl Drop for FrameCache {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for FrameCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameCache({})", self.worker.name())
    }
}

impl Shared {
    fn send(&self, commands: &SyncSender<Command>, command: Command) {
        // Once it was stopped, nobody carries out anything.
        if let Err(TrySendError::Full(_)) = commands.try_send(command) {
            self.notice(CacheNotice::Busy(MAX_COMMANDS));
        }
    }

    fn notice(&self, notice: CacheNotice) {
        (self.report)(CacheEvent::Notice(notice));
    }
}

/// Where the reader writes.
struct Input {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
}

impl Sink for Input {
    fn put(&self, frame: Frame) {
        match &frame.body {
            Body::Packet(_) => {
                let is_full = lock(&self.shared.sets).filling.push(frame);
                if is_full {
                    self.shared.notice(CacheNotice::Full { max_bytes: self.shared.max_bytes });
                }
            }
            Body::Signal(Signal::TransmissionStart) => {
                // What is dropped may be much: not under the lock.
                let before = lock(&self.shared.sets).filling.take();
                drop(before);
            }
            Body::Signal(Signal::TransmissionEnd) => {
                let before = {
                    let mut sets = lock(&self.shared.sets);
                    let filled = sets.filling.take();
                    sets.filled.replace(filled)
                };
                drop(before);
                self.shared.send(&self.commands, Command::Filled);
            }
            _ => {}
        }
    }
}

/// The cache's thread.
fn run(shared: &Shared, commands: &Receiver<Command>, mut replay: Replay, stop: &StopToken) {
    let mut report_at = Instant::now() + REPORT_INTERVAL;
    let began = SystemClock.now();
    while !stop.is_stopped() {
        let now = SystemClock.now();
        let next = match replay.step(now) {
            Next::Now => Duration::ZERO,
            Next::At(due) => due.saturating_since(now),
            Next::Nothing => Duration::MAX,
        };
        let instant = Instant::now();
        if instant >= report_at {
            (shared.report)(CacheEvent::At(replay.position(now)));
            report_at = (report_at + REPORT_INTERVAL).max(instant);
        }
        let wait = next.min(report_at.saturating_duration_since(Instant::now()));
        match commands.recv_timeout(wait) {
            Ok(command) => carry_out(shared, &mut replay, command, began),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Carries out what was asked of a thread that `began` at this moment.
fn carry_out(shared: &Shared, replay: &mut Replay, command: Command, began: WallTime) {
    let now = SystemClock.now();
    // Who asked before the start waited for it. A clock that was set back since then counts for nothing.
    let moment = |asked: WallTime| asked.max(began).min(now);
    let done = match command {
        Command::Register(slot, sink) => replay.register(slot, sink, now),
        Command::Deregister(slot) => replay.deregister(slot),
        Command::Seek { target, used } => {
            replay.seek(target, used, now);
            Ok(())
        }
        Command::Play(asked) => replay.play(moment(asked)),
        Command::Pause(asked) => {
            replay.pause(moment(asked));
            Ok(())
        }
        Command::Clear => {
            replay.clear(now);
            (shared.report)(CacheEvent::Limits(None));
            Ok(())
        }
        Command::Filled => {
            let Some(filled) = lock(&shared.sets).filled.take() else { return };
            let recording = Recording::new(filled);
            debug!(packets = recording.entries().len(), "another recording is in use");
            // Told before anything of it is played.
            (shared.report)(CacheEvent::Limits(recording.limits()));
            replay.adopt(recording, now)
        }
        Command::Wake => Ok(()),
    };
    if let Err(notice) = done {
        shared.notice(notice);
    }
}

/// Calls that may wait. They are few: people make them.
const MAX_COMMANDS: usize = 1024;
/// How often it tells where it is.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
