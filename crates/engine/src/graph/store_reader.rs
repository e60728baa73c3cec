//! Blocks of a store, read back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka_core::filter::{RepeatParams, chain};
use valkka_core::frame::{Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_core::worker::StopToken;
use valkka_store::{Damage, Record, StoreError, StreamId};

use super::block_store::BlockStore;
use super::part_worker::PartWorker;
use crate::error::Error;

/// Reads blocks of a [`BlockStore`] as fast as its sink takes them.
///
/// Each [`Self::pull`] is one transmission: [`Signal::TransmissionStart`], the packets of all its blocks, and
/// [`Signal::TransmissionEnd`]. Packets have the slot that [`Self::map`] has for their stream; those of other streams are
/// left out. They stand for the moment at which they were recorded, and are put out on the reader's own thread. Key frames
/// of H.264 and H.265 bring their parameter sets; nothing announces a stream.
///
/// Calls return at once and may come from any thread. Each transmission is made by the map as it was at its call, and
/// after those before it; calls before [`Self::start`] wait for it.
pub struct StoreReader {
    shared: Arc<Shared>,
    pulls: SyncSender<Option<Pull>>,
    worker: PartWorker<Receiver<Option<Pull>>>,
}

/// What did not go as asked of a [`StoreReader`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreReaderNotice {
    /// The stream has a slot already, which it keeps.
    #[error("stream {id} has slot {slot} already")]
    Mapped {
        /// The stream.
        id: StreamId,
        /// Its slot.
        slot: Slot,
    },
    /// The stream has no slot to take away.
    #[error("stream {0} has no slot")]
    NotMapped(StreamId),
    /// A block cannot be read.
    #[error("block {block} cannot be read: {error}")]
    Unreadable {
        /// The block.
        block: u64,
        /// Why.
        error: StoreError,
    },
    /// Something in a block is damaged, and was passed over.
    #[error("{first}; passed over, with {more} more places in the block")]
    Damage {
        /// The first such place.
        first: Damage,
        /// How many more there are in the block.
        more: usize,
    },
    /// More is asked for than is read. The last call is dropped.
    #[error("{0} calls wait already, another one is dropped")]
    Busy(usize),
}

struct Shared {
    blocks: Arc<BlockStore>,
    slots: Mutex<BTreeMap<StreamId, Slot>>,
    sink: Arc<dyn Sink>,
    notify: Box<dyn Fn(StoreReaderNotice) + Send + Sync>,
}

/// A transmission that was asked for.
struct Pull {
    blocks: Vec<u64>,
    slots: BTreeMap<StreamId, Slot>,
}

impl StoreReader {
    /// A reader that does not run yet. `name` is that of its thread. `notify` is called from any thread, without a lock, and
    /// must return soon.
    pub fn new(
        name: &str,
        blocks: Arc<BlockStore>,
        sink: Arc<dyn Sink>,
        notify: impl Fn(StoreReaderNotice) + Send + Sync + 'static,
    ) -> Self {
        let (pulls, queue) = sync_channel(MAX_PULLS);
        let sink = chain(RepeatParams, sink);
        let shared = Shared { blocks, slots: Mutex::default(), sink, notify: Box::new(notify) };
        Self { shared: Arc::new(shared), pulls, worker: PartWorker::new("reader", name, queue) }
    }

    /// Starts its thread, bound to the CPU with this index. A second start does nothing.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        let (shared, pulls) = (self.shared.clone(), self.pulls.clone());
        self.worker.start(affinity, move |queue, stop| {
            // If there is no room for it, there is something to wake up for already.
            stop.on_stop(move || drop(pulls.try_send(None)));
            run(&shared, &queue, stop);
        })
    }

    /// Asks its thread to stop, and returns at once.
    pub fn request_stop(&self) {
        self.worker.request_stop();
    }

    /// Stops its thread, also within a transmission, which then lacks its end; no frame comes after this. It cannot be
    /// started again.
    pub fn stop(&self) {
        self.worker.stop();
    }

    /// Has the packets of the stream `id` put out in `slot`.
    pub fn map(&self, id: StreamId, slot: Slot) {
        let before = {
            let mut slots = lock(&self.shared.slots);
            let before = slots.get(&id).copied();
            slots.entry(id).or_insert(slot);
            before
        };
        if let Some(slot) = before {
            (self.shared.notify)(StoreReaderNotice::Mapped { id, slot });
        }
    }

    /// Has the packets of the stream `id` left out.
    pub fn unmap(&self, id: StreamId) {
        if lock(&self.shared.slots).remove(&id).is_none() {
            (self.shared.notify)(StoreReaderNotice::NotMapped(id));
        }
    }

    /// Has the packets of all streams left out.
    pub fn unmap_all(&self) {
        lock(&self.shared.slots).clear();
    }

    /// Which slots the streams have.
    pub fn mapped(&self) -> Vec<(StreamId, Slot)> {
        lock(&self.shared.slots).iter().map(|(&id, &slot)| (id, slot)).collect()
    }

    /// Has these blocks read, in this order. Those that do not exist are left out.
    pub fn pull(&self, blocks: impl IntoIterator<Item = u64>) {
        let count = self.shared.blocks.geometry().blocks();
        let blocks = blocks.into_iter().filter(|&block| block < count).collect();
        let slots = lock(&self.shared.slots).clone();
        // Once it was stopped, nobody carries out anything.
        if let Err(TrySendError::Full(_)) = self.pulls.try_send(Some(Pull { blocks, slots })) {
            (self.shared.notify)(StoreReaderNotice::Busy(MAX_PULLS));
        }
    }
}

impl Drop for StoreReader {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for StoreReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreReader({})", self.worker.name())
    }
}

/// The thread. `None` in the queue is there to wake it up.
fn run(shared: &Shared, pulls: &Receiver<Option<Pull>>, stop: &StopToken) {
    while !stop.is_stopped() {
        match pulls.recv_timeout(TICK) {
            Ok(Some(pull)) => transmit(shared, &pull, stop),
            Ok(None) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn transmit(shared: &Shared, pull: &Pull, stop: &StopToken) {
    let signal = |at, signal| shared.sink.put(Frame::signal(Slot::default(), at, signal));
    // The time of the last packet, once there is one.
    let mut last = None;
    for &block in &pull.blocks {
        let records = match shared.blocks.store().block(block) {
            Ok(records) => records,
            Err(error) => {
                (shared.notify)(StoreReaderNotice::Unreadable { block, error });
                continue;
            }
        };
        let (mut damage, mut places) = (None, 0);
        for record in records {
            if stop.is_stopped() {
                return;
            }
            match record {
                Ok(Record::Packet { id, frame }) => {
                    let Some(&slot) = pull.slots.get(&id) else { continue };
                    if last.replace(frame.time.wall).is_none() {
                        signal(frame.time.wall, Signal::TransmissionStart);
                    }
                    shared.sink.put(Frame { slot, ..frame });
                }
                Ok(_) => {}
                Err(place) => {
                    damage.get_or_insert(place);
                    places += 1;
                }
            }
        }
        if let Some(first) = damage {
            (shared.notify)(StoreReaderNotice::Damage { first, more: places - 1 });
        }
    }
    if last.is_none() {
        signal(WallTime::default(), Signal::TransmissionStart);
    }
    signal(last.unwrap_or_default(), Signal::TransmissionEnd);
}

/// Calls that may wait. They are few: people make them, and a cache once a second.
const MAX_PULLS: usize = 1024;
/// The longest that the thread sleeps. Nothing depends on it.
const TICK: Duration = Duration::from_secs(10);
