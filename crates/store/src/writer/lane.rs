//! Where frames are put.

use std::fmt;
use std::sync::Arc;

use valkka_core::clock::SystemClock;
use valkka_core::frame::Frame;

use crate::error::StoreError;
use crate::record::StreamId;

use super::Retention;
use super::intake::{Intake, Taken};
use super::shared::Shared;

/// Where the frames of one stream, or of many, are put to be recorded. It can be used from any thread.
///
/// A stream has blocks of its own, so that recordings of one can be kept longer than those of another. When the lane is
/// dropped, its block is completed.
pub struct Lane {
    shared: Arc<Shared>,
    intake: Arc<Intake>,
    id: Option<StreamId>,
}

impl Lane {
    pub(super) fn of_stream(
        shared: &Arc<Shared>,
        name: &str,
        retention: Retention,
    ) -> Result<Self, StoreError> {
        let (id, intake) = shared.join(name, retention)?;
        Ok(Self { shared: shared.clone(), intake, id: Some(id) })
    }

    pub(super) fn mixed(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone(), intake: shared.join_mixed(), id: None }
    }

    /// The stream that it is for; `None` if it is for many.
    pub fn id(&self) -> Option<StreamId> {
        self.id
    }

    /// Has `frame` recorded, if it holds a packet; other frames are nothing to record. It does not wait: what the disk does
    /// not take in time is dropped, up to the next key frame, and so is what no block has room for. Returns whether it was
    /// taken; never, if the lane is for many streams.
    pub fn put(&self, frame: &Frame) -> bool {
        self.id.is_some_and(|id| self.put_as(id, frame))
    }

    /// As [`Self::put`], as a frame of `id`; into a lane for many streams. One for a single stream takes no other.
    pub fn put_as(&self, id: StreamId, frame: &Frame) -> bool {
        if self.id.is_some_and(|own| own != id) || self.shared.is_over() || frame.packet().is_none() {
            return false;
        }
        match self.intake.put(id, frame, || self.shared.without_directories(&self.shared.drop_reason())) {
            Taken::Queued(bytes) => {
                self.shared.has_work(bytes > self.intake.capacity() / 2);
                true
            }
            Taken::Dropped(overdue) => {
                self.shared.count_dropped();
                if let Some(dropped) = overdue {
                    self.shared.tell_dropped(id, dropped);
                }
                false
            }
        }
    }

    /// How many bytes it takes now before it drops any, for who has more than one frame to put.
    pub fn room_bytes(&self) -> usize {
        self.intake.capacity().saturating_sub(self.intake.bytes())
    }

    /// Whether nothing waits in its queue. It takes any frame then that a block has room for, also one that is larger than
    /// [`Self::room_bytes`].
    pub fn is_idle(&self) -> bool {
        self.intake.bytes() == 0
    }

    /// Changes how much is kept; what is too much then goes by and by, as room is needed. In a store of the older format,
    /// all lanes are one ring, and nothing goes before it is full.
    pub fn set_retention(&self, retention: Retention) {
        self.intake.retain(retention);
    }

    /// Nothing comes for a while: `reason` will stand before the next frame of each stream of this lane.
    pub fn gap(&self, reason: &str) {
        self.note(|intake| intake.gap(self.id, SystemClock.now(), reason));
    }

    /// Completes the block that is being written, if there is one; what is put later is written into another one. In a
    /// store of the older format that is the block of all lanes.
    pub fn close_block(&self) {
        self.note(Intake::close_block);
    }

    fn note(&self, note: impl FnOnce(&Intake)) {
        if !self.shared.is_over() {
            note(&self.intake);
            self.shared.has_work(false);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.leave(&self.intake, self.id);
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("id", &self.id).field("queued_bytes", &self.intake.bytes()).finish()
    }
}
