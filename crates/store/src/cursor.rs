//! Reads the recordings of one stream.

mod find;
mod kept;
mod spans;
mod stretch;
mod stretches;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;

use valkka_core::frame::Frame;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::contents::{Contents, ItemKind, read_footer};
use crate::damage::{Damage, DamageReason};
use crate::error::StoreError;
use crate::format::{BlockHeader, BlockState, Row};
use crate::reader::KnownParams;
use crate::record::{Gap, Record, StreamId};
use crate::store::Store;
use crate::walk::{BlockBytes, OlderStep, OlderWalk, Search, Window};

pub(crate) use kept::KeptStretches;
pub(crate) use spans::older_order;
pub use stretch::{Overview, Stretch};

use spans::{Span, Times};

/// Reads the recordings of one stream, in the order in which they were recorded, from any moment on; also while they are
/// written, by this process or another.
///
/// The order of recording is the truth: where the clock was set back, the moments of the frames go back, too. Seeking is by
/// time. Where a moment was recorded twice for that reason, the later recording of it is found.
///
/// A cursor holds no more than the index of a few blocks and one MiB of the data, besides the table.
pub struct Cursor {
    store: Arc<Store>,
    id: StreamId,
    spans: Vec<Span>,
    /// Which version of the table they are of.
    version: Option<u64>,
    /// The contents of a few blocks, the one used last behind.
    cache: Vec<Contents>,
    place: Option<Place>,
    window: Window,
    /// Read at once; more and more while it is read on.
    ahead_bytes: usize,
    known: KnownParams,
    /// Told before anything else.
    pending: Option<Gap>,
    /// The moment of the frame given last.
    last: Option<WallTime>,
}

/// Where a cursor stands.
#[derive(Clone, Debug)]
struct Place {
    block: u64,
    row: Row,
    /// The item that is read next.
    next: usize,
    /// The tracks whose parameters are known up to there.
    told: BTreeSet<Track>,
    /// The block behind it, as far as is known.
    successor: Option<(u64, Row)>,
    /// Whether the block was overwritten.
    is_gone: bool,
}

/// What reading an item came to.
enum Read {
    Entry(Entry),
    /// It is nothing to be told of.
    Passed,
    /// It is not there yet.
    Nothing,
    /// The block was overwritten.
    Gone,
}

/// What a cursor reads.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A packet, in slot 0. What arrived when is not recorded: both its times are the wall time.
    Frame(Frame),
    /// Nothing was recorded for a time, or it is gone.
    Gap(Gap),
    /// Something cannot be read; what follows is what comes behind it.
    Damage(Damage),
}

impl Store {
    /// A cursor over the recordings of stream `id`, at the beginning.
    pub fn cursor(self: &Arc<Self>, id: StreamId) -> Cursor {
        Cursor {
            store: self.clone(),
            id,
            spans: Vec::new(),
            version: None,
            cache: Vec::new(),
            place: None,
            window: Window::default(),
            ahead_bytes: FIRST_READ_BYTES,
            known: KnownParams::new(),
            pending: None,
            last: None,
        }
    }
}

impl Cursor {
    /// The stream.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The moment of the frame that was read last; `None` after seeking and at the beginning.
    pub fn position(&self) -> Option<WallTime> {
        self.last
    }

