//! Which cell is written next.
//!
//! The newest frames, as many as the ring has cells, stay where they are; of the cells with older frames the one with
//! the oldest is written next, unless a reader has pinned it. Readers that stand still pin their cells for as long as
//! that lasts. Then further cells are added, so that the others notice nothing of it; they are given back when they
//! have not been needed for a while.
//!
//! A cell is claimed in two steps: its sequence is cleared, then its pins are looked at. A reader does the reverse: it
//! pins, then looks at the sequence. So either the reader sees that the frame is gone, or the writer sees the pin and
//! puts the sequence back. No reader ever looks at a cell that is being written, and nobody waits.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::FallocateFlags;
use tracing::warn;

use crate::control::{Control, Layout, ReaderBits};
use crate::map::{Cell, Windows};

/// The cells of a writer, with what it knows of them itself.
#[derive(Debug)]
pub(crate) struct Pool {
    data: OwnedFd,
    layout: Layout,
    /// The first ones are the ring's own, the others were added.
    cells: Vec<Slot>,
    /// The newest frame.
    newest: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// The frame that is in it; 0 if none is.
    sequence: u64,
    /// None if its memory was given back.
    cell: Option<Cell>,
}

impl Pool {
    /// Maps the cells that there always are.
    pub(crate) fn new(data: OwnedFd, layout: Layout) -> io::Result<Self> {
        let map = |index| {
            let cell = Cell::map(&data, layout.offset(index), layout.frame_bytes)?;
            Ok(Slot { sequence: 0, cell: Some(cell) })
        };
        let cells = (0..layout.cells).map(map).collect::<io::Result<_>>()?;
        Ok(Self { data, layout, cells, newest: 0 })
    }

    /// The cells that there always are, as they can be looked at.
    pub(crate) fn windows(&self) -> io::Result<Windows> {
        let mut windows = Windows::reserve(self.layout.cells, self.layout.frame_bytes)?;
        for index in 0..self.layout.cells {
            windows.show(index, &self.data, self.layout.offset(index), self.layout.frame_bytes)?;
        }
        Ok(windows)
    }

    /// How many cells have memory.
    pub(crate) fn in_use(&self) -> usize {
        self.cells.iter().filter(|slot| slot.cell.is_some()).count()
    }

    /// How many cells have ever been used: readers may have pinned these.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The number of the next frame.
    pub(crate) fn next(&self) -> u64 {
        self.newest + 1
    }

    /// A cell to write the next frame to. It is empty then, and stays free if nothing is published.
    ///
    /// `None` if readers hold all cells that there may be: more than they are allowed to.
    pub(crate) fn claim(&mut self, control: &Control, live: &ReaderBits) -> Option<usize> {
        self.give_back(control, live);
        let mut after = None;
        // Each cell is tried at most once: each turn goes on behind the one before.
        while let Some(index) = self.oldest_free(control, live, after) {
            if self.take(control, live, index) {
                return Some(index);
            }
            after = Some(self.order(index));
        }
        self.grow()
    }

    /// The bytes of a cell that was claimed.
    pub(crate) fn cell_mut(&mut self, index: usize) -> &mut Cell {
        self.cells[index].cell.as_mut().expect("a claimed cell has memory")
    }

    /// The bytes of a cell that was claimed.
    pub(crate) fn cell(&self, index: usize) -> &Cell {
        self.cells[index].cell.as_ref().expect("a claimed cell has memory")
    }

    /// Notes that the next frame is in the cell `index`.
    pub(crate) fn published(&mut self, index: usize) {
        self.newest += 1;
        self.cells[index].sequence = self.newest;
    }

    /// Whether the frame in it is not among those that stay.
    fn is_old(&self, index: usize) -> bool {
        let sequence = self.cells[index].sequence;
        sequence == 0 || sequence + self.layout.cells as u64 <= self.next()
    }

    /// Cells are taken in this order: first the ring's own, and each kind by age.
    fn order(&self, index: usize) -> (bool, u64, usize) {
        (index >= self.layout.cells, self.cells[index].sequence, index)
    }

    fn oldest_free(
        &self,
        control: &Control,
        live: &ReaderBits,
        after: Option<(bool, u64, usize)>,
    ) -> Option<usize> {
        (0..self.cells.len())
            .filter(|&index| self.cells[index].cell.is_some() && self.is_old(index))
            .filter(|&index| after.is_none_or(|after| self.order(index) > after))
            .filter(|&index| !control.cell(index).is_pinned(live))
            .min_by_key(|&index| self.order(index))
    }

    /// Empties the cell, unless a reader was faster.
    fn take(&mut self, control: &Control, live: &ReaderBits, index: usize) -> bool {
        let cell = control.cell(index);
        cell.set_sequence(0);
        if cell.is_pinned(live) {
            cell.set_sequence(self.cells[index].sequence);
            return false;
        }
        self.cells[index].sequence = 0;
        true
    }

    /// Adds a cell, or takes one up again that was given back.
    fn grow(&mut self) -> Option<usize> {
        let index = self.cells.iter().position(|slot| slot.cell.is_none()).unwrap_or(self.cells.len());
        if index >= self.layout.pool() {
            return None;
        }
        match Cell::map(&self.data, self.layout.offset(index), self.layout.frame_bytes) {
            Ok(cell) => {
                let slot = Slot { sequence: 0, cell: Some(cell) };
                if index == self.cells.len() {
                    self.cells.push(slot);
                } else {
                    self.cells[index] = slot;
                }
                Some(index)
            }
            Err(error) => {
                warn!(cells = index, %error, "cannot map a further cell of shared memory");
                None
            }
        }
    }

