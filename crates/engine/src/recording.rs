//! Recording cameras into a store.
//!
//! A [`Recording`] hands the packets of one camera to a lane of a [`Writer`]: always, or around events, with what came
//! before them. It runs in the thread that receives, and never waits: the disk is the writer's business, and what the disk does
//! not take is dropped there, up to the next key frame. Live viewers notice nothing of it. [`MotionWatch`] tells when
//! something moves.
//!
//! Every time in which nothing was recorded has its reason in the store: that the camera was away and why, that the disk
//! failed, or [`NO_EVENT`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use valkka::recording::{MotionOptions, MotionWatch, Recording, RecordingMode, RecordingOptions};
//! use valkka::store::{Retention, Store, Writer, WriterOptions};
//! use valkka::{CameraOptions, Engine, EngineOptions};
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let camera = engine.camera("rtsp://192.168.1.20/stream1".parse()?, CameraOptions::default())?;
//! let writer = Arc::new(Writer::open(Store::open("/srv/video".as_ref())?, WriterOptions::default())?);
//!
//! let around_events = RecordingMode::OnEvent { before: Duration::from_secs(5), after: Duration::from_secs(30) };
//! let options = RecordingOptions { mode: around_events, ..RecordingOptions::default() };
//! let recording = Recording::new(&writer, "front", Retention::default(), options, |state| println!("{state:?}"))?;
//! let recording = Arc::new(recording);
//! recording.attach(&camera)?;
//!
//! let trigger = recording.clone();
//! let _motion = MotionWatch::attach(&camera, MotionOptions::default(), move || _ = trigger.trigger("movement"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod history;
mod motion;
mod schedule;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka_core::clock::SystemClock;
use valkka_core::fork::Branch;
use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::time::WallTime;
use valkka_store::{Lane, Retention, StoreError, StreamId, Writer, WriterState};

use crate::camera::Camera;
use crate::error::Error;
pub use motion::{MotionOptions, MotionWatch};
use schedule::{Schedule, Target};

/// Why nothing was recorded between two events, as the store has it.
pub const NO_EVENT: &str = "no event";

/// Why nothing was recorded while recording was switched off, as the store has it.
pub const SWITCHED_OFF: &str = "switched off";

/// Records one camera into a store.
///
/// It is a [`Sink`] of the packets and signals of one stream; [`Self::attach`] hangs it on a camera. A recording begins with a key
/// frame. Methods may be called from any thread. Dropping it ends the recording.
pub struct Recording {
    // Dropped first: nothing more comes in.
    source: Mutex<Option<Branch>>,
    shared: Arc<Shared>,
}

/// How a camera is recorded. All fields are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingOptions {
    /// When.
    pub mode: RecordingMode,
    /// Bytes that are kept in memory of what precedes an event. When there are more, less of the time before is kept.
    pub max_bytes: usize,
}

/// When a camera is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingMode {
    /// Never.
    Off,
    /// Whenever it is connected.
    #[default]
    Always,
    /// Around events.
    OnEvent {
        /// How much from before an event is recorded: from the key frame on that lies so long before it, or further.
        before: Duration,
        /// For how long recording goes on after the last event.
        after: Duration,
    },
}

/// How a recording stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// It is not to be recorded.
    Off,
    /// Nothing comes that is to be recorded.
    Waiting {
        /// For what, in words.
        reason: Arc<str>,
    },
    /// It is being recorded.
    Recording {
        /// The reason that was given for the event; empty if it is always recorded.
        reason: Arc<str>,
    },
    /// The disk does not take what is recorded.
    Failing {
        /// Why, in words.
        reason: Arc<str>,
    },
}

/// What a recording around events keeps in memory of what precedes them; nothing, where all is recorded or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingMemory {
    /// Bytes of packets.
    pub bytes: usize,
    /// How far it reaches back, as far as is wanted.
    pub reach: Duration,
    /// Whether that is less than is wanted because there are more bytes than may be kept.
    pub is_short: bool,
}

/// Something that is being recorded because it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingEvent {
    /// When it is over.
    pub until: WallTime,
    /// What it is, in words.
    pub reason: Arc<str>,
}

impl Default for RecordingOptions {
    /// Always; and 32 MiB.
    fn default() -> Self {
        Self { mode: RecordingMode::Always, max_bytes: 32 << 20 }
    }
}

struct Shared {
    writer: Arc<Writer>,
    lane: Lane,
    state: Mutex<State>,
    on_state: Box<dyn Fn(RecordingState) + Send + Sync>,
}

struct State {
    schedule: Schedule,
    /// What was told last.
    told: RecordingState,
}