    /// Goes to the last key frame at or before `to`, or else to the first one after it; of a stream without video, to the
    /// audio packet. Returns whether there is anything recorded; the cursor stays where it is if not.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn seek(&mut self, to: WallTime) -> Result<bool, StoreError> {
        self.update()?;
        let found = match self.find_before(to) {
            Some(found) => Some(found),
            None => self.find_after(to).or_else(|| self.find_any()),
        };
        let Some((span, item)) = found else { return Ok(false) };
        self.go(span, item);
        self.ahead_bytes = FIRST_READ_BYTES;
        (self.pending, self.last) = (None, None);
        Ok(true)
    }

    /// The next thing that was recorded; `None` if there is nothing more so far. That may be asked again later.
    ///
    /// # Errors
    /// If the table cannot be read. What cannot be read of the data is an [`Entry::Damage`].
    #[expect(clippy::should_implement_trait, reason = "an iterator ends for good")]
    pub fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            if let Some(gap) = self.pending.take() {
                return Ok(Some(Entry::Gap(gap)));
            }
            let Some(place) = &self.place else {
                self.update()?;
                if self.spans.is_empty() {
                    return Ok(None);
                }
                self.go(0, 0);
                continue;
            };
            let goes_on = if place.is_gone {
                self.move_on()?
            } else if self.is_given_up(place.block) {
                self.leave();
                self.move_on()?
            } else {
                let (block, row, next) = (place.block, place.row, place.next);
                let contents = self.contents(block, &row);
                match (next < contents.items().len(), contents.is_complete()) {
                    (true, _) => match self.read(next) {
                        Read::Entry(entry) => return Ok(Some(entry)),
                        Read::Passed => true,
                        Read::Nothing => false,
                        Read::Gone => self.move_on()?,
                    },
                    (false, true) => self.move_on()?,
                    (false, false) => self.look_again()?,
                }
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// The moment of the last key frame before `moment`. The cursor stays where it is.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn keyframe_before(&mut self, moment: WallTime) -> Result<Option<WallTime>, StoreError> {
        self.update()?;
        let found = self.find_before(moment.offset_micros(-1));
        Ok(found.map(|found| self.moment(found)).filter(|found| *found < moment))
    }

    /// The moment of the first key frame after `moment`. The cursor stays where it is.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn keyframe_after(&mut self, moment: WallTime) -> Result<Option<WallTime>, StoreError> {
        self.update()?;
        let found = self.find_after(moment);
        Ok(found.map(|found| self.moment(found)))
    }

    /// Looks at the table again.
    fn update(&mut self) -> Result<(), StoreError> {
        self.store.refresh()?;
        let version = Some(self.store.version());
        if self.version == version {
            return Ok(());
        }
        let known = std::mem::take(&mut self.spans);
        let header = |block| StoredBlock::new(&self.store, block).header();
        self.spans = spans::spans(&self.store.rows(), self.id, known, header);
        self.version = version;
        Ok(())
    }

    /// Whether `block` is not to be read any more, as far as the table in memory tells.
    fn is_given_up(&self, block: u64) -> bool {
        self.store.row(block).is_some_and(|row| row.state == BlockState::Free && !row.is_older)
    }

    /// Which span the cursor stands in; `None` if it was overwritten.
    fn place_in_table(&self) -> Option<usize> {
        let place = self.place.as_ref().filter(|place| !place.is_gone)?;
        self.spans.iter().position(|span| span.is_same(place.block, &place.row))
    }

    /// Goes to an item.
    fn go(&mut self, span: usize, item: usize) {
        let successor = self.spans.get(span + 1).map(|span| (span.block, span.row));
        let Some(span) = self.spans.get(span) else { return };
        let (block, row, told) = (span.block, span.row, BTreeSet::new());
        self.place = Some(Place { block, row, next: item, told, successor, is_gone: false });
        self.window.forget();
    }

    /// Goes to the block behind the one that was read. Returns whether there is one.
    fn move_on(&mut self) -> Result<bool, StoreError> {
        self.update()?;
        let Some(place) = self.place.clone() else { return Ok(false) };
        let next = match self.place_in_table() {
            Some(span) => Some(span + 1).filter(|next| self.is_begun(*next)),
            None => {
                let successor = place.successor.filter(|_| !place.is_gone);
                let successor = successor
                    .and_then(|(block, row)| self.spans.iter().position(|span| span.is_same(block, &row)));
                successor.or_else(|| self.oldest_left(&place))
            }
        };
        let Some(next) = next else { return Ok(false) };
        self.forget_older(next);
        self.go(next, 0);
        Ok(true)
    }

    /// The oldest block behind one that was overwritten, with a gap before it.
    fn oldest_left(&mut self, place: &Place) -> Option<usize> {
        let later = |span: &Span| place.row.sequence == 0 || span.row.sequence > place.row.sequence;
        let next = self.spans.iter().position(later)?;
        let from = self.last.or(place.row.first).or(place.row.last);
        let to = self.resolve(next).frames.map(|(first, _)| first);
        if let (Some(from), Some(to)) = (from.or(to), to.or(from)) {
            let reason = if self.is_given_up(place.block) { GIVEN_UP } else { OVERWRITTEN };
            self.pending = Some(Gap { from, to, reason: reason.to_owned() });
        }
        Some(next)
    }

    /// Looks whether anything was written behind what was read of an open block. Returns whether anything is new.
    fn look_again(&mut self) -> Result<bool, StoreError> {
        let Some(Place { block, row, .. }) = self.place.clone() else { return Ok(false) };
        if self.walk_on(block, &row, Search::Little) {
            return Ok(true);
        }
        let bytes = StoredBlock::new(&self.store, block);
        if !row.is_older && read_footer(&bytes, row.sequence).is_ok_and(|footer| footer.is_some()) {
            self.reload(row);
            return Ok(true);
        }
        if !row.is_older && bytes.header().is_some_and(|header| header.sequence != row.sequence) {
            self.leave();
            return self.move_on();
        }
        self.update()?;
        let Some(span) = self.place_in_table() else { return self.move_on() };
        let (now, is_last) = (&self.spans[span], !self.is_begun(span + 1));
        if !now.is_open {
            let row = now.row;
            self.reload(row);
            return Ok(true);
        }
        // Nobody writes it any more, if there is a later one; but it may have been written until that was begun.
        Ok(!is_last && (self.walk_on(block, &row, Search::Thorough) || self.move_on()?))
    }

    /// Whether there is such a span, with something in it. The row of a block is there before the block, and before all of
    /// the block before it; of the older format, the block to be written next has no row.
    fn is_begun(&self, span: usize) -> bool {
        let Some(span) = self.spans.get(span) else { return false };
        let row = &span.row;
        if row.is_older {
            let first = || OlderWalk::default().next(&StoredBlock::new(&self.store, span.block), None);
            row.last.is_some() || matches!(first(), Ok(OlderStep::Record(_)))
        } else {
            row.state == BlockState::Closed || row.used_bytes as usize > BlockHeader::BYTES
        }
    }

    /// Looks at the block in which the cursor stands as one that is complete, with the row `row`.
    fn reload(&mut self, row: Row) {
        let Some(Place { block, row: before, next, .. }) = self.place.clone() else { return };
        let Some(index) = self.cache.iter().position(|known| known.is_of(block, &before)) else { return };
        let old = self.cache.remove(index);
        let unread = old.items().get(next).map_or(old.end(), |item| item.offset.into());
        let row = Row { state: BlockState::Closed, ..row };
        let items = self.contents(block, &row).items();
        let next = items.partition_point(|item| u64::from(item.offset) < unread);
        if let Some(place) = &mut self.place {
            (place.row, place.next) = (row, next);
        }
    }

    /// Goes on with an open block in the cache.
    fn walk_on(&mut self, block: u64, row: &Row, search: Search) -> bool {
        let bytes = StoredBlock::new(&self.store, block);
        let contents = self.cache.iter_mut().find(|known| known.is_of(block, row));
        contents.is_some_and(|contents| contents.walk_on(&bytes, search))
    }

    /// Forgets what is known of an open block of the older format: nothing tells whether it was begun anew since.
    fn forget_older(&mut self, span: usize) {
        let Span { block, row, is_open, .. } = &self.spans[span];
        if row.is_older && *is_open {
            self.cache.retain(|known| !known.is_of(*block, row));
        }
    }

    /// Notes that the block in which the cursor stands was overwritten.
    fn leave(&mut self) {
        if let Some(place) = &mut self.place {
            place.is_gone = true;
            self.cache.retain(|known| !known.is_of(place.block, &place.row));
        }
    }

    /// What is in a block.
    fn contents(&mut self, block: u64, row: &Row) -> &Contents {
        let contents = match self.cache.iter().position(|known| known.is_of(block, row)) {
            Some(index) => self.cache.remove(index),
            None => {
                if self.cache.len() >= MAX_BLOCKS {
                    let place = self.place.as_ref();
                    let here =
                        |known: &Contents| place.is_some_and(|place| known.is_of(place.block, &place.row));
                    let spare = self.cache.iter().position(|known| !here(known)).unwrap_or(0);
                    self.cache.remove(spare);
                }
                let bytes = StoredBlock::new(&self.store, block);
                if row.is_older {
                    let is_open = row.state != BlockState::Closed;
                    Contents::load_older(block, row, self.id, &bytes, is_open)
                } else {
                    Contents::load(block, row, self.id, &bytes)
                }
            }
        };
        self.cache.push(contents);
        self.cache.last().expect("one was just pushed")
    }

    /// Reads item `next` of the block in which the cursor stands.
    fn read(&mut self, next: usize) -> Read {
        let Some(place) = &mut self.place else { return Read::Nothing };
        let Some(index) = self.cache.iter().position(|known| known.is_of(place.block, &place.row)) else {
            return Read::Nothing;
        };
        let contents = &self.cache[index];
        let (item, is_older) = (contents.items()[next], place.row.is_older);
        let bytes = StoredBlock::new(&self.store, place.block);
        if matches!(item.kind, ItemKind::Packet { .. }) && !is_older && place.told.insert(item.track) {
            let told = contents
                .params_before(next, item.track)
                .map(|params| contents.read(params, &bytes, (&mut Window::default(), 0), &mut self.known));
            // Those of another block are better than none, but not than what the packets tell themselves.
            if !matches!(told, Some(Ok(_))) && contents.is_video(item.track) {
                self.known.remove(&(self.id, item.track));
            }
            if let Some(Err(damage)) = told {
                return Read::Entry(Entry::Damage(damage));
            }
        }
        let ahead_bytes = self.ahead_bytes;
        let mut record = contents.read(next, &bytes, (&mut self.window, ahead_bytes), &mut self.known);
        if record.is_err() {
            // It may have been written after what is behind it was read.
            self.window.forget();
            record = contents.read(next, &bytes, (&mut self.window, 0), &mut self.known);
        }
        let is_last = next + 1 == contents.items().len() && !contents.is_complete();
        let is_gone = match (is_older, &record) {
            // No check sum tells whether it is still what it was.
            (true, _) => !self.store.row(place.block).is_some_and(|now| is_still(&place.row, &now)),
            (false, Ok(_)) => false,
            (false, Err(_)) => bytes.header().is_some_and(|header| header.sequence != place.row.sequence),
        };
        if is_gone {
            self.leave();
            return Read::Gone;
        }
        if is_last && record.as_ref().is_err_and(|damage| damage.reason == DamageReason::Payload) {
            // It is being written just now.
            self.cache[index].take_back();
            return Read::Nothing;
        }
        place.next += 1;
        if item.kind == ItemKind::Params {
            place.told.insert(item.track);
        }
        match record {
            Ok(Record::Packet { frame, .. }) => {
                self.ahead_bytes = (self.ahead_bytes * 2).min(MAX_READ_BYTES);
                self.last = Some(frame.time.wall);
                Read::Entry(Entry::Frame(frame))
            }
            Ok(Record::Gap { gap, .. }) => Read::Entry(Entry::Gap(gap)),
            Ok(Record::Params { .. }) => Read::Passed,
            Err(damage) => Read::Entry(Entry::Damage(damage)),
        }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let block = self.place.as_ref().map(|place| place.block);
        f.debug_struct("Cursor")
            .field("id", &self.id)
            .field("block", &block)
            .field("position", &self.last)
            .finish_non_exhaustive()
    }
}

