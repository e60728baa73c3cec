//! Streams written into file descriptors: pipes and sockets to other programs, and files.

mod output;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use tracing::debug;
use valkka_core::filter::{KeyframeGate, chain};
use valkka_core::frame::{Body, Frame};
use valkka_core::lock::lock;
use valkka_core::queue::{Overflow, queue};
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::worker::{StopToken, Worker};

use crate::error::Error;
use output::{Output, Progress};

/// Writes the video of streams into file descriptors, one behind the other as it comes: H.264 and H.265 as byte streams
/// with start codes, MJPEG as images, which is what most programs read from a pipe.
///
/// It begins at a key frame, and never waits for a reader: while one is slow, packets wait for it, and what there is no
/// room for is dropped up to the next key frame. A packet that was begun is written to its end before anything else, so
/// that a reader never sees a part of one. When a reader is gone, its stream is told and forgotten.
///
/// Audio is not written: a reader could not tell it from the video.
pub struct FdWriter {
    name: String,
    capacity: usize,
    shared: Arc<Shared>,
    worker: Mutex<Option<Worker>>,
}

/// How an [`FdWriter`] is made. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FdWriterOptions {
    /// Names its thread, and stands in the log.
    pub name: String,
    /// How many packets of each stream may wait for its reader.
    pub capacity: usize,
}

impl Default for FdWriterOptions {
    fn default() -> Self {
        Self { name: "fd writer".into(), capacity: 50 }
    }
}

/// What did not go as asked of an [`FdWriter`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FdNotice {
    /// The stream is written already; the other descriptor is ignored.
    #[error("slot {0} is reserved")]
    SlotTaken(Slot),
    /// The stream is not written.
    #[error("nothing at slot {0}")]
    NoSuchSlot(Slot),
    /// Nothing can be written, or nothing more, and the stream is not written from now on.
    #[error("slot {slot} is not written: {reason}")]
    Closed {
        /// The stream.
        slot: Slot,
        /// The system's words.
        reason: String,
    },
}

struct Shared {
    /// The streams that are written. Bounded by the number of slots.
    streams: Mutex<BTreeMap<Slot, Stream>>,
    /// Wakes the thread up.
    wake: Mutex<Option<Arc<OwnedFd>>>,
    notify: Box<dyn Fn(FdNotice) + Send + Sync>,
}

struct Stream {
    /// Where its packets wait.
    input: Arc<dyn Sink>,
    /// Set when it is not to be written any more.
    gone: Arc<AtomicBool>,
    /// Until the thread takes it.
    output: Option<Output>,
}

impl FdWriter {
    /// A writer that does not run yet. `notify` is called from any thread, without a lock, and must return soon.
    pub fn new(options: FdWriterOptions, notify: impl Fn(FdNotice) + Send + Sync + 'static) -> Self {
        let FdWriterOptions { name, capacity } = options;
        let (streams, wake) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { streams, wake, notify: Box::new(notify) });
        Self { name, capacity, shared, worker: Mutex::default() }
    }

    /// Starts its thread, bound to the CPU with this index. A second start does nothing.
    ///
    /// # Errors
    /// If the system gives no thread or no file descriptor.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        let failed = |cause| Error::Thread { what: format!("the writer {}", self.name), cause };
        let mut worker = lock(&self.worker);
        if worker.is_some() {
            return Ok(());
        }
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(eventfd(0, flags).map_err(|errno| failed(errno.into()))?);
        *lock(&self.shared.wake) = Some(wake.clone());
        let shared = self.shared.clone();
        let spawned = Worker::spawn(&self.name, affinity, move |stop| {
            let waker = wake.clone();
            stop.on_stop(move || ring(&waker));
            run(&shared, &wake, &stop);
        });
        *worker = Some(spawned.map_err(failed)?);
        Ok(())
    }

    /// Asks its thread to stop, and does not wait.
    pub fn request_stop(&self) {
        if let Some(worker) = &*lock(&self.worker) {
            worker.stop_token().stop();
        }
    }

    /// Stops its thread, forgets all streams and closes their descriptors. What waits is not written any more.
    pub fn stop(&self) {
        let worker = lock(&self.worker).take();
        drop(worker);
        let streams = std::mem::take(&mut *self.shared.streams());
        drop(streams);
    }

    /// Takes frames of any streams; those that are not written are dropped. Never waits.
    pub fn input(&self) -> Arc<dyn Sink> {
        Arc::new(Input(self.shared.clone()))
    }

    /// Has the video of `slot` written into `file`, which is closed when that ends.
    ///
    /// Its flags, which it may share with other descriptors, are not changed.
    pub fn register(&self, slot: Slot, file: OwnedFd) {
        // The reading end of a pipe would never be ready.
        if rustix::fs::fcntl_getfl(&file).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY) {
            let reason = "the descriptor is not open for writing".into();
            return (self.shared.notify)(FdNotice::Closed { slot, reason });
        }
        let mut streams = self.shared.streams();
        if streams.contains_key(&slot) {
            drop(streams);
            return (self.shared.notify)(FdNotice::SlotTaken(slot));
        }
        let (sender, packets) =
            queue(&format!("{}, slot {slot}", self.name), self.capacity, Overflow::DropToKeyframe);
        let shared = Arc::downgrade(&self.shared);
        packets.set_waker(move || {
            if let Some(shared) = shared.upgrade() {
                shared.ring();
            }
        });
        let gone = Arc::<AtomicBool>::default();
        let stream = Stream {
            input: chain(KeyframeGate::new(), Arc::new(sender)),
            gone: gone.clone(),
            output: Some(Output::new(slot, file, packets, gone)),
        };
        streams.insert(slot, stream);
        drop(streams);
        self.shared.ring();
    }

    /// Ends the writing of `slot`, after what can be written without waiting.
    pub fn deregister(&self, slot: Slot) {
        let stream = self.shared.streams().remove(&slot);
        match stream {
            Some(stream) => {
                stream.gone.store(true, Ordering::SeqCst);
                self.shared.ring();
            }
            None => (self.shared.notify)(FdNotice::NoSuchSlot(slot)),
        }
    }
}

