//! The only way between threads: bounded queues with a named overflow policy and counted drops.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::frame::{Body, Frame};
use crate::sink::Sink;
use crate::stream::{Slot, Track};

/// What happens to a frame that comes when the queue is full.
///
/// Signals are never dropped for lack of room: a queue keeps room for [`SIGNAL_RESERVE`] of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The writer waits for room, at most so long; then the frame is dropped.
    Block(Duration),
    /// The oldest frame is dropped, for consumers to whom only the newest matter.
    DropOldest,
    /// The new frame is dropped, and with it every packet of its track up to the next key frame, so that
    /// what arrives can be decoded. Other frames than packets are dropped singly.
    DropToKeyframe,
    /// Everything in the queue is dropped, and the new frame as in [`Self::DropToKeyframe`]: after an
    /// overflow the reader is up to date.
    Flush,
}

/// Room beyond the capacity that only signals may take.
pub const SIGNAL_RESERVE: usize = 64;

/// Makes a queue for `capacity` frames (at least one). `name` stands in the log when frames are dropped.
pub fn queue(name: &str, capacity: usize, overflow: Overflow) -> (QueueSender, QueueReceiver) {
    let shared = Arc::new(Shared {
        name: name.to_owned(),
        capacity: capacity.max(1),
        overflow,
        state: Mutex::default(),
        changed: Condvar::new(),
        pushed: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
    });
    let senders = Arc::new(Senders(shared.clone()));
    (QueueSender { shared: shared.clone(), _senders: senders }, QueueReceiver { shared })
}

/// The writing end; clones write to the same queue. It is a [`Sink`].
#[derive(Clone)]
pub struct QueueSender {
    shared: Arc<Shared>,
    /// Closes the queue when the last sender goes.
    _senders: Arc<Senders>,
}

/// The reading end. Dropping it closes the queue: what is in it goes, and writers no longer wait.
pub struct QueueReceiver {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    capacity: usize,
    overflow: Overflow,
    state: Mutex<State>,
    /// Notified when a frame comes or goes, and when the queue closes.
    changed: Condvar,
    pushed: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    /// No more frames will come, or nobody will take them.
    closed: bool,
    /// Tracks of which packets are dropped until the next key frame. Bounded by [`MAX_BROKEN`].
    broken: HashSet<(Slot, Track)>,
    /// Called after each frame and when the queue closes, for readers that wait on something else too.
    waker: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Drops not yet reported, and when the last report was.
    unreported: u64,
    reported: Option<Instant>,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// Nothing came in time.
    #[error("nothing came in time")]
    Timeout,
    /// The queue is empty and all its senders are gone.
    #[error("the queue is closed")]
    Closed,
}

impl QueueSender {
    /// Puts `frame` into the queue, or drops it as the policy says. Returns whether it is in the queue.
    pub fn push(&self, frame: Frame) -> bool {
        self.shared.push(frame)
    }

    /// How many frames were dropped so far, here or in the queue.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// How many frames were put into the queue so far.
    pub fn pushed(&self) -> u64 {
        self.shared.pushed.load(Ordering::Relaxed)
    }

    /// Closes the queue: the reader gets what is in it and then [`RecvError::Closed`].
    pub fn close(&self) {
        self.shared.close();
    }
}

impl Sink for QueueSender {
    fn put(&self, frame: Frame) {
        self.push(frame);
    }
}

impl QueueReceiver {
    /// Takes the next frame, waiting for it at most `timeout`.
    ///
    /// # Errors
    /// [`RecvError::Timeout`], or [`RecvError::Closed`] when no frame will ever come.
    pub fn recv(&self, timeout: Duration) -> Result<Frame, RecvError> {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        loop {
            if let Some(frame) = state.frames.pop_front() {
                drop(state);
                self.shared.changed.notify_all();
                return Ok(frame);
            }
            if state.closed {
                return Err(RecvError::Closed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvError::Timeout);
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the next frame if there is one.
    ///
    /// # Errors
    /// [`RecvError::Timeout`] if there is none now, [`RecvError::Closed`] if none will ever come.
    pub fn try_recv(&self) -> Result<Frame, RecvError> {
        self.recv(Duration::ZERO)
    }

    /// How many frames wait.
    pub fn len(&self) -> usize {
        self.shared.lock().frames.len()
    }

    /// Whether no frame waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has `waker` called in the writer's thread after each frame, and when the queue closes, for a reader
    /// that waits on descriptors too. It must return at once.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.shared.lock().waker = Some(Arc::new(waker));
    }

    /// Returns a function that closes the queue, to be called when the reader is asked to stop.
    pub fn closer(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || {
            if let Some(shared) = shared.upgrade() {
                shared.close();
            }
        }
    }
}

impl Drop for QueueReceiver {
    fn drop(&mut self) {
        self.shared.close();
        let rest = std::mem::take(&mut self.shared.lock().frames);
        drop(rest);
    }
}

impl fmt::Debug for QueueSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueSender({})", self.shared.name)
    }
}