    /// Gives the memory of an added cell back that has not been needed for a while; one at a time.
    fn give_back(&mut self, control: &Control, live: &ReaderBits) {
        let idle_for = self.layout.cells as u64 + LINGER_FRAMES;
        let idle = (self.layout.cells..self.cells.len()).find(|&index| {
            let slot = &self.cells[index];
            slot.cell.is_some()
                && slot.sequence + idle_for <= self.next()
                && !control.cell(index).is_pinned(live)
        });
        let Some(index) = idle else { return };
        if !self.take(control, live, index) {
            return;
        }
        self.cells[index].cell = None;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let (offset, len) = (self.layout.offset(index), self.layout.stride() as u64);
        if let Err(error) = rustix::fs::fallocate(&self.data, hole, offset, len) {
            // The memory is used again when cells run short; until then it is lost.
            warn!(cell = index, %error, "cannot give back a cell of shared memory");
        }
    }
}

/// For how many frames a cell that was added is kept unused.
const LINGER_FRAMES: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::{Words, memory_file};
    use crate::shape::Shape;

    const ALL: ReaderBits = [u64::MAX; 4];

    struct Ring {
        pool: Pool,
        control: Control,
    }

    impl Ring {
        fn new(cells: usize) -> Self {
            let layout = Layout::of(Shape::bytes(cells, 8).unwrap());
            let file = memory_file("test", Words::file_len(layout.control_words())).unwrap();
            let data = memory_file("test", layout.data_len()).unwrap();
            let control = Control::map(&file, layout).unwrap();
            Self { pool: Pool::new(data, layout).unwrap(), control }
        }

        fn publish(&mut self) -> Option<usize> {
            let index = self.pool.claim(&self.control, &ALL)?;
            self.pool.published(index);
            self.control.cell(index).set_sequence(self.pool.newest);
            Some(index)
        }

        fn publish_many(&mut self, count: usize) -> Vec<usize> {
            (0..count).map(|_| self.publish().unwrap()).collect()
        }
    }

    #[test]
    fn cells_take_turns() {
        let mut ring = Ring::new(3);
        assert_eq!(ring.publish_many(7), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(ring.pool.in_use(), 3);
    }

    #[test]
    fn what_is_held_is_not_written_and_others_are_added() {
        let mut ring = Ring::new(3);
        ring.publish_many(3);
        ring.control.cell(1).pin(9);
        assert_eq!(ring.publish_many(6), [0, 3, 2, 0, 3, 2]);
        assert_eq!(ring.control.cell(1).sequence(), 2);
        assert_eq!(ring.pool.in_use(), 4);
        ring.control.cell(1).unpin(9);
        // What was held is the oldest, and the ring's own cells are preferred.
        assert_eq!(ring.publish_many(5), [1, 0, 2, 1, 0]);
        ring.publish_many(LINGER_FRAMES as usize + 3);
        assert_eq!(ring.pool.in_use(), 3);
        assert_eq!(ring.control.cell(3).sequence(), 0);
        // And once more: the same place is taken up again.
        ring.control.cell(0).pin(9);
        ring.control.cell(1).pin(9);
        ring.publish_many(4);
        assert_eq!((ring.pool.in_use(), ring.pool.len()), (5, 5));
    }

    #[test]
    fn the_newest_frames_stay_whatever_is_held() {
        let mut ring = Ring::new(4);
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..3000 {
            let cell = ring.control.cell(random.usize(..ring.pool.len()));
            if random.bool() {
                cell.pin(random.usize(..3))
            } else {
                cell.unpin(random.usize(..3))
            }
            let held: Vec<_> = (0..ring.pool.len())
                .filter(|&index| ring.control.cell(index).is_pinned(&ALL))
                .map(|index| (index, ring.control.cell(index).sequence()))
                // One that was given back has no frame that could be held.
                .filter(|&(_, sequence)| sequence != 0)
                .collect();
            ring.publish().unwrap();
            for (index, sequence) in held {
                assert_eq!(ring.control.cell(index).sequence(), sequence, "it was held");
            }
            let newest = ring.pool.newest;
            let there: Vec<_> = ring.pool.cells.iter().map(|slot| slot.sequence).collect();
            for sequence in newest.saturating_sub(3).max(1)..=newest {
                assert!(there.contains(&sequence), "{sequence} is gone at {newest}: {there:?}");
            }
        }
    }

    #[test]
    fn when_all_is_held_nothing_is_written() {
        let mut ring = Ring::new(2);
        let most = ring.pool.layout.pool();
        for index in 0..most {
            assert!(ring.publish().is_some());
            ring.control.cell(index).pin(1);
        }
        assert_eq!(ring.publish(), None);
        // Readers that are not there hold nothing.
        assert!(ring.pool.claim(&ring.control, &[0; 4]).is_some());
        ring.control.forget(1, ring.pool.len());
        assert!(ring.publish().is_some());
    }

    #[test]
    fn a_cell_that_is_not_published_is_free() {
        let mut ring = Ring::new(2);
        ring.publish_many(2);
        let claimed = ring.pool.claim(&ring.control, &ALL).unwrap();
        assert_eq!(ring.control.cell(claimed).sequence(), 0);
        assert_eq!(ring.publish(), Some(claimed));
    }
}
