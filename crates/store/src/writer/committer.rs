//! The thread that writes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, trace, warn};
use valkka_core::clock::SystemClock;
use valkka_core::time::WallTime;
use valkka_core::worker::StopToken;

use crate::error::StoreError;
use crate::format::{BlockState, Row};
use crate::medium::{read_all, write_all};
use crate::record::StreamId;
use crate::recovery;
use crate::store::{Store, WriteLock};
use crate::table::Format;

use super::age_clock::AgeClock;
use super::batch::PAGE_BYTES;
use super::cycle::Cycle;
use super::lane_writer::{Desk, LaneWriter};
use super::shared::Shared;
use super::space::Space;
use super::{Retention, WriterEvent};

/// Writes what was put, in cycles.
pub(super) struct Committer {
    store: Arc<Store>,
    shared: Arc<Shared>,
    space: Space,
    lanes: BTreeMap<u64, LaneWriter>,
    failed: Option<Attempt>,
    /// Rows that were written, and may not be on disk yet. They only save time when the store is opened.
    unsynced: BTreeMap<u64, Row>,
    /// Whether they have to be written again.
    is_unsynced_lost: bool,
    /// Whether `valkkafs.json` could not be written.
    is_manifest_late: bool,
    table_synced: Instant,
    ages: AgeClock,
    expired: Instant,
    opened: Instant,
    /// Why nothing was written before.
    absence: String,
    /// Every lane that there ever was.
    seen: BTreeSet<u64>,
    /// How many cycles were given up since one was written.
    given_up: u32,
    /// Given back when this thread is done, however long the owner waited for it.
    taken: WriteLock,
}

/// A cycle that is to be written, and what became of it so far.
struct Attempt {
    cycle: Cycle,
    /// Why the disk did not take it.
    reason: String,
    retry: Instant,
    pause: Duration,
    /// Since when the data refuse it, while the table is written.
    refused: Option<Instant>,
    /// Whether data or table are others than before, or were in other hands: nothing of what was being written is known to
    /// be there.
    is_reopened: bool,
    /// Whether the data refuse nothing but this.
    is_given_up: bool,
}

impl Attempt {
    fn first(cycle: Cycle) -> Self {
        let (reason, retry) = (String::new(), Instant::now());
        let (is_reopened, is_given_up) = (false, false);
        Self { cycle, reason, retry, pause: FIRST_PAUSE, refused: None, is_reopened, is_given_up }
    }

    fn is_lost(&self) -> bool {
        self.is_reopened || self.is_given_up
    }
}

impl Committer {
    pub(super) fn new(store: Arc<Store>, shared: Arc<Shared>, taken: WriteLock) -> Self {
        let space = Space::new(store.clone());
        shared.tell_current_block(space.next());
        let now = Instant::now();
        let ages = AgeClock::new(&store.table().rows(), SystemClock.now(), now);
        let absence = shared.without_directories(&shared.options.absence);
        Self {
            store,
            shared,
            space,
            lanes: BTreeMap::new(),
            failed: None,
            unsynced: BTreeMap::new(),
            is_unsynced_lost: false,
            is_manifest_late: false,
            table_synced: now,
            ages,
            expired: now,
            opened: now,
            absence,
            seen: BTreeSet::new(),
            given_up: 0,
            taken,
        }
    }

    /// Writes until `stop` says stop; then what was put before, once, and completes the blocks.
    pub(super) fn run(mut self, stop: &StopToken) {
        let _ended = Ended(self.shared.clone());
        let shared = self.shared.clone();
        stop.on_stop(move || shared.wake());
        while !stop.is_stopped() {
            let pause = if self.unsynced.is_empty() { IDLE } else { TABLE_INTERVAL };
            let retry = self.failed.as_ref().map(|failed| failed.retry);
            self.shared.wait(stop, Instant::now() + pause, retry);
            if !stop.is_stopped() {
                self.cycle(false);
            }
        }
        self.cycle(true);
    }

    /// One commit cycle: first what the disk did not take, then what was put since.
    fn cycle(&mut self, is_last: bool) {
        if let Some(failed) = self.failed.take() {
            self.retry(failed);
        }
        if self.failed.is_none() {
            let cycle = self.gather(is_last);
            self.write(Attempt::first(cycle), is_last);
        }
    }

