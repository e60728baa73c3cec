//! Fragmented MP4 of one camera for any number of viewers, as browsers play it (Media Source Extensions).
//!
//! There is one muxer per stream, however many watch, and none while nobody does. It starts with the group of pictures
//! that a [`GopKeeper`] has, so that a new viewer has a picture at once.
//!
//! ```no_run
//! use std::sync::{Arc, mpsc};
//! use valkka::fragments::{FragmentOptions, LiveFragments, Piece};
//! use valkka::gop::{GopKeeper, GopOptions};
//! use valkka::{CameraOptions, Engine, EngineOptions};
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let camera = engine.camera("rtsp://192.168.1.20/stream1".parse()?, CameraOptions::default())?;
//! let keeper = GopKeeper::attach(&camera, GopOptions::default())?;
//! let fragments = LiveFragments::new(keeper, FragmentOptions::default())?;
//!
//! let (wake, woken) = mpsc::sync_channel(1);
//! let mut viewer = fragments.join(move || drop(wake.try_send(())));
//! loop {
//!     for piece in viewer.take(1 << 20) {
//!         match piece {
//!             Piece::Begin { mime, data, .. } => println!("{mime}: {} bytes", data.len()),
//!             Piece::Media { keyframe, data } => println!("{} bytes, key frame: {keyframe}", data.len()),
//!             other => println!("{other:?}"),
//!         }
//!     }
//!     woken.recv()?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod muxing;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::debug;
use valkka_core::fork::Branch;
use valkka_core::frame::Frame;
use valkka_core::gop::GopRing;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;

use crate::error::Error;
use crate::gop::GopKeeper;
use muxing::{Beginning, Condition, Made, Muxing};

/// The fragments of one camera, for whoever watches it.
///
/// The muxer is made when the first viewer joins and ends some seconds after the last one has gone. It runs in the thread
/// that receives, which never waits for a viewer. Methods may be called from any thread. Viewers of a stream that is
/// dropped get [`Piece::End`].
#[derive(Debug)]
pub struct LiveFragments {
    shared: Arc<Shared>,
    _input: Branch,
}

/// How much is kept for viewers. All fields are free.
#[derive(Clone, Copy, Debug)]
pub struct FragmentOptions {
    /// Bytes of fragments that are kept at most.
    pub max_bytes: usize,
    /// How long the muxer goes on for nobody, so that who looks in again finds it at work.
    pub linger: Duration,
}

impl Default for FragmentOptions {
    /// 16 MiB and 5 s.
    fn default() -> Self {
        Self { max_bytes: 16 << 20, linger: Duration::from_secs(5) }
    }
}

/// What a viewer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What follows is a new file: a player must be set up for it, also if it plays already.
    Begin {
        /// What it holds, for `MediaSource.isTypeSupported`, e.g. `video/mp4; codecs="avc1.64001f,mp4a.40.2"`.
        mime: String,
        /// `ftyp` and `moov`.
        data: Bytes,
        /// Why the audio of the stream is not in it, if that is so.
        left_out: Option<String>,
    },
    /// A fragment: one picture, and the audio that came with it.
    Media {
        /// Whether the picture is a key frame. The first one after [`Self::Begin`] always is.
        keyframe: bool,
        /// `moof` and `mdat`.
        data: Bytes,
    },
    /// The stream cannot be played in this way. If that changes, [`Self::Begin`] follows.
    Unplayable {
        /// The name of its codec, e.g. `MJPEG`.
        codec: String,
        /// Why not, in words.
        reason: String,
    },
    /// The camera is not connected. When it is again, [`Self::Media`] follows and goes on where it stopped, or
    /// [`Self::Begin`] if the stream has changed.
    Offline,
    /// There is nothing more: the stream was given up. It comes once.
    End,
}

/// What was counted of the fragments of one camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FragmentStats {
    /// Viewers now.
    pub viewers: u64,
    /// Muxers made so far: one each time that the first viewer comes, or the stream changes.
    pub begun: u64,
    /// Fragments made so far.
    pub fragments: u64,
    /// Bytes of these fragments.
    pub bytes: u64,
    /// Fragments that viewers were not given because they did not keep up, so far.
    pub skipped: u64,
}

