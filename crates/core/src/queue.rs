//! The only way between threads: bounded queues with a named overflow policy and counted drops.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::frame::{Body, Frame};
use crate::lock::lock;
use crate::sink::Sink;
use crate::stream::{Slot, Track};

/// What happens to a frame that comes when the queue is full.
///
/// Signals never wait and push nothing out: a queue keeps room for [`SIGNAL_RESERVE`] of them. Only if nobody
/// has read for so long that this is taken too is a signal dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The writer waits for room, at most so long; then the frame is dropped.
    Block(Duration),
    /// The oldest frame is dropped, for consumers to whom only the newest matter.
    DropOldest,
    /// The new frame is dropped, and with it every packet of its track up to the next key frame, so that
    /// what arrives can be decoded. Other frames than packets are dropped singly.
    DropToKeyframe,
    /// Everything in the queue is dropped, and the new frame too unless decoding can start at it (or it is a
    /// picture): after an overflow the reader is up to date. Further packets are dropped as with
    /// [`Self::DropToKeyframe`].
    Flush,
}

/// Room beyond the capacity that only signals may take.
pub const SIGNAL_RESERVE: usize = 64;

/// Makes a queue for `capacity` frames (at least one). `name` stands in the log when frames are dropped.
pub fn queue(name: &str, capacity: usize, overflow: Overflow) -> (QueueSender, QueueReceiver) {
    let shared = Arc::new(Shared {
        name: name.to_owned(),
        capacity: capacity.max(1),
        state: Mutex::default(),
        filled: Condvar::new(),
        freed: Condvar::new(),
        pushed: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
    });
    let senders = Arc::new(Senders(shared.clone()));
    (QueueSender { shared: shared.clone(), overflow, _senders: senders }, QueueReceiver { shared })
}

/// The writing end; clones write to the same queue. It is a [`Sink`].
#[derive(Clone)]
pub struct QueueSender {
    shared: Arc<Shared>,
    overflow: Overflow,
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
    state: Mutex<State>,
    /// Notified when a frame comes while a reader waits, and when the queue closes.
    filled: Condvar,
    /// Notified when a frame goes while a writer waits, and when the queue closes.
    freed: Condvar,
    pushed: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    /// No more frames will come, or nobody will take them.
    closed: bool,
    /// Threads that wait, so that nobody is woken for nothing: each waking is a system call.
    waiting_readers: u32,
    waiting_writers: u32,
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
    /// A sender to the same queue that follows another policy with what it puts there, for writers of which some
    /// may wait and others may not.
    #[must_use]
    pub fn with_overflow(&self, overflow: Overflow) -> Self {
        Self { overflow, ..self.clone() }
    }

    /// Puts `frame` into the queue, or drops it as the policy says. Returns whether it is in the queue.
    pub fn push(&self, frame: Frame) -> bool {
        self.shared.push(frame, self.overflow)
    }