    /// Brings all that was put into blocks.
    fn gather(&mut self, is_last: bool) -> Cycle {
        let mut cycle = Cycle { ticket: self.shared.begin_cycle(), ..Cycle::default() };
        for intake in self.shared.intakes() {
            if !self.lanes.contains_key(&intake.lane) {
                let is_start = self.seen.insert(intake.lane) && self.opened.elapsed() < START;
                let why = if is_start { self.absence.as_str() } else { "it was not recorded" };
                let earlier = self.last_of(intake.lane).map(|last| (last, why.to_owned()));
                self.lanes.insert(intake.lane, LaneWriter::new(intake, earlier));
            }
        }
        let count = self.lanes.len() as u64;
        let now = self.ages.now(SystemClock.now(), Instant::now());
        let (store, shared) = (self.store.clone(), self.shared.clone());
        let name_of = |id: StreamId| store.name_of(id);
        let parts = (store.geometry().blocks() / count.max(1) / 2).clamp(MIN_AGE_PARTS, MAX_AGE_PARTS) as u32;
        let mut desk = Desk {
            shared: &shared,
            space: &mut self.space,
            cycle: &mut cycle,
            name_of: &name_of,
            age_parts: parts,
        };
        for lane in self.lanes.values_mut() {
            lane.take(lane.intake.take(is_last), &mut desk);
            let is_stale = lane.sequence().is_some_and(|sequence| desk.space.is_stale(sequence, count));
            let is_aged = lane.is_aged(now);
            if is_last || is_stale || is_aged || !lane.intake.has_owner() {
                lane.close(&mut desk);
            }
            lane.end_cycle(&mut desk);
        }
        self.lanes.retain(|_, lane| !lane.is_over());
        if !cycle.begun.is_empty() || self.expired.elapsed() >= IDLE {
            self.expired = Instant::now();
            self.space.expire(&self.retentions(), now, &mut cycle);
        }
        self.shared.tell_current_block(self.space.next());
        cycle
    }

    /// How much is kept of what is in the store, by lanes, also of those that nobody puts into.
    fn retentions(&self) -> BTreeMap<u64, Retention> {
        let rows = self.store.table().rows();
        let used = rows.iter().filter(|row| row.state != BlockState::Free);
        let lanes: BTreeSet<u64> = used.map(|row| row.lane).collect();
        // Rows and names are never held together.
        drop(rows);
        let others = self.shared.retentions();
        let retention = |lane| match (self.lanes.get(&lane), StreamId::new(lane)) {
            (Some(writer), _) => writer.intake.retention(),
            (None, Some(id)) => others.of(&self.store.name_of(id)),
            (None, None) => others.of_shared(),
        };
        lanes.into_iter().map(|lane| (lane, retention(lane))).collect()
    }

    /// The moment of the last frame in `lane`. What is later than now was recorded by a clock that was wrong.
    fn last_of(&self, lane: u64) -> Option<WallTime> {
        let (rows, now) = (self.store.table().rows(), SystemClock.now());
        let lasts = rows.iter().filter(|row| row.lane == lane).filter_map(|row| row.last);
        lasts.filter(|&last| last <= now).max()
    }

    /// Writes a cycle, which is kept for later if the disk does not take it. What must be on disk before something else is
    /// written and synced before it. Whatever fails, all of it can be done again.
    fn write(&mut self, mut attempt: Attempt, is_last: bool) {
        self.shared.begin_writing();
        let told = self.write_table(&attempt.cycle, is_last);
        let (written, is_refused) = match told {
            Ok(()) => {
                let written = self.write_data(&attempt.cycle);
                let is_full = written.as_ref().is_err_and(|error| FULL.contains(&error.kind()));
                (written.map_err(StoreError::io("write", self.store.data().place())), !is_full)
            }
            Err(error) => (Err(error), false),
        };
        self.shared.end_writing();
        let Err(error) = written else { return self.acknowledge(attempt.cycle) };
        self.is_unsynced_lost = true;
        attempt.reason = error.to_string();
        attempt.refused = is_refused.then(|| attempt.refused.unwrap_or_else(Instant::now));
        let patience = PATIENCE * 2_u32.saturating_pow(self.given_up.min(MAX_DOUBLED));
        if attempt.refused.is_some_and(|since| since.elapsed() >= patience) && self.takes_elsewhere() {
            (attempt.is_given_up, attempt.pause) = (true, FIRST_PAUSE);
        }
        self.fail(attempt);
    }

