//! What a writer, its lanes and its committer share.

use std::collections::BTreeSet;
use std::path::{MAIN_SEPARATOR, Path};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};
use valkka_core::clock::SystemClock;
use valkka_core::lock::lock;
use valkka_core::worker::StopToken;

use crate::error::StoreError;
use crate::record::StreamId;
use crate::store::{Loaded, Store};
use crate::table::Format;

use super::block::Room;
use super::events::Events;
use super::gate::Dropped;
use super::intake::Intake;
use super::{Retention, Retentions, WriterEvent, WriterOptions, WriterState, WriterStats};

pub(super) struct Shared {
    store: Arc<Store>,
    pub(super) options: WriterOptions,
    lanes: Mutex<Lanes>,
    /// Of streams without a lane.
    retentions: Mutex<Arc<Retentions>>,
    /// Whether something was put since the last cycle began.
    has_work: AtomicBool,
    signal: Mutex<Signal>,
    changed: Condvar,
    state: Mutex<WriterState>,
    pub(super) events: Events,
    is_over: AtomicBool,
    current_block: AtomicU64,
    /// As the user wants it.
    wanted_block: Mutex<Option<u64>>,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct Lanes {
    intakes: Vec<Arc<Intake>>,
    /// Of the streams that have a lane.
    taken: BTreeSet<StreamId>,
}

/// When the committer is to write.
#[derive(Default)]
struct Signal {
    /// When the first thing was put that it does not write yet.
    since: Option<Instant>,
    /// A queue is getting full.
    hurry: bool,
    /// How many commits were asked for, and up to which one all is on disk.
    requested: u64,
    done: u64,
    /// How many are waited for.
    waiting: u64,
    lost: Loss,
    /// When it began to write what it is writing.
    writing_since: Option<Instant>,
    /// How long that took the last time.
    took: Duration,
}

/// What was taken and is not recorded.
#[derive(Default)]
struct Loss {
    /// Up to which commit it is to be told.
    told_until: u64,
    frames: u64,
    /// The last reason.
    reason: String,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) frames: AtomicU64,
    pub(super) recorded_bytes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) blocks: AtomicU64,
}

