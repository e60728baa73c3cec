//! What of a stream is recorded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use super::history::{History, size};
use super::{
    NO_EVENT, RecordingEvent, RecordingMemory, RecordingMode, RecordingOptions, RecordingState, SWITCHED_OFF,
};

/// Where a recording goes. It never waits.
pub(super) trait Target {
    /// Takes a packet, or says that it was dropped.
    fn put(&self, frame: &Frame) -> bool;
    /// Nothing comes for a while; why, in words.
    fn gap(&self, reason: &str);
    /// Whether it would take so many bytes now. If nothing waits there it takes any packet that can be recorded at all,
    /// however large that is.
    fn has_room(&self, bytes: usize) -> bool;
}

/// Decides which packets of a stream are recorded. It reads no clock: what counts are the moments of the packets.
#[derive(Debug)]
pub(super) struct Schedule {
    mode: RecordingMode,
    /// The first video track; the first track, as long as there is no video.
    main: Option<(Track, bool)>,
    /// Whether only a key frame may come.
    waiting: bool,
    /// What is not connected, and why; empty while it is.
    offline: Option<Arc<str>>,
    /// For events only: what came lately, recorded or not.
    history: History,
    /// The number of the packet of the history that is recorded next.
    next: u64,
    /// Whether something was recorded, and what follows is to be told of if it does not follow at once.
    begun: bool,
    /// Numbers of packets of the history before which nothing came for a while, with the reasons. Bounded by [`MAX_BREAKS`].
    breaks: VecDeque<(u64, Arc<str>)>,
    event: Option<RecordingEvent>,
    /// The number up to which an event is still to be recorded that is over.
    unfinished: Option<u64>,
    /// The moment of the newest packet.
    newest: Option<WallTime>,
}

impl Schedule {
    pub(super) fn new(options: RecordingOptions) -> Self {
        Self {
            mode: options.mode,
            main: None,
            waiting: true,
            offline: Some("the camera is not connected yet".into()),
            history: History::new(options.max_bytes),
            next: 0,
            begun: false,
            breaks: VecDeque::new(),
            event: None,
            unfinished: None,
            newest: None,
        }
    }

    pub(super) fn state(&self) -> RecordingState {
        let waiting = |reason: &str| RecordingState::Waiting { reason: reason.into() };
        match (self.mode, &self.offline, &self.event) {
            (RecordingMode::Off, ..) => RecordingState::Off,
            (_, Some(reason), _) => RecordingState::Waiting { reason: reason.clone() },
            (RecordingMode::OnEvent { .. }, _, None) => waiting("an event"),
            _ if self.waiting => waiting("a key frame"),
            (_, _, Some(event)) => RecordingState::Recording { reason: event.reason.clone() },
            (_, _, None) => RecordingState::Recording { reason: "".into() },
        }
    }

    pub(super) fn set_mode(&mut self, mode: RecordingMode, target: &dyn Target) {
        if self.mode == mode {
            return;
        }
        let both_events =
            matches!((self.mode, mode), (RecordingMode::OnEvent { .. }, RecordingMode::OnEvent { .. }));
        if mode == RecordingMode::Off {
            target.gap(SWITCHED_OFF);
        } else if self.mode != RecordingMode::Off && !both_events && self.begun {
            target.gap(NO_EVENT);
        }
        if !both_events {
            self.unfinished = None;
            self.history.clear();
            self.breaks.clear();
            self.next = self.history.end();
            self.event = None;
            self.waiting = true;
        }
        self.mode = mode;
    }

    /// Something happened. Returns whether an event begins by it.
    pub(super) fn trigger(&mut self, now: WallTime, reason: &str, target: &dyn Target) -> bool {
        let RecordingMode::OnEvent { before, after } = self.mode else { return false };
        let until = now + after;
        match &mut self.event {
            Some(event) => {
                event.until = event.until.max(until);
                false
            }
            None => {
                self.event = Some(RecordingEvent { until, reason: reason.into() });
                // What is left of the event before comes first, and what lies between them.
                let start = match self.unfinished.take() {
                    Some(_) => self.next,
                    None => self.history.start(now, before),
                };
                if start > self.next && self.begun {
                    target.gap(NO_EVENT);
                }
                self.next = self.next.max(start);
                // Those before it are a part of that gap.
                self.breaks.retain(|(number, _)| *number >= start);
                self.record(target);
                true
            }
        }
    }