    /// Whether the data take anything: what some blocks begin with, once more. If not, other blocks would be of no use, and what
    /// is in them would be lost for nothing.
    fn takes_elsewhere(&self) -> bool {
        let (data, geometry) = (self.store.data(), self.store.geometry());
        let step = geometry.blocks().div_ceil(PLACES);
        let rewrite = |place: u64| {
            let block = (self.space.next() + place * step) % geometry.blocks();
            let (offset, mut page) = (block * geometry.block_bytes(), [0; PAGE_BYTES as usize]);
            read_all(&**data, offset, &mut page)?;
            write_all(&**data, offset, &mut [IoSlice::new(&page)])?;
            data.sync()
        };
        (0..PLACES).any(|place| rewrite(place).is_ok())
    }

    /// Writes down what streams are called, and for programs of the older format and for people where the ring goes on. The
    /// room of the data is reserved, that of this file is not: a full disk is no reason not to record. It is tried again with
    /// each cycle.
    fn save_manifest(&mut self, is_due: bool) {
        let saved = self.store.save_manifest(self.shared.current_block(), is_due || self.is_manifest_late);
        match &saved {
            Err(error) if !self.is_manifest_late => warn!(%error, "recording goes on without it"),
            _ => (),
        }
        self.is_manifest_late = saved.is_err();
    }

    /// Writes what must be on disk before the data.
    fn write_table(&mut self, cycle: &Cycle, is_last: bool) -> Result<(), StoreError> {
        self.store.check_places()?;
        self.save_manifest(!cycle.closed.is_empty());
        let table = self.store.table();
        let failed = || StoreError::io("write", table.medium().place());
        if self.is_unsynced_lost {
            self.unsynced.iter().try_for_each(|(&block, row)| table.write(block, row)).map_err(failed())?;
        }
        cycle.begun.iter().try_for_each(|(&block, row)| table.write(block, row)).map_err(failed())?;
        let is_due = is_last || self.table_synced.elapsed() >= TABLE_INTERVAL;
        if !cycle.begun.is_empty() || (is_due && !self.unsynced.is_empty()) {
            table.sync().map_err(failed())?;
            self.count_pages(self.unsynced.keys().chain(cycle.begun.keys()));
            self.unsynced.clear();
            self.is_unsynced_lost = false;
            self.table_synced = Instant::now();
        }
        Ok(())
    }

    fn write_data(&self, cycle: &Cycle) -> io::Result<()> {
        if !cycle.batch.is_empty() {
            let data = self.store.data();
            cycle.batch.write(&**data)?;
            data.sync()?;
            add(&self.shared.counts.syncs, 1);
            add(&self.shared.counts.written_bytes, cycle.batch.page_bytes());
        }
        Ok(())
    }

    /// Tells everybody that what `cycle` holds is on disk.
    fn acknowledge(&mut self, cycle: Cycle) {
        let table = self.store.table();
        {
            let mut rows = table.write_rows();
            for (&block, row) in &cycle.rows {
                rows[block as usize] = *row;
            }
        }
        let written = cycle.rows.iter().try_for_each(|(&block, row)| table.write(block, row));
        if let Err(error) = written {
            debug!(%error, "rows are written again with the next cycle");
            self.is_unsynced_lost = true;
        }
        self.unsynced.extend(&cycle.rows);
        self.given_up = 0;
        self.space.end_cycle();
        self.shared.tell_current_block(self.space.next());
        self.lanes.values_mut().for_each(LaneWriter::commit);
        let counts = &self.shared.counts;
        add(&counts.frames, cycle.frames);
        add(&counts.recorded_bytes, cycle.recorded_bytes);
        add(&counts.blocks, cycle.closed.len() as u64);
        trace!(frames = cycle.frames, bytes = cycle.recorded_bytes, "committed");
        self.shared.end_cycle(cycle.ticket);
        for (block, lane) in cycle.closed {
            let lane = StreamId::new(lane);
            self.shared.events.push(WriterEvent::BlockClosed { block, lane });
        }
    }

    /// Tries again what the disk did not take.
    fn retry(&mut self, mut failed: Attempt) {
        match self.reopen(&mut failed) {
            Err(error) => {
                failed.reason = error.to_string();
                self.fail(failed);
            }
            Ok(()) if failed.is_lost() => (),
            Ok(()) => self.write(failed, false),
        }
    }

    /// Opens data and table anew, for a disk that was gone may be back, and takes them again. That gives them away for a
    /// moment: whoever has them then may write, or mend what looks cut off.
    fn reopen(&mut self, failed: &mut Attempt) -> Result<(), StoreError> {
        for medium in [self.store.data().clone(), self.store.table().medium().clone()] {
            failed.is_reopened |= medium.reopen().map_err(StoreError::io("open", medium.place()))?;
        }
        let taken = self.taken.renew();
        failed.is_reopened |= taken.is_err();
        taken?;
        failed.is_reopened = failed.is_reopened || !self.is_as_written(&failed.cycle)?;
        if failed.is_lost() { self.begin_anew(failed) } else { Ok(()) }
    }

