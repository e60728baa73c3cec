//! How much is kept.

use std::collections::BTreeMap;
use std::time::Duration;

/// How much of a stream is kept. What is more, or older, is given up, whole blocks at a time, the oldest first: readers of
/// this process do not get it any more at once, others when they look at the table again; its bytes are overwritten some day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of its blocks, the one that is being written included, of which there is at least that one.
    pub max_bytes: Option<u64>,
    /// The age of its oldest frame. What is a little younger goes with it: a block lasts for a sixteenth of this time at
    /// most, or more in a store with few blocks, up to a half of it.
    pub max_age: Option<Duration>,
}

/// How much is kept of streams that nobody records at the moment; of those that have a lane, the lane says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retentions {
    /// By the names of the streams.
    pub named: BTreeMap<String, Retention>,
    /// Of each of all others.
    pub others: Retention,
}

impl Retentions {
    /// Of the stream called `name`.
    pub(super) fn of(&self, name: &str) -> Retention {
        self.named.get(name).copied().unwrap_or(self.others)
    }

    /// Of what streams share: nobody can say whose bytes they are.
    pub(super) fn of_shared(&self) -> Retention {
        Retention { max_bytes: None, ..self.others }
    }
}
