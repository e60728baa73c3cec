//! Playing a recording: what is sent when. It reads no clock, so that its tests need not wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use valkka_core::frame::{Frame, FrameTime, Signal};
use valkka_core::sink::Sink;
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};

use super::CacheNotice;
use super::recording::Recording;

/// Plays a recording into the filters of its slots.
#[derive(Default)]
pub(super) struct Replay {
    recording: Recording,
    outputs: BTreeMap<Slot, Arc<dyn Sink>>,
    /// Tracks that their outputs know of.
    announced: BTreeSet<(Slot, Track)>,
    state: State,
    /// Where on the clock of the recording it stands while it does not play, or where playing began.
    target: Option<WallTime>,
    /// Microseconds from the clock of the recording to ours, for what is sent.
    offset_micros: i64,
    /// What is sent next; `None` as long as the recording does not have the target.
    position: Option<Position>,
    /// The last packet that was sent of each track since the last seek.
    sent: BTreeMap<(Slot, Track), PacketId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing is sent.
    #[default]
    Stopped,
    /// All up to the target is sent as fast as possible, and then it stops.
    Seeking,
    /// Everything is sent when its time has come.
    Playing,
}

/// A place in the recording.
#[derive(Debug)]
struct Position {
    /// The index of the next packet.
    next: usize,
    /// The index from which on packets of a track are sent; those of other tracks are not.
    from: BTreeMap<(Slot, Track), usize>,
}

/// Tells a packet of a track from others.
type PacketId = (WallTime, MediaTime);

/// When there is something to do again, if nobody asks for anything before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At once.
    Now,
    /// At this moment.
    At(WallTime),
    /// Never.
    Nothing,
}

impl Replay {
    /// Sends the packets of `slot` to `output` from now on: where the others are, and from a key frame on.
    pub(super) fn register(
        &mut self,
        slot: Slot,
        output: Arc<dyn Sink>,
        now: WallTime,
    ) -> Result<(), CacheNotice> {
        if self.outputs.contains_key(&slot) {
            return Err(CacheNotice::SlotTaken(slot));
        }
        self.outputs.insert(slot, output);
        self.announced.retain(|(announced, _)| *announced != slot);
        self.catch_up(slot, now);
        Ok(())
    }

    /// Sends nothing of `slot` any more.
    pub(super) fn deregister(&mut self, slot: Slot) -> Result<(), CacheNotice> {
        self.outputs.remove(&slot).map(drop).ok_or(CacheNotice::NoSuchSlot(slot))
    }

    /// Takes another recording into use, and finds its place in it.
    pub(super) fn adopt(&mut self, recording: Recording, now: WallTime) -> Result<(), CacheNotice> {
        // What it shows may be no more than the last that there was before the target.
        let had = self.target.is_some_and(|target| self.has(target));
        self.recording = recording;
        let before = self.position.take();
        let Some(target) = self.target else { return Err(CacheNotice::NoTarget) };
        match self.state {
            // It goes on where it is.
            State::Stopped if before.is_some() && had => self.carry_on(target),
            State::Playing if before.is_some() => self.carry_on(self.time(now)),
            State::Playing => {
                // Nothing was sent yet since the seek: what was missed while the recording was read is played too.
                if self.has(target) {
                    self.set_time(target, now);
                }
                self.position = Some(self.place(self.time(now)));
            }
            State::Stopped | State::Seeking => self.show(target, now),
        }
        Ok(())
    }

    /// Jumps to `target`, if there is one: at once if the recording has it and may be `used`, else as soon as one is
    /// adopted that has.
    pub(super) fn seek(&mut self, target: Option<WallTime>, used: bool, now: WallTime) {
        self.tell(now, &Signal::Seek);
        self.state = State::Seeking;
        self.target = target;
        self.forget_place();
        if let Some(target) = target.filter(|&target| used && self.has(target)) {
            self.show(target, now);
        }
    }

    /// Plays on from where it stands.
    pub(super) fn play(&mut self, now: WallTime) -> Result<(), CacheNotice> {
        let Some(target) = self.target else { return Err(CacheNotice::NoTarget) };
        if self.state != State::Playing {
            self.state = State::Playing;
            self.set_time(target, now);
            self.tell(now, &Signal::Play);
        }
        Ok(())
    }

    /// Stands still where it is.
    pub(super) fn pause(&mut self, now: WallTime) {
        if self.state == State::Playing {
            self.target = Some(self.time(now));
            self.state = State::Stopped;
            self.tell(now, &Signal::Stop);
        }
    }