impl Shared {
    pub(super) fn new(store: Arc<Store>, options: WriterOptions) -> Self {
        Self {
            store,
            options,
            lanes: Mutex::default(),
            retentions: Mutex::default(),
            has_work: AtomicBool::new(false),
            signal: Mutex::default(),
            changed: Condvar::new(),
            state: Mutex::new(WriterState::Writing),
            events: Events::default(),
            is_over: AtomicBool::new(false),
            current_block: AtomicU64::new(0),
            wanted_block: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// A queue for the stream called `name`, which gets a number if it has none.
    pub(super) fn join(
        &self,
        name: &str,
        retention: Retention,
    ) -> Result<(StreamId, Arc<Intake>), StoreError> {
        let mut lanes = lock(&self.lanes);
        let (wanted, blocks) = (lanes.taken.len() as u64 + 1, self.store.geometry().blocks());
        let is_older = self.store.format() == Format::V1;
        if wanted > blocks && !is_older {
            return Err(StoreError::TooFewBlocks { lanes: wanted, blocks });
        }
        let id = self.store.name_stream(name)?;
        if !lanes.taken.insert(id) {
            return Err(StoreError::LaneTaken(name.to_owned()));
        }
        // The older format knows one ring, for all streams.
        let intake = if is_older { lanes.mixed(self) } else { lanes.intake(id, name, self) };
        intake.join(retention);
        Ok((id, intake))
    }

    /// The queue for many streams.
    pub(super) fn join_mixed(&self) -> Arc<Intake> {
        let intake = lock(&self.lanes).mixed(self);
        intake.join(Retention::default());
        intake
    }

    pub(super) fn leave(&self, intake: &Intake, id: Option<StreamId>) {
        let mut lanes = lock(&self.lanes);
        if let Some(id) = id {
            lanes.taken.remove(&id);
        }
        intake.leave();
        drop(lanes);
        self.has_work(false);
    }

    /// Has the store go on with what was read of it anew, if the streams that are recorded are called the same there. Nobody
    /// gets a lane meanwhile, so that no number is given that the store knows as another's; it takes no disk.
    pub(super) fn go_on(&self, loaded: Loaded) -> Result<(), StoreError> {
        let lanes = lock(&self.lanes);
        let left = lanes.intakes.iter().filter_map(|intake| StreamId::new(intake.lane));
        let kept = lanes.taken.iter().copied().chain(left).collect();
        self.store.go_on(loaded, &kept)
    }

    pub(super) fn set_retentions(&self, retentions: Retentions) {
        *lock(&self.retentions) = Arc::new(retentions);
    }

    /// How much is kept of streams without a lane.
    pub(super) fn retentions(&self) -> Arc<Retentions> {
        lock(&self.retentions).clone()
    }

    /// The queues; those that nobody uses any more go.
    pub(super) fn intakes(&self) -> Vec<Arc<Intake>> {
        let mut lanes = lock(&self.lanes);
        let intakes = lanes.intakes.clone();
        lanes.intakes.retain(|intake| intake.is_in_use());
        intakes
    }

    /// Something was put. With `hurry`, the committer does not wait for more.
    pub(super) fn has_work(&self, hurry: bool) {
        if self.has_work.swap(true, Ordering::AcqRel) && !hurry {
            return;
        }
        let mut signal = lock(&self.signal);
        if signal.since.is_none() || (hurry && !signal.hurry) {
            signal.since.get_or_insert_with(Instant::now);
            signal.hurry |= hurry;
            self.changed.notify_all();
        }
    }

    /// Waits until there is something to write and it is time to, or `latest` has come, or the committer is to stop. While
    /// the disk fails, `retry` tells when to try again.
    pub(super) fn wait(&self, stop: &StopToken, latest: Instant, retry: Option<Instant>) {
        let interval = self.options.commit_interval;
        let mut signal = lock(&self.signal);
        while !stop.is_stopped() {
            let now = Instant::now();
            let pause = interval.saturating_sub(signal.took).max(interval / 4);
            let due = match retry {
                Some(retry) => retry,
                None if signal.hurry || signal.requested > signal.done => now,
                None => signal.since.map_or(latest, |since| latest.min(since + pause)),
            };
            let left = due.saturating_duration_since(now);
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(signal, left);
            signal = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Wakes the committer, e.g. because it is to stop.
    pub(super) fn wake(&self) {
        drop(lock(&self.signal));
        self.changed.notify_all();
    }

    /// The committer takes what was put so far. Returns the number of the last commit that was asked for.
    pub(super) fn begin_cycle(&self) -> u64 {
        let mut signal = lock(&self.signal);
        self.has_work.store(false, Ordering::Release);
        signal.since = None;
        signal.hurry = false;
        signal.requested
    }

    /// The committer begins to write.
    pub(super) fn begin_writing(&self) {
        lock(&self.signal).writing_since = Some(Instant::now());
    }

    /// The committer is done writing, whether that went well or not.
    pub(super) fn end_writing(&self) {
        let mut signal = lock(&self.signal);
        signal.took = signal.writing_since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }

    /// All is on disk that was put before commit number `done` was asked for.
    pub(super) fn end_cycle(&self, done: u64) {
        // Before anybody goes on whose frames are on disk now: it is not failing any more.
        self.recover();
        lock(&self.signal).done = done;
        self.changed.notify_all();
    }

    fn recover(&self) {
        let mut state = lock(&self.state);
        let WriterState::Failing { since, reason } = &*state else { return };
        let (since, reason) = (*since, reason.clone());
        *state = WriterState::Writing;
        // Under the lock, for the order of what is told.
        self.events.push(WriterEvent::Recovered { since });
        drop(state);
        info!(place = %self.store.data().place().display(), reason, "recording goes on");
    }

    /// The disk does not take what is written.
    pub(super) fn fail(&self, reason: &str) {
        let mut state = lock(&self.state);
        let since = match &*state {
            WriterState::Failing { reason: known, .. } if known == reason => return,
            WriterState::Failing { since, .. } => *since,
            WriterState::Writing => SystemClock.now(),
        };
        *state = WriterState::Failing { reason: reason.to_owned(), since };
        self.events.push(WriterEvent::Failing { reason: reason.to_owned() });
        drop(state);
        warn!(place = %self.store.data().place().display(), reason, "recording fails");
    }

    /// Why there is no room in a queue.
    pub(super) fn drop_reason(&self) -> String {
        match &*lock(&self.state) {
            WriterState::Failing { reason, .. } => reason.clone(),
            WriterState::Writing => SLOW.to_owned(),
        }
    }

    /// A reason as it is recorded. Recordings outlast the disk that they were made on, and are shown to others than those who
    /// look after it: the files are called by their names there.
    pub(super) fn without_directories(&self, reason: &str) -> String {
        [self.store.data(), self.store.table().medium()]
            .iter()
            .filter_map(|medium| medium.place().parent())
            .filter(|directory| *directory != Path::new(""))
            .fold(reason.to_owned(), |reason, directory| {
                reason.replace(&format!("{}{MAIN_SEPARATOR}", directory.display()), "")
            })
    }

    /// A frame was dropped, or kept away after one was.
    pub(super) fn count_dropped(&self) {
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        let since = lock(&self.signal).writing_since;
        if since.is_some_and(|since| since.elapsed() >= SLOW_AFTER) && self.state() == WriterState::Writing {
            self.fail(SLOW);
        }
    }

    /// Tells of frames that were dropped, but for those that were told of before.
    pub(super) fn tell_dropped(&self, id: StreamId, dropped: Dropped) {
        let Dropped { untold: frames, reason, .. } = dropped;
        if frames > 0 {
            self.events.push(WriterEvent::Dropped { id, frames, reason });
        }
    }

    pub(super) fn state(&self) -> WriterState {
        lock(&self.state).clone()
    }

    pub(super) fn stats(&self) -> WriterStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let queued_bytes = lock(&self.lanes).intakes.iter().map(|intake| intake.bytes() as u64).sum();
        WriterStats {
            frames: read(&self.counts.frames),
            recorded_bytes: read(&self.counts.recorded_bytes),
            written_bytes: read(&self.counts.written_bytes),
            syncs: read(&self.counts.syncs),
            dropped: read(&self.counts.dropped),
            queued_bytes,
            blocks: read(&self.counts.blocks),
        }
    }

    pub(super) fn commit(&self, deadline: Instant) -> Result<(), StoreError> {
        let mut signal = lock(&self.signal);
        signal.requested += 1;
        signal.waiting += 1;
        let ticket = signal.requested;
        self.changed.notify_all();
        while signal.done < ticket {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_over() {
                break;
            }
            let waited = self.changed.wait_timeout(signal, left);
            signal = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        signal.waiting -= 1;
        let is_late = signal.done < ticket;
        let lost = signal.tell_lost(ticket, is_late);
        drop(signal);
        match lost {
            _ if is_late => Err(StoreError::Late(self.drop_reason())),
            Some(lost) => Err(lost),
            None => Ok(()),
        }
    }

    /// Frames that were taken are not recorded.
    pub(super) fn lose(&self, frames: u64, reason: &str) {
        self.counts.dropped.fetch_add(frames, Ordering::Relaxed);
        lock(&self.signal).lose(frames, reason);
    }

    /// The committer has returned: nothing that is put from now on would be written.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn current_block(&self) -> u64 {
        lock(&self.wanted_block).unwrap_or_else(|| self.current_block.load(Ordering::Acquire))
    }

    pub(super) fn tell_current_block(&self, block: u64) {
        self.current_block.store(block, Ordering::Release);
    }

    pub(super) fn set_current_block(&self, block: u64) {
        *lock(&self.wanted_block) = Some(block);
    }

    pub(super) fn take_wanted_block(&self) -> Option<u64> {
        lock(&self.wanted_block).take()
    }
}

impl Signal {
    /// Those who wait are to tell it, or else the next one.
    fn lose(&mut self, frames: u64, reason: &str) {
        let is_told = self.done >= self.lost.told_until;
        let earlier = if is_told { 0 } else { self.lost.frames };
        let told_until = self.requested + u64::from(self.waiting == 0);
        self.lost = Loss { told_until, frames: earlier + frames, reason: reason.to_owned() };
    }

    /// What commit number `ticket` has to tell of what is lost; one that tells that it is late leaves it to the next one.
    fn tell_lost(&mut self, ticket: u64, is_late: bool) -> Option<StoreError> {
        if self.lost.told_until < ticket || self.lost.frames == 0 {
            return None;
        }
        if is_late {
            self.lost.told_until = self.requested + 1;
            return None;
        }
        let (frames, reason) = (self.lost.frames, self.lost.reason.clone());
        if self.waiting == 0 {
            // Nobody else has to tell it.
            self.lost = Loss::default();
        }
        Some(StoreError::Lost { frames, reason })
    }
}

impl Lanes {
    fn intake(&mut self, id: StreamId, name: &str, shared: &Shared) -> Arc<Intake> {
        self.find_or_add(id.number(), name, shared)
    }

    fn mixed(&mut self, shared: &Shared) -> Arc<Intake> {
        self.find_or_add(0, "", shared)
    }

    fn find_or_add(&mut self, lane: u64, name: &str, shared: &Shared) -> Arc<Intake> {
        if let Some(intake) = self.intakes.iter().find(|intake| intake.lane == lane) {
            return intake.clone();
        }
        let capacity = shared.options.max_queued_bytes;
        let intake = Arc::new(Intake::new(lane, name, capacity, Room::of(&shared.store)));
        self.intakes.push(intake.clone());
        intake
    }
}

const SLOW: &str = "the disk does not keep up";
/// After this time of writing, a full queue means that the disk is stuck.
const SLOW_AFTER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// How many frames commit number `ticket` tells to be lost.
    fn told(signal: &mut Signal, ticket: u64) -> Option<u64> {
        signal.waiting -= 1;
        signal.done = signal.done.max(ticket);
        match signal.tell_lost(ticket, false) {
            Some(StoreError::Lost { frames, .. }) => Some(frames),
            other => other.map(|_| 0),
        }
    }

    fn ask(signal: &mut Signal) -> u64 {
        signal.requested += 1;
        signal.waiting += 1;
        signal.requested
    }

    #[test]
    fn a_loss_is_told_once_to_all_that_wait_or_to_the_next() {
        let mut signal = Signal::default();
        signal.lose(2, "nobody waits");
        signal.lose(1, "nobody waits yet");
        let [one, other] = [ask(&mut signal), ask(&mut signal)];
        assert_eq!((told(&mut signal, one), told(&mut signal, other)), (Some(3), None));
        let [one, other] = [ask(&mut signal), ask(&mut signal)];
        signal.lose(4, "two wait");
        let next = ask(&mut signal);
        assert_eq!((told(&mut signal, one), told(&mut signal, other)), (Some(4), Some(4)));
        assert_eq!(told(&mut signal, next), None);
        signal.lose(5, "what was told is not counted again");
        // One that ends late leaves it to the next one.
        let late = ask(&mut signal);
        signal.waiting -= 1;
        assert!(signal.tell_lost(late, true).is_none());
        let [one, other] = [ask(&mut signal), ask(&mut signal)];
        assert_eq!((told(&mut signal, one), told(&mut signal, other)), (Some(5), None));
    }
}