impl Drop for FdWriter {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for FdWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FdWriter({})", self.name)
    }
}

impl Shared {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<Slot, Stream>> {
        lock(&self.streams)
    }

    /// Wakes the thread up, if it runs.
    fn ring(&self) {
        let wake = lock(&self.wake).clone();
        if let Some(wake) = wake {
            ring(&wake);
        }
    }

    /// Forgets a stream whose reader is gone, unless another has its slot by now.
    fn close(&self, output: &Output, reason: &io::Error) {
        if output.is_gone() {
            return;
        }
        let slot = output.slot();
        let stream = {
            let mut streams = self.streams();
            let same = streams.get(&slot).is_some_and(|stream| output.belongs_to(&stream.gone));
            if same { streams.remove(&slot) } else { None }
        };
        if stream.is_some() {
            debug!(%slot, %reason, "a stream is not written any more");
            (self.notify)(FdNotice::Closed { slot, reason: reason.to_string() });
        }
    }
}

/// Where frames of all streams come in.
struct Input(Arc<Shared>);

impl Sink for Input {
    fn put(&self, frame: Frame) {
        if !matches!(&frame.body, Body::Packet(packet) if packet.params.codec.is_video()) {
            return;
        }
        let input = self.0.streams().get(&frame.slot).map(|stream| stream.input.clone());
        if let Some(input) = input {
            input.put(frame);
        }
    }
}

/// The thread.
fn run(shared: &Shared, wake: &OwnedFd, stop: &StopToken) {
    let mut outputs: Vec<Output> = Vec::new();
    while !stop.is_stopped() {
        outputs.extend(shared.streams().values_mut().filter_map(|stream| stream.output.take()));
        outputs.retain_mut(|output| match output.write() {
            Ok(Progress::Waiting | Progress::Idle) => !output.is_gone(),
            Err(error) => {
                shared.close(output, &error);
                false
            }
        });
        let events = |output: &Output| if output.is_waiting() { PollFlags::OUT } else { PollFlags::empty() };
        let mut polled: Vec<_> = std::iter::once(PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN))
            .chain(outputs.iter().map(|output| PollFd::from_borrowed_fd(output.file(), events(output))))
            .collect();
        match poll(&mut polled, Some(&TICK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                // Out of memory, at worst: not again at once.
                debug!(%error, "cannot wait for readers");
                stop.wait(Duration::from_millis(100));
            }
        }
        let hung_up: Vec<bool> = polled.iter().skip(1).map(|fd| is_hung_up(fd.revents())).collect();
        drop(polled);
        let mut hung_up = hung_up.into_iter();
        outputs.retain_mut(|output| {
            let gone = hung_up.next().unwrap_or(false);
            if gone {
                shared.close(output, &Errno::PIPE.into());
            }
            !gone
        });
        let mut count = [0; 8];
        // There may be nothing to be read.
        let _ = rustix::io::read(wake, &mut count);
    }
}

/// Whether nobody reads any more.
fn is_hung_up(events: PollFlags) -> bool {
    events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

fn ring(wake: &OwnedFd) {
    // It fails if it was rung too often to be counted: then it will be heard.
    let _ = rustix::io::write(wake, &1_u64.to_ne_bytes());
}

/// The longest that the thread sleeps. Nothing depends on it.
const TICK: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
