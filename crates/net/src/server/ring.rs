//! The packets that all viewers of a mount read, each at its own position.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::rtp::{Unit, UnitKind};

/// The last group of pictures, and what came before it for as long as slow viewers may need it. Units are
/// numbered from 0 on and leave at the far end.
#[derive(Debug)]
pub(super) struct Ring {
    units: VecDeque<Arc<Unit>>,
    /// The number of the oldest unit.
    first: u64,
    /// Sum of the lengths of `units`.
    bytes: usize,
    max_bytes: usize,
    /// The number of the last key frame of a video track, while it is kept.
    keyframe: Option<u64>,
}

impl Ring {
    /// A ring that keeps `max_bytes` at most.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { units: VecDeque::new(), first: 0, bytes: 0, max_bytes, keyframe: None }
    }

    /// Adds a unit; `video` says whether its track is video. Drops what is no longer needed.
    pub(super) fn push(&mut self, unit: Unit, video: bool) {
        let now = unit.made;
        if video && matches!(unit.kind, UnitKind::Media { keyframe: true, .. }) {
            self.keyframe = Some(self.end());
        }
        self.bytes += unit.len();
        self.units.push_back(Arc::new(unit));
        while let Some(oldest) = self.units.front() {
            let needed = self.keyframe.is_some_and(|keyframe| self.first >= keyframe);
            let stale = !needed && now.duration_since(oldest.made) > MAX_LAG;
            if !stale && self.bytes <= self.max_bytes && self.units.len() <= MAX_UNITS {
                break;
            }
            self.bytes -= oldest.len();
            self.units.pop_front();
            self.first += 1;
        }
        self.keyframe = self.keyframe.filter(|&keyframe| keyframe >= self.first);
    }

    /// The number of the oldest unit.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the unit that comes next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.units.len() as u64
    }

    /// Bytes it holds.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the last key frame of a video track.
    pub(super) fn keyframe(&self) -> Option<u64> {
        self.keyframe
    }

    /// The units from number `from` on.
    pub(super) fn since(&self, from: u64) -> impl Iterator<Item = &Arc<Unit>> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.units.range(skip.min(self.units.len())..)
    }

    /// Drops everything; numbers go on.
    pub(super) fn clear(&mut self) {
        self.first = self.end();
        self.units.clear();
        self.bytes = 0;
        self.keyframe = None;
    }
}

/// A viewer may be behind the last key frame by this before it is moved on to it.
const MAX_LAG: Duration = Duration::from_secs(3);

/// Units kept at most, whatever their size.
const MAX_UNITS: usize = 16_384;