    /// Forgets the recording and the position.
    pub(super) fn clear(&mut self, now: WallTime) {
        self.recording = Recording::default();
        self.state = State::Stopped;
        self.target = None;
        self.forget_place();
        self.tell(now, &Signal::Seek);
    }

    /// Where on the clock of the recording it is; `None` if it is nowhere.
    pub(super) fn position(&self, now: WallTime) -> Option<WallTime> {
        match self.state {
            State::Playing => Some(self.time(now)),
            State::Stopped | State::Seeking => self.target.filter(|_| self.position.is_some()),
        }
    }

    /// Sends what is due, but not everything at once: the caller may have something else to do in between.
    pub(super) fn step(&mut self, now: WallTime) -> Next {
        let until = match self.state {
            State::Stopped => return Next::Nothing,
            State::Seeking | State::Playing => self.time(now),
        };
        let mut sent = 0;
        while let Some(Position { next, from }) = &mut self.position {
            let Some(entry) = self.recording.get(*next).filter(|entry| entry.due <= until) else { break };
            let track = (entry.frame.slot, entry.frame.track);
            let begun = from.get(&track).is_some_and(|from| *next >= *from);
            let index = std::mem::replace(next, *next + 1);
            if begun && self.send(index, now) {
                sent += 1;
            }
            if sent >= BURST {
                return Next::Now;
            }
        }
        let Some(position) = &self.position else { return Next::Nothing };
        match self.state {
            State::Seeking => {
                self.state = State::Stopped;
                self.tell(now, &Signal::Stop);
                Next::Nothing
            }
            _ => self
                .recording
                .get(position.next)
                .map_or(Next::Nothing, |entry| Next::At(entry.due.offset_micros(self.offset_micros))),
        }
    }

    /// Where on the clock of the recording it is, or is to be.
    fn time(&self, now: WallTime) -> WallTime {
        match (self.state, self.target) {
            (State::Stopped | State::Seeking, Some(target)) => target,
            _ => now.offset_micros(self.offset_micros.saturating_neg()),
        }
    }

    /// Has `time` of the recording be now.
    fn set_time(&mut self, time: WallTime, now: WallTime) {
        self.offset_micros = now.micros_since(time);
    }

    fn forget_place(&mut self) {
        self.position = None;
        self.sent.clear();
    }

    /// Whether `time` is within the recording.
    fn has(&self, time: WallTime) -> bool {
        self.recording.limits().is_some_and(|(first, last)| (first..=last).contains(&time))
    }

    /// Has the pictures at `target` sent, if there is anything before it.
    fn show(&mut self, target: WallTime, now: WallTime) {
        self.state = State::Seeking;
        if self.recording.due_until(target) > 0 {
            self.set_time(target, now);
            self.position = Some(self.place(target));
        }
    }

    /// Where to begin so that everything is complete at `time`.
    fn place(&self, time: WallTime) -> Position {
        let mut from = self.recording.starts(time);
        let due = self.recording.due_until(time);
        // Slot 0 stands for no stream: nothing is to be complete of it.
        from.iter_mut()
            .filter(|((slot, _), _)| *slot == NO_SLOT)
            .for_each(|(_, from)| *from = due.max(*from));
        let next = from.values().copied().min().unwrap_or(due).min(due);
        Position { next, from }
    }

    /// Goes on in another recording after what was sent already. Tracks that it does not continue begin at a key frame.
    fn carry_on(&mut self, time: WallTime) {
        let mut from = self.recording.starts(time);
        for (index, entry) in self.recording.entries().iter().enumerate() {
            let track = (entry.frame.slot, entry.frame.track);
            if self.sent.get(&track) == Some(&id(&entry.frame)) {
                from.insert(track, index + 1);
            }
        }
        let next = from.values().copied().min().unwrap_or_else(|| self.recording.due_until(time));
        self.position = Some(Position { next, from });
    }

    /// Brings an output that came later to where the others are.
    fn catch_up(&mut self, slot: Slot, now: WallTime) {
        let Some(position) = &self.position else { return };
        let next = position.next;
        let starts = self.recording.starts(self.time(now));
        for index in 0..next {
            let Some(entry) = self.recording.get(index) else { break };
            let track = entry.frame.track;
            if entry.frame.slot == slot && starts.get(&(slot, track)).is_some_and(|&start| index >= start) {
                self.send(index, now);
            }
        }
        if self.state == State::Stopped
            && let Some(output) = self.outputs.get(&slot)
        {
            output.put(Frame::signal(slot, now, Signal::Stop));
        }
    }

