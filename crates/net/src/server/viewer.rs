//! One viewer's way through a channel.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::channel::{Channel, Cursor};
use crate::rtp::Unit;

/// A position in a channel that waits for what comes next. Counted while it lives.
#[derive(Debug)]
pub(super) struct Viewer {
    channel: Arc<Channel>,
    cursor: Cursor,
    changes: watch::Receiver<()>,
}

impl Viewer {
    pub(super) fn new(channel: Arc<Channel>, cursor: Cursor) -> Self {
        channel.counters.viewers.fetch_add(1, Ordering::Relaxed);
        Self { changes: channel.subscribe(), channel, cursor }
    }

    /// Waits for the next units; `None` when the stream is over for this viewer. Nothing is lost if the future
    /// is dropped.
    pub(super) async fn next(&mut self) -> Option<Vec<Arc<Unit>>> {
        loop {
            self.changes.mark_unchanged();
            let units = self.channel.fetch(&mut self.cursor, FETCH_BYTES)?;
            if !units.is_empty() {
                return Some(units);
            }
            self.changes.changed().await.ok()?;
        }
    }

    /// What is sent last.
    pub(super) fn goodbye(&self) -> Vec<Arc<Unit>> {
        self.channel.goodbye(self.cursor.tracks()).into_iter().map(Arc::new).collect()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.channel.counters.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a viewer takes at once: enough for few system calls, little enough that one that does not keep up holds
/// on to little.
const FETCH_BYTES: usize = 256 << 10;