    /// Whether there is no room for another frame just now. False once the queue is closed: nobody waits for room
    /// then.
    pub fn is_full(&self) -> bool {
        let state = self.shared.lock();
        state.frames.len() >= self.shared.capacity && !state.closed
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
        let shared = &self.shared;
        let mut state = shared.lock();
        if state.frames.is_empty() && !state.closed && !timeout.is_zero() {
            let empty = |state: &mut State| state.frames.is_empty() && !state.closed;
            state.waiting_readers += 1;
            let waited = shared.filled.wait_timeout_while(state, timeout, empty);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting_readers -= 1;
        }
        let Some(frame) = state.frames.pop_front() else {
            return Err(if state.closed { RecvError::Closed } else { RecvError::Timeout });
        };
        let writer_waits = state.waiting_writers > 0;
        drop(state);
        if writer_waits {
            shared.freed.notify_one();
        }
        Ok(frame)
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
    /// that waits on descriptors too; also now, if there is something to be read already. It must return at
    /// once.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        let waker: Arc<dyn Fn() + Send + Sync> = Arc::new(waker);
        let mut state = self.shared.lock();
        let before = state.waker.replace(waker.clone());
        let ready = state.closed || !state.frames.is_empty();
        drop(state);
        drop(before);
        if ready {
            waker();
        }
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
        // Nobody is left to be woken, and what the waker holds may be gone soon.
        let waker = self.shared.lock().waker.take();
        self.shared.close();
        let rest = std::mem::take(&mut self.shared.lock().frames);
        drop((waker, rest));
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
    fn push(&self, frame: Frame, overflow: Overflow) -> bool {
        let signal = matches!(frame.body, Body::Signal(_));
        let mut gone = Vec::new();
        let mut state = self.lock();
        if let (Overflow::Block(timeout), false) = (overflow, signal) {
            let full = |state: &mut State| state.frames.len() >= self.capacity && !state.closed;
            state.waiting_writers += 1;
            let waited = self.freed.wait_timeout_while(state, timeout, full);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting_writers -= 1;
        }
        if state.closed {
            return false;
        }
        let accepted = if signal {
            state.frames.len() < self.capacity + SIGNAL_RESERVE
        } else {
            self.make_room(&mut state, &frame, overflow, &mut gone)
        };
        let dropped = gone.len() as u64 + u64::from(!accepted);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        let (mut reader_waits, mut waker) = (false, None);
        if accepted {
            state.frames.push_back(frame);
            self.pushed.fetch_add(1, Ordering::Relaxed);
            reader_waits = state.waiting_readers > 0;
            waker = state.waker.clone();
        }
        let report = state.report(dropped);
        // What follows may take a while: foreign memory is freed, a log is written, another thread runs.
        drop(state);
        drop(gone);
        self.log(report);
        if reader_waits {
            self.filled.notify_one();
        }
        if let Some(wake) = waker {
            wake();
        }
        accepted
    }

    /// Whether `frame` may go in. If the queue is full, moves what the policy says to `gone`.
    fn make_room(&self, state: &mut State, frame: &Frame, overflow: Overflow, gone: &mut Vec<Frame>) -> bool {
        let full = |state: &State| state.frames.len() >= self.capacity;
        match overflow {
            Overflow::Block(_) => !full(state),
            Overflow::DropOldest => {
                if full(state) {
                    let oldest = state.frames.iter().position(|frame| !matches!(frame.body, Body::Signal(_)));
                    gone.extend(oldest.and_then(|oldest| state.frames.remove(oldest)));
                }
                !full(state)
            }
            Overflow::DropToKeyframe | Overflow::Flush => {
                let key = (frame.slot, frame.track);
                let chained = chained(frame);
                if chained == Some(Link::Continues) && state.broken.contains(&key) {
                    return false;
                }
                if full(state) && overflow == Overflow::Flush {
                    state.flush(gone);
                    if chained == Some(Link::Continues) {
                        state.mark_broken(key);
                        return false;
                    }
                }
                if full(state) {
                    if chained.is_some() {
                        state.mark_broken(key);
                    }
                    return false;
                }
                if chained == Some(Link::Starts) {
                    state.broken.remove(&key);
                }
                true
            }
        }
    }

    fn close(&self) {
        let (waker, report) = {
            let mut state = self.lock();
            state.closed = true;
            (state.waker.clone(), state.last_report())
        };
        self.log(report);
        self.filled.notify_all();
        self.freed.notify_all();
        if let Some(wake) = waker {
            wake();
        }
    }

    fn log(&self, dropped: Option<u64>) {
        if let Some(dropped) = dropped {
            warn!(queue = self.name, dropped, "queue is full, frames dropped");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// How a frame depends on those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Decoding can start at it.
    Starts,
    /// It needs those before it.
    Continues,
}

/// `None` for a frame that neither needs others nor is needed by them.
fn chained(frame: &Frame) -> Option<Link> {
    let link = |starts| Some(if starts { Link::Starts } else { Link::Continues });
    match &frame.body {
        Body::Packet(packet) => link(packet.keyframe),
        Body::Fragment(fragment) => match &fragment.kind {
            b"moof" => link(fragment.keyframe),
            // What the `moof` before it describes.
            b"mdat" => link(false),
            _ => None,
        },
        Body::Bitmap(_) | Body::Signal(_) => None,
    }
}

impl State {
    /// Moves everything but signals to `gone`.
    fn flush(&mut self, gone: &mut Vec<Frame>) {
        for frame in std::mem::take(&mut self.frames) {
            if matches!(frame.body, Body::Signal(_)) {
                self.frames.push_back(frame);
                continue;
            }
            if chained(&frame).is_some() {
                self.mark_broken((frame.slot, frame.track));
            }
            gone.push(frame);
        }
    }

    fn mark_broken(&mut self, key: (Slot, Track)) {
        if self.broken.len() < MAX_BROKEN {
            self.broken.insert(key);
        }
    }

    /// Counts drops; the number to log, if it is time.
    fn report(&mut self, dropped: u64) -> Option<u64> {
        self.unreported += dropped;
        if self.unreported == 0 {
            return None;
        }
        let now = Instant::now();
        if self.reported.is_some_and(|last| now.duration_since(last) < REPORT_INTERVAL) {
            return None;
        }
        self.reported = Some(now);
        self.last_report()
    }

    /// What is not logged yet.
    fn last_report(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.unreported)).filter(|&dropped| dropped > 0)
    }
}

/// Streams of one queue whose loss is remembered; far more than there are slots in use.
const MAX_BROKEN: usize = 4096;

/// Drops of one queue are logged at most so often.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use bytes::Bytes;

    use super::*;
    use crate::bitmap::{Bitmap, ColorSpec, PixelFormat};
    use crate::frame::Fragment;
    use crate::testing::{LONG, names, offline as signal, packet};

    fn picture(name: char) -> Frame {
        let bitmap = Bitmap::from_packed(PixelFormat::Gray, 1, 1, ColorSpec::default(), vec![0]).unwrap();
        Frame { body: Body::Bitmap(bitmap), ..packet(name) }
    }