    /// Sends the packet at `index`; returns whether anybody wants it.
    fn send(&mut self, index: usize, now: WallTime) -> bool {
        let Some(entry) = self.recording.get(index) else { return false };
        let (slot, track) = (entry.frame.slot, entry.frame.track);
        let Some(output) = self.outputs.get(&slot) else { return false };
        self.sent.insert((slot, track), id(&entry.frame));
        let wall = entry.frame.time.wall.offset_micros(self.offset_micros);
        if !self.announced.contains(&(slot, track)) {
            let tracks: Vec<_> = self.recording.tracks_of(slot).map(track_info).collect();
            self.announced.extend(tracks.iter().map(|info| (slot, info.track)));
            let info = StreamInfo { transport: "cache".into(), server: None, tracks };
            output.put(Frame::signal(slot, wall, Signal::Online(Arc::new(info))));
        }
        let time = FrameTime { arrival: now, wall, ..entry.frame.time };
        output.put(Frame { time, ..entry.frame.clone() });
        true
    }

    /// Tells all outputs of a change.
    fn tell(&self, now: WallTime, signal: &Signal) {
        for (slot, output) in &self.outputs {
            output.put(Frame::signal(*slot, now, signal.clone()));
        }
    }
}

fn id(frame: &Frame) -> PacketId {
    (frame.time.wall, frame.time.media)
}

fn track_info((track, params): (Track, &Arc<valkka_core::codec::CodecParams>)) -> TrackInfo {
    TrackInfo {
        track,
        medium: if params.codec.is_video() { "video" } else { "audio" }.into(),
        encoding: params.codec.name().into(),
        params: Some(params.clone()),
        skipped: None,
    }
}

/// Means "none" to programs that are older than us.
const NO_SLOT: Slot = Slot::new(0);

