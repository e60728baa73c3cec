//! A stream of a store as a recording.

use std::sync::Arc;

use valkka_core::time::WallTime;
use valkka_store::{Cursor, DamageReason, Entry as Stored};

use super::{Entry, Gap, PacketSource};
use crate::playback::error::PlaybackError;

impl PacketSource for Cursor {
    fn seek(&mut self, to: WallTime) -> Result<bool, PlaybackError> {
        Ok(Self::seek(self, to)?)
    }

    fn next(&mut self) -> Result<Option<Entry>, PlaybackError> {
        loop {
            return Ok(match Self::next(self)? {
                None => None,
                Some(Stored::Frame(frame)) => Some(Entry::Frame(frame)),
                Some(Stored::Gap(gap)) => {
                    Some(Entry::Gap(Gap { from: gap.from, to: gap.to, reason: gap.reason.into() }))
                }
                // No record is lost by that.
                Some(Stored::Damage(damage)) if damage.reason == DamageReason::Index => continue,
                Some(Stored::Damage(damage)) => Some(Entry::Damage(Arc::from(damage.to_string()))),
            });
        }
    }

    fn keyframe_before(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        Ok(Self::keyframe_before(self, time)?)
    }

    fn keyframe_after(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        Ok(Self::keyframe_after(self, time)?)
    }
}
