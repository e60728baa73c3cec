//! What the streams of a player show, and how far the position may go for them to stay in step.

use std::time::Duration;

use valkka_core::time::WallTime;

use super::state::{Kind, Seen};

/// The streams, in their order.
///
/// The position is never further ahead of what a stream shows than one frame interval, the shortest of all streams: so no
/// stream shows a picture while another one still shows what ended longer ago. Streams that are late are not waited for.
#[derive(Debug)]
pub(super) struct Convoy(Vec<Member>);

#[derive(Clone, Debug, Default)]
struct Member {
    /// What it shows; `None` if it has shown nothing since the last jump.
    seen: Option<Seen>,
    is_late: bool,
}

/// How the position moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    pub(super) position: WallTime,
    pub(super) speed: f64,
}

impl Convoy {
    pub(super) fn new(streams: usize) -> Self {
        Self(vec![Member::default(); streams])
    }

    /// What they show is not what they are to show any more.
    pub(super) fn jump(&mut self) {
        self.0.iter_mut().for_each(|member| member.seen = None);
    }

    /// Notes what a stream shows. Returns whether it was late and is so no longer.
    pub(super) fn show(&mut self, index: usize, seen: Seen, motion: Motion) -> bool {
        self.0[index].seen = Some(seen);
        let reach = self.reach(&seen, motion);
        let member = &mut self.0[index];
        let follows = member.is_late && reach.is_none_or(|reach| !motion.is_past(reach));
        member.is_late &= !follows;
        follows
    }

    /// What each of them shows.
    pub(super) fn seen(&self) -> impl Iterator<Item = Option<Seen>> {
        self.0.iter().map(|member| member.seen)
    }

    /// Whether all that are waited for have shown something since the last jump.
    pub(super) fn has_arrived(&self) -> bool {
        self.0.iter().all(|member| member.is_late || member.seen.is_some())
    }

    /// How far the position may go; `None` if nobody holds it up.
    pub(super) fn limit(&self, motion: Motion) -> Option<WallTime> {
        let waited = self.0.iter().filter(|member| !member.is_late).filter_map(|member| member.seen);
        let reaches = waited.filter_map(|seen| self.reach(&seen, motion));
        if motion.is_backward() { reaches.max() } else { reaches.min() }
    }

    /// Does not wait any more for those who hold the position up, and returns them; never for all.
    pub(super) fn leave_behind(&mut self, motion: Motion) -> Vec<usize> {
        let holds_up = |member: &Member| match &member.seen {
            None => true,
            Some(seen) => self.reach(seen, motion).is_some_and(|reach| motion.is_at(reach)),
        };
        let waited = || self.0.iter().enumerate().filter(|(_, member)| !member.is_late);
        let late: Vec<_> = waited().filter(|(_, member)| holds_up(member)).map(|(index, _)| index).collect();
        if late.len() == waited().count() {
            return Vec::new();
        }
        late.iter().for_each(|&index| self.0[index].is_late = true);
        late
    }

    /// How far the position may go for one stream; `None` if it is not to wait for it.
    fn reach(&self, seen: &Seen, motion: Motion) -> Option<WallTime> {
        // At high speeds each takes the key frames that it can.
        if !seen.is_whole && motion.speed.abs() > 1.0 {
            return None;
        }
        let slack = self.slack(motion.speed);
        if motion.is_backward() {
            seen.ahead(true).map(|end| end.offset_micros(-slack))
        } else {
            seen.ahead(false).map(|end| end.offset_micros(slack))
        }
    }

    /// A frame interval, in microseconds; at high speeds, what passes between two pictures.
    fn slack(&self, speed: f64) -> i64 {
        let pictures = self.0.iter().filter_map(|member| member.seen);
        let pictures = pictures.filter(|seen| seen.is_whole && seen.kind == Kind::Picture);
        let intervals = pictures.filter_map(|seen| Some(seen.to?.micros_since(seen.from?)));
        let interval = intervals.min().unwrap_or(USUAL_INTERVAL).clamp(LEAST_INTERVAL, MOST_INTERVAL);
        let passes = speed.abs() * MIN_INTERVAL.as_micros() as f64 * 2.0;
        if speed.abs() > 1.0 { interval.max(passes as i64) } else { interval }
    }
}

impl Motion {
    fn is_backward(self) -> bool {
        self.speed < 0.0
    }

    fn is_at(self, reach: WallTime) -> bool {
        if self.is_backward() { self.position <= reach } else { self.position >= reach }
    }

    fn is_past(self, reach: WallTime) -> bool {
        self.position != reach && self.is_at(reach)
    }
}

/// At high speeds pictures are not shown more often.
pub(super) const MIN_INTERVAL: Duration = Duration::from_millis(16);

/// Frame intervals, in microseconds.
const USUAL_INTERVAL: i64 = 40_000;
const LEAST_INTERVAL: i64 = 5_000;
const MOST_INTERVAL: i64 = 1_000_000;
