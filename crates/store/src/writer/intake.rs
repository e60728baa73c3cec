//! What was put into a lane and is not yet being written.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Mutex;
use std::time::Instant;

use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::time::WallTime;

use crate::record::StreamId;

use super::Retention;
use super::block::Room;
use super::gate::{Dropped, Gate};

/// The queue of a lane, or of several that share it. It is bounded in bytes, and nobody waits for it. One frame that is
/// larger than that, but not than a block, may wait beside the others: it could never be recorded else.
#[derive(Debug)]
pub(super) struct Intake {
    /// The stream that has it to itself, or 0.
    pub(super) lane: u64,
    /// Of the stream; empty if there are many.
    pub(super) name: String,
    /// For each lane that puts into it.
    capacity: usize,
    room: Room,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// Of the payloads in `items`, and of what they come with.
    bytes: usize,
    /// Those of them that are of a frame larger than the queue.
    large_bytes: usize,
    /// How many of them are gaps.
    gaps: usize,
    gates: BTreeMap<StreamId, Gate>,
    retention: Retention,
    /// How many [`Lane`](super::Lane)s put into it.
    owners: usize,
    /// Whether nothing is taken any more.
    is_closed: bool,
}

/// One thing that was put.
#[derive(Debug)]
pub(super) enum Item {
    /// A frame that holds a packet.
    Frame(StreamId, Frame),
    /// Nothing comes for a while; of one stream or of all in the lane.
    Gap {
        id: Option<StreamId>,
        at: WallTime,
        reason: String,
    },
    /// So many frames of the stream did not find room.
    Dropped(StreamId, Dropped),
    CloseBlock,
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is in the queue, which has reached so many bytes.
    Queued(usize),
    /// It is not; what is to be told of that.
    Dropped(Option<Dropped>),
}

impl Intake {
    pub(super) fn new(lane: u64, name: &str, capacity: usize, room: Room) -> Self {
        Self { lane, name: name.to_owned(), capacity, room, state: Mutex::default() }
    }

    /// Somebody puts into it from now on.
    pub(super) fn join(&self, retention: Retention) {
        let mut state = lock(&self.state);
        state.owners += 1;
        state.retention = retention;
    }

    /// So much is kept of it from now on.
    pub(super) fn retain(&self, retention: Retention) {
        lock(&self.state).retention = retention;
    }

    /// Somebody no longer does.
    pub(super) fn leave(&self) {
        let mut state = lock(&self.state);
        state.owners = state.owners.saturating_sub(1);
    }

    /// Whether somebody puts into it, or something is left in it.
    pub(super) fn is_in_use(&self) -> bool {
        let state = lock(&self.state);
        state.owners > 0 || !state.items.is_empty()
    }

    pub(super) fn has_owner(&self) -> bool {
        lock(&self.state).owners > 0
    }

    pub(super) fn retention(&self) -> Retention {
        lock(&self.state).retention
    }

    /// How many bytes it holds.
    pub(super) fn capacity(&self) -> usize {
        self.capacity_for(lock(&self.state).owners)
    }

    fn capacity_for(&self, owners: usize) -> usize {
        self.capacity.saturating_mul(owners.max(1))
    }

    pub(super) fn bytes(&self) -> usize {
        lock(&self.state).bytes
    }

