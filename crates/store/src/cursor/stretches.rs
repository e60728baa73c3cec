//! Stretches of a recording, put together from what its blocks tell.

use valkka_core::time::WallTime;

use crate::record::Gap;
use crate::times::goes_on;

use super::Stretch;

/// Stretches in the order of recording: those of one block, or of many one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stretches {
    pub(super) list: Vec<Stretch>,
    /// What stands before the next frame.
    gap: Option<Gap>,
}

impl Stretches {
    /// Takes the frames from `from` up to `to`, which were recorded without a break.
    pub(super) fn add(&mut self, from: WallTime, to: WallTime) {
        let gap_before = self.gap.take();
        match self.list.last_mut() {
            Some(last) if gap_before.is_none() && goes_on(last.to, from) => last.to = last.to.max(to),
            _ => self.list.push(Stretch { from, to, gap_before }),
        }
    }

    /// Takes a gap behind all that was taken so far.
    pub(super) fn gap(&mut self, gap: Gap) {
        self.gap = Some(gap);
    }

    /// Takes what the next block tells.
    pub(super) fn append(&mut self, block: &Self) {
        for stretch in &block.list {
            if let Some(gap) = &stretch.gap_before {
                self.gap = Some(gap.clone());
            }
            self.add(stretch.from, stretch.to);
        }
        if let Some(gap) = &block.gap {
            self.gap = Some(gap.clone());
        }
    }

    /// Passes over a block of which nothing is known.
    pub(super) fn pass_over(&mut self) {
        // What stands before the next frame would stand in that block.
        self.gap = None;
    }

    /// How much memory they take, about.
    pub(super) fn bytes(&self) -> usize {
        let gaps = self.list.iter().filter_map(|stretch| stretch.gap_before.as_ref()).chain(&self.gap);
        size_of::<Self>()
            + self.list.capacity() * size_of::<Stretch>()
            + gaps.map(|gap| gap.reason.capacity()).sum::<usize>()
    }
}