/// Whether a block of the older format whose row was `before` has not been begun anew, if its row is `now`.
fn is_still(before: &Row, now: &Row) -> bool {
    before.state != BlockState::Closed || before.last == now.last
}

/// A block of a store.
pub(crate) struct StoredBlock<'a> {
    store: &'a Store,
    block: u64,
    size: u64,
}

impl<'a> StoredBlock<'a> {
    pub(crate) fn new(store: &'a Store, block: u64) -> Self {
        Self { store, block, size: store.readable_bytes(block) }
    }

    /// Its header, if it is of the current format.
    pub(crate) fn header(&self) -> Option<BlockHeader> {
        let mut header = [0; BlockHeader::BYTES];
        self.read_at(0, &mut header).ok()?;
        BlockHeader::decode(&header)
    }
}

impl BlockBytes for StoredBlock<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.store.read(self.block, offset, data).map_err(|error| match error {
            StoreError::Io { source, .. } => source,
            other => io::Error::other(other),
        })
    }
}

/// How many blocks' contents are kept: those around a position from which is sought back and forth.
const MAX_BLOCKS: usize = 4;
/// Read after seeking: most key frames fit in.
const FIRST_READ_BYTES: usize = 64 << 10;
/// Read at once while playing.
const MAX_READ_BYTES: usize = 1 << 20;
const GIVEN_UP: &str = "no longer kept";
const OVERWRITTEN: &str = "overwritten by newer recordings";