    /// What is being recorded, if that is an event.
    pub(super) fn event(&self) -> Option<&RecordingEvent> {
        self.event.as_ref()
    }

    /// Records `event`, of which another schedule has recorded a part.
    pub(super) fn resume(&mut self, event: RecordingEvent) {
        if matches!(self.mode, RecordingMode::OnEvent { .. }) && self.event.is_none() {
            self.event = Some(event);
            self.next = self.history.end();
        }
    }

    pub(super) fn push(&mut self, frame: &Frame, target: &dyn Target) {
        match &frame.body {
            Body::Packet(packet) => self.packet(frame, packet, target),
            Body::Signal(Signal::Online(info)) => {
                self.offline = None;
                self.waiting = true;
                let mut received = info.tracks.iter().filter(|track| track.skipped.is_none());
                self.main = received.find(|track| track.medium == "video").map(|track| (track.track, true));
            }
            Body::Signal(Signal::Offline(reason)) => {
                self.interrupt(&format!("not connected: {reason}"), target)
            }
            Body::Signal(Signal::End) => self.interrupt("the stream has ended", target),
            _ => {}
        }
    }

    /// Nothing comes any more.
    fn interrupt(&mut self, reason: &str, target: &dyn Target) {
        if self.offline.as_deref() != Some(reason) {
            self.offline = Some(reason.into());
            match self.mode {
                RecordingMode::Off => {}
                RecordingMode::Always => target.gap(reason),
                // It is told if what comes next is recorded.
                RecordingMode::OnEvent { .. } => {
                    if self.breaks.len() == MAX_BREAKS {
                        self.breaks.pop_front();
                    }
                    self.breaks.push_back((self.history.end(), reason.into()));
                }
            }
        }
        self.waiting = true;
    }

    fn packet(&mut self, frame: &Frame, packet: &Packet, target: &dyn Target) {
        self.offline = None;
        let is_video = packet.params.codec.is_video();
        if self.main.is_none_or(|(_, main_is_video)| is_video && !main_is_video) {
            // Sound that came before the first picture is no reason to begin without it.
            self.waiting = true;
            self.main = Some((frame.track, is_video));
        }
        let starts = packet.keyframe && self.main == Some((frame.track, is_video));
        if self.mode == RecordingMode::Off || self.waiting && !starts {
            return;
        }
        self.waiting = false;
        let RecordingMode::OnEvent { before, after } = self.mode else {
            self.begun |= target.put(frame);
            return;
        };
        let now = frame.time.wall;
        self.newest = Some(now);
        let is_next = self.next == self.history.end();
        self.history.push(frame.clone(), starts, self.next);
        let has_room = self.history.end() > self.history.first();
        if let Some(event) = &mut self.event {
            if event.until > now + after + CLOCK_SLACK {
                // The clock was set back.
                event.until = now + after;
            }
            if now > event.until {
                self.event = None;
                // All but the newest packet.
                self.unfinished = Some(self.history.end().saturating_sub(1));
            }
        }
        match (&self.event, has_room) {
            (Some(_), true) => self.record(target),
            // All that came before it is recorded: it need not be kept for that.
            (Some(_), false) if is_next => self.record_at_once(frame, target),
            (Some(_), false) => {
                self.record(target);
                self.waiting = true;
            }
            (None, false) => self.waiting = true,
            (None, true) => {}
        }
        self.finish(target);
        let goes_on = self.event.is_some() || self.unfinished.is_some();
        let kept = if goes_on { self.next } else { u64::MAX };
        self.history.trim(now, before, kept);
    }

