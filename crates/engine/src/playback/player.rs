//! Several streams in step.

mod convoy;
mod lane;
mod state;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_core::worker::{StopToken, Worker};

use super::clock::{Clock, MonotonicClock};
use super::error::PlaybackError;
use super::reader::{PictureOptions, PictureReader};
use super::source::PacketSource;
use lane::Lane;
use state::{Order, Seen, State};

/// How recordings are played. All fields are free.
#[derive(Clone)]
pub struct PlayerOptions {
    /// How pictures are decoded and kept, for each stream.
    pub pictures: PictureOptions,
    /// What happens where none of the streams has a picture.
    pub gaps: Gaps,
    /// The time by which it plays.
    pub clock: Arc<dyn Clock>,
    /// Is told what happens, by the threads of the streams. It is to return soon, and may call what returns at once.
    pub on_event: Arc<dyn Fn(PlayerEvent) + Send + Sync>,
}

/// What happens where none of the streams has a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gaps {
    /// They last as long as anything else.
    #[default]
    Wait,
    /// Playing jumps over them.
    Skip,
}

impl Default for PlayerOptions {
    /// In real time, with gaps, without anybody who listens.
    fn default() -> Self {
        Self {
            pictures: PictureOptions::default(),
            gaps: Gaps::Wait,
            clock: Arc::new(MonotonicClock::default()),
            on_event: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for PlayerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("PlayerOptions");
        debug.field("pictures", &self.pictures).field("gaps", &self.gaps).finish_non_exhaustive()
    }
}

/// One of the streams that are played together.
pub struct PlayerStream {
    /// The slot of what comes out.
    pub slot: Slot,
    /// What was recorded.
    pub source: Box<dyn PacketSource>,
    /// Where pictures go, from the thread of the stream.
    pub sink: Arc<dyn Sink>,
}

impl fmt::Debug for PlayerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayerStream").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// What happens while one plays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlayerEvent {
    /// Where it is: after each jump, and a few times a second while it plays.
    Position(WallTime),
    /// It has come to the end of all streams (or to their beginning, going backward), and stands there. It goes on by
    /// itself when more is recorded.
    End,
    /// It goes on after [`Self::End`].
    Continues,
    /// A stream has no picture here, because nothing was recorded.
    Gap {
        /// The stream.
        slot: Slot,
        /// Why, in words.
        reason: Arc<str>,
        /// When pictures come again; `None` if none do, so far.
        to: Option<WallTime>,
    },
    /// A stream has no picture here, because what was recorded is damaged.
    Damage {
        /// The stream.
        slot: Slot,
        /// What is wrong, in words.
        reason: Arc<str>,
    },
    /// A stream cannot be read. It is tried again.
    Failed {
        /// The stream.
        slot: Slot,
        /// Why, in words.
        reason: String,
    },
    /// A stream has shown nothing else for two seconds while the others waited for it: its disk hangs, say. They go on
    /// without it.
    Late {
        /// The stream.
        slot: Slot,
    },
    /// A stream is in step again after [`Self::Late`].
    InTime {
        /// The stream.
        slot: Slot,
    },
}

/// What a player does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlayerState {
    /// It stands still.
    Paused,
    /// It plays.
    Playing,
    /// It would play, but has come to the end.
    Ended,
}

/// A step to another picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// To the next moment at which a picture of any stream begins.
    Next,
    /// To the last moment before at which a picture of any stream begins.
    Previous,
}