impl fmt::Debug for QueueReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueReceiver({})", self.shared.name)
    }
}

struct Senders(Arc<Shared>);

impl Drop for Senders {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    fn push(&self, frame: Frame) -> bool {
        let signal = matches!(frame.body, Body::Signal(_));
        let mut state = self.lock();
        if let (Overflow::Block(timeout), false) = (self.overflow, signal) {
            let full = |state: &mut State| state.frames.len() >= self.capacity && !state.closed;
            let waited = self.changed.wait_timeout_while(state, timeout, full);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return false;
        }
        let accepted = if signal {
            state.frames.len() < self.capacity + SIGNAL_RESERVE
        } else {
            self.make_room(&mut state, &frame)
        };
        if accepted {
            state.frames.push_back(frame);
            self.pushed.fetch_add(1, Ordering::Relaxed);
        } else {
            self.count_drops(&mut state, 1);
        }
        let waker = if accepted { state.waker.clone() } else { None };
        drop(state);
        if accepted {
            self.changed.notify_all();
        }
        if let Some(wake) = waker {
            wake();
        }
        accepted
    }

    /// Whether `frame` may go in; drops what the policy says if the queue is full.
    fn make_room(&self, state: &mut State, frame: &Frame) -> bool {
        let full = state.frames.len() >= self.capacity;
        match self.overflow {
            Overflow::Block(_) => !full,
            Overflow::DropOldest => {
                if full {
                    let oldest = state.frames.iter().position(|frame| !matches!(frame.body, Body::Signal(_)));
                    let Some(oldest) = oldest else { return false };
                    state.frames.remove(oldest);
                    self.count_drops(state, 1);
                }
                true
            }
            Overflow::DropToKeyframe | Overflow::Flush => {
                let key = (frame.slot, frame.track);
                let keyframe = frame.packet().is_none_or(|packet| packet.keyframe);
                if !keyframe && state.broken.contains(&key) {
                    return false;
                }
                if !full {
                    state.broken.remove(&key);
                    return true;
                }
                if self.overflow == Overflow::Flush {
                    let flushed = state.flush();
                    self.count_drops(state, flushed);
                }
                if frame.packet().is_some() {
                    state.mark_broken(key);
                }
                false
            }
        }
    }

    fn count_drops(&self, state: &mut State, n: u64) {
        self.dropped.fetch_add(n, Ordering::Relaxed);
        state.unreported += n;
        let now = Instant::now();
        if n > 0 && state.reported.is_none_or(|last| now.duration_since(last) >= REPORT_INTERVAL) {
            warn!(queue = self.name, dropped = state.unreported, "queue is full, frames dropped");
            state.unreported = 0;
            state.reported = Some(now);
        }
    }

    fn close(&self) {
        let waker = {
            let mut state = self.lock();
            state.closed = true;
            state.waker.clone()
        };
        self.changed.notify_all();
        if let Some(wake) = waker {
            wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops everything but signals; returns how many frames went.
    fn flush(&mut self) -> u64 {
        let (kept, flushed): (VecDeque<_>, VecDeque<_>) =
            self.frames.drain(..).partition(|frame| matches!(frame.body, Body::Signal(_)));
        self.frames = kept;
        for frame in flushed.iter().filter(|frame| frame.packet().is_some()) {
            self.mark_broken((frame.slot, frame.track));
        }
        flushed.len() as u64
    }

    fn mark_broken(&mut self, key: (Slot, Track)) {
        if self.broken.len() < MAX_BROKEN {
            self.broken.insert(key);
        }
    }
}

/// Streams of one queue whose loss is remembered; far more than there are slots in use.
const MAX_BROKEN: usize = 4096;

/// Drops of one queue are logged at most so often.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::codec::{Codec, CodecParams};
    use crate::frame::{FrameTime, Packet, Signal};
    use crate::payload::Payload;
    use crate::time::{MediaTime, WallTime};

    const LONG: Duration = Duration::from_secs(60);

    /// Packet `n`; capital letters of the tests' strings are key frames.
    fn packet(name: char) -> Frame {
        Frame {
            slot: Slot::new(1),
            track: Track::new(0),
            time: FrameTime { media: MediaTime::from_ticks(name as i64), ..FrameTime::default() },
            body: Body::Packet(Packet {
                params: Arc::new(CodecParams::video(Codec::H264, bytes::Bytes::new())),
                payload: Payload::default(),
                keyframe: name.is_ascii_uppercase(),
                lost: 0,
            }),
        }
    }

    fn signal() -> Frame {
        Frame::signal(Slot::new(1), WallTime::default(), Signal::End)
    }

    fn drain(receiver: &QueueReceiver) -> String {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|frame| match frame.body {
                Body::Signal(_) => '!',
                _ => char::from(u8::try_from(frame.time.media.ticks()).unwrap()),
            })
            .collect()
    }

