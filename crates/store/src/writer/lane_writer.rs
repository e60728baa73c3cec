//! What the committer knows of a lane.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use valkka_core::frame::Frame;
use valkka_core::time::WallTime;

use crate::format::MAX_REASON_BYTES;
use crate::record::{Gap, StreamId};

use super::block::{Entry, OpenBlock, Put};
use super::cycle::Cycle;
use super::gate::{Dropped, Gate};
use super::intake::{Intake, Item};
use super::shared::Shared;
use super::space::Space;

/// Brings what was put into a lane into its blocks.
#[derive(Debug)]
pub(super) struct LaneWriter {
    pub(super) intake: Arc<Intake>,
    /// The moment of the last frame that the lane had before, and why none came since.
    earlier: Option<(WallTime, String)>,
    open: Option<OpenBlock>,
    /// Bounded as the streams in the queue are.
    streams: BTreeMap<StreamId, Stream>,
}

/// A stream of the lane.
#[derive(Debug, Default)]
struct Stream {
    name: String,
    gate: Gate,
    gap: Option<PendingGap>,
    /// The moment of the last frame that was put into a block, and of the last one that is on disk.
    last: Option<WallTime>,
    committed: Option<WallTime>,
}

/// A gap whose end is not known.
#[derive(Clone, Debug)]
struct PendingGap {
    /// When it began, if there was no frame before it.
    at: Option<WallTime>,
    reason: String,
}

/// What lanes write with.
pub(super) struct Desk<'a> {
    pub(super) shared: &'a Shared,
    pub(super) space: &'a mut Space,
    pub(super) cycle: &'a mut Cycle,
    /// Names of streams in lanes for many.
    pub(super) name_of: &'a dyn Fn(StreamId) -> String,
    /// Of how many blocks at least a stream consists that is kept for some time.
    pub(super) age_parts: u32,
}

impl LaneWriter {
    pub(super) fn new(intake: Arc<Intake>, earlier: Option<(WallTime, String)>) -> Self {
        Self { intake, earlier, open: None, streams: BTreeMap::new() }
    }

    /// The sequence of the block that is being filled.
    pub(super) fn sequence(&self) -> Option<u64> {
        self.open.as_ref().map(OpenBlock::sequence)
    }

    /// Whether there is something in the block that is being filled that is too old to be kept.
    pub(super) fn is_aged(&self, now: WallTime) -> bool {
        let frames = self.open.as_ref().and_then(OpenBlock::frames);
        let max_age = self.intake.retention().max_age;
        frames.zip(max_age).is_some_and(|((first, _), max_age)| now.saturating_since(first) > max_age)
    }

    /// Completes the block that is being filled if, with a frame of the moment `wall`, it would last for so long that what
    /// is new in it went with what is old; if possible before a key frame. So none reaches over a clock that was set by more.
    fn close_long(&mut self, wall: WallTime, is_start: bool, desk: &mut Desk<'_>) {
        let Some(max_age) = self.intake.retention().max_age else { return };
        let limit = max_age / desk.age_parts * if is_start { 1 } else { 2 };
        let frames = self.open.as_ref().and_then(OpenBlock::frames);
        if frames.is_some_and(|(first, last)| last.max(wall).saturating_since(first.min(wall)) > limit) {
            self.close(desk);
        }
    }

    /// Whether nobody puts into it any more.
    pub(super) fn is_over(&self) -> bool {
        self.open.is_none() && !self.intake.is_in_use()
    }

    /// Brings `items` into blocks.
    pub(super) fn take(&mut self, items: VecDeque<Item>, desk: &mut Desk<'_>) {
        for item in items {
            match item {
                Item::Frame(id, frame) => self.put(id, &frame, desk),
                Item::Gap { id: Some(id), at, reason } => {
                    self.stream(id, desk).interrupt(Some(at), &reason);
                }
                Item::Gap { id: None, at, reason } => {
                    self.streams.values_mut().for_each(|stream| stream.interrupt(Some(at), &reason));
                }
                Item::Dropped(id, dropped) => {
                    self.stream(id, desk).interrupt(None, &reason_of(&dropped));
                    desk.shared.tell_dropped(id, dropped);
                }
                Item::CloseBlock => self.close(desk),
            }
        }
    }

    /// Adds what the table is to say of the block that is being filled. Called once at the end of a cycle.
    pub(super) fn end_cycle(&mut self, desk: &mut Desk<'_>) {
        if let Some(open) = &mut self.open {
            desk.cycle.rows.insert(open.number(), open.row(&mut desk.cycle.batch));
        }
    }

