//! What complete blocks were found to tell of their streams.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use valkka_core::lock::lock;

use crate::format::Row;
use crate::record::StreamId;

use super::stretches::Stretches;

/// The stretches in complete blocks, so that a timeline that was looked at once need not be read again.
///
/// A complete block does not change; its row does when it is overwritten, and what was kept is worth nothing then. There is a
/// bound to how much is kept: what was recorded last stays, which is what most look at, and blocks are overwritten from the
/// other end.
#[derive(Debug, Default)]
pub(crate) struct KeptStretches(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    blocks: BTreeMap<Key, (Row, Arc<Stretches>)>,
    /// Of all of them.
    bytes: usize,
}

/// In the order of recording. The older format has no sequences: there it is the order of the ring.
type Key = (u64, u64, StreamId);

impl KeptStretches {
    /// What the complete `block` with the row `row` was found to tell of stream `id`.
    pub(super) fn get(&self, block: u64, row: &Row, id: StreamId) -> Option<Arc<Stretches>> {
        let kept = lock(&self.0);
        let (known, stretches) = kept.blocks.get(&(row.sequence, block, id))?;
        (known == row).then(|| stretches.clone())
    }

    /// Keeps what it tells.
    pub(super) fn put(&self, block: u64, row: Row, id: StreamId, stretches: Arc<Stretches>) {
        let mut kept = lock(&self.0);
        kept.bytes += weight(&stretches);
        if let Some((_, before)) = kept.blocks.insert((row.sequence, block, id), (row, stretches)) {
            kept.bytes -= weight(&before);
        }
        while kept.bytes > MAX_BYTES
            && let Some((_, (_, oldest))) = kept.blocks.pop_first()
        {
            kept.bytes -= weight(&oldest);
        }
    }
}

fn weight(stretches: &Stretches) -> usize {
    size_of::<(Key, Row, Arc<Stretches>)>() + stretches.bytes()
}

/// Some hundred thousand events.
const MAX_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use crate::format::BlockState;
    use crate::record::Gap;
    use crate::testing::{ID, OTHER, at};

    use super::*;

    fn row(sequence: u64) -> Row {
        Row { sequence, state: BlockState::Closed, ..Row::default() }
    }

    #[test]
    fn what_was_overwritten_is_not_told() {
        let (kept, told) = (KeptStretches::default(), Arc::new(Stretches::default()));
        kept.put(3, row(7), ID, told.clone());
        assert_eq!(kept.get(3, &row(7), ID), Some(told));
        let mended = Row { used_bytes: 9, ..row(7) };
        let others = [
            kept.get(3, &row(8), ID),
            kept.get(4, &row(7), ID),
            kept.get(3, &row(7), OTHER),
            kept.get(3, &mended, ID),
        ];
        assert_eq!(others, [const { None }; 4]);
    }

    #[test]
    fn the_newest_are_kept_within_the_bound() {
        let kept = KeptStretches::default();
        let long = |millis| {
            let mut stretches = Stretches::default();
            let reason = "x".repeat(1 << 20);
            stretches.gap(Gap { from: at(millis), to: at(millis + 1), reason });
            stretches.add(at(millis + 1), at(millis + 2));
            Arc::new(stretches)
        };
        // Read from the newest to the oldest, and again.
        for sequence in (1..=100).rev().chain(1..=100) {
            kept.put(sequence, row(sequence), ID, long(0));
            assert!(lock(&kept.0).bytes <= MAX_BYTES);
        }
        let is_kept = |sequence| kept.get(sequence, &row(sequence), ID).is_some();
        assert!((75..=100).all(is_kept) && !(1..=60).any(is_kept));
        let kept = lock(&kept.0);
        assert_eq!(kept.bytes, kept.blocks.values().map(|(_, told)| weight(told)).sum::<usize>());
    }
}