    #[test]
    fn drop_to_keyframe_keeps_what_can_be_decoded() {
        let (tx, rx) = queue("test", 3, Overflow::DropToKeyframe);
        "Abcde".chars().for_each(|name| tx.put(packet(name)));
        assert_eq!(drain(&rx), "Abc");
        // There is room again, but what comes depends on what was dropped.
        "fgHi".chars().for_each(|name| tx.put(packet(name)));
        assert_eq!(drain(&rx), "Hi");
        assert_eq!((tx.pushed(), tx.dropped()), (5, 4));
    }

    #[test]
    fn flush_brings_the_reader_up_to_date() {
        let (tx, rx) = queue("test", 3, Overflow::Flush);
        "Abcde".chars().for_each(|name| tx.put(packet(name)));
        assert_eq!(drain(&rx), "");
        "fGh".chars().for_each(|name| tx.put(packet(name)));
        assert_eq!(drain(&rx), "Gh");
    }

    #[test]
    fn drop_oldest_keeps_the_newest() {
        let (tx, rx) = queue("test", 2, Overflow::DropOldest);
        "Abc".chars().for_each(|name| tx.put(packet(name)));
        tx.put(signal());
        assert_eq!(drain(&rx), "bc!");
    }

    #[test]
    fn signals_find_room_in_a_full_queue_but_not_without_bound() {
        let (tx, rx) = queue("test", 1, Overflow::DropToKeyframe);
        tx.put(packet('A'));
        for _ in 0..SIGNAL_RESERVE * 2 {
            tx.put(signal());
        }
        assert_eq!(drain(&rx).len(), 1 + SIGNAL_RESERVE);
    }

    #[test]
    fn block_waits_for_room_and_gives_up_in_time() {
        let (tx, rx) = queue("test", 1, Overflow::Block(LONG));
        thread::scope(|scope| {
            scope.spawn(|| "abcdef".chars().for_each(|name| assert!(tx.push(packet(name)))));
            for name in "abcdef".chars() {
                assert_eq!(rx.recv(LONG).unwrap().time.media.ticks(), name as i64);
            }
        });
        let (tx, _rx) = queue("test", 1, Overflow::Block(Duration::from_millis(1)));
        assert!(tx.push(packet('a')));
        assert!(!tx.push(packet('b')));
    }

    #[test]
    fn a_closed_queue_holds_nobody_up() {
        let (tx, rx) = queue("test", 1, Overflow::Block(LONG));
        tx.put(packet('a'));
        let closer = rx.closer();
        thread::scope(|scope| {
            let writer = scope.spawn(|| tx.push(packet('b')));
            closer();
            assert!(!writer.join().unwrap());
        });
        assert_eq!(drain(&rx), "a");
        assert_eq!(rx.recv(LONG).unwrap_err(), RecvError::Closed);

        let (tx, rx) = queue("test", 1, Overflow::DropOldest);
        let second = tx.clone();
        drop(tx);
        assert_eq!(rx.try_recv().unwrap_err(), RecvError::Timeout);
        drop(second);
        assert_eq!(rx.try_recv().unwrap_err(), RecvError::Closed);
    }

    #[test]
    fn the_waker_runs_for_each_frame_and_for_the_end() {
        let (tx, rx) = queue("test", 8, Overflow::DropOldest);
        let count = Arc::new(AtomicU64::new(0));
        let counter = count.clone();
        rx.set_waker(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        tx.put(packet('a'));
        tx.put(packet('b'));
        drop(tx);
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }
}