    /// Queues a frame of `id`. If there is no room for it here or in any block, it is dropped, and with it what follows up to
    /// the next key frame; `reason` says why there is no room here.
    pub(super) fn put(&self, id: StreamId, frame: &Frame, reason: impl FnOnce() -> String) -> Taken {
        let Some(packet) = frame.packet() else { return Taken::Dropped(None) };
        let refusal = self.room.refusal(&self.name, frame, packet);
        let state = &mut *lock(&self.state);
        if state.is_closed || (state.gates.len() >= MAX_STREAMS && !state.gates.contains_key(&id)) {
            return Taken::Dropped(None);
        }
        let gate = state.gates.entry(id).or_default();
        if !gate.admits(packet) {
            return Taken::Dropped(gate.overdue(Instant::now()));
        }
        if let Some(refusal) = refusal {
            gate.shut(|| refusal);
            return Taken::Dropped(gate.overdue(Instant::now()));
        }
        let (bytes, capacity) = (cost(frame), self.capacity_for(state.owners));
        let is_large = bytes > capacity;
        let has_room = if is_large {
            state.large_bytes == 0
        } else {
            state.bytes - state.large_bytes + bytes <= capacity
        };
        if !has_room {
            gate.shut(reason);
            return Taken::Dropped(gate.overdue(Instant::now()));
        }
        if let Some(dropped) = gate.open() {
            state.items.push_back(Item::Dropped(id, dropped));
        }
        state.items.push_back(Item::Frame(id, frame.clone()));
        state.bytes += bytes;
        state.large_bytes += if is_large { bytes } else { 0 };
        Taken::Queued(state.bytes)
    }

    /// Nothing comes for a while, of one stream or of all.
    pub(super) fn gap(&self, id: Option<StreamId>, at: WallTime, reason: &str) {
        let mut state = lock(&self.state);
        if state.gaps < MAX_GAPS {
            state.gaps += 1;
            state.items.push_back(Item::Gap { id, at, reason: reason.to_owned() });
        }
    }

    /// The block ends here. It is never left out: of several that follow each other one will do, so there are no more of them
    /// than of all else.
    pub(super) fn close_block(&self) {
        let mut state = lock(&self.state);
        if !matches!(state.items.back(), Some(Item::CloseBlock)) {
            state.items.push_back(Item::CloseBlock);
        }
    }

    /// Takes all that is in the queue; if that is the last time, nothing comes into it afterwards.
    pub(super) fn take(&self, is_last: bool) -> VecDeque<Item> {
        let mut state = lock(&self.state);
        state.is_closed = is_last;
        (state.bytes, state.large_bytes, state.gaps) = (0, 0, 0);
        mem::take(&mut state.items)
    }
}

/// What a frame costs: its bytes, and what the queue keeps of it.
fn cost(frame: &Frame) -> usize {
    frame.packet().map_or(0, |packet| packet.payload.len()) + size_of::<Item>()
}

/// Of a lane with many streams.
const MAX_STREAMS: usize = 4096;
/// Beyond it, gaps are not told: nobody has so many of them between two commits.
const MAX_GAPS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use crate::testing::{ID, Image, VIDEO, at, frame};

    use super::*;

    fn intake(capacity: usize) -> Intake {
        Intake::new(1, "front", capacity, Room::of(&Image::new(4096, 4).store()))
    }

    #[test]
    fn a_block_is_closed_however_much_waits() {
        let intake = intake(1 << 20);
        for _ in 0..2 * MAX_GAPS {
            intake.gap(None, at(0), "");
            intake.close_block();
            intake.close_block();
        }
        let items = intake.take(false);
        let count = |is: fn(&Item) -> bool| items.iter().filter(|&item| is(item)).count();
        assert_eq!(count(|item| matches!(item, Item::Gap { .. })), MAX_GAPS);
        assert_eq!(count(|item| matches!(item, Item::CloseBlock)), MAX_GAPS);
        assert!(matches!(items.back(), Some(Item::CloseBlock)));
        // What was taken makes room.
        intake.gap(Some(ID), at(0), "");
        assert_eq!(intake.take(false).len(), 1);
    }

    #[test]
    fn it_holds_as_much_for_each_lane_that_shares_it() {
        let intake = intake(10_000);
        let fill = || (0..).take_while(|_| matches!(put(&intake), Taken::Queued(_))).count();
        let cost = cost(&frame(VIDEO, 40, true));
        intake.join(Retention::default());
        assert_eq!((intake.capacity(), fill()), (10_000, 10_000 / cost));
        intake.join(Retention::default());
        intake.take(false);
        assert_eq!((intake.capacity(), fill()), (20_000, 20_000 / cost));
    }

    fn put(intake: &Intake) -> Taken {
        intake.put(ID, &frame(VIDEO, 40, true), || "full".to_owned())
    }
}