    /// Completes the block that is being filled, if there is one.
    pub(super) fn close(&mut self, desk: &mut Desk<'_>) {
        if let Some(open) = self.open.take() {
            desk.space.close(open, desk.cycle);
        }
    }

    /// All that was put into blocks is on disk.
    pub(super) fn commit(&mut self) {
        self.streams.values_mut().for_each(|stream| stream.committed = stream.last);
    }

    /// What is not on disk is lost, and so is the block that is being filled.
    pub(super) fn reset(&mut self, reason: &str) {
        self.open = None;
        for stream in self.streams.values_mut().filter(|stream| stream.last.is_some()) {
            stream.last = stream.committed.or(stream.last);
            stream.interrupt(None, reason);
        }
    }

    fn stream(&mut self, id: StreamId, desk: &Desk<'_>) -> &mut Stream {
        self.streams.entry(id).or_insert_with(|| {
            let name =
                if self.intake.name.is_empty() { (desk.name_of)(id) } else { self.intake.name.clone() };
            let mut stream = Stream { name, ..Stream::default() };
            if let Some((last, why)) = &self.earlier {
                (stream.last, stream.committed) = (Some(*last), Some(*last));
                stream.interrupt(None, why);
            }
            stream
        })
    }

    fn put(&mut self, id: StreamId, frame: &Frame, desk: &mut Desk<'_>) {
        let Some(packet) = frame.packet() else { return };
        let lane = self.intake.lane;
        self.stream(id, desk);
        let is_start = packet.keyframe && packet.params.codec.is_video();
        self.close_long(frame.time.wall, is_start, desk);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.gate.admits(packet) {
            stream.lose(id, desk);
            return;
        }
        if let Some(dropped) = stream.gate.open() {
            stream.interrupt(None, &reason_of(&dropped));
            desk.shared.tell_dropped(id, dropped);
        }
        let wall = frame.time.wall;
        let gap = stream.gap.as_ref().map(|gap| Gap {
            from: stream.last.or(gap.at).unwrap_or(wall).min(wall),
            to: wall,
            reason: gap.reason.clone(),
        });
        let entry = Entry { id, name: &stream.name, frame, packet, gap: gap.as_ref() };
        let outcome = loop {
            let Some(open) = &mut self.open else {
                self.open = desk.space.begin(lane, desk.shared.take_wanted_block(), desk.cycle);
                if self.open.is_none() {
                    break Err("every block is being written".to_owned());
                }
                continue;
            };
            match open.put(&mut desk.cycle.batch, &entry) {
                Put::Done => break Ok(()),
                Put::Full => {
                    if let Some(open) = self.open.take() {
                        desk.space.close(open, desk.cycle);
                    }
                }
                Put::Unfit => break Err("no block has room for it".to_owned()),
            }
        };
        match outcome {
            Ok(()) => {
                stream.gap = None;
                stream.last = Some(wall);
                desk.cycle.frames += 1;
                desk.cycle.recorded_bytes += packet.payload.len() as u64;
            }
            Err(reason) => {
                stream.gate.shut(|| reason);
                stream.lose(id, desk);
            }
        }
    }
}

impl Stream {
    /// A frame that was taken is not recorded: its gate is shut.
    fn lose(&mut self, id: StreamId, desk: &Desk<'_>) {
        desk.shared.lose(1, self.gate.reason());
        if let Some(dropped) = self.gate.overdue(Instant::now()) {
            desk.shared.tell_dropped(id, dropped);
        }
    }

    /// There is a gap before the next frame.
    fn interrupt(&mut self, at: Option<WallTime>, reason: &str) {
        match &mut self.gap {
            None => self.gap = Some(PendingGap { at, reason: reason.to_owned() }),
            Some(gap) => {
                gap.at = gap.at.or(at);
                let is_told = gap.reason.split("; ").any(|told| told == reason);
                if !is_told && gap.reason.len() + reason.len() < MAX_REASON_BYTES {
                    gap.reason = format!("{}; {reason}", gap.reason);
                }
            }
        }
    }
}

fn reason_of(dropped: &Dropped) -> String {
    let Dropped { frames, reason, .. } = dropped;
    let plural = if *frames == 1 { "frame was" } else { "frames were" };
    format!("{frames} {plural} dropped: {reason}")
}