    /// Bytes that what precedes an event may have in memory from now on.
    pub(super) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.history.set_max_bytes(max_bytes, self.next);
    }

    /// What is kept for events to come.
    pub(super) fn memory(&self) -> RecordingMemory {
        let RecordingMode::OnEvent { before, .. } = self.mode else { return RecordingMemory::default() };
        let (reach, is_short) =
            self.newest.map_or_else(Default::default, |now| self.history.reach(now, before));
        RecordingMemory { bytes: self.history.bytes(), reach, is_short }
    }

    /// Records what is left of an event that is over, as far as there is room for it; the rest comes later.
    fn finish(&mut self, target: &dyn Target) {
        let Some(end) = self.unfinished else { return };
        while self.next < end {
            if self.history.first() >= end {
                // All of it has left for want of room.
                target.gap(TOO_SLOW);
                self.next = end;
            } else if !self.record_one(target) && self.next < end {
                return;
            }
        }
        self.unfinished = None;
    }

    /// Records what there is, as far as there is room for it.
    fn record(&mut self, target: &dyn Target) {
        while self.record_one(target) {}
    }

    /// Records a packet for which there is no room in the history.
    fn record_at_once(&mut self, frame: &Frame, target: &dyn Target) {
        while let Some((_, reason)) = self.breaks.pop_front_if(|(number, _)| *number <= self.next) {
            target.gap(&reason);
        }
        self.begun |= target.put(frame);
        self.next = self.history.end();
    }

    /// Records the next packet; returns whether there may be another.
    fn record_one(&mut self, target: &dyn Target) -> bool {
        if self.next < self.history.first() {
            // What was to be recorded has left for want of room.
            target.gap(TOO_SLOW);
            self.next = self.history.first();
        }
        let Some(frame) = self.history.get(self.next) else { return false };
        let is_newest = self.next + 1 == self.history.end();
        if !is_newest && !target.has_room(size(frame) + ROOM) {
            return false;
        }
        while let Some((_, reason)) = self.breaks.pop_front_if(|(number, _)| *number <= self.next) {
            target.gap(&reason);
        }
        if target.put(frame) {
            self.begun = true;
            self.next += 1;
            return true;
        }
        // It has told the gap itself, and takes nothing before a key frame.
        match self.history.keyframe_from(self.next + 1) {
            Some(keyframe) => {
                self.next = keyframe;
                true
            }
            None => {
                self.next = self.history.end();
                false
            }
        }
    }
}

/// Why there is a gap where packets have left memory before they could be recorded.
const TOO_SLOW: &str = "the disk does not keep up";

/// Lost connections that are remembered: those within some seconds.
const MAX_BREAKS: usize = 16;

/// Left for what comes meanwhile, and for what a queue keeps beside the payload.
const ROOM: usize = 64 << 10;

