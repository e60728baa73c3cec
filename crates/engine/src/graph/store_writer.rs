//! Streams, written into a store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::queue::{Overflow, QueueReceiver, RecvError};
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_core::worker::StopToken;
use valkka_store::{Lane, StoreError, StreamId, Writer, WriterEvent, WriterOptions, WriterState};

use super::block_store::BlockStore;
use super::input::{Input, InputNotice, input};
use super::part_worker::PartWorker;
use crate::error::Error;

/// Writes streams into a [`BlockStore`], all into the same blocks, as they come.
///
/// Packets of the slots that have a stream by [`Self::map`] are written, all other frames are not. A slot's stream is the
/// one that it had when the frame came in. Nobody waits for the disk but those who write into
/// [`Self::waiting_input`].
///
/// A store has one writer at a time: it is taken by [`Self::start`], and given back by [`Self::stop`], which closes the block
/// that is being written.
pub struct StoreWriter {
    blocks: Arc<BlockStore>,
    input: Input,
    streams: Arc<Mutex<Streams>>,
    notify: Arc<Notify>,
    worker: PartWorker<QueueReceiver>,
    ended: Arc<Mutex<Ended>>,
}

/// What people should know of a [`StoreWriter`].
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreWriterNotice<'a> {
    /// Something about its input.
    Input(InputNotice<'a>),
    /// The slot has a stream already, which it keeps.
    Mapped {
        /// The slot.
        slot: Slot,
        /// Its stream.
        id: StreamId,
    },
    /// The slot has no stream to take away.
    NotMapped(Slot),
    /// Too many streams were mapped in its life.
    TooManyStreams,
    /// A frame is larger than any that is written, and is left out. Told at most once a second.
    TooLarge {
        /// Bytes that it has.
        bytes: usize,
        /// Bytes that it may have.
        max_bytes: usize,
    },
    /// Something about what is written.
    Writer(&'a WriterEvent),
}

/// Why a [`StoreWriter`] does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreWriterError {
    /// The store cannot be written, or somebody else writes it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no thread.
    #[error(transparent)]
    Thread(#[from] Error),
}

type Notify = dyn Fn(StoreWriterNotice<'_>) + Send + Sync;

/// The streams of the slots.
///
/// While frames wait in the queue, their slot is the number of the stream in `known`: so they keep the stream that they came
/// in for.
#[derive(Default)]
struct Streams {
    by_slot: BTreeMap<Slot, u16>,
    /// Bounded by the numbers that there are.
    known: Vec<(Slot, StreamId)>,
}

/// What became of a thread that has come to its end.
#[derive(Default)]
struct Ended {
    running: Option<Running>,
    /// Nobody comes to finish its work: it is up to the thread.
    left: bool,
}

impl StoreWriter {
    /// A writer that does not run yet, with room for `capacity` frames that wait. `name` is that of its thread. `notify` is
    /// called from any thread, without a lock, and must return soon.
    pub fn new(
        name: &str,
        blocks: Arc<BlockStore>,
        capacity: usize,
        notify: impl Fn(StoreWriterNotice<'_>) + Send + Sync + 'static,
    ) -> Self {
        let (streams, notify) = (Arc::<Mutex<Streams>>::default(), Arc::new(notify) as Arc<Notify>);
        let (known, tell) = (streams.clone(), notify.clone());
        let (input, packets) = input(name, capacity, Overflow::DropToKeyframe, move |notice| match notice {
            InputNotice::Overflow(frame) => {
                let frame = lock(&known).as_it_came(frame);
                tell(StoreWriterNotice::Input(InputNotice::Overflow(&frame)));
            }
            InputNotice::Waiting(frame) => {
                let frame = lock(&known).as_it_came(frame);
                tell(StoreWriterNotice::Input(InputNotice::Waiting(&frame)));
            }
        });
        Self {
            blocks,
            input,
            streams,
            notify,
            worker: PartWorker::new("writer", name, packets),
            ended: Arc::default(),
        }
    }

    /// Takes the store and starts its thread, bound to the CPU with this index. Once it was started, nothing happens.
    ///
    /// # Errors
    /// If the store cannot be written, somebody writes it already, or the system gives no thread. In the first two cases it can
    /// be started again.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), StoreWriterError> {
        let Some(packets) = self.worker.take() else { return Ok(()) };
        let (event, events) = sync_channel(MAX_EVENTS);
        let wake = self.input.clone();
        let on_event = move |happened| {
            // Of very many blocks the last ones tell all: the table is read anew for each.
            let _ = event.try_send(happened);
            wake.put(Frame::signal(Slot::default(), WallTime::default(), Signal::End));
        };
        let options = WriterOptions {
            name: self.worker.name().to_owned(),
            max_queued_bytes: 2 * QUEUED_BYTES as usize,
            on_event: Arc::new(on_event),
            ..WriterOptions::default()
        };
        let writer = match Writer::open(self.blocks.store(), options) {
            Ok(writer) => Arc::new(writer),
            Err(error) => {
                self.worker.give_back(packets);
                return Err(error.into());
            }
        };
        self.blocks.attach(&writer);
        let running = Running {
            packets,
            lane: writer.mixed_lane(),
            writer,
            events,
            streams: self.streams.clone(),
            blocks: self.blocks.clone(),
            notify: self.notify.clone(),
        };
        let ended = self.ended.clone();
        self.worker.spawn(affinity, move |stop| {
            running.run(stop);
            let mut ended = lock(&ended);
            if ended.left {
                drop(ended);
                running.finish();
            } else {
                ended.running = Some(running);
            }
        })?;
        Ok(())
    }

    /// Asks its thread to stop, and returns at once. What came in so far is still written.
    pub fn request_stop(&self) {
        self.worker.request_stop();
    }

    /// Stops its thread, closes the block that is being written, and gives the store back. It cannot be started again.
    pub fn stop(&self) {
        self.worker.stop();
        let running = {
            let mut ended = lock(&self.ended);
            ended.left = ended.running.is_none();
            ended.running.take()
        };
        if let Some(running) = running {
            running.finish();
        }
    }

    /// Takes frames of any slots. What there is no room for is dropped, up to the next key frame.
    pub fn input(&self) -> Arc<dyn Sink> {
        Arc::new(self.routed(self.input.clone()))
    }

    /// Takes frames that are not to be lost, as those of a file: whoever puts them waits for room, at most
    /// [`INPUT_PATIENCE`](super::INPUT_PATIENCE).
    pub fn waiting_input(&self) -> Arc<dyn Sink> {
        Arc::new(self.routed(self.input.waiting()))
    }

    /// Has the packets of `slot` written as those of the stream `id`.
    pub fn map(&self, slot: Slot, id: StreamId) {
        let refused = lock(&self.streams).map(slot, id).err();
        if let Some(notice) = refused {
            (self.notify)(notice);
        }
    }

    /// Has the packets of `slot` written no more.
    pub fn unmap(&self, slot: Slot) {
        if lock(&self.streams).by_slot.remove(&slot).is_none() {
            (self.notify)(StoreWriterNotice::NotMapped(slot));
        }
    }

    /// Has nothing written any more.
    pub fn unmap_all(&self) {
        lock(&self.streams).by_slot.clear();
    }

    /// Which streams the slots have.
    pub fn mapped(&self) -> Vec<(Slot, StreamId)> {
        let streams = lock(&self.streams);
        streams.by_slot.values().map(|&number| streams.known[usize::from(number)]).collect()
    }

    fn routed(&self, input: Input) -> Routed {
        Routed {
            input,
            streams: self.streams.clone(),
            max_bytes: self.blocks.max_frame_bytes(),
            notify: self.notify.clone(),
            told: Mutex::default(),
        }
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for StoreWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreWriter({})", self.worker.name())
    }
}

impl Streams {
    fn map(&mut self, slot: Slot, id: StreamId) -> Result<(), StoreWriterNotice<'static>> {
        if let Some(&number) = self.by_slot.get(&slot) {
            let (slot, id) = self.known[usize::from(number)];
            return Err(StoreWriterNotice::Mapped { slot, id });
        }
        let number = self.known.iter().position(|&known| known == (slot, id)).unwrap_or(self.known.len());
        let in_queue = u16::try_from(number).map_err(|_| StoreWriterNotice::TooManyStreams)?;
        if number == self.known.len() {
            self.known.push((slot, id));
        }
        self.by_slot.insert(slot, in_queue);
        Ok(())
    }

    /// A frame from the queue, with the slot that it came in with.
    fn as_it_came(&self, frame: &Frame) -> Frame {
        let slot = self.known.get(usize::from(frame.slot.number())).map_or(frame.slot, |&(slot, _)| slot);
        Frame { slot, ..frame.clone() }
    }
}

/// Where frames come in.
struct Routed {
    input: Input,
    streams: Arc<Mutex<Streams>>,
    max_bytes: usize,
    notify: Arc<Notify>,
    /// When it was told last that a frame is too large.
    told: Mutex<Option<Instant>>,
}

impl Sink for Routed {
    fn put(&self, frame: Frame) {
        let Body::Packet(packet) = &frame.body else { return };
        let Some(&number) = lock(&self.streams).by_slot.get(&frame.slot) else { return };
        let (bytes, max_bytes) = (packet.payload.len(), self.max_bytes);
        if bytes > max_bytes {
            let now = Instant::now();
            let told = lock(&self.told).replace(now);
            if told.is_none_or(|told| now.duration_since(told) >= TELL_INTERVAL) {
                (self.notify)(StoreWriterNotice::TooLarge { bytes, max_bytes });
            }
            return;
        }
        self.input.put(Frame { slot: Slot::new(number), ..frame });
    }
}

/// What the thread owns.
struct Running {
    packets: QueueReceiver,
    lane: Lane,
    writer: Arc<Writer>,
    events: Receiver<WriterEvent>,
    streams: Arc<Mutex<Streams>>,
    blocks: Arc<BlockStore>,
    notify: Arc<Notify>,
}

impl Running {
    fn run(&self, stop: &StopToken) {
        stop.on_stop(self.packets.closer());
        loop {
            match self.packets.recv(TICK) {
                Ok(frame) => self.write(&frame),
                Err(RecvError::Timeout) => {}
                // All that came in before the stop has been taken out.
                Err(RecvError::Closed) => return,
            }
            for event in self.events.try_iter() {
                tell(&self.blocks, &*self.notify, &event, self.writer.current_block(), true);
            }
        }
    }

    fn write(&self, frame: &Frame) {
        // What is no packet has only woken the thread up.
        if frame.packet().is_none() {
            return;
        }
        let known = lock(&self.streams).known.get(usize::from(frame.slot.number())).copied();
        let Some((_, id)) = known else { return };
        if self.writer.stats().queued_bytes > QUEUED_BYTES
            && matches!(self.writer.state(), WriterState::Writing)
        {
            // Let the queue before this fill up, whose writers may wait or drop whole groups of pictures.
            let _ = self.writer.commit(Instant::now() + PATIENCE);
        }
        if self.lane.put_as(id, frame) {
            self.blocks.count_taken();
        }
    }

    /// Closes what is open, on the thread of whoever wants the end.
    fn finish(self) {
        let Self { lane, writer, events, blocks, notify, .. } = self;
        lane.close_block();
        // What the disk does not take now is tried again by the writer's end, which says so if it fails.
        let _ = writer.commit(Instant::now() + PATIENCE);
        let begins = writer.current_block();
        drop((lane, writer));
        events.try_iter().for_each(|event| tell(&blocks, &*notify, &event, begins, false));
    }
}

/// Passes on what has happened to a writer that begins another block with `begins`.
fn tell(blocks: &BlockStore, notify: &Notify, event: &WriterEvent, begins: u64, by_writer: bool) {
    match event {
        WriterEvent::BlockClosed { block, .. } => blocks.closed(*block, begins, by_writer),
        other => notify(StoreWriterNotice::Writer(other)),
    }
}

/// Events that may wait for the thread.
const MAX_EVENTS: usize = 1024;
/// Bytes that may wait for the disk before frames have to wait in the queue.
const QUEUED_BYTES: u64 = 32 << 20;
/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Frames that are too large are told of so often at most.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// The longest that the thread sleeps. Nothing depends on it.
const TICK: Duration = Duration::from_secs(10);