    fn fragment(name: char, kind: &[u8; 4]) -> Frame {
        let fragment = Fragment { kind: *kind, keyframe: name.is_ascii_uppercase(), data: Bytes::new() };
        Frame { body: Body::Fragment(fragment), ..packet(name) }
    }

    fn drain(receiver: &QueueReceiver) -> String {
        names(std::iter::from_fn(|| receiver.try_recv().ok()))
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
    fn flush_keeps_a_new_key_frame_and_a_new_picture() {
        let (tx, rx) = queue("test", 2, Overflow::Flush);
        "AbCd".chars().for_each(|name| tx.put(packet(name)));
        assert_eq!(drain(&rx), "Cd");
        "abc".chars().for_each(|name| tx.put(picture(name)));
        assert_eq!(drain(&rx), "c");
        assert_eq!((tx.pushed(), tx.dropped()), (7, 4));
    }

    #[test]
    fn a_picture_does_not_mend_a_broken_track() {
        let (tx, rx) = queue("test", 1, Overflow::DropToKeyframe);
        "Ab".chars().for_each(|name| tx.put(packet(name)));
        assert_eq!(drain(&rx), "A");
        tx.put(picture('x'));
        assert_eq!(drain(&rx), "x");
        tx.put(packet('c'));
        assert_eq!(drain(&rx), "");
        tx.put(packet('D'));
        assert_eq!(drain(&rx), "D");
    }

    #[test]
    fn fragments_are_dropped_up_to_a_key_frame_too() {
        let (tx, rx) = queue("test", 2, Overflow::DropToKeyframe);
        for name in ['A', 'a', 'b', 'b'] {
            tx.put(fragment(name, if name.is_ascii_uppercase() { b"moof" } else { b"mdat" }));
        }
        assert_eq!(drain(&rx), "Aa");
        tx.put(fragment('c', b"moof"));
        tx.put(fragment('i', b"moov"));
        assert_eq!(drain(&rx), "i");
        tx.put(fragment('D', b"moof"));
        tx.put(fragment('d', b"mdat"));
        assert_eq!(drain(&rx), "Dd");
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
    fn one_sender_waits_while_another_drops() {
        let (tx, rx) = queue("test", 1, Overflow::DropToKeyframe);
        let waits = tx.with_overflow(Overflow::Block(LONG));
        assert!(!tx.is_full());
        assert!(tx.push(packet('A')) && tx.is_full() && !tx.push(packet('b')));
        thread::scope(|scope| {
            let writer = scope.spawn(|| waits.push(packet('C')));
            let read: Vec<_> = (0..2).map(|_| rx.recv(LONG).unwrap()).collect();
            assert!(writer.join().unwrap());
            assert_eq!(names(read), "AC");
        });
        tx.put(packet('D'));
        tx.close();
        assert!(!tx.is_full());
        drop(tx);
        drop(waits);
        assert_eq!(drain(&rx), "D");
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

    #[test]
    fn a_waker_set_late_misses_nothing() {
        let (wake, woken) = mpsc::channel();
        let (tx, rx) = queue("test", 8, Overflow::DropOldest);
        let sender = wake.clone();
        rx.set_waker(move || sender.send(()).unwrap());
        assert_eq!(woken.try_iter().count(), 0);
        tx.put(packet('a'));
        let sender = wake.clone();
        rx.set_waker(move || sender.send(()).unwrap());
        assert_eq!(woken.try_iter().count(), 2);
        assert_eq!(drain(&rx), "a");
        drop(tx);
        rx.set_waker(move || wake.send(()).unwrap());
        assert_eq!(woken.try_iter().count(), 2);
    }

    #[test]
    fn one_can_wait_for_ever() {
        let (tx, rx) = queue("test", 1, Overflow::Block(Duration::MAX));
        thread::scope(|scope| {
            scope.spawn(|| "abc".chars().for_each(|name| assert!(tx.push(packet(name)))));
            let read: Vec<_> = (0..3).map(|_| rx.recv(Duration::MAX).unwrap()).collect();
            assert_eq!(names(read), "abc");
        });
    }

    #[test]
    fn many_writers_that_wait_are_all_served() {
        let (tx, rx) = queue("test", 2, Overflow::Block(LONG));
        thread::scope(|scope| {
            for _ in 0..8 {
                let tx = tx.clone();
                scope.spawn(move || {
                    for n in 0..100 {
                        assert!(tx.push(if n % 10 == 0 { signal() } else { packet('a') }));
                    }
                });
            }
            for _ in 0..800 {
                rx.recv(LONG).unwrap();
            }
        });
        assert_eq!((tx.pushed(), tx.dropped(), rx.len()), (800, 0, 0));
    }

    #[test]
    fn dropping_the_reader_frees_what_waits() {
        let (tx, rx) = queue("test", 8, Overflow::DropOldest);
        let held = Arc::new(());
        let in_waker = held.clone();
        rx.set_waker(move || {
            let _ = &in_waker;
        });
        tx.put(packet('a'));
        drop(rx);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(!tx.push(packet('b')));
    }
}