/// Plays several recordings in step, at any speed, in either direction.
///
/// There is one position for all streams, a line through time; each stream shows what is to be seen there, by a thread of
/// its own. At speeds at which a stream cannot be decoded whole, its key frames are shown, each until the next.
///
/// Streams are in step: no picture is given out while another stream still shows what ended more than one frame interval
/// before it. The interval is that of the stream with the most pictures per second; at speeds above one, what passes in
/// two refreshes of a screen if that is more. While a stream is slow, the position waits for it, and then catches up by
/// playing faster for a while; what is more than a second behind stays behind. A jump is over when all have got there: until
/// then the position stands. Two things are not waited for: at speeds above one, streams of which key frames alone are shown;
/// and a stream that shows nothing new for two seconds ([`PlayerEvent::Late`]).
///
/// What comes to the sinks are pictures, each once, when it is due. Their `wall` is the moment at which they are
/// shown, by this machine's clock, and their `capture` the archive time. Where there is no picture, a sink is told
/// [`Signal::Offline`](valkka_core::frame::Signal::Offline) with the reason, at the end
/// [`Signal::End`](valkka_core::frame::Signal::End). Audio packets come at a speed of 1 only, at their time, and are
/// not stretched.
///
/// Methods may be called from any thread, and return at once unless they say otherwise. Dropping it ends its threads.
pub struct Player {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

/// What the caller and the threads of the streams have in common.
struct Shared {
    state: Mutex<State>,
    /// Notified when there is something to do for the streams.
    ordered: Condvar,
    /// Notified when a stream shows something else.
    reported: Condvar,
    /// [`State::generation`], to be read without the lock.
    generation: AtomicU64,
    clock: Arc<dyn Clock>,
    on_event: Arc<dyn Fn(PlayerEvent) + Send + Sync>,
}

impl Player {
    /// A player of `streams` that stands still at `position`, and shows it.
    ///
    /// # Errors
    /// If there is no stream or too many, or the system gives no thread.
    pub fn new(
        streams: Vec<PlayerStream>,
        position: WallTime,
        options: PlayerOptions,
    ) -> Result<Self, PlaybackError> {
        if !(1..=MAX_STREAMS).contains(&streams.len()) {
            return Err(PlaybackError::Streams { count: streams.len(), most: MAX_STREAMS });
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(
                streams.iter().map(|stream| stream.slot).collect(),
                position,
                options.gaps,
            )),
            ordered: Condvar::new(),
            reported: Condvar::new(),
            generation: AtomicU64::new(0),
            clock: options.clock,
            on_event: options.on_event,
        });
        let mut workers = Vec::new();
        for (index, PlayerStream { slot, source, sink }) in streams.into_iter().enumerate() {
            let name = format!("{} {slot}", options.pictures.name);
            let pictures = PictureOptions { name: name.clone(), ..options.pictures.clone() };
            let lane = Lane::new(index, slot, PictureReader::new(source, pictures), sink, shared.clone());
            let worker = Worker::spawn(&name, None, move |stop| lane.run(&stop));
            workers.push(worker.map_err(|cause| PlaybackError::Thread { stream: index, cause })?);
        }
        Ok(Self { shared, workers })
    }

    /// Goes on from where it stands, in the direction of its speed.
    pub fn play(&self) {
        self.shared.command(State::play);
    }

    /// Stands still.
    pub fn pause(&self) {
        self.shared.command(State::pause);
    }

    /// Goes to `position`, and on from there if it plays. A newer jump takes the place of one that is still on its way.
    pub fn seek(&self, position: WallTime) {
        self.shared.command(|state, now| state.seek(position, now));
    }

    /// Plays so many times as fast as things happened: 1/16 to 64, or -1/16 to -64 to go backward. A new player has a
    /// speed of 1.
    ///
    /// # Errors
    /// If it is another speed.
    pub fn set_speed(&self, speed: f64) -> Result<(), PlaybackError> {
        self.shared.command(|state, now| state.set_speed(speed, now))
    }

    /// Stands still at another picture, and returns where that is. Waits for it. Where there is none any more, nothing
    /// changes.
    ///
    /// # Errors
    /// If it is not found within `limit`.
    pub fn step(&self, step: Step, limit: Duration) -> Result<WallTime, PlaybackError> {
        let id = self.shared.command(|state, now| state.step(step, now));
        let found = self.shared.wait(limit, |state, _| state.is_stepped(id));
        if !found {
            self.shared.command(|state, _| state.cancel_step(id));
            return Err(PlaybackError::Deadline { limit });
        }
        Ok(self.position())
    }

    /// Where it is in the archive.
    pub fn position(&self) -> WallTime {
        let state = self.shared.lock();
        state.position(self.shared.clock.now())
    }

    /// Its speed.
    pub fn speed(&self) -> f64 {
        self.shared.lock().speed()
    }

    /// What it does.
    pub fn state(&self) -> PlayerState {
        self.shared.lock().player_state()
    }

    /// Waits until every stream shows what is to be seen at the position, as far as it can be read; at most `limit`.
    /// Returns whether that is so.
    pub fn wait_shown(&self, limit: Duration) -> bool {
        self.shared.wait(limit, State::is_shown)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // All at once, and not one after the other.
        self.workers.iter().for_each(|worker| worker.stop_token().stop());
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Player");
        debug.field("position", &self.position()).field("state", &self.state());
        debug.field("streams", &self.workers.len()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Changes what is to be done, and has the streams look at it.
    fn command<T>(&self, change: impl FnOnce(&mut State, Duration) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state, self.clock.now());
        self.generation.store(state.generation(), Ordering::SeqCst);
        self.ordered.notify_all();
        drop(state);
        self.reported.notify_all();
        result
    }

    /// Waits until `done`.
    fn wait(&self, limit: Duration, done: impl Fn(&State, Duration) -> bool) -> bool {
        let deadline = Instant::now() + limit.min(LONGEST);
        let mut state = self.lock();
        loop {
            if done(&state, self.clock.now()) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.reported.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What a stream is to do now.
    fn order(&self, index: usize) -> Order {
        self.update(|state, now| {
            let events = state.keep_together(now);
            (state.order(index, now), events)
        })
    }

    /// Notes what a stream shows.
    fn report(&self, index: usize, seen: Seen) {
        self.update(|state, now| ((), state.report(index, seen, now)));
        self.reported.notify_all();
    }

    /// Has a stream change the state; the others look at it if there is something else to be done, or they may go on.
    fn update<T>(&self, change: impl FnOnce(&mut State, Duration) -> (T, Vec<PlayerEvent>)) -> T {
        let (result, events) = {
            let mut state = self.lock();
            let limit = state.limit();
            let (result, events) = change(&mut state, self.clock.now());
            let is_new = self.generation.swap(state.generation(), Ordering::SeqCst) != state.generation();
            if is_new || state.limit() != limit {
                self.ordered.notify_all();
            }
            (result, events)
        };
        events.into_iter().for_each(|event| (self.on_event)(event));
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Wakes the streams when one of them is to end.
    fn wake_on_stop(self: &Arc<Self>, stop: &StopToken) {
        let shared = self.clone();
        stop.on_stop(move || {
            // Under the lock, so that nobody is just about to wait.
            let _state = shared.lock();
            shared.ordered.notify_all();
        });
    }
}

/// Who waits for longer waits as long as this: what is added to a moment has an end.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Each has a thread, and memory for its pictures.
const MAX_STREAMS: usize = 64;
