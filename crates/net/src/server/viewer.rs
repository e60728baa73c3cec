//! One viewer's way through a channel.

use std::sync::Arc;

use tokio::sync::watch;

use super::channel::Cursor;
use super::flow::Flow;
use crate::rtp::Unit;

/// A position in a channel that waits for what comes next.
#[derive(Debug)]
pub(super) struct Viewer {
    flow: Arc<Flow>,
    cursor: Cursor,
    changes: watch::Receiver<()>,
}

impl Viewer {
    /// At `cursor` in the channel of `flow`.
    pub(super) fn new(flow: Arc<Flow>, cursor: Cursor) -> Self {
        Self { changes: flow.channel().subscribe(), flow, cursor }
    }

    /// Waits for the next units; `None` when the stream is over for this viewer. Nothing is lost if the future
    /// is dropped.
    pub(super) async fn next(&mut self) -> Option<Vec<Arc<Unit>>> {
        loop {
            self.changes.mark_unchanged();
            let units = self.flow.channel().fetch(&mut self.cursor, FETCH_BYTES)?;
            self.flow.skipped(self.cursor.take_skipped());
            if !units.is_empty() {
                self.flow.sending(&units);
                return Some(units);
            }
            self.changes.changed().await.ok()?;
        }
    }

    /// `units` have been sent.
    pub(super) fn sent(&self, units: &[Arc<Unit>]) {
        self.flow.sent(units);
    }

    /// What is sent last.
    pub(super) fn goodbye(&self) -> Vec<Arc<Unit>> {
        self.flow.channel().goodbye(self.cursor.tracks()).into_iter().map(Arc::new).collect()
    }
}

/// What a viewer takes at once: enough for few system calls, little enough that one that does not keep up holds
/// on to little.
const FETCH_BYTES: usize = 256 << 10;
