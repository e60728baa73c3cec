//! What the streams of a player are to show, and what they do show: no thread, no clock.

use std::time::Duration;

use valkka_core::stream::Slot;
use valkka_core::time::WallTime;

use super::convoy::{Convoy, Motion};
use super::{Gaps, PlayerEvent, PlayerState, Step};
use crate::playback::error::PlaybackError;
use crate::playback::transport::Transport;
use crate::playback::view::{View, Why};

/// Where a player is, and where its streams are.
#[derive(Debug)]
pub(super) struct State {
    transport: Transport,
    gaps: Gaps,
    /// Whether it is at the end and would go on.
    ended: bool,
    /// Grows with every change of what is to be shown, other than by time.
    generation: u64,
    /// [`Self::generation`] at the last jump.
    jump: u64,
    /// Whether the position waits for the streams to get to where it has jumped to.
    is_jumping: bool,
    streams: Convoy,
    slots: Vec<Slot>,
    step: Option<Stepping>,
    /// How many steps there have been.
    steps: u64,
}

/// What a stream shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Of which order it is.
    pub(super) generation: u64,
    pub(super) kind: Kind,
    /// Whether the stream shows all its pictures, and not key frames alone.
    pub(super) is_whole: bool,
    pub(super) from: Option<WallTime>,
    pub(super) to: Option<WallTime>,
}

/// What there is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Blank,
    /// The stream cannot be read.
    Failed,
}

/// A step that is looked for.
#[derive(Debug)]
struct Stepping {
    id: u64,
    step: Step,
    answers: Vec<Option<Changes>>,
}

/// When what a stream shows changes around a position.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    /// The first picture after it.
    pub(super) next: Option<WallTime>,
    /// When what is to be seen there began, picture or not.
    pub(super) current: Option<WallTime>,
    /// The last pictures that began no later than it.
    pub(super) pictures: [Option<WallTime>; 2],
}

/// What a stream is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) generation: u64,
    pub(super) position: WallTime,
    pub(super) speed: f64,
    pub(super) running: bool,
    /// A step for which this stream is still to say what it knows.
    pub(super) step: Option<(u64, Step)>,
}

