//! Writing into a store.
//!
//! ```text
//! put ─▶ a bounded queue per lane ─▶ the committer, at most once per commit interval for all lanes together:
//!        rows of blocks that are begun ─▶ sync of the table ─▶ records ─▶ sync of the data ─▶ acknowledged
//! ```

mod age_clock;
mod batch;
mod block;
mod committer;
mod cycle;
mod events;
mod gate;
mod intake;
mod lane;
mod lane_writer;
mod retention;
mod shared;
mod space;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use valkka_core::time::WallTime;
use valkka_core::worker::Worker;

use crate::error::StoreError;
use crate::format::{BlockState, MAX_NAME_BYTES};
use crate::record::StreamId;
use crate::recovery;
use crate::store::Store;

use committer::Committer;
use shared::Shared;

pub use lane::Lane;
pub use retention::{Retention, Retentions};

/// Writes into a store, which has one writer at a time; readers, any number, in this process and in others.
///
/// Frames are put into its [`Lane`]s from any threads. A thread of its own writes them, for all lanes together, and has
/// the disk sync them: what was acknowledged ([`Self::commit`]) outlasts a killed process and a power cut. Where the disk
/// fails or does not keep up, nobody waits for it: frames are dropped, the gap is recorded with its reason, and writing
/// goes on by itself.
///
/// ```
/// use std::time::{Duration, Instant};
/// use valkka_core::frame::Frame;
/// use valkka_store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
///
/// # fn record(dir: &std::path::Path, frames: &[Frame]) -> Result<(), Box<dyn std::error::Error>> {
/// // 1000 blocks of 64 MiB.
/// let store = Store::create(dir, &StoreOptions::new(Geometry::new(64 << 20, 1000)?))?;
/// let writer = Writer::open(store, WriterOptions::default())?;
/// let month = Duration::from_secs(30 * 24 * 3600);
/// let front = writer.lane("front", Retention { max_age: Some(month), max_bytes: None })?;
/// for frame in frames {
///     front.put(frame);
/// }
/// writer.commit(Instant::now() + Duration::from_secs(5))?;
/// # Ok(())
/// # }
/// ```
///
/// Dropping it closes the blocks and commits. That takes as long as the disk does, but at most
/// [`JOIN_TIMEOUT`](valkka_core::worker::JOIN_TIMEOUT); lanes that are left take nothing any more. A disk that is stuck for
/// longer keeps the store from other writers until it answers.
pub struct Writer {
    store: Arc<Store>,
    shared: Arc<Shared>,
    _worker: Worker,
    /// Behind the one that writes: it tells all that has happened.
    _teller: Worker,
}

/// How a [`Writer`] writes.
#[derive(Clone)]
pub struct WriterOptions {
    /// The name of its thread.
    pub name: String,
    /// How old frames get before they are on disk, as long as the disk keeps up: what a power cut may cost. The shorter,
    /// the more is written that was written before, for disks write whole pages.
    pub commit_interval: Duration,
    /// How many bytes of one lane wait for the disk before frames are dropped. A single frame that is larger, but
    /// not than a block, may wait beside them. In a store of the older format the lanes share what they may have together.
    pub max_queued_bytes: usize,
    /// Why nothing was written before, as far as it is known: the reason of the gap before the first frame of each stream
    /// that the store has something of, and that has a lane within a minute. The directories of the store are left out.
    pub absence: String,
    /// Is told what happens, one after the other, on a thread of its own; all that happened is told when the writer is
    /// dropped. What happens while it takes its time waits: 4096 events, beyond which the oldest are left out. If it panics,
    /// that is logged, and recording goes on.
    pub on_event: Arc<dyn Fn(WriterEvent) + Send + Sync>,
}

/// What happens while a store is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriterEvent {
    /// A block is complete and on disk.
    BlockClosed {
        /// Its number.
        block: u64,
        /// The stream that has it to itself; `None` if it may hold many.
        lane: Option<StreamId>,
    },
    /// The disk does not take what is written. It is tried again until it does.
    Failing {
        /// Why, in words.
        reason: String,
    },
    /// The disk takes it again.
    Recovered {
        /// Since when it did not.
        since: WallTime,
    },
    /// Frames of a stream were dropped: told when those that follow are written again, and every few seconds before, each
    /// time of those that were not told of yet.
    Dropped {
        /// The stream.
        id: StreamId,
        /// How many.
        frames: u64,
        /// Why, in words.
        reason: String,
    },
}

