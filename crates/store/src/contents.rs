//! What of one stream is in one block, and where.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use valkka_core::codec::Codec;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::codecs::codecs_of;
use crate::damage::{Damage, DamageReason};
use crate::format::{BlockHeader, BlockState, Footer, IndexEntry, RecordHeader, RecordKind, Row};
use crate::reader::{AccessUnit, KnownParams, OlderRecords, decode_record};
use crate::record::{Record, StreamId};
use crate::walk::{BlockBytes, OlderStep, OlderWalk, Search, Step, Walk, Window};

/// The records of one stream in one block, by its index if it has one, else by walking over it. Their payloads are not read
/// for that.
#[derive(Debug)]
pub(crate) struct Contents {
    block: u64,
    /// When it was looked at.
    row: Row,
    id: StreamId,
    /// By their places in the block.
    items: Vec<Item>,
    /// Of the older format: start and length of all records, in order. Those of an item are the ones from its first up to
    /// the first of the next item.
    parts: Vec<(u32, u32)>,
    codecs: BTreeMap<Track, Codec>,
    rest: Rest,
}

/// A record or damage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Where in the block it starts.
    pub(crate) offset: u32,
    /// Of the older format: which part is its first.
    first_part: u32,
    pub(crate) track: Track,
    pub(crate) wall: WallTime,
    pub(crate) kind: ItemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Packet { keyframe: bool },
    Params,
    Gap,
    Damage(DamageReason),
}

/// What of the block is not known yet.
#[derive(Debug)]
enum Rest {
    Nothing,
    Current(Walk),
    Older(OlderWalk),
}

/// The moments of the first and of the last of something.
pub(crate) type Moments = Option<(WallTime, WallTime)>;

impl Contents {
    /// Looks at the block of the current format whose row is `row`, in `bytes`.
    pub(crate) fn load(block: u64, row: &Row, id: StreamId, bytes: &dyn BlockBytes) -> Self {
        let mut contents = Self::new(block, *row, id, Rest::Nothing);
        if let Err(error) = contents.load_current(row, bytes) {
            contents.unreadable(0, &error);
        }
        contents
    }

    /// Looks at a block of the older format. One that may still be written has an end that is not known.
    pub(crate) fn load_older(
        block: u64,
        row: &Row,
        id: StreamId,
        bytes: &dyn BlockBytes,
        is_open: bool,
    ) -> Self {
        let mut contents = Self::new(block, *row, id, Rest::Older(OlderWalk::default()));
        contents.walk_on(bytes, if is_open { Search::Little } else { Search::Thorough });
        if !is_open {
            contents.rest = Rest::Nothing;
        }
        contents
    }

    fn new(block: u64, row: Row, id: StreamId, rest: Rest) -> Self {
        let (items, parts) = (Vec::new(), Vec::new());
        Self { block, row, id, items, parts, codecs: BTreeMap::new(), rest }
    }

    /// Whether it is what was in `block` when its row was `row`.
    pub(crate) fn is_of(&self, block: u64, row: &Row) -> bool {
        let is_open = |row: &Row| row.state != BlockState::Closed;
        let same = match row.is_older {
            true => is_open(&self.row) == is_open(row) && (is_open(row) || self.row.last == row.last),
            false => self.row.sequence == row.sequence,
        };
        self.block == block && same
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Whether nothing can follow any more.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    /// Where the next record is looked for, in a block that is not complete.
    pub(crate) fn end(&self) -> u64 {
        match &self.rest {
            Rest::Nothing => u64::MAX,
            Rest::Current(walk) => walk.position(),
            Rest::Older(walk) => walk.position(),
        }
    }

    /// Looks for what was written since. Returns whether there is anything new.
    pub(crate) fn walk_on(&mut self, bytes: &dyn BlockBytes, search: Search) -> bool {
        let before = self.items.len();
        let walked = match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => return false,
            Rest::Current(mut walk) => {
                let walked = self.walk_current(&mut walk, bytes, search);
                self.rest = Rest::Current(walk);
                walked
            }
            Rest::Older(mut walk) => {
                walk.look_again();
                let walked = self.walk_older(&mut walk, bytes, search);
                if matches!(walked, Ok(true)) {
                    self.rest = Rest::Older(walk);
                }
                walked.map(drop)
            }
        };
        if let Err(error) = walked {
            self.unreadable(self.end(), &error);
            self.rest = Rest::Nothing;
        }
        self.items.len() > before
    }