/// A clock that goes back by more was set.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use bytes::Bytes;
    use valkka_core::codec::{Codec, CodecParams};
    use valkka_core::frame::FrameTime;
    use valkka_core::payload::Payload;
    use valkka_core::source::StreamInfo;
    use valkka_core::stream::Slot;

    use super::*;

    /// What was recorded, as words.
    struct Words {
        said: RefCell<Vec<String>>,
        room: Cell<usize>,
        /// Whether something was dropped, and a key frame is waited for.
        shut: Cell<bool>,
    }

    impl Words {
        fn new() -> Self {
            Self { said: RefCell::default(), room: Cell::new(usize::MAX), shut: Cell::new(false) }
        }

        fn take(&self) -> String {
            self.said.take().join(" ")
        }
    }

    impl Target for Words {
        fn put(&self, frame: &Frame) -> bool {
            let packet = frame.packet().unwrap();
            self.shut.set(self.shut.get() && !packet.keyframe || self.room.get() < packet.payload.len());
            if self.shut.get() {
                return false;
            }
            self.room.set(self.room.get() - packet.payload.len());
            let kind = match (packet.params.codec.is_video(), packet.keyframe) {
                (false, _) => 'a',
                (true, true) => 'K',
                (true, false) => 'p',
            };
            self.said.borrow_mut().push(format!("{kind}{}", frame.time.wall.millis() as f64 / 1e3));
            true
        }

        fn gap(&self, reason: &str) {
            self.said.borrow_mut().push(format!("({reason})"));
        }

        fn has_room(&self, bytes: usize) -> bool {
            self.room.get() >= bytes
        }
    }

    fn at(second: f64) -> WallTime {
        WallTime::from_micros((second * 1e6).round() as i64)
    }

    /// `K` and `p` are video, `a` is audio; `+` and `-` are signals.
    fn frame(kind: char, second: f64) -> Frame {
        let signal = match kind {
            '+' => Some(Signal::Online(StreamInfo::default().into())),
            '-' => Some(Signal::Offline("pulled".into())),
            _ => None,
        };
        if let Some(signal) = signal {
            return Frame::signal(Slot::new(1), at(second), signal);
        }
        let params = match kind {
            'a' => CodecParams::audio(Codec::PcmAlaw, 8000, 1, Bytes::new()),
            _ => CodecParams::video(Codec::H264, Bytes::new()),
        };
        let payload = Payload::copy_from_slice(&[0; 1000]);
        let packet = Packet { params: params.into(), payload, keyframe: kind != 'p', lost: 0 };
        let time = FrameTime { wall: at(second), ..FrameTime::default() };
        let track = Track::new((kind == 'a').into());
        Frame { slot: Slot::new(1), track, time, body: Body::Packet(packet) }
    }

    fn feed(schedule: &mut Schedule, words: &Words, frames: &str) -> String {
        for word in frames.split_whitespace() {
            let kind = word.chars().next().unwrap();
            schedule.push(&frame(kind, word[1..].parse().unwrap()), words);
        }
        words.take()
    }

    fn always() -> Schedule {
        Schedule::new(RecordingOptions::default())
    }

    fn on_event(before: u64, after: u64) -> Schedule {
        let (before, after) = (Duration::from_secs(before), Duration::from_secs(after));
        Schedule::new(RecordingOptions { mode: RecordingMode::OnEvent { before, after }, max_bytes: 100_000 })
    }

    #[test]
    fn always_begins_at_a_key_frame_and_tells_gaps() {
        let (mut schedule, words) = (always(), Words::new());
        assert!(matches!(schedule.state(), RecordingState::Waiting { .. }));
        assert_eq!(feed(&mut schedule, &words, "+0 p0 a0.1 K1 a1 p2"), "K1 a1 p2");
        assert_eq!(schedule.state(), RecordingState::Recording { reason: "".into() });
        assert_eq!(feed(&mut schedule, &words, "-3 -4 +5 p5 a5 K6 p7"), "(not connected: pulled) K6 p7");
        assert_eq!(feed(&mut schedule, &words, "-8"), "(not connected: pulled)");
        assert_eq!(schedule.state(), RecordingState::Waiting { reason: "not connected: pulled".into() });
    }

    #[test]
    fn sound_alone_is_recorded_until_there_are_pictures() {
        let (mut schedule, words) = (always(), Words::new());
        assert_eq!(feed(&mut schedule, &words, "+0 a0 a1 p2 a2 K3 a3"), "a0 a1 K3 a3");
    }

    #[test]
    fn an_event_is_recorded_with_what_came_before_it() {
        let (mut schedule, words) = (on_event(2, 3), Words::new());
        assert_eq!(feed(&mut schedule, &words, "+0 p0 K1 p2 K3 p4 K5 p6 a6"), "");
        assert_eq!(schedule.state(), RecordingState::Waiting { reason: "an event".into() });
        schedule.trigger(at(6.5), "door", &words);
        // Two seconds before is 4.5; the key frame before that is at 3.
        assert_eq!(words.take(), "K3 p4 K5 p6 a6");
        assert_eq!(schedule.state(), RecordingState::Recording { reason: "door".into() });
        assert_eq!(feed(&mut schedule, &words, "K7 p8 K9"), "K7 p8 K9");
        // A further event makes it last.
        schedule.trigger(at(9.0), "bell", &words);
        assert_eq!(feed(&mut schedule, &words, "p10 K11 p12 K13 p14"), "p10 K11 p12");
        assert_eq!(schedule.state(), RecordingState::Waiting { reason: "an event".into() });
        // What was recorded already is not recorded twice.
        schedule.trigger(at(14.0), "door", &words);
        assert_eq!(words.take(), "K13 p14");
        assert_eq!(feed(&mut schedule, &words, "K15 p30 K31 p32 K33 p34"), "K15");
        schedule.trigger(at(34.0), "door", &words);
        assert_eq!(words.take(), "(no event) K31 p32 K33 p34");
    }

    #[test]
    fn an_event_goes_on_elsewhere() {
        let (mut schedule, words) = (on_event(2, 10), Words::new());
        feed(&mut schedule, &words, "+0 K1 p2");
        assert!(schedule.trigger(at(2.0), "door", &words));
        assert!(!schedule.trigger(at(3.0), "bell", &words));
        let event = schedule.event().unwrap().clone();
        assert_eq!((event.until, &*event.reason), (at(13.0), "door"));
        let (mut other, words) = (on_event(2, 10), Words::new());
        other.resume(event.clone());
        assert_eq!(feed(&mut other, &words, "+5 K6 p7 K12 K14 p15"), "K6 p7 K12");
        let mut other = always();
        other.resume(event);
        assert!(other.event().is_none() && !other.trigger(at(0.0), "door", &words));
    }

    #[test]
    fn an_event_while_the_camera_is_away() {
        let (mut schedule, words) = (on_event(2, 10), Words::new());
        feed(&mut schedule, &words, "+0 K1 p2 -3");
        schedule.trigger(at(4.0), "door", &words);
        assert_eq!(words.take(), "K1 p2");
        assert_eq!(feed(&mut schedule, &words, "-5 +6 p7 K8 p9 p15"), "(not connected: pulled) K8 p9");
    }

    #[test]
    fn a_lost_connection_before_an_event_is_told() {
        let (mut schedule, words) = (on_event(30, 5), Words::new());
        assert_eq!(feed(&mut schedule, &words, "+0 K1 p2 -3 +8 p9 K10 p11"), "");
        schedule.trigger(at(11.0), "door", &words);
        assert_eq!(words.take(), "K1 p2 (not connected: pulled) K10 p11");
        // One before what is recorded is no matter.
        assert_eq!(feed(&mut schedule, &words, "K20 -21 +22 K23 K60 p61 K95 p96"), "");
        schedule.trigger(at(96.0), "door", &words);
        assert_eq!(words.take(), "(no event) K60 p61 K95 p96");
    }

    #[test]
    fn what_is_left_of_an_event_comes_when_there_is_room() {
        let (mut schedule, words) = (on_event(10, 2), Words::new());
        feed(&mut schedule, &words, "+0 K1 p2 K3 p4");
        words.room.set(1000);
        schedule.trigger(at(4.0), "door", &words);
        assert_eq!(words.take(), "");
        words.room.set(ROOM + 1000);
        assert_eq!(feed(&mut schedule, &words, "p5 K9"), "K1");
        assert_eq!(schedule.state(), RecordingState::Waiting { reason: "an event".into() });
        words.room.set(usize::MAX);
        assert_eq!(feed(&mut schedule, &words, "p10 p11"), "p2 K3 p4 p5");
        // The next event begins as always.
        assert_eq!(feed(&mut schedule, &words, "K30 p31 K50 p51"), "");
        schedule.trigger(at(51.0), "door", &words);
        assert_eq!(words.take(), "(no event) K30 p31 K50 p51");
    }

    #[test]
    fn what_the_disk_never_took_is_told() {
        let (mut schedule, words) = (on_event(10, 2), Words::new());
        feed(&mut schedule, &words, "+0 K1 p2 K3 p4");
        words.room.set(ROOM + 1000);
        schedule.trigger(at(4.0), "door", &words);
        assert_eq!(words.take(), "K1");
        for second in 7..200 {
            schedule.push(&frame(if second % 10 == 0 { 'K' } else { 'p' }, second.into()), &words);
        }
        // For the one group and for the other, between which nothing is recorded.
        assert_eq!(words.take(), "(the disk does not keep up) (the disk does not keep up)");
        words.room.set(usize::MAX);
        assert_eq!(feed(&mut schedule, &words, "K200"), "");
    }

    #[test]
    fn an_event_in_one_long_group_is_recorded_whole() {
        let (mut schedule, words) = (on_event(2, 1000), Words::new());
        feed(&mut schedule, &words, "+0 K1");
        schedule.trigger(at(1.0), "door", &words);
        assert_eq!(words.take(), "K1");
        for second in 2..500 {
            assert_eq!(feed(&mut schedule, &words, &format!("p{second}")), format!("p{second}"));
        }
        assert_eq!(feed(&mut schedule, &words, "K500 p501"), "K500 p501");
    }

    #[test]
    fn what_the_disk_has_no_room_for_yet_comes_later() {
        let (mut schedule, words) = (on_event(10, 10), Words::new());
        assert_eq!(feed(&mut schedule, &words, "+0 K1 p2 K3 p4 K5 p6"), "");
        words.room.set(ROOM + 2000);
        schedule.trigger(at(6.0), "door", &words);
        assert_eq!(words.take(), "K1 p2");
        // Twice as much room for each packet as it needs: it catches up.
        words.room.set(ROOM + 2000);
        assert_eq!(feed(&mut schedule, &words, "K7"), "K3 p4");
        words.room.set(usize::MAX);
        assert_eq!(feed(&mut schedule, &words, "p8"), "K5 p6 K7 p8");
        // There is none at all: what is newest is offered, for the lane to drop it and say so.
        words.room.set(0);
        assert_eq!(feed(&mut schedule, &words, "K9 p10"), "");
        words.room.set(usize::MAX);
        assert_eq!(feed(&mut schedule, &words, "p11 K12 p13"), "K12 p13");
    }

    #[test]
    fn memory_is_bounded() {
        let (mut schedule, words) = (on_event(1000, 10), Words::new());
        for second in 0..1000 {
            let kind = if second % 10 == 0 { 'K' } else { 'p' };
            schedule.push(&frame(kind, second.into()), &words);
        }
        schedule.trigger(at(999.0), "door", &words);
        let words_ = words.take();
        assert!(words_.starts_with("K900 ") && words_.ends_with(" p999"), "{words_}");
        // A group that is too large is not kept, and the next one is.
        let (mut schedule, words) = (on_event(1000, 10), Words::new());
        for second in 0..150 {
            schedule.push(&frame(if second == 0 { 'K' } else { 'p' }, second.into()), &words);
        }
        schedule.trigger(at(150.0), "door", &words);
        assert_eq!(words.take(), "");
        assert_eq!(feed(&mut schedule, &words, "p151 K152 p153"), "K152 p153");
    }

    #[test]
    fn what_has_no_room_in_memory_is_recorded_once_there_is_an_event() {
        let (mut schedule, words) = (on_event(10, 1000), Words::new());
        assert_eq!(feed(&mut schedule, &words, "+0 K1 p2"), "");
        schedule.trigger(at(2.0), "door", &words);
        assert_eq!(words.take(), "K1 p2");
        // Less than a packet.
        schedule.set_max_bytes(500);
        assert_eq!(
            feed(&mut schedule, &words, "p3 p4 p5 -6 +7 p8 K9 p10"),
            "p3 p4 p5 (not connected: pulled) K9 p10"
        );
        let memory = schedule.memory();
        assert_eq!((memory.bytes, memory.is_short), (0, true));
    }

    #[test]
    fn too_little_memory_is_told() {
        let (mut schedule, words) = (on_event(4, 1), Words::new());
        feed(&mut schedule, &words, "+0 K1 K2");
        let reach = |seconds, is_short| (Duration::from_secs(seconds), is_short);
        let told = |schedule: &Schedule| (schedule.memory().reach, schedule.memory().is_short);
        assert_eq!(told(&schedule), reach(1, false), "it has only begun");
        schedule.set_max_bytes(2500);
        feed(&mut schedule, &words, "K3 K4 K5");
        assert_eq!(told(&schedule), reach(1, true));
        schedule.set_max_bytes(100_000);
        feed(&mut schedule, &words, "K6 K7");
        assert_eq!(told(&schedule), reach(3, true));
        feed(&mut schedule, &words, "K8 K9");
        assert_eq!(told(&schedule), reach(4, false));
        schedule.set_mode(RecordingMode::Always, &words);
        assert_eq!(schedule.memory(), RecordingMemory::default());
    }

    #[test]
    fn a_clock_that_is_set_back_ends_nothing_and_keeps_nothing_going() {
        let (mut schedule, words) = (on_event(2, 5), Words::new());
        feed(&mut schedule, &words, "+0 K5000");
        schedule.trigger(at(5000.0), "door", &words);
        assert_eq!(words.take(), "K5000");
        assert_eq!(feed(&mut schedule, &words, "p10 K14 p16 K17 p18"), "p10 K14");
    }

    #[test]
    fn modes_change_while_it_runs() {
        let (mut schedule, words) = (always(), Words::new());
        feed(&mut schedule, &words, "+0 K1 p2");
        schedule.set_mode(RecordingMode::Off, &words);
        assert_eq!(
            (schedule.state(), feed(&mut schedule, &words, "K3 p4")),
            (RecordingState::Off, "(switched off)".into())
        );
        schedule.trigger(at(4.0), "door", &words);
        schedule.set_mode(RecordingMode::Always, &words);
        assert_eq!(feed(&mut schedule, &words, "p5 K6 p7"), "K6 p7");
        schedule.set_mode(RecordingMode::OnEvent { before: Duration::ZERO, after: Duration::ZERO }, &words);
        assert_eq!(feed(&mut schedule, &words, "K8 p9"), "(no event)");
        schedule.set_mode(RecordingMode::Always, &words);
        assert_eq!(feed(&mut schedule, &words, "K20 p21"), "(no event) K20 p21");
    }
}
