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
/// after those before it; calls before [`Self::start`] wait for it. [`Self::pull_instead`] is for those who change their
/// minds.
pub struct StoreReader {
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    worker: PartWorker<Receiver<Order>>,
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
    /// What waits to be read by [`StoreReader::pull_instead`]. There is one `Order::Newest` for it.
    newest: Mutex<Option<Pull>>,
}

/// What the thread is to do.
enum Order {
    /// Make this transmission.
    Pull(Pull),
    /// Make the one that was asked for last by [`StoreReader::pull_instead`].
    Newest,
    /// Look whether to stop.
    Wake,
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
        let (orders, queue) = sync_channel(MAX_ORDERS);
        let sink = chain(RepeatParams, sink);
        let (slots, newest) = (Mutex::default(), Mutex::default());
        let shared = Shared { blocks, slots, sink, notify: Box::new(notify), newest };
        Self { shared: Arc::new(shared), orders, worker: PartWorker::new("reader", name, queue) }
    }

    /// Starts its thread, bound to the CPU with this index. A second start does nothing.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        let (shared, orders) = (self.shared.clone(), self.orders.clone());
        self.worker.start(affinity, move |queue, stop| {
            // If there is no room for it, there is something to wake up for already.
            stop.on_stop(move || drop(orders.try_send(Order::Wake)));
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
        let pull = self.pull_of(blocks);
        if !self.send(Order::Pull(pull)) {
            (self.shared.notify)(StoreReaderNotice::Busy(MAX_ORDERS));
        }
    }

    /// Does the same, in the place of what was asked for by this method before and is not being read yet: for whoever
    /// wants the last one alone, as people do who drag a slider.
    pub fn pull_instead(&self, blocks: impl IntoIterator<Item = u64>) {
        let pull = self.pull_of(blocks);
        let taken = {
            // The thread may come for it at once: it waits until it is there.
            let mut newest = lock(&self.shared.newest);
            let taken = newest.is_some() || self.send(Order::Newest);
            *newest = taken.then_some(pull);
            taken
        };
        if !taken {
            (self.shared.notify)(StoreReaderNotice::Busy(MAX_ORDERS));
        }
    }

    fn pull_of(&self, blocks: impl IntoIterator<Item = u64>) -> Pull {
        let count = self.shared.blocks.geometry().blocks();
        let blocks = blocks.into_iter().filter(|&block| block < count).collect();
        Pull { blocks, slots: lock(&self.shared.slots).clone() }
    }

    /// Whether there was room for it. Once it was stopped, nobody carries out anything, and nothing is amiss.
    fn send(&self, order: Order) -> bool {
        !matches!(self.orders.try_send(order), Err(TrySendError::Full(_)))
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

/// The thread.
fn run(shared: &Shared, orders: &Receiver<Order>, stop: &StopToken) {
    while !stop.is_stopped() {
        let pull = match orders.recv_timeout(TICK) {
            Ok(Order::Pull(pull)) => Some(pull),
            Ok(Order::Newest) => lock(&shared.newest).take(),
            Ok(Order::Wake) | Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Some(pull) = pull {
            transmit(shared, &pull, stop);
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
const MAX_ORDERS: usize = 1024;
/// The longest that the thread sleeps. Nothing depends on it.
const TICK: Duration = Duration::from_secs(10);