    /// Takes the last item back: it was told of before its payload was there.
    pub(crate) fn take_back(&mut self) {
        if let Rest::Current(walk) = &mut self.rest
            && let Some(item) = self.items.pop()
        {
            walk.go_back(item.offset.into());
        }
    }

    /// The track by which it is sought: the first one of video, or else the first one.
    pub(crate) fn main_track(&self) -> Option<Track> {
        let video = self.codecs.iter().find(|(_, codec)| codec.is_video());
        video.or_else(|| self.codecs.iter().next()).map(|(&track, _)| track)
    }

    /// Whether `track` is known to be video.
    pub(crate) fn is_video(&self, track: Track) -> bool {
        self.codecs.get(&track).is_some_and(|codec| codec.is_video())
    }

    /// The moments of the frames of the main track.
    pub(crate) fn frames(&self) -> Moments {
        moments(self.main_items(false))
    }

    /// The moments of its key frames.
    pub(crate) fn keyframes(&self) -> Moments {
        moments(self.main_items(true))
    }

    /// The key frame of the latest moment at or before `to`; of several of that moment, the last one.
    pub(crate) fn keyframe_at_or_before(&self, to: WallTime) -> Option<usize> {
        let before = self.main_items(true).filter(|(_, item)| item.wall <= to);
        before.max_by_key(|(_, item)| item.wall).map(|(index, _)| index)
    }

    /// The key frame of the earliest moment after `from`.
    pub(crate) fn keyframe_after(&self, from: WallTime) -> Option<usize> {
        let after = self.main_items(true).filter(|(_, item)| item.wall > from);
        after.min_by_key(|(_, item)| item.wall).map(|(index, _)| index)
    }

    /// Where the parameters stand that are those of `track` at the item `index`.
    pub(crate) fn params_before(&self, index: usize, track: Track) -> Option<usize> {
        self.items[..index].iter().rposition(|item| item.kind == ItemKind::Params && item.track == track)
    }

    /// Reads item `index`, through `window`, which reads so many bytes at once. `known` are the parameters told before it.
    pub(crate) fn read(
        &self,
        index: usize,
        bytes: &dyn BlockBytes,
        (window, ahead_bytes): (&mut Window, usize),
        known: &mut KnownParams,
    ) -> Result<Record, Damage> {
        let item = &self.items[index];
        let (block, offset) = (self.block, item.offset.into());
        let record = match (item.kind, &self.parts[..]) {
            (ItemKind::Damage(reason), _) => Err(reason),
            (_, []) => self.read_current(index, bytes, (window, ahead_bytes), known),
            _ => self.read_older(index, bytes, (window, ahead_bytes), known),
        };
        record.map_err(|reason| Damage { block, offset, reason })
    }

    fn main_items(&self, keyframes: bool) -> impl Iterator<Item = (usize, &Item)> {
        let track = self.main_track();
        self.items.iter().enumerate().filter(move |(_, item)| match item.kind {
            ItemKind::Packet { keyframe } => Some(item.track) == track && (keyframe || !keyframes),
            _ => false,
        })
    }