impl LiveFragments {
    /// The fragments of the stream that `keeper` has.
    ///
    /// # Errors
    /// If the keeper has too many followers.
    pub fn new(keeper: Arc<GopKeeper>, options: FragmentOptions) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(options.max_bytes)),
            counters: Counters::default(),
            options,
            keeper,
        });
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let tag = format!("fragments {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let input = shared.keeper.follow(&tag, Arc::new(Inlet(Arc::downgrade(&shared))))?;
        Ok(Self { shared, _input: input })
    }

    /// A new viewer. It has something to [take](FragmentViewer::take) at once if the camera has a group of pictures.
    ///
    /// `wake` is called when there may be something new: in any thread, often in the one that receives, so it must return
    /// at once and not join, take or drop a viewer. It may be called once more after the viewer was dropped.
    pub fn join(&self, wake: impl Fn() + Send + Sync + 'static) -> FragmentViewer {
        let (id, others) = {
            let mut state = self.shared.lock();
            let id = state.add(Arc::new(wake));
            let others = self.shared.advance(&mut state);
            (id, others)
        };
        others.iter().filter(|(of, _)| *of != id).for_each(|(_, wake)| wake());
        FragmentViewer {
            shared: self.shared.clone(),
            id,
            next: None,
            begun: None,
            waiting: true,
            after_leading: false,
            told: None,
            ended: false,
        }
    }

    /// What was counted.
    pub fn stats(&self) -> FragmentStats {
        let Counters { begun, fragments, bytes, skipped } = &self.shared.counters;
        let [begun, fragments, bytes, skipped] =
            [begun, fragments, bytes, skipped].map(|counter| counter.load(Ordering::Relaxed));
        let viewers = self.shared.lock().wakes.len() as u64;
        FragmentStats { viewers, begun, fragments, bytes, skipped }
    }

    /// Where the stream comes from.
    pub fn keeper(&self) -> &Arc<GopKeeper> {
        &self.shared.keeper
    }
}

impl Drop for LiveFragments {
    fn drop(&mut self) {
        let wakes = {
            let mut state = self.shared.lock();
            state.closed = true;
            state.stop();
            state.wakes.clone()
        };
        wakes.iter().for_each(|(_, wake)| wake());
    }
}

/// One who watches. It belongs to one thread at a time; dropping it leaves.
pub struct FragmentViewer {
    shared: Arc<Shared>,
    id: u64,
    /// The number of the fragment that comes next, once there was one.
    next: Option<u64>,
    /// What it was told to set up.
    begun: Option<Arc<Beginning>>,
    /// Whether only a key frame may come.
    waiting: bool,
    /// Whether it started at the last key frame, and cannot decode what is shown before that.
    after_leading: bool,
    /// The condition of the stream that it was told.
    told: Option<u64>,
    ended: bool,
}

impl FragmentViewer {
    /// What came since the last call, about `max_bytes` at most and never half a fragment; empty if there is nothing now.
    /// Never waits.
    ///
    /// A viewer that falls behind, by some seconds or by [`FragmentOptions::max_bytes`], goes on at the last key frame.
    pub fn take(&mut self, max_bytes: usize) -> Vec<Piece> {
        let shared = self.shared.clone();
        let state = shared.lock();
        if state.closed {
            return if std::mem::replace(&mut self.ended, true) { Vec::new() } else { vec![Piece::End] };
        }
        let mut next = self.catch_up(&state);
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        for made in state.ring.since(next) {
            if bytes >= max_bytes {
                break;
            }
            next += 1;
            self.piece(made, &mut pieces);
            bytes += made.fragment.data.len();
        }
        self.next = Some(next);
        if next == state.ring.end() && self.told.replace(state.changes) != Some(state.changes) {
            pieces.extend(state.condition.piece());
        }
        pieces
    }

    /// The number of the fragment that comes next, also if it is not kept any more.
    fn catch_up(&mut self, state: &State) -> u64 {
        match self.next {
            Some(next) if next >= state.ring.first() => next,
            before => {
                let next = state.ring.keyframe().unwrap_or(state.ring.end());
                self.waiting = true;
                if let Some(before) = before {
                    let skipped = next - before;
                    self.shared.counters.skipped.fetch_add(skipped, Ordering::Relaxed);
                    debug!(viewer = self.id, skipped, "a viewer does not keep up, goes on at a key frame");
                }
                next
            }
        }
    }

    /// Adds `made` to `pieces`, unless this viewer cannot use it.
    fn piece(&mut self, made: &Made, pieces: &mut Vec<Piece>) {
        let is_new = !self.begun.as_ref().is_some_and(|begun| Arc::ptr_eq(begun, &made.begin));
        let fragment = &made.fragment;
        if (self.waiting || is_new) && !fragment.keyframe {
            self.waiting = true;
            return;
        }
        if fragment.keyframe {
            self.after_leading = self.waiting || is_new;
            self.waiting = false;
        } else if fragment.leading && self.after_leading {
            return;
        } else {
            self.after_leading = false;
        }
        if is_new {
            let Beginning { mime, data, left_out } = &*made.begin;
            pieces.push(Piece::Begin { mime: mime.clone(), data: data.clone(), left_out: left_out.clone() });
            self.begun = Some(made.begin.clone());
        }
        pieces.push(Piece::Media { keyframe: fragment.keyframe, data: fragment.data.clone() });
    }
}

