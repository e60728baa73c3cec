//! Where a moment is.

use std::cmp::Reverse;
use std::time::Duration;

use valkka_core::time::WallTime;

use crate::contents::Contents;
use crate::walk::Search;

use super::{Cursor, Times};

/// A span, and an item in it.
type Found = (usize, usize);

impl Cursor {
    /// The last key frame at or before `to`: of the latest recording of that moment, or else, where nothing was recorded
    /// then, the nearest one.
    pub(super) fn find_before(&mut self, to: WallTime) -> Option<Found> {
        self.find_in_recording_of(to).or_else(|| self.find_nearest_before(to))
    }

    /// The first key frame after `from`.
    pub(super) fn find_after(&mut self, from: WallTime) -> Option<Found> {
        let mut spans: Vec<usize> = (0..self.spans.len()).collect();
        spans.sort_by_key(|&span| (self.spans[span].earliest_keyframe(), Reverse(span)));
        let mut best: Option<(WallTime, Found)> = None;
        for span in spans {
            let of_span = &self.spans[span];
            if best.zip(of_span.earliest_keyframe()).is_some_and(|((best, _), earliest)| earliest >= best) {
                break;
            }
            if of_span.latest_keyframe().is_none_or(|latest| latest <= from) {
                continue;
            }
            if self.resolve(span).keyframes.is_none_or(|(_, latest)| latest <= from) {
                continue;
            }
            if let Some(item) = self.contents_of(span).keyframe_after(from) {
                let moment = self.moment((span, item));
                if best.is_none_or(|(best, _)| moment < best) {
                    best = Some((moment, (span, item)));
                }
            }
        }
        best.map(|(_, found)| found)
    }

    /// The beginning, if there is anything but no key frame.
    pub(super) fn find_any(&mut self) -> Option<Found> {
        (0..self.spans.len()).find(|&span| !self.contents_of(span).items().is_empty()).map(|span| (span, 0))
    }

    /// The moment of an item.
    pub(super) fn moment(&mut self, (span, item): Found) -> WallTime {
        self.contents_of(span).items()[item].wall
    }

    /// What there is of the stream in a span.
    pub(super) fn resolve(&mut self, span: usize) -> Times {
        if let Some(times) = self.spans[span].times {
            return times;
        }
        let contents = self.contents_of(span);
        let times = Times { frames: contents.frames(), keyframes: contents.keyframes() };
        if !self.spans[span].is_open {
            self.spans[span].times = Some(times);
        }
        times
    }

    fn find_in_recording_of(&mut self, to: WallTime) -> Option<Found> {
        let holder = (0..self.spans.len()).rev().find(|&span| self.holds(span, to))?;
        // Groups of pictures may be longer than blocks.
        for span in (0..=holder).rev() {
            let Some((first, _)) = self.resolve(span).keyframes else { continue };
            if first <= to {
                return self.contents_of(span).keyframe_at_or_before(to).map(|item| (span, item));
            }
            if span < holder {
                // The clock was set back in between.
                break;
            }
        }
        None
    }

    fn find_nearest_before(&mut self, to: WallTime) -> Option<Found> {
        let mut spans: Vec<usize> = (0..self.spans.len()).collect();
        let latest =
            |cursor: &Self, span: usize| cursor.spans[span].latest_keyframe().map(|latest| latest.min(to));
        spans.sort_by_key(|&span| Reverse((latest(self, span), span)));
        let mut best: Option<(WallTime, Found)> = None;
        for span in spans {
            let Some(latest) = latest(self, span) else { break };
            if best.is_some_and(|(best, _)| latest <= best) {
                break;
            }
            if self.spans[span].earliest_keyframe().is_none_or(|earliest| earliest > to) {
                continue;
            }
            if self.resolve(span).keyframes.is_none_or(|(first, _)| first > to) {
                continue;
            }
            if let Some(item) = self.contents_of(span).keyframe_at_or_before(to) {
                let moment = self.moment((span, item));
                if best.is_none_or(|(best, _)| moment > best) {
                    best = Some((moment, (span, item)));
                }
            }
        }
        best.map(|(_, found)| found)
    }

    /// Whether the moment `at` was recorded in a span, or just after it, before the next one began.
    fn holds(&mut self, span: usize, at: WallTime) -> bool {
        if self.spans[span].may_hold(at) {
            let frames = self.resolve(span).frames;
            if frames.is_some_and(|(first, last)| first <= at && at <= last) {
                return true;
            }
        }
        let next = self.spans.get(span + 1).and_then(|next| next.times?.frames);
        let here = self.spans[span].times.and_then(|times| times.frames);
        let Some(((_, last), (next, _))) = here.zip(next) else { return false };
        last <= at && at < next && next.saturating_since(last) <= LONGEST_FRAME
    }

    /// What is in a span, with what was written since.
    pub(super) fn contents_of(&mut self, span: usize) -> &Contents {
        let (block, row, is_open) = (self.spans[span].block, self.spans[span].row, self.spans[span].is_open);
        let is_here = self.place.as_ref().is_some_and(|place| place.block == block);
        if is_open && row.is_older && !is_here {
            self.forget_older(span);
        } else if is_open {
            self.walk_on(block, &row, Search::Little);
        }
        self.contents(block, &row)
    }
}

/// What lies further apart is not one recording.
const LONGEST_FRAME: Duration = Duration::from_secs(2);