    fn load_current(&mut self, row: &Row, bytes: &dyn BlockBytes) -> io::Result<()> {
        let mut header = [0; BlockHeader::BYTES];
        bytes.read_at(0, &mut header)?;
        // Of one that is being written, or that the disk refused, not even the header may be there.
        let is_begun = row.used_bytes as usize > BlockHeader::BYTES;
        if is_begun && BlockHeader::decode(&header).is_none_or(|header| header.sequence != row.sequence) {
            self.damage(0, DamageReason::BlockHeader);
        }
        let Some(footer) = read_footer(bytes, row.sequence)? else {
            // Those in which a writer was cut off have none either.
            let is_closed = row.state == BlockState::Closed;
            let end = is_closed.then_some(u64::from(row.used_bytes).max(BlockHeader::BYTES as u64));
            self.rest = Rest::Current(Walk::new(row.sequence, end));
            self.walk_on(bytes, Search::Little);
            if is_closed {
                self.rest = Rest::Nothing;
            }
            return Ok(());
        };
        let tail_bytes = Footer::tail_bytes(footer.count as usize);
        let start = bytes.size() - tail_bytes as u64;
        let mut index = vec![0; tail_bytes - Footer::BYTES];
        bytes.read_at(start, &mut index)?;
        match footer.entries(&index) {
            Some(entries) => self.take_entries(&entries, bytes),
            None => {
                self.rest = Rest::Current(Walk::new(row.sequence, Some(footer.used_bytes.into())));
                self.walk_on(bytes, Search::Little);
                self.rest = Rest::Nothing;
                self.damage(start, DamageReason::Index);
            }
        }
        Ok(())
    }

    fn take_entries(&mut self, entries: &[IndexEntry], bytes: &dyn BlockBytes) {
        let own = || entries.iter().filter(|entry| entry.id == self.id.number());
        let codecs = codecs_of(own(), bytes, self.row.sequence);
        self.items.extend(own().map(|entry| {
            let kind = kind_of(entry.kind, entry.keyframe);
            Item { offset: entry.offset, first_part: 0, track: entry.track, wall: entry.wall, kind }
        }));
        self.codecs.extend(codecs.into_iter().map(|((_, track), codec)| (track, codec)));
        // The walk gives them so, too.
        self.items.sort_by_key(|item| item.offset);
    }

    fn walk_current(&mut self, walk: &mut Walk, bytes: &dyn BlockBytes, search: Search) -> io::Result<()> {
        loop {
            match walk.next(bytes, search)? {
                Step::Record(_, header) if header.id != self.id => (),
                Step::Record(at, header) => {
                    let (track, wall) = (header.track, header.wall);
                    let kind = kind_of(header.kind, header.keyframe);
                    self.items.push(Item { offset: at as u32, first_part: 0, track, wall, kind });
                    if let (Some(codec), true) = (header.codec, header.kind != RecordKind::Gap) {
                        self.codecs.entry(track).or_insert(codec);
                    }
                }
                Step::Damage(at, reason) => self.damage(at, reason),
                Step::End => return Ok(()),
            }
        }
    }

    /// Returns whether anything can follow.
    fn walk_older(
        &mut self,
        walk: &mut OlderWalk,
        bytes: &dyn BlockBytes,
        search: Search,
    ) -> io::Result<bool> {
        // What was told of before is not changed any more.
        let mut unit: Option<AccessUnit> = None;
        loop {
            let record = match walk.next(bytes, Some(self.id))? {
                OlderStep::Record(record) => record,
                // Where nothing has been written yet, there may be anything.
                OlderStep::Damage(at, reason) if search == Search::Thorough => {
                    self.damage(at, reason);
                    return Ok(false);
                }
                OlderStep::Damage(..) | OlderStep::End => return Ok(true),
            };
            let offset = record.start as u32;
            self.parts.push((offset, record.length as u32));
            let last = self.items.last_mut();
            let same = |item: &&mut Item| item.track == record.track && item.wall == record.wall;
            let keyframe = record.codec.is_some_and(|codec| codec.is_keyframe(&record.beginning));
            if record.codec == Some(Codec::H264)
                && let Some(unit) = &mut unit
                && let Some(item) = last.filter(same)
                && let ItemKind::Packet { keyframe: is_keyframe } = &mut item.kind
                && unit.takes(&record.beginning)
            {
                *is_keyframe |= keyframe;
                continue;
            }
            unit = Some(AccessUnit::new(&record.beginning));
            let first_part = self.parts.len() as u32 - 1;
            let kind = match record.codec {
                Some(codec) => {
                    self.codecs.entry(record.track).or_insert(codec);
                    ItemKind::Packet { keyframe }
                }
                None => ItemKind::Damage(DamageReason::Contents),
            };
            self.items.push(Item { offset, first_part, track: record.track, wall: record.wall, kind });
        }
    }