/// How a writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterState {
    /// It writes, or has nothing to write.
    Writing,
    /// The disk does not take what is written.
    Failing {
        /// Why, in words.
        reason: String,
        /// Since when.
        since: WallTime,
    },
}

/// What a writer has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Frames on disk.
    pub frames: u64,
    /// Bytes of their payloads.
    pub recorded_bytes: u64,
    /// Bytes that the disk had to write for them, in whole pages of 4096.
    pub written_bytes: u64,
    /// How often the disk was told to sync.
    pub syncs: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
    /// Blocks that were completed.
    pub blocks: u64,
}

impl Default for WriterOptions {
    /// At most a second is lost.
    fn default() -> Self {
        Self {
            name: "committer".to_owned(),
            commit_interval: Duration::from_millis(900),
            max_queued_bytes: 4 << 20,
            absence: "the recorder was not running".to_owned(),
            on_event: Arc::new(|_| ()),
        }
    }
}

impl fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterOptions")
            .field("name", &self.name)
            .field("commit_interval", &self.commit_interval)
            .field("max_queued_bytes", &self.max_queued_bytes)
            .field("absence", &self.absence)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Takes the store for writing, completes the blocks that the last writer left open, and starts to write.
    ///
    /// # Errors
    /// If another writer has it, in this process or another; if it may not be written; and those of the system.
    pub fn open(store: Arc<Store>, options: WriterOptions) -> Result<Self, StoreError> {
        let taken = store.begin_writing()?;
        store.load()?;
        recovery::complete(&store, BlockState::Free)?;
        let shared = Arc::new(Shared::new(store.clone(), options));
        let committer = Committer::new(store.clone(), shared.clone(), taken);
        let failed = || StoreError::io("start a thread for", store.data().place());
        let (name, told) = (shared.options.name.clone(), shared.clone());
        let teller = Worker::spawn(&format!("{name} events"), None, move |stop| {
            let woken = told.clone();
            stop.on_stop(move || woken.events.wake());
            told.events.tell(&stop, &*told.options.on_event);
        });
        let teller = teller.map_err(failed())?;
        let worker = Worker::spawn(&name, None, move |stop| committer.run(&stop)).map_err(failed())?;
        Ok(Self { store, shared, _worker: worker, _teller: teller })
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// A lane for the stream called `name`, whose number is found by it, or given to it.
    ///
    /// # Errors
    /// If it has a lane already, or no name, or there are not enough blocks.
    pub fn lane(&self, name: &str, retention: Retention) -> Result<Lane, StoreError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(StoreError::Name(name.len()));
        }
        Lane::of_stream(&self.shared, name, retention)
    }

    /// A lane for many streams, whose records follow each other in the same blocks.
    pub fn mixed_lane(&self) -> Lane {
        Lane::mixed(&self.shared)
    }

    /// Changes how much is kept of streams that have no lane; all that there is room for, until this is called. What is too
    /// much goes within seconds. In a store of the older format, nothing goes before it is full.
    pub fn set_retentions(&self, retentions: Retentions) {
        self.shared.set_retentions(retentions);
    }

    /// The block that is begun next.
    pub fn current_block(&self) -> u64 {
        self.shared.current_block()
    }

    /// Has `block` begun next, whatever is in it, if it exists and is not being written then.
    pub fn set_current_block(&self, block: u64) {
        self.shared.set_current_block(block);
    }

    /// Returns once all that lanes have taken before is on disk.
    ///
    /// # Errors
    /// If it is not at `deadline`, and why; and if some of it never will be, which is told once, by the first call after
    /// the loss and by those that wait then. All the rest is on disk in that case.
    pub fn commit(&self, deadline: Instant) -> Result<(), StoreError> {
        self.shared.commit(deadline)
    }

    /// How it is.
    pub fn state(&self) -> WriterState {
        self.shared.state()
    }

    /// What it has done.
    pub fn stats(&self) -> WriterStats {
        self.shared.stats()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("store", &self.store).field("state", &self.state()).finish()
    }
}
