//! What one commit cycle writes.

use std::collections::BTreeMap;

use crate::format::Row;

use super::batch::Batch;

/// All of it can be written again if that fails half-way.
#[derive(Debug, Default)]
pub(super) struct Cycle {
    /// The last commit that was asked for before it.
    pub(super) ticket: u64,
    /// Rows that must be on disk before the data: of blocks that are begun, or given up.
    pub(super) begun: BTreeMap<u64, Row>,
    pub(super) batch: Batch,
    /// Rows that are true as soon as the data are on disk.
    pub(super) rows: BTreeMap<u64, Row>,
    /// Completed blocks, and their lanes.
    pub(super) closed: Vec<(u64, u64)>,
    pub(super) frames: u64,
    pub(super) recorded_bytes: u64,
}

impl Cycle {
    /// The row of a block is one that must be on disk before the data.
    pub(super) fn begin(&mut self, block: u64, row: Row) {
        // What was to be told of its earlier contents is no longer true.
        self.rows.remove(&block);
        self.begun.insert(block, row);
    }
}
