//! What is in a store, as text.

use std::sync::Arc;

use pyo3::prelude::*;
use valkka::filter::{Filter, RepeatParams};
use valkka::graph::{BlockStore, text};
use valkka::reason::reason;
use valkka::store::Record;

use super::store::ValkkaFS;
use crate::logging::FS;
use crate::native::Native;
use crate::stdout;

/// Shows what is in a store.
#[pyclass(subclass, dict, weakref, frozen, module = "valkka.core")]
pub(crate) struct ValkkaFSTool {
    blocks: Native<Arc<BlockStore>>,
}

#[pymethods]
#[expect(non_snake_case, reason = "the names are those of Python")]
impl ValkkaFSTool {
    #[new]
    fn py_new(valkkafs: PyRef<'_, ValkkaFS>) -> Self {
        Self { blocks: Native::new(valkkafs.blocks()) }
    }

    /// Prints the frames of block `i`: for each its stream, what it is, ` * ` where playing can begin, and its first
    /// bytes. Nothing of a block that is not in use.
    fn dumpBlock(&self, py: Python<'_>, i: i64) {
        if let Ok(block) = u64::try_from(i) {
            py.detach(|| dump(&self.blocks, block));
        }
    }
}

fn dump(blocks: &BlockStore, block: u64) {
    let Some(range) = blocks.geometry().range(block) else { return };
    let records = match blocks.store().block(block) {
        Ok(records) => records,
        Err(error) => return FS.normal(format_args!("ValkkaFSTool: dumpBlock: {}", reason(&error))),
    };
    let mut records = records.peekable();
    if records.peek().is_none() {
        return;
    }
    stdout::line(format_args!("\n----- Block number : {block} at position {} ----- ", range.start));
    for record in records {
        match record {
            // As they are when they are read: with their parameter sets.
            Ok(Record::Packet { id, frame }) => RepeatParams.push(frame, &mut |frame| {
                stdout::line(text::recorded(id.number(), &frame));
            }),
            Ok(_) => {}
            Err(damage) => FS.normal(format_args!("ValkkaFSTool: dumpBlock: {damage}")),
        }
    }
}