impl State {
    pub(super) fn new(slots: Vec<Slot>, position: WallTime, gaps: Gaps) -> Self {
        Self {
            transport: Transport::new(position),
            gaps,
            ended: false,
            generation: 0,
            jump: 0,
            is_jumping: true,
            streams: Convoy::new(slots.len()),
            slots,
            step: None,
            steps: 0,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn position(&self, now: Duration) -> WallTime {
        self.transport.position(now)
    }

    pub(super) fn speed(&self) -> f64 {
        self.transport.speed()
    }

    pub(super) fn player_state(&self) -> PlayerState {
        match (self.ended, self.transport.is_running()) {
            (true, _) => PlayerState::Ended,
            (false, true) => PlayerState::Playing,
            (false, false) => PlayerState::Paused,
        }
    }

    pub(super) fn play(&mut self, now: Duration) {
        if self.player_state() == PlayerState::Paused {
            self.transport.play(now);
            self.changed();
            self.hold(now);
        }
    }

    pub(super) fn pause(&mut self, now: Duration) {
        self.transport.pause(now);
        self.ended = false;
        self.changed();
    }

    pub(super) fn seek(&mut self, to: WallTime, now: Duration) {
        self.go_on(now);
        self.jump(to, now);
    }

    pub(super) fn set_speed(&mut self, speed: f64, now: Duration) -> Result<(), PlaybackError> {
        self.transport.set_speed(speed, now)?;
        self.go_on(now);
        self.changed();
        self.hold(now);
        Ok(())
    }

    /// Looks for another picture; the number by which [`Self::is_stepped`] says whether it is found.
    pub(super) fn step(&mut self, step: Step, now: Duration) -> u64 {
        self.pause(now);
        self.steps += 1;
        self.step = Some(Stepping { id: self.steps, step, answers: vec![None; self.slots.len()] });
        self.steps
    }

    /// Whether it is over: found, or replaced by another order.
    pub(super) fn is_stepped(&self, id: u64) -> bool {
        self.step.as_ref().is_none_or(|stepping| stepping.id != id)
    }

    pub(super) fn cancel_step(&mut self, id: u64) {
        if !self.is_stepped(id) {
            self.step = None;
        }
    }

    /// What a stream is to do now.
    pub(super) fn order(&self, index: usize, now: Duration) -> Order {
        let unanswered = |stepping: &&Stepping| stepping.answers[index].is_none();
        Order {
            generation: self.generation,
            position: self.position(now),
            speed: self.transport.speed(),
            running: self.transport.is_running(),
            step: self.step.as_ref().filter(unanswered).map(|stepping| (stepping.id, stepping.step)),
        }
    }

    /// What a stream knows for a step. The last one to answer has it done.
    pub(super) fn answer(&mut self, index: usize, id: u64, changes: Changes, now: Duration) {
        let Some(stepping) = self.step.as_mut().filter(|stepping| stepping.id == id) else { return };
        stepping.answers[index] = Some(changes);
        if stepping.answers.iter().any(Option::is_none) {
            return;
        }
        let answers = || stepping.answers.iter().flatten();
        let target = match stepping.step {
            Step::Next => answers().filter_map(|changes| changes.next).min(),
            Step::Previous => {
                // What is to be seen now began when the last of the streams changed.
                let current = answers().filter_map(|changes| changes.current).max();
                let pictures = answers().flat_map(|changes| changes.pictures).flatten();
                pictures.filter(|&picture| current.is_none_or(|current| picture < current)).max()
            }
        };
        self.step = None;
        if let Some(target) = target {
            self.seek(target, now);
        }
    }

    /// Notes what a stream shows, and what follows from it.
    pub(super) fn report(&mut self, index: usize, seen: Seen, now: Duration) -> Vec<PlayerEvent> {
        if seen.generation < self.jump {
            return Vec::new();
        }
        let mut events = self.keep_together(now);
        if self.streams.show(index, seen, self.motion(now)) {
            events.push(PlayerEvent::InTime { slot: self.slots[index] });
        }
        events.extend(self.keep_together(now));
        events.extend(self.follow(now));
        events
    }

    /// What follows from what all streams show: they are in a gap, at the end, or no longer at the end.
    fn follow(&mut self, now: Duration) -> Vec<PlayerEvent> {
        let current = |seen: Option<Seen>| seen.filter(|seen| seen.generation == self.generation);
        let Some(all) = self.streams.seen().map(current).collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        if self.ended {
            return self.continues(&all, now);
        }
        let position = self.position(now);
        let is_blank = |seen: &Seen| seen.kind != Kind::Picture && seen.covers(position);
        if !self.transport.is_running() || !all.iter().all(is_blank) {
            return Vec::new();
        }
        let backward = self.transport.is_backward();
        let next = all.iter().filter_map(|seen| seen.ahead(backward));
        let next = if backward { next.max() } else { next.min() };
        match next {
            Some(next) if self.gaps == Gaps::Skip => {
                self.jump(next, now);
                vec![PlayerEvent::Position(next)]
            }
            Some(_) => Vec::new(),
            None => {
                let edge = if backward {
                    all.iter().filter_map(|seen| seen.to).min()
                } else {
                    all.iter().filter_map(|seen| seen.from).max()
                };
                let edge = edge.unwrap_or(position);
                self.transport.pause(now);
                self.transport.seek(edge, now);
                self.changed();
                self.ended = true;
                vec![PlayerEvent::Position(edge), PlayerEvent::End]
            }
        }
    }

    /// Whether all streams show what is to be seen at the position.
    pub(super) fn is_shown(&self, now: Duration) -> bool {
        let position = self.position(now);
        let shows = |seen: &Seen| {
            seen.generation == self.generation && (seen.kind == Kind::Failed || seen.covers(position))
        };
        self.step.is_none() && self.streams.seen().all(|seen| seen.as_ref().is_some_and(shows))
    }

    /// How long until the stream that shows `seen` is to show something else; `None` if nothing changes by time.
    pub(super) fn due(&self, seen: &Seen, now: Duration) -> Option<Duration> {
        let change =
            if self.transport.is_backward() { seen.from.map(|from| from.offset_micros(-1)) } else { seen.to };
        let due = self.transport.time_to(change?, now)?;
        // Whoever stands at the limit is told when that moves.
        let waits = !due.is_zero() && !self.transport.lag(now).is_zero();
        Some(if waits { PATIENCE } else { due })
    }

    /// Sees to it that the position is not ahead of what the streams show. Those that have made it wait for too long are
    /// waited for no more.
    pub(super) fn keep_together(&mut self, now: Duration) -> Vec<PlayerEvent> {
        let mut events = Vec::new();
        self.hold(now);
        while self.transport.is_running() && self.transport.held(now) >= PATIENCE {
            let late = self.streams.leave_behind(self.motion(now));
            if late.is_empty() {
                break;
            }
            events.extend(late.iter().map(|&index| PlayerEvent::Late { slot: self.slots[index] }));
            self.hold(now);
        }
        if self.transport.lag(now) > MAX_LAG {
            self.transport.give_up_lag(now);
        }
        events
    }

    /// How far the position may go, as long as nothing else is shown.
    pub(super) fn limit(&self) -> Option<WallTime> {
        self.transport.limit()
    }

    /// Lets the position go as far as it may.
    fn hold(&mut self, now: Duration) {
        if self.is_jumping && self.streams.has_arrived() {
            // The time that a jump takes is not made up for.
            self.is_jumping = false;
            self.transport.give_up_lag(now);
        }
        let motion = self.motion(now);
        let limit = if self.is_jumping { Some(motion.position) } else { self.streams.limit(motion) };
        self.transport.set_limit(limit, now);
    }

    fn jump(&mut self, to: WallTime, now: Duration) {
        self.transport.seek(to, now);
        self.streams.jump();
        self.changed();
        (self.jump, self.is_jumping) = (self.generation, true);
        self.hold(now);
    }

    fn motion(&self, now: Duration) -> Motion {
        Motion { position: self.position(now), speed: self.transport.speed() }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// There is more after the end.
    fn continues(&mut self, all: &[Seen], now: Duration) -> Vec<PlayerEvent> {
        let backward = self.transport.is_backward();
        let more = |seen: &Seen| match seen.kind {
            // Going backward it stands on the first picture of all.
            Kind::Picture => !backward,
            _ => seen.ahead(backward).is_some(),
        };
        if !all.iter().any(more) {
            return Vec::new();
        }
        self.go_on(now);
        vec![PlayerEvent::Continues]
    }

    /// If it is at the end, it is no longer.
    fn go_on(&mut self, now: Duration) {
        if std::mem::take(&mut self.ended) {
            self.transport.play(now);
            self.hold(now);
        }
    }

    /// What is to be shown is another thing now.
    fn changed(&mut self) {
        self.generation += 1;
        self.step = None;
    }
}

impl Seen {
    pub(super) fn of(view: &View, generation: u64, is_whole: bool) -> Self {
        let kind = if view.picture().is_some() { Kind::Picture } else { Kind::Blank };
        Self { generation, kind, is_whole, from: view.from(), to: view.to() }
    }

    pub(super) fn failed(generation: u64) -> Self {
        Self { generation, kind: Kind::Failed, is_whole: true, from: None, to: None }
    }

    fn covers(&self, position: WallTime) -> bool {
        self.from.is_none_or(|from| from <= position) && self.to.is_none_or(|to| position < to)
    }

    /// The first moment in the direction of playing at which something else is to be seen.
    pub(super) fn ahead(&self, backward: bool) -> Option<WallTime> {
        if backward { self.from.map(|from| from.offset_micros(-1)) } else { self.to }
    }
}

/// Whether it is the end of what is recorded, which may go on later.
pub(super) fn is_end(why: &Why) -> bool {
    *why == Why::After
}

/// A stream that shows nothing else for so long while the others wait is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What waiting takes is made up for by playing faster; not more than this.
const MAX_LAG: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn at(millis: i64) -> WallTime {
        WallTime::from_micros(millis * 1000)
    }

    fn millis(millis: u64) -> Duration {
        NOW + Duration::from_millis(millis)
    }

    fn seen(state: &State, kind: Kind, from: impl Into<Option<i64>>, to: impl Into<Option<i64>>) -> Seen {
        let (from, to) = (from.into().map(at), to.into().map(at));
        Seen { generation: state.generation(), kind, is_whole: true, from, to }
    }

    /// Two streams, played from 1 s on.
    fn playing(gaps: Gaps) -> State {
        let mut state = State::new(slots(2), at(1000), gaps);
        state.play(NOW);
        state
    }

    fn slots(count: u16) -> Vec<Slot> {
        (1..=count).map(Slot::new).collect()
    }

    #[test]
    fn what_streams_show_is_compared_with_where_it_is() {
        let mut state = playing(Gaps::Wait);
        assert!(!state.is_shown(NOW));
        let picture = seen(&state, Kind::Picture, 990, 1030);
        assert_eq!(state.due(&picture, NOW).map(|due| due.as_millis()), Some(30));
        state.report(0, picture, NOW);
        state.report(1, picture, NOW);
        assert!(state.is_shown(NOW) && state.is_shown(millis(29)) && !state.is_shown(millis(31)));
        state.seek(at(1000), NOW);
        assert!(!state.is_shown(NOW), "what was asked for before does not count");
    }

    #[test]
    fn nobody_shows_what_is_a_frame_interval_past_what_another_shows() {
        for speed in [1.0, -1.0, 0.25, -0.5] {
            let mut random = fastrand::Rng::with_seed(11);
            let mut state = playing(Gaps::Wait);
            state.set_speed(speed, NOW).unwrap();
            state.seek(at(50_000), NOW);
            // Each of them has a picture every 40 or 100 ms, and takes up to a second for one.
            let mut shown: [Option<Seen>; 2] = [None; 2];
            let mut busy: [Option<(u64, Order)>; 2] = [None; 2];
            for time in 0..20_000 {
                let now = millis(time);
                for stream in 0..2 {
                    let Some((done, order)) = busy[stream] else {
                        let takes = if random.u8(..8) == 0 { random.u64(..1000) } else { 1 };
                        busy[stream] = Some((time + takes, state.order(stream, now)));
                        continue;
                    };
                    if done > time {
                        continue;
                    }
                    let interval = [40, 100][stream];
                    let from = order.position.micros_since(at(0)).div_euclid(1000) / interval * interval;
                    let seen = seen(&state, Kind::Picture, from, from + interval);
                    if let Some(other) = shown[1 - stream] {
                        let apart = if speed < 0.0 {
                            other.from.unwrap().micros_since(seen.to.unwrap())
                        } else {
                            seen.from.unwrap().micros_since(other.to.unwrap())
                        };
                        assert!(apart <= 40_000, "{apart} at {time}, {speed}");
                    }
                    shown[stream] = Some(seen);
                    assert_eq!(state.report(stream, seen, now), []);
                    busy[stream] = None;
                }
            }
            let played = state.position(millis(20_000)).micros_since(at(50_000)) as f64 / 1000.0 / speed;
            assert!(played > 2000.0 && played <= 20_000.0, "{played} of 20000 ms");
        }
    }

    #[test]
    fn what_waiting_takes_is_made_up_for() {
        let mut state = playing(Gaps::Wait);
        for stream in 0..2 {
            state.report(stream, seen(&state, Kind::Picture, 1000, 1040), NOW);
        }
        state.report(1, seen(&state, Kind::Picture, 1040, 1080), millis(50));
        assert_eq!(state.position(millis(600)), at(1080), "one frame interval past what the first one shows");
        let due = state.due(&seen(&state, Kind::Picture, 1080, 1120), millis(600));
        assert_eq!(due, Some(PATIENCE), "it is told when that goes on");
        state.report(0, seen(&state, Kind::Picture, 1080, 1120), millis(600));
        assert_eq!(state.position(millis(600)), at(1120));
        for stream in 0..2 {
            state.report(stream, seen(&state, Kind::Picture, 1100, 1640), millis(610));
        }
        assert_eq!(state.position(millis(610)), at(1610));
        // Not so what a jump takes, and what was too slow for long.
        state.seek(at(3000), millis(700));
        assert_eq!(state.position(millis(900)), at(3000));
        for stream in 0..2 {
            state.report(stream, seen(&state, Kind::Picture, 3000, 3040), millis(900));
        }
        assert_eq!(state.position(millis(910)), at(3010));
        state.keep_together(millis(2400));
        assert_eq!(state.position(millis(2400)), at(3080));
        for stream in 0..2 {
            state.report(stream, seen(&state, Kind::Picture, 3080, 9000), millis(2500));
        }
        assert_eq!(state.position(millis(2500)), at(3180));
    }

    #[test]
    fn who_does_not_follow_at_all_is_not_waited_for() {
        let mut state = playing(Gaps::Wait);
        for stream in 0..2 {
            state.report(stream, seen(&state, Kind::Picture, 1000, 1040), NOW);
        }
        assert_eq!(state.report(1, seen(&state, Kind::Picture, 1080, 1120), millis(1900)), []);
        assert_eq!(state.position(millis(1900)), at(1080));
        let events = state.report(1, seen(&state, Kind::Picture, 1080, 9000), millis(2200));
        assert_eq!(events, [PlayerEvent::Late { slot: Slot::new(1) }]);
        assert!(state.position(millis(3000)) >= at(1880));
        // Neither after a jump, until it is where the others are.
        state.seek(at(5000), millis(3000));
        assert_eq!(state.report(1, seen(&state, Kind::Picture, 5000, 9000), millis(3000)), []);
        assert_eq!(state.position(millis(3500)), at(5500));
        assert_eq!(state.report(0, seen(&state, Kind::Picture, 5000, 5040), millis(3500)), []);
        let events = state.report(0, seen(&state, Kind::Picture, 5480, 5520), millis(3500));
        assert_eq!(events, [PlayerEvent::InTime { slot: Slot::new(1) }]);
        assert_eq!(state.position(millis(4000)), at(5560));
        // If it is all of them, nobody goes on.
        let mut state = playing(Gaps::Wait);
        assert_eq!(state.keep_together(millis(9000)), []);
        assert_eq!(state.position(millis(9000)), at(1000));
        let events = state.report(0, seen(&state, Kind::Picture, 1000, 1040), millis(9000));
        assert_eq!(events, [PlayerEvent::Late { slot: Slot::new(2) }]);
    }

    #[test]
    fn key_frames_at_high_speeds_hold_up_nobody() {
        let mut state = playing(Gaps::Wait);
        state.set_speed(16.0, NOW).unwrap();
        for stream in 0..2 {
            let keyframe = Seen { is_whole: false, ..seen(&state, Kind::Picture, 1000, 2000) };
            state.report(stream, keyframe, NOW);
        }
        assert_eq!(state.position(millis(1000)), at(17_000));
    }

    #[test]
    fn a_gap_is_skipped_where_all_have_one() {
        for (gaps, after) in [(Gaps::Wait, 1000), (Gaps::Skip, 4000)] {
            let mut state = playing(gaps);
            state.report(0, seen(&state, Kind::Blank, 900, 5000), NOW);
            state.report(1, seen(&state, Kind::Blank, None, 4000), NOW);
            assert_eq!(state.position(NOW), at(after));
        }
        let mut state = playing(Gaps::Skip);
        state.report(0, seen(&state, Kind::Blank, 900, 5000), NOW);
        state.report(1, seen(&state, Kind::Picture, 990, 1030), NOW);
        assert_eq!(state.position(NOW), at(1000));
    }

    #[test]
    fn the_end_is_where_the_last_one_ends_and_is_left_when_there_is_more() {
        let mut state = playing(Gaps::Skip);
        state.report(0, seen(&state, Kind::Blank, 900, None), NOW);
        let events = state.report(1, seen(&state, Kind::Blank, 950, None), NOW);
        assert_eq!(events, [PlayerEvent::Position(at(950)), PlayerEvent::End]);
        assert_eq!((state.position(millis(9000)), state.player_state()), (at(950), PlayerState::Ended));
        state.play(millis(9000));
        state.report(0, seen(&state, Kind::Blank, 900, None), millis(9000));
        assert_eq!(state.player_state(), PlayerState::Ended);
        let events = state.report(1, seen(&state, Kind::Picture, 950, 990), millis(9000));
        assert_eq!(events, [PlayerEvent::Continues]);
        assert_eq!(state.position(millis(9010)), at(960));
    }

    #[test]
    fn a_step_goes_to_the_nearest_change_of_a_picture() {
        let changes = |next, current, pictures: [i64; 2]| Changes {
            next: Some(at(next)),
            current: Some(at(current)),
            pictures: pictures.map(|picture| Some(at(picture))),
        };
        for (step, target) in [(Step::Next, 1020), (Step::Previous, 960)] {
            let mut state = State::new(slots(2), at(1010), Gaps::Wait);
            let id = state.step(step, NOW);
            assert_eq!(state.order(1, NOW).step, Some((id, step)));
            state.answer(1, id, changes(1040, 1000, [1000, 960]), NOW);
            assert!(state.order(1, NOW).step.is_none() && !state.is_stepped(id));
            state.answer(0, id, changes(1020, 920, [920, 820]), NOW);
            assert!(state.is_stepped(id));
            assert_eq!(state.position(NOW), at(target));
        }
        // Another order takes its place, and an answer that comes late says nothing.
        let mut state = State::new(slots(1), at(1010), Gaps::Wait);
        let id = state.step(Step::Next, NOW);
        state.seek(at(7000), NOW);
        assert!(state.is_stepped(id));
        state.answer(0, id, changes(1040, 1000, [1000, 960]), NOW);
        assert_eq!(state.position(NOW), at(7000));
    }
}