/// Packets that are sent in one step.
const BURST: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::testing::{Record, frame, names};
    use super::*;

    /// A replay into slots 1 and 2, with the clock by hand.
    struct Rig {
        replay: Replay,
        out: [Arc<Record>; 2],
        now: WallTime,
    }

    fn at(millis: i64) -> WallTime {
        WallTime::from_micros(millis * 1000)
    }

    /// The present is far from what was recorded.
    const START: i64 = 1_000_000;

    impl Rig {
        fn new() -> Self {
            let mut replay = Replay::default();
            let out = [1, 2].map(|slot| {
                let record = Arc::<Record>::default();
                replay.register(Slot::new(slot), record.clone(), at(START)).unwrap();
                record
            });
            Self { replay, out, now: at(START) }
        }

        /// One with two streams: key frames at 100, 300, 500 of slot 1, at 150 and 350 of slot 2.
        fn recorded() -> Self {
            let mut rig = Self::new();
            rig.adopt("A100 X150 b150 c200 y250 D300 Z350 e400 w450 F500").unwrap_err();
            rig
        }

        fn adopt(&mut self, frames: &str) -> Result<(), CacheNotice> {
            self.replay.adopt(recording(frames), self.now)
        }

        fn seek(&mut self, millis: i64) {
            self.replay.seek(Some(at(millis)), true, self.now);
        }

        /// Lets time pass; returns what was sent to both slots.
        fn wait(&mut self, millis: i64) -> [String; 2] {
            let end = self.now + std::time::Duration::from_millis(millis.unsigned_abs());
            loop {
                match self.replay.step(self.now) {
                    Next::Now => {}
                    Next::At(next) if next <= end => {
                        assert!(next > self.now, "it makes no progress");
                        self.now = next;
                    }
                    Next::At(_) | Next::Nothing => break,
                }
            }
            self.now = end;
            self.sent()
        }

        fn sent(&self) -> [String; 2] {
            self.out.each_ref().map(|out| out.names())
        }

        fn position(&self) -> Option<i64> {
            self.replay.position(self.now).map(WallTime::millis)
        }
    }

    /// `X150`: key frame X at 150 ms. Letters up to `s` are of slot 1, the others of slot 2.
    fn recording(frames: &str) -> Recording {
        let frames = frames.split_whitespace().map(|word| {
            let name = word.chars().next().unwrap();
            let slot = if name.to_ascii_lowercase() <= 's' { 1 } else { 2 };
            frame(slot, name, word[1..].parse().unwrap())
        });
        Recording::new(frames.collect())
    }

    #[test]
    fn nothing_moves_before_a_seek() {
        let mut rig = Rig::new();
        assert_eq!(rig.adopt("A100"), Err(CacheNotice::NoTarget));
        assert_eq!(rig.replay.play(rig.now), Err(CacheNotice::NoTarget));
        rig.replay.pause(rig.now);
        assert_eq!(rig.wait(10_000), ["", ""]);
        assert_eq!(rig.position(), None);
    }

    #[test]
    fn a_seek_sends_from_the_key_frames_up_to_the_target_and_stops() {
        let mut rig = Rig::recorded();
        rig.seek(260);
        assert_eq!(rig.position(), Some(260));
        assert_eq!(rig.wait(0), ["?@Abc.", "?@Xy."]);
        assert_eq!(rig.wait(1000), ["", ""]);
        assert_eq!(rig.position(), Some(260));
        // Each stream from its own key frame.
        rig.seek(320);
        assert_eq!(rig.wait(0), ["?D.", "?Xy."]);
    }

    #[test]
    fn played_frames_come_in_time_and_say_so() {
        let mut rig = Rig::recorded();
        rig.seek(260);
        rig.wait(500);
        rig.replay.play(rig.now).unwrap();
        let played = rig.now;
        assert_eq!(rig.wait(39), [">", ">"]);
        assert_eq!(rig.wait(1), ["D", ""]);
        assert_eq!(rig.position(), Some(300));
        assert_eq!(rig.wait(50), ["", "Z"]);
        rig.wait(49);
        rig.out[0].take();
        rig.replay.step(rig.now + std::time::Duration::from_millis(1));
        let frames = rig.out[0].take();
        assert_eq!(names(&frames), "e");
        assert_eq!(frames[0].time.wall.micros_since(played), 140_000);
        assert_eq!(rig.wait(10_000), ["F", "w"]);
        // Time goes on behind the end.
        assert_eq!(rig.position(), Some(260 + 40 + 50 + 49 + 10_000));
    }

    #[test]
    fn a_pause_remembers_where_it_was() {
        let mut rig = Rig::recorded();
        rig.seek(260);
        rig.wait(0);
        rig.replay.play(rig.now).unwrap();
        rig.wait(60);
        rig.replay.pause(rig.now);
        assert_eq!(rig.wait(5000), [".", "."]);
        assert_eq!(rig.position(), Some(320));
        rig.replay.pause(rig.now);
        rig.replay.play(rig.now).unwrap();
        // Playing while it plays changes nothing.
        assert_eq!(rig.wait(30), [">", ">Z"]);
        rig.replay.play(rig.now).unwrap();
        assert_eq!(rig.wait(49), ["", ""]);
        assert_eq!(rig.wait(1), ["e", ""]);
    }

    #[test]
    fn what_is_not_there_is_waited_for() {
        let mut rig = Rig::recorded();
        rig.seek(900);
        assert_eq!(rig.wait(1000), ["?", "?"]);
        assert_eq!(rig.position(), None);
        // Still not: all of it is later.
        rig.adopt("G1000 T1010").unwrap();
        assert_eq!(rig.wait(1000), ["", ""]);
        rig.adopt("F500 G800 T850 h900 i1000").unwrap();
        assert_eq!(rig.wait(0), ["@Gh.", "@T."]);
        assert_eq!(rig.position(), Some(900));
        // In a gap: the last before it.
        rig.seek(5000);
        rig.adopt("F500 G800").unwrap();
        assert_eq!(rig.wait(0), ["?G.", "?."]);
    }

    #[test]
    fn what_an_earlier_seek_had_read_does_not_stay_in_the_place_of_a_later_one() {
        let mut rig = Rig::new();
        // That of a seek to 150 comes when 900 is wanted already.
        rig.seek(900);
        rig.adopt("A100 b200").unwrap();
        assert_eq!(rig.wait(1000), ["?@Ab.", "?."]);
        rig.adopt("G800 h900 i1000").unwrap();
        assert_eq!(rig.wait(1000), ["Gh.", "."]);
        assert_eq!(rig.position(), Some(900));
        // Now it is there, and nothing moves any more.
        rig.adopt("G800 h900 i1000 J1100").unwrap();
        assert_eq!(rig.wait(1000), ["", ""]);
    }

    #[test]
    fn a_seek_may_refuse_what_is_there() {
        let mut rig = Rig::recorded();
        rig.replay.seek(Some(at(260)), false, rig.now);
        assert_eq!(rig.wait(1000), ["?", "?"]);
        rig.adopt("A100 X150 b150").unwrap();
        assert_eq!(rig.wait(0), ["@Ab.", "@X."]);
    }

    #[test]
    fn playing_goes_on_in_the_next_recording_without_a_break() {
        let mut rig = Rig::recorded();
        rig.seek(260);
        rig.wait(0);
        rig.replay.play(rig.now).unwrap();
        rig.wait(150);
        rig.sent();
        // At 410. One stream is continued, the other has a hole: it begins at a key frame.
        rig.adopt("D300 e400 U390 v395 w450 F500 g550").unwrap();
        assert_eq!(rig.wait(0), ["", "Uv"]);
        assert_eq!(rig.wait(1000), ["Fg", "w"]);
    }

    #[test]
    fn a_new_recording_does_not_move_what_stands() {
        let mut rig = Rig::recorded();
        rig.seek(260);
        rig.wait(0);
        rig.sent();
        rig.adopt("A100 X150 b150 c200 y250 D300 Z350").unwrap();
        assert_eq!(rig.wait(1000), ["", ""]);
        rig.replay.play(rig.now).unwrap();
        assert_eq!(rig.wait(1000), [">D", ">Z"]);
    }

    #[test]
    fn playing_before_the_recording_came_loses_nothing() {
        let mut rig = Rig::new();
        rig.seek(260);
        rig.replay.play(rig.now).unwrap();
        assert_eq!(rig.wait(700), ["?>", "?>"]);
        assert_eq!(rig.position(), Some(960));
        rig.adopt("A100 b150 c200 D300").unwrap();
        assert_eq!(rig.position(), Some(260));
        assert_eq!(rig.wait(39), ["@Abc", ""]);
        assert_eq!(rig.wait(1), ["D", ""]);
    }

    #[test]
    fn outputs_that_come_later_catch_up() {
        let mut rig = Rig::recorded();
        rig.replay.deregister(Slot::new(2)).unwrap();
        assert_eq!(rig.replay.deregister(Slot::new(2)), Err(CacheNotice::NoSuchSlot(Slot::new(2))));
        rig.seek(260);
        assert_eq!(rig.wait(0), ["?@Abc.", ""]);
        rig.replay.register(Slot::new(2), rig.out[1].clone(), rig.now).unwrap();
        assert_eq!(rig.sent(), ["", "@Xy."]);
        let again = rig.replay.register(Slot::new(2), rig.out[1].clone(), rig.now);
        assert_eq!(again, Err(CacheNotice::SlotTaken(Slot::new(2))));
    }

    #[test]
    fn clearing_forgets_all() {
        let mut rig = Rig::recorded();
        rig.seek(260);
        rig.wait(0);
        rig.sent();
        rig.replay.clear(rig.now);
        assert_eq!(rig.wait(1000), ["?", "?"]);
        assert_eq!((rig.position(), rig.replay.recording.limits()), (None, None));
        assert_eq!(rig.replay.play(rig.now), Err(CacheNotice::NoTarget));
    }

    #[test]
    fn slot_zero_does_not_hold_a_seek_back() {
        let mut rig = Rig::new();
        let zero = Arc::<Record>::default();
        rig.replay.register(NO_SLOT, zero.clone(), rig.now).unwrap();
        let frames = vec![frame(0, 'N', 10), frame(1, 'A', 100), frame(1, 'b', 200), frame(0, 'O', 300)];
        rig.replay.adopt(Recording::new(frames), rig.now).unwrap_err();
        rig.seek(250);
        assert_eq!(rig.wait(0), ["?@Ab.", "?."]);
        assert_eq!(zero.names(), "?.");
        rig.replay.play(rig.now).unwrap();
        rig.wait(1000);
        assert_eq!(zero.names(), ">@O");
    }

    #[test]
    fn a_long_seek_leaves_room_for_others() {
        let mut rig = Rig::new();
        let frames = (0..1000).map(|n| frame(1, if n == 0 { 'A' } else { 'b' }, n)).collect();
        rig.replay.adopt(Recording::new(frames), rig.now).unwrap_err();
        rig.seek(999);
        assert_eq!(rig.replay.step(rig.now), Next::Now);
        assert_eq!(rig.out[0].take().len(), 2 + BURST);
        // Another seek in between takes its place.
        rig.seek(1);
        assert_eq!(rig.wait(0)[0], "?Ab.");
    }
}