impl Drop for FragmentViewer {
    fn drop(&mut self) {
        // What a wake owns is dropped after the lock.
        let _wakes = self.shared.lock().remove(self.id);
    }
}

impl fmt::Debug for FragmentViewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FragmentViewer")
            .field("id", &self.id)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

struct Shared {
    keeper: Arc<GopKeeper>,
    options: FragmentOptions,
    state: Mutex<State>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    begun: AtomicU64,
    fragments: AtomicU64,
    bytes: AtomicU64,
    skipped: AtomicU64,
}

type Wake = Arc<dyn Fn() + Send + Sync>;

/// The viewers' wakes by their ids, replaced as a whole when one comes or goes: the caller bounds their number.
type Wakes = Arc<Vec<(u64, Wake)>>;

struct State {
    wakes: Wakes,
    next_id: u64,
    /// At work while there are viewers, and a little longer.
    muxing: Option<Muxing>,
    /// The number of the frame of the keeper's that is muxed next.
    next: Option<u64>,
    ring: GopRing<Made>,
    condition: Condition,
    /// How often the condition has changed.
    changes: u64,
    /// When the last viewer left.
    deserted: Option<Instant>,
    closed: bool,
}

impl Shared {
    /// Makes fragments of what has come. Returns whom to wake then, without the lock.
    fn advance(&self, state: &mut State) -> Wakes {
        if state.deserted.is_some_and(|since| since.elapsed() > self.options.linger) {
            state.stop();
        }
        if state.muxing.is_none() {
            if state.wakes.is_empty() || state.closed {
                return Wakes::default();
            }
            state.muxing = Some(Muxing::default());
            let condition = if self.keeper.is_online() { Condition::Playing } else { Condition::Offline };
            state.change(&condition);
        }
        let State { muxing: Some(muxing), .. } = state else { return Wakes::default() };
        let (from, frames) = self.keeper.since(state.next);
        if state.next.is_some_and(|next| next != from) {
            muxing.interrupt();
        }
        state.next = Some(from + frames.len() as u64);
        let mut is_new = false;
        for frame in &frames {
            let begun = muxing.begun();
            let Some(made) = muxing.push(frame, || self.keeper.tracks()) else { continue };
            is_new = true;
            let bytes = made.fragment.data.len();
            self.counters.begun.fetch_add(muxing.begun() - begun, Ordering::Relaxed);
            self.counters.fragments.fetch_add(1, Ordering::Relaxed);
            self.counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            let keyframe = made.fragment.keyframe;
            state.ring.push(made, bytes, keyframe, Instant::now());
        }
        let condition = muxing.condition().cloned();
        let is_changed = condition.is_some_and(|condition| state.change(&condition));
        if is_new || is_changed { state.wakes.clone() } else { Wakes::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn new(max_bytes: usize) -> Self {
        Self {
            wakes: Wakes::default(),
            next_id: 0,
            muxing: None,
            next: None,
            ring: GopRing::new(max_bytes),
            condition: Condition::Playing,
            changes: 0,
            deserted: None,
            closed: false,
        }
    }

    fn add(&mut self, wake: Wake) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.deserted = None;
        self.wakes = Arc::new(self.wakes.iter().cloned().chain([(id, wake)]).collect());
        id
    }

    /// Returns the list that it was in.
    fn remove(&mut self, id: u64) -> Wakes {
        let left = Arc::new(self.wakes.iter().filter(|(of, _)| *of != id).cloned().collect::<Vec<_>>());
        if left.is_empty() {
            self.deserted = Some(Instant::now());
        }
        std::mem::replace(&mut self.wakes, left)
    }

    /// Takes note of the stream's condition; returns whether that is news.
    fn change(&mut self, condition: &Condition) -> bool {
        let is_news = self.condition != *condition;
        if is_news {
            self.condition = condition.clone();
            self.changes += 1;
        }
        is_news
    }

    /// Ends the muxer and drops what it made.
    fn stop(&mut self) {
        self.muxing = None;
        self.next = None;
        self.deserted = None;
        self.ring.clear();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

/// The keeper's way to the fragments, which hold it.
struct Inlet(std::sync::Weak<Shared>);

impl Sink for Inlet {
    fn put(&self, _: Frame) {
        // Frames are taken from the keeper, in their order, so that none is missed or comes twice when a viewer joins.
        let Some(shared) = self.0.upgrade() else { return };
        let wakes = shared.advance(&mut shared.lock());
        wakes.iter().for_each(|(_, wake)| wake());
    }
}