impl Recording {
    /// A recording of the stream called `name`, that nothing is put into yet. `on_state` is told of changes of
    /// [`Self::state`], in the thread that brings them about: it must return soon, and not drop the recording.
    ///
    /// # Errors
    /// If the stream is being recorded already, or the store has no room for another.
    pub fn new(
        writer: &Arc<Writer>,
        name: &str,
        retention: Retention,
        options: RecordingOptions,
        on_state: impl Fn(RecordingState) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let lane = writer.lane(name, retention)?;
        let schedule = Schedule::new(options);
        let told = schedule.state();
        let shared = Shared {
            writer: writer.clone(),
            lane,
            state: Mutex::new(State { schedule, told }),
            on_state: Box::new(on_state),
        };
        Ok(Self { source: Mutex::default(), shared: Arc::new(shared) })
    }

    /// Records `camera` from now on, in the place of the one before, if there was one. The camera connects if it has not yet.
    ///
    /// # Errors
    /// If the camera has a recording already.
    pub fn attach(&self, camera: &Camera) -> Result<(), Error> {
        let before = lock(&self.source).take();
        drop(before);
        let branch = camera.packets("recording", Arc::new(Inlet(Arc::downgrade(&self.shared))))?;
        *lock(&self.source) = Some(branch);
        Ok(())
    }

    /// The stream in the store.
    pub fn id(&self) -> Option<StreamId> {
        self.shared.lane.id()
    }

    /// Something has happened: what came before it is recorded, and what comes. `reason` says what, in words. It changes
    /// nothing unless events are recorded. Returns whether an event begins by it: one that is going on lasts longer.
    pub fn trigger(&self, reason: &str) -> bool {
        self.shared.act(|schedule, lane| schedule.trigger(SystemClock.now(), reason, lane))
    }

    /// The event that is being recorded, if one is.
    pub fn event(&self) -> Option<RecordingEvent> {
        lock(&self.shared.state).schedule.event().cloned()
    }

    /// Records what is left of `event`, which another recording of the camera has begun: to a store that is gone, say.
    pub fn resume(&self, event: RecordingEvent) {
        self.shared.act(|schedule, _| schedule.resume(event));
    }

    /// Changes when it is recorded.
    pub fn set_mode(&self, mode: RecordingMode) {
        self.shared.act(|schedule, lane| schedule.set_mode(mode, lane));
    }

    /// Changes how many bytes of what precedes an event are kept in memory ([`RecordingOptions::max_bytes`]).
    pub fn set_max_bytes(&self, max_bytes: usize) {
        lock(&self.shared.state).schedule.set_max_bytes(max_bytes);
    }

    /// What is kept in memory of what precedes an event.
    pub fn memory(&self) -> RecordingMemory {
        lock(&self.shared.state).schedule.memory()
    }

    /// Changes how much is kept of it.
    pub fn set_retention(&self, retention: Retention) {
        self.shared.lane.set_retention(retention);
    }

    /// How it stands.
    pub fn state(&self) -> RecordingState {
        let state = lock(&self.shared.state).schedule.state();
        self.shared.with_disk(state)
    }
}

impl Sink for Recording {
    fn put(&self, frame: Frame) {
        self.shared.put(&frame);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let source = lock(&self.source).take();
        drop(source);
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("lane", &self.shared.lane).field("state", &self.state()).finish()
    }
}

impl Shared {
    fn put(&self, frame: &Frame) {
        self.act(|schedule, lane| schedule.push(frame, lane));
    }

    /// Changes the schedule, and tells what has become of it.
    fn act<T>(&self, change: impl FnOnce(&mut Schedule, &Lane) -> T) -> T {
        let mut state = lock(&self.state);
        let changed = change(&mut state.schedule, &self.lane);
        let now = self.with_disk(state.schedule.state());
        if state.told != now {
            state.told = now.clone();
            drop(state);
            (self.on_state)(now);
        }
        changed
    }

    /// `state`, unless the disk fails.
    fn with_disk(&self, state: RecordingState) -> RecordingState {
        match (&state, self.writer.state()) {
            (RecordingState::Recording { .. }, WriterState::Failing { reason, .. }) => {
                RecordingState::Failing { reason: reason.into() }
            }
            _ => state,
        }
    }
}

impl Target for Lane {
    fn put(&self, frame: &Frame) -> bool {
        Self::put(self, frame)
    }

    fn gap(&self, reason: &str) {
        Self::gap(self, reason);
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.is_idle() || self.room_bytes() >= bytes
    }
}

/// The camera's way to the recording, which holds it.
struct Inlet(std::sync::Weak<Shared>);

impl Sink for Inlet {
    fn put(&self, frame: Frame) {
        if let Some(shared) = self.0.upgrade() {
            shared.put(&frame);
        }
    }
}