    /// Whether the table on disk is as this writer left it, which did not write all of `cycle`.
    fn is_as_written(&self, cycle: &Cycle) -> Result<bool, StoreError> {
        let table = self.store.table();
        if table.format() == Format::V1 {
            // It tells of no block whether it is complete, and nobody completes any.
            return Ok(true);
        }
        let (found, known) = (table.load()?, table.rows());
        Ok((0..).zip(known.iter().zip(&found)).all(|(block, (known, found))| {
            let is_same = (found.sequence, found.state) == (known.sequence, known.state);
            let is_of_before = found.sequence < known.sequence || known.state == BlockState::Free;
            let is_still_open = found.sequence == known.sequence && found.state == BlockState::Open;
            is_same
                || (is_of_before && cycle.begun.contains_key(&block))
                || (is_still_open && self.unsynced.contains_key(&block))
        }))
    }

    /// Another disk is there, or somebody else has written on it, or what was being written is given up.
    fn begin_anew(&mut self, failed: &Attempt) -> Result<(), StoreError> {
        self.shared.go_on(self.store.read_anew()?)?;
        // One that takes nothing is not to be the next one again, as free ones are, but the last of all.
        let empty = if failed.is_given_up { BlockState::Closed } else { BlockState::Free };
        recovery::complete(&self.store, empty)?;
        let reason = self.shared.without_directories(&failed.reason);
        warn!(place = %self.store.data().place().display(), reason, frames = failed.cycle.frames, "new blocks are begun");
        self.lanes.values_mut().for_each(|lane| lane.reset(&reason));
        if failed.is_reopened {
            self.space = Space::new(self.store.clone());
        } else {
            self.space.end_cycle();
            self.given_up += 1;
        }
        // What may be too old by a clock that was believed may be all of an archive that came back.
        self.ages = AgeClock::new(&self.store.table().rows(), SystemClock.now(), Instant::now());
        self.unsynced.clear();
        self.is_unsynced_lost = false;
        if failed.cycle.frames > 0 {
            self.shared.lose(failed.cycle.frames, &failed.reason);
        }
        Ok(())
    }

    /// Waits before the next attempt, longer each time.
    fn fail(&mut self, failed: Attempt) {
        self.shared.fail(&failed.reason);
        let retry = Instant::now() + failed.pause;
        let pause = (failed.pause * 2).min(MAX_PAUSE);
        self.failed = Some(Attempt { retry, pause, ..failed });
    }

    /// Counts what a sync of the table wrote.
    fn count_pages<'a>(&self, blocks: impl Iterator<Item = &'a u64>) {
        let pages: BTreeSet<u64> = blocks.map(|&block| Row::offset(block) / PAGE_BYTES).collect();
        add(&self.shared.counts.syncs, 1);
        add(&self.shared.counts.written_bytes, pages.len() as u64 * PAGE_BYTES);
    }
}

/// Tells everybody that nothing is written any more, also when the thread ends by a panic.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(PANICKED);
        }
        self.0.end();
    }
}

fn add(count: &AtomicU64, number: u64) {
    count.fetch_add(number, Ordering::Relaxed);
}

const PANICKED: &str = "the thread that writes has ended by a panic";
/// How long to wait after the first failure, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// For how long the data may refuse a cycle before it is given up, if they take other things: about as long as the queues hold
/// what comes. Twice as long each time that the next one is refused, too, for each takes a block from every lane.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_DOUBLED: u32 = 10;
/// At how many places of the data it is tried whether they take anything.
const PLACES: u64 = 3;
/// What the owner of the disk can mend, and has nothing to do with the place that is written.
const FULL: [ErrorKind; 2] = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
/// How often the table is synced only to save time when the store is opened: what was written after it is read then.
const TABLE_INTERVAL: Duration = Duration::from_secs(4);
/// A block lasts for no more than so great a part of the time for which its stream is kept, where the store has blocks
/// enough for that: when its first frame is too old, all of it goes.
const MAX_AGE_PARTS: u64 = 16;
const MIN_AGE_PARTS: u64 = 2;
/// Lanes that are there this soon were waiting for the recorder to start.
const START: Duration = Duration::from_secs(60);
/// How often it is looked what is too old, if nothing else happens.
const IDLE: Duration = Duration::from_secs(10);