    fn read_current(
        &self,
        index: usize,
        bytes: &dyn BlockBytes,
        (window, ahead_bytes): (&mut Window, usize),
        known: &mut KnownParams,
    ) -> Result<Record, DamageReason> {
        let unreadable = |error: io::Error| DamageReason::Unreadable(error.kind());
        let item = &self.items[index];
        let start = item.offset.into();
        let head = window.get(bytes, start, RecordHeader::BYTES, ahead_bytes).map_err(unreadable)?;
        let header = RecordHeader::decode(head).filter(|header| {
            header.sequence == self.row.sequence
                && header.id == self.id
                && kind_of(header.kind, header.keyframe) == item.kind
        });
        let Some(header) = header else {
            let next = self.items.get(index + 1).map_or(bytes.size(), |next| next.offset.into());
            return Err(DamageReason::NoRecord { bytes: next.saturating_sub(start) });
        };
        let length = RecordHeader::BYTES + header.payload_bytes as usize;
        let record = window.get(bytes, start, length, ahead_bytes).map_err(unreadable)?;
        let payload = record.get(RecordHeader::BYTES..length).ok_or(DamageReason::Payload)?;
        if !header.fits(payload) {
            return Err(DamageReason::Payload);
        }
        decode_record(&header, payload, known)
    }

    fn read_older(
        &self,
        index: usize,
        bytes: &dyn BlockBytes,
        (window, ahead_bytes): (&mut Window, usize),
        known: &mut KnownParams,
    ) -> Result<Record, DamageReason> {
        let first = self.items[index].first_part as usize;
        let end = self.items.get(index + 1).map_or(self.parts.len(), |next| next.first_part as usize);
        let mut data = Vec::new();
        for &(start, length) in &self.parts[first..end.max(first)] {
            let part = window.get(bytes, start.into(), length as usize, ahead_bytes);
            let part = part.map_err(|error| DamageReason::Unreadable(error.kind()))?;
            data.extend_from_slice(&part[..part.len().min(length as usize)]);
        }
        let mut records = OlderRecords::with_params(Bytes::from(data), std::mem::take(known));
        let record = records.next();
        *known = records.into_params();
        record.unwrap_or(Err((0, DamageReason::Contents))).map_err(|(_, reason)| reason)
    }

    fn damage(&mut self, offset: u64, reason: DamageReason) {
        let (track, wall) = (Track::default(), WallTime::default());
        let first_part = self.parts.len() as u32;
        let kind = ItemKind::Damage(reason);
        self.items.push(Item { offset: offset as u32, first_part, track, wall, kind });
    }

    fn unreadable(&mut self, offset: u64, error: &io::Error) {
        self.damage(offset.min(u32::MAX.into()), DamageReason::Unreadable(error.kind()));
    }
}

/// The footer of the block of this sequence; `None` if it is not complete or the footer is damaged.
pub(crate) fn read_footer(bytes: &dyn BlockBytes, sequence: u64) -> io::Result<Option<Footer>> {
    let mut last = [0; Footer::BYTES];
    let Some(start) = bytes.size().checked_sub(last.len() as u64) else { return Ok(None) };
    bytes.read_at(start, &mut last)?;
    Ok(Footer::decode_last(&last, bytes.size()).filter(|footer| footer.sequence == sequence))
}

fn kind_of(kind: RecordKind, keyframe: bool) -> ItemKind {
    match kind {
        RecordKind::Packet => ItemKind::Packet { keyframe },
        RecordKind::Params => ItemKind::Params,
        RecordKind::Gap => ItemKind::Gap,
    }
}

fn moments<'a>(items: impl Iterator<Item = (usize, &'a Item)>) -> Moments {
    items.fold(None, |moments: Moments, (_, item)| match moments {
        None => Some((item.wall, item.wall)),
        Some((first, last)) => Some((first.min(item.wall), last.max(item.wall))),
    })
}
