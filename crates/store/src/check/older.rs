//! What a block of the older format holds, whatever the table says.

use std::collections::BTreeSet;

use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::damage::DamageReason;
use crate::format::v1;
use crate::walk::{BlockBytes, OlderStep, OlderWalk};

/// What was found in a block.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) records: u64,
    /// Where they end.
    pub(crate) bytes: u64,
    /// What follows the records, if that makes no sense: there are no check sums.
    pub(crate) damage: Option<(u64, DamageReason)>,
    /// The streams in it; of very many, some.
    pub(crate) ids: BTreeSet<u64>,
    pub(crate) first: Option<WallTime>,
    pub(crate) last: Option<WallTime>,
    pub(crate) first_keyframe: Option<WallTime>,
    pub(crate) last_keyframe: Option<WallTime>,
}

/// Goes over all records of a block.
pub(crate) fn examine(bytes: &dyn BlockBytes) -> Found {
    let mut found = Found::default();
    let mut walk = OlderWalk::default();
    loop {
        let record = match walk.next(bytes, None) {
            Ok(OlderStep::Record(record)) => record,
            Ok(OlderStep::End) => break,
            Ok(OlderStep::Damage(at, reason)) => {
                // Nothing was ever written there.
                found.damage = (found.records > 0).then_some((at, reason));
                break;
            }
            Err(error) => {
                found.damage = Some((walk.position(), DamageReason::Unreadable(error.kind())));
                break;
            }
        };
        found.records += 1;
        found.bytes = walk.position();
        if found.ids.len() < MAX_IDS {
            found.ids.insert(record.id.number());
        }
        // Only the first track counts.
        if record.track != Track::default() {
            continue;
        }
        let wall = Some(record.wall);
        found.first = [found.first, wall].into_iter().flatten().min();
        found.last = found.last.max(wall);
        if record.codec.is_some_and(|codec| codec.is_keyframe(&record.beginning)) {
            found.first_keyframe = [found.first_keyframe, wall].into_iter().flatten().min();
            found.last_keyframe = found.last_keyframe.max(wall);
        }
    }
    found
}

impl Found {
    /// The stream, if the block holds that one only.
    pub(crate) fn only_id(&self) -> Option<u64> {
        self.ids.first().copied().filter(|_| self.ids.len() == 1)
    }

    /// What the table should say.
    pub(crate) fn row(&self) -> v1::Row {
        let keyframe = if self.only_id().is_some() { self.first_keyframe } else { self.last_keyframe };
        let millis = |time: Option<WallTime>| time.map_or(0, WallTime::millis);
        v1::Row { keyframe_ms: millis(keyframe), last_ms: millis(self.last) }
    }

    /// Whether `row` may be what a program has written for it. What they take for a key frame differs.
    pub(crate) fn fits(&self, row: &v1::Row) -> bool {
        let millis = |time: Option<WallTime>| time.map_or(0, WallTime::millis);
        let (first, last) = (millis(self.first), millis(self.last));
        row.last_ms == last && (row.keyframe_ms == 0 || (first..=last).contains(&row.keyframe_ms))
    }
}

/// Nobody records more than that into one block.
const MAX_IDS: usize = 4096;
