//! Several recordings in step.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "common/footage.rs"]
mod footage;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use footage::{Footage, LIMIT, Reference, START, at, look, since_start, small};
use valkka::frame::{Body, Frame, Signal};
use valkka::playback::{
    Clock, Entry, FilePackets, Gaps, MemoryPackets, PacketSource, PlaybackError, Player, PlayerEvent,
    PlayerOptions, PlayerState, PlayerStream, Step,
};
use valkka::sink::Sink;
use valkka::source::SourceError;
use valkka::stream::Slot;
use valkka::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

const SOON: Duration = Duration::from_secs(60);

/// Time that passes when the test says so.
#[derive(Default)]
struct SimClock(AtomicU64);

impl SimClock {
    fn advance(&self, millis: u64) {
        self.0.fetch_add(millis * 1000, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn patience(&self, time: Duration) -> Duration {
        time.min(Duration::from_millis(1))
    }

    /// However busy the machine is, nothing takes longer than the test lets pass.
    fn spent(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}

/// What came to a sink.
#[derive(Default)]
struct Screen(Mutex<Vec<Frame>>);

impl Sink for Screen {
    fn put(&self, frame: Frame) {
        self.0.lock().unwrap().push(frame);
    }
}

impl Screen {
    /// When the picture was taken that is to be seen now, and what it looks like; `None` if there is none.
    fn shows(&self) -> Option<(WallTime, u64)> {
        let frames = self.0.lock().unwrap();
        let last = frames.iter().rev().find(|frame| frame.packet().is_none())?;
        last.bitmap().map(|bitmap| (last.time.capture.unwrap(), look(bitmap)))
    }

    fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Setup {
    player: Player,
    clock: Arc<SimClock>,
    screens: Vec<Arc<Screen>>,
    events: Receiver<PlayerEvent>,
}

impl Setup {
    fn new(sources: Vec<Box<dyn PacketSource>>, position: WallTime, gaps: Gaps) -> Self {
        let clock = Arc::new(SimClock::default());
        let screens: Vec<Arc<Screen>> = sources.iter().map(|_| Arc::default()).collect();
        let (tx, events) = mpsc::channel();
        let streams = sources.into_iter().zip(&screens).zip(1..).map(|((source, screen), number)| {
            PlayerStream { slot: Slot::new(number), source, sink: screen.clone() }
        });
        let options = PlayerOptions {
            gaps,
            clock: clock.clone(),
            on_event: Arc::new(move |event| drop(tx.send(event))),
            ..PlayerOptions::default()
        };
        let player = Player::new(streams.collect(), position, options).unwrap();
        Self { player, clock, screens, events }
    }

    #[track_caller]
    fn shown(&self) -> WallTime {
        assert!(self.player.wait_shown(SOON), "{:?}", self.player);
        self.player.position()
    }

    fn event(&self) -> PlayerEvent {
        let ours = |event: &PlayerEvent| !matches!(event, PlayerEvent::Position(_));
        wait::until_some(SOON, "an event", || self.events.try_iter().find(ours))
    }
}

/// Two cameras, of 25 and of 10 pictures per second, that were not connected for a while.
fn cameras() -> [Footage; 2] {
    let fast = Clip { seconds: 6, ..small() };
    let slow = Clip { seconds: 6, frame_rate: 10, gop: 20, b_frames: 2, ..small() };
    [
        Footage::default()
            .clip(&fast, at(0))
            .gap(at(5960), at(9000), "the camera was not connected")
            .clip(&fast, at(9000)),
        Footage::default()
            .clip(&slow, at(30))
            .gap(at(5930), at(7005), "the disk was full")
            // Its clock is set ahead by a second after six.
            .clip(&slow, at(7005))
            .clip(&slow, at(14_005)),
    ]
}

fn sources(footage: &[Footage]) -> Vec<Box<dyn PacketSource>> {
    footage.iter().map(|footage| footage.source() as Box<dyn PacketSource>).collect()
}

/// Whether there is a picture at `time`: not in the gaps above.
fn is_there(stream: usize, time: WallTime) -> bool {
    let gaps: &[std::ops::Range<i64>] = match stream {
        0 => &[i64::MIN..0, 6000..9000, 15_000..i64::MAX],
        _ => &[i64::MIN..30, 6030..7005, 20_005..i64::MAX],
    };
    !gaps.iter().any(|gap| gap.contains(&(time.micros_since(START).div_euclid(1000))))
}

/// Asserts that each stream shows its picture of `position`, or the key frame before it; returns whether all are exact.
#[track_caller]
fn check_in_step(setup: &Setup, footage: &[Footage], position: WallTime) -> bool {
    let mut exact = true;
    for (stream, (screen, footage)) in setup.screens.iter().zip(footage).enumerate() {
        let shows = screen.shows();
        if !is_there(stream, position) {
            // Key frames alone do not tell of short gaps.
            let gop = 3000.0;
            let late = shows.map(|(taken, _)| since_start(position) - since_start(taken));
            assert!(late.is_none_or(|late| late < 4000.0 + gop), "{stream} at {position:?}: {late:?}");
            exact &= shows.is_none();
            continue;
        }
        let wanted = footage.pictures.at(position).unwrap();
        let Some(shows) = shows else { panic!("{stream} shows nothing at {}", since_start(position)) };
        if shows != wanted {
            exact = false;
            let behind = since_start(position) - since_start(shows.0);
            assert!(
                (0.0..3000.0).contains(&behind),
                "{stream}: {behind} behind at {}",
                since_start(position)
            );
            assert!(footage.pictures.0.contains(&shows), "{stream}");
        }
    }
    exact
}

#[test]
fn streams_are_in_step_at_any_speed() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = cameras();
    for (speed, step_millis) in [
        (1.0, 33),
        (-1.0, 33),
        (1.0 / 16.0, 150),
        (-1.0 / 16.0, 150),
        (4.0, 40),
        (-4.0, 40),
        (64.0, 10),
        (-64.0, 10),
    ] {
        let start = if speed > 0.0 { at(-100) } else { at(20_100) };
        let setup = Setup::new(sources(&footage), start, Gaps::Wait);
        if f64::abs(speed) < 1.0 {
            setup.player.seek(at(5800));
        }
        let from = setup.shown();
        setup.player.set_speed(speed).unwrap();
        setup.player.play();
        let (mut exact, mut samples) = (0, 0);
        loop {
            setup.clock.advance(step_millis);
            let passed = setup.clock.now().as_secs_f64() * speed;
            let position = setup.shown();
            if setup.player.state() == PlayerState::Ended || samples > 600 {
                break;
            }
            let expected = since_start(from) + passed * 1000.0;
            assert!((since_start(position) - expected).abs() < 0.01, "it is at {position:?}, not {expected}");
            exact += usize::from(check_in_step(&setup, &footage, position));
            samples += 1;
        }
        assert!(samples > 20, "{samples} at {speed}");
        // A machine that does other things may be too slow for all pictures.
        if f64::abs(speed) <= 1.0 {
            assert!(exact > samples / 2, "{exact} of {samples} at {speed}");
        }
    }
}

#[test]
fn a_step_goes_to_the_next_picture_of_any_stream() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = cameras();
    let setup = Setup::new(sources(&footage), at(4990), Gaps::Wait);
    let changes: BTreeSet<_> =
        footage.iter().flat_map(|footage| &footage.pictures.0).map(|&(taken, _)| taken).collect();
    let mut position = setup.shown();
    for _ in 0..80 {
        let wanted = *changes.range(position.offset_micros(1)..).next().unwrap();
        position = setup.player.step(Step::Next, SOON).unwrap();
        assert_eq!(since_start(position), since_start(wanted));
        assert_eq!(setup.shown(), position);
        assert!(check_in_step(&setup, &footage, position));
    }
    assert!(position > at(9000), "over all gaps");
    for _ in 0..80 {
        let wanted = *changes.range(..position).next_back().unwrap();
        position = setup.player.step(Step::Previous, SOON).unwrap();
        assert_eq!(since_start(position), since_start(wanted));
        assert_eq!(setup.shown(), position);
        assert!(check_in_step(&setup, &footage, position));
    }
    // In the middle of a picture, a step back goes to the one before it.
    setup.player.seek(at(1075));
    assert_eq!(setup.player.step(Step::Previous, SOON).unwrap(), at(1030));
    assert_eq!(setup.player.state(), PlayerState::Paused);
    // From a gap it goes to the pictures around it.
    setup.player.seek(at(6500));
    assert_eq!(setup.player.step(Step::Previous, SOON).unwrap(), at(5960));
    setup.player.seek(at(6500));
    assert_eq!(setup.player.step(Step::Next, SOON).unwrap(), at(7005));
    // Where there is nothing more, it stays.
    setup.player.seek(at(30_000));
    assert_eq!(setup.player.step(Step::Next, SOON).unwrap(), at(30_000));
    setup.player.seek(at(-5));
    assert_eq!(setup.player.step(Step::Previous, SOON).unwrap(), at(-5));
}

#[test]
fn a_storm_of_seeks_ends_where_the_last_one_leads() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = cameras();
    let setup = Setup::new(sources(&footage), START, Gaps::Wait);
    let mut random = fastrand::Rng::with_seed(4);
    for round in 1..=1000 {
        setup.clock.advance(random.u64(..50));
        match random.u8(..10) {
            0 => setup.player.play(),
            1 => setup.player.pause(),
            2 => setup.player.set_speed([1.0, -1.0, 16.0, -0.5][random.usize(..4)]).unwrap(),
            3 => drop(setup.player.step([Step::Next, Step::Previous][random.usize(..2)], SOON).unwrap()),
            _ => setup.player.seek(at(random.i64(-500..21_000))),
        }
        if round % 25 == 0 {
            let to = at(random.i64(0..15_000));
            setup.player.pause();
            setup.player.seek(to);
            assert_eq!(setup.shown(), to);
            assert!(check_in_step(&setup, &footage, to), "round {round}");
        }
    }
}

#[test]
fn at_the_end_it_waits_for_more() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for b_frames in [0, 3] {
        let clip = Clip { seconds: 4, b_frames, ..small() };
        let footage = Footage::default().clip(&clip, START);
        let (first, rest) = footage.entries.split_at(50);
        let memory = MemoryPackets::new(first.to_vec());
        let setup = Setup::new(vec![Box::new(memory.clone())], at(1500), Gaps::Wait);
        setup.player.play();
        let ended = wait::until_some(SOON, "the end", || {
            setup.clock.advance(20);
            setup.events.try_iter().find(|event| *event == PlayerEvent::End)
        });
        assert_eq!(ended, PlayerEvent::End);
        assert_eq!((setup.player.state(), setup.player.position()), (PlayerState::Ended, at(2000)));
        wait::until(SOON, "it is told", || {
            let frames = setup.screens[0].0.lock().unwrap();
            matches!(frames.last().unwrap().body, Body::Signal(Signal::End))
        });
        // It does not go on by itself.
        setup.clock.advance(5000);
        assert_eq!(setup.shown(), at(2000));
        rest.iter().for_each(|entry| memory.record(entry.clone()));
        assert_eq!(setup.event(), PlayerEvent::Continues);
        assert_eq!(setup.player.state(), PlayerState::Playing);
        // From where it stood, however long that was.
        for _ in 0..40 {
            setup.clock.advance(30);
            let position = setup.shown();
            assert_eq!(setup.screens[0].shows(), footage.pictures.at(position));
        }
        // Backward, the beginning is the end.
        setup.player.set_speed(-8.0).unwrap();
        wait::until(SOON, "the beginning", || {
            setup.clock.advance(20);
            setup.player.state() == PlayerState::Ended
        });
        assert_eq!(setup.shown(), START);
        assert_eq!(setup.screens[0].shows(), footage.pictures.at(START));
        // And the other way it goes on.
        setup.player.set_speed(1.0).unwrap();
        assert_eq!(setup.player.state(), PlayerState::Playing);
        setup.clock.advance(500);
        assert_eq!(setup.shown(), at(500));
        setup.player.pause();
        assert_eq!(setup.player.state(), PlayerState::Paused);
    }
}

#[test]
fn gaps_are_told_and_may_be_skipped() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = cameras();
    let setup = Setup::new(sources(&footage), at(5500), Gaps::Wait);
    setup.player.play();
    let mut told = Vec::new();
    for _ in 0..100 {
        setup.clock.advance(20);
        setup.shown();
        told.extend(setup.events.try_iter().filter(|event| !matches!(event, PlayerEvent::Position(_))));
    }
    assert_eq!(
        told,
        [
            PlayerEvent::Gap {
                slot: Slot::new(1),
                reason: "the camera was not connected".into(),
                to: Some(at(9000))
            },
            PlayerEvent::Gap { slot: Slot::new(2), reason: "the disk was full".into(), to: Some(at(7005)) },
        ]
    );
    let offline = |frame: &Frame| match &frame.body {
        Body::Signal(Signal::Offline(reason)) => Some(reason.to_string()),
        _ => None,
    };
    assert_eq!(setup.screens[0].take().iter().find_map(offline), Some("the camera was not connected".into()));
    // Only where none has a picture, time is skipped.
    for (speed, from, before, after) in [(1.0, 5500, 6030, 7005), (-1.0, 8000, 7005, 6030)] {
        let setup = Setup::new(sources(&footage), at(from), Gaps::Skip);
        setup.player.set_speed(speed).unwrap();
        setup.player.play();
        let mut last = setup.shown();
        let mut jumps = Vec::new();
        for _ in 0..100 {
            setup.clock.advance(20);
            let position = setup.shown();
            if (since_start(position) - since_start(last)).abs() > 100.0 {
                jumps.push((since_start(last), since_start(position)));
            }
            last = position;
        }
        assert_eq!(jumps.len(), 1, "{jumps:?}");
        let (left, came) = jumps[0];
        assert!(
            (left - f64::from(before)).abs() <= 40.0 && (came - f64::from(after)).abs() <= 40.0,
            "{jumps:?}"
        );
    }
}

#[test]
fn it_plays_in_real_time_with_sound_at_a_speed_of_one() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let clip = Clip { audio: true, ..small() };
    let file = clip.file().unwrap();
    let screen = Arc::new(Screen::default());
    let source = Box::new(FilePackets::open(&file, START).unwrap());
    let stream = PlayerStream { slot: Slot::new(3), source, sink: screen.clone() };
    let player = Player::new(vec![stream], at(1000), PlayerOptions::default()).unwrap();
    assert!(player.wait_shown(SOON));
    player.play();
    wait::until(SOON, "it has played a while", || player.position() > at(3000));
    player.pause();
    player.wait_shown(SOON);
    let frames = screen.take();
    let taken = |frame: &Frame| frame.time.capture.unwrap();
    let pictures: Vec<_> = frames.iter().filter(|frame| frame.bitmap().is_some()).collect();
    assert!(pictures.is_sorted_by(|a, b| taken(a) < taken(b) && a.time.wall <= b.time.wall), "each once");
    assert!(frames.iter().all(|frame| frame.slot == Slot::new(3)));
    let sound: Vec<_> = frames.iter().filter(|frame| frame.packet().is_some()).collect();
    assert!(!sound.is_empty() && sound.is_sorted_by_key(|frame| taken(frame)));
    assert!(sound.iter().all(|frame| taken(frame) > at(400) && taken(frame) <= player.position()));
    player.set_speed(2.0).unwrap();
    player.play();
    wait::until(SOON, "it has played a while", || player.position() > at(5000));
    assert!(screen.take().iter().all(|frame| frame.packet().is_none()));
}

/// Does something before it gives each packet: takes long, or fails.
struct Troubled<F> {
    memory: Box<MemoryPackets>,
    before: F,
}

impl<F: FnMut() -> Result<(), PlaybackError> + Send> PacketSource for Troubled<F> {
    fn seek(&mut self, to: WallTime) -> Result<bool, PlaybackError> {
        self.memory.seek(to)
    }

    fn next(&mut self) -> Result<Option<Entry>, PlaybackError> {
        (self.before)()?;
        self.memory.next()
    }

    fn keyframe_before(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        self.memory.keyframe_before(time)
    }

    fn keyframe_after(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        self.memory.keyframe_after(time)
    }
}

/// Takes long for each packet.
fn slow(footage: &Footage) -> Box<dyn PacketSource> {
    let before = || {
        thread::sleep(Duration::from_millis(50));
        Ok(())
    };
    Box::new(Troubled { memory: footage.source(), before })
}

/// Lets packets through while it is open.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set_shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.is_shut.lock().unwrap();
        drop(self.opened.wait_timeout_while(shut, SOON, |shut| *shut).unwrap());
    }
}

/// Hangs while the gate is shut.
fn gated(footage: &Footage, gate: &Arc<Gate>) -> Box<dyn PacketSource> {
    let gate = gate.clone();
    let before = move || {
        gate.pass();
        Ok(())
    };
    Box::new(Troubled { memory: footage.source(), before })
}

/// Fails while it is told to.
fn failing(footage: &Footage, fails: Arc<AtomicBool>) -> Box<dyn PacketSource> {
    let before = move || {
        if fails.load(Ordering::SeqCst) {
            let cause = std::io::Error::from_raw_os_error(5);
            return Err(SourceError::Io { what: "the disk".into(), cause }.into());
        }
        Ok(())
    };
    Box::new(Troubled { memory: footage.source(), before })
}

/// Two streams of the same footage that are played from the start; the first hangs while the gate is shut.
fn beside_a_gate(footage: &Footage) -> (Setup, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    let setup = Setup::new(vec![gated(footage, &gate), footage.source()], START, Gaps::Wait);
    setup.shown();
    setup.player.play();
    setup.shown();
    (setup, gate)
}

#[test]
fn while_one_stream_hangs_no_other_is_more_than_a_frame_interval_ahead() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    // Quick to decode, so that a busy machine shows all of its pictures.
    let footage = Footage::default().clip(&Clip { frame_rate: 10, gop: 10, ..small() }, START);
    let interval = 100_000;
    let (setup, gate) = beside_a_gate(&footage);
    for _ in 0..3 {
        gate.set_shut(true);
        // What was decoded in advance is shown still; then it stands.
        let shut = setup.clock.now();
        while setup.clock.now() < shut + Duration::from_millis(800) {
            setup.clock.advance(10);
            thread::yield_now();
        }
        let position = wait::until_some(SOON, "the others to wait", || {
            let slow = setup.screens[0].shows()?.0;
            let position = setup.player.position();
            (position == slow.offset_micros(2 * interval)).then_some(position)
        });
        wait::until(SOON, "the other to show what it may", || {
            setup.screens[1].shows() == footage.pictures.at(position)
        });
        assert!(position < START + setup.clock.now());
        assert_eq!(setup.player.position(), position);
        gate.set_shut(false);
        // It catches up.
        wait::until(SOON, "all to be in step", || {
            setup.clock.advance(1);
            setup.shown();
            setup.player.position() == START + setup.clock.now()
        });
        assert!(check_in_step(&setup, std::slice::from_ref(&footage), setup.player.position()));
        assert_eq!(setup.screens[0].shows(), setup.screens[1].shows());
    }
}

#[test]
fn who_hangs_for_long_is_waited_for_no_more() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = Footage::default().clip(&small(), START);
    let (setup, gate) = beside_a_gate(&footage);
    gate.set_shut(true);
    let event = wait::until_some(SOON, "the stream to be late", || {
        setup.clock.advance(20);
        setup.events.try_iter().find(|event| !matches!(event, PlayerEvent::Position(_)))
    });
    assert_eq!(event, PlayerEvent::Late { slot: Slot::new(1) });
    let left = setup.player.position();
    wait::until(SOON, "the other to go on", || {
        setup.clock.advance(20);
        setup.screens[1].shows().is_some_and(|(taken, _)| taken > left.offset_micros(1_000_000))
    });
    gate.set_shut(false);
    assert_eq!(setup.event(), PlayerEvent::InTime { slot: Slot::new(1) });
    setup.shown();
    assert_eq!(setup.screens[0].shows(), setup.screens[1].shows());
}

#[test]
fn who_is_slow_shows_its_key_frames() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = Footage::default().clip(&small(), START);
    let screens = [Arc::new(Screen::default()), Arc::new(Screen::default())];
    let sources: [Box<dyn PacketSource>; 2] = [slow(&footage), footage.source()];
    let streams = sources.into_iter().zip(&screens).zip(1..).map(|((source, screen), number)| PlayerStream {
        slot: Slot::new(number),
        source,
        sink: screen.clone(),
    });
    let player = Player::new(streams.collect(), START, PlayerOptions::default()).unwrap();
    player.play();
    wait::until(SOON, "the slow one comes along", || {
        screens[0].shows().is_some_and(|(taken, _)| taken >= at(4000))
    });
    let count = |screen: &Screen, reference: &Reference| {
        let frames = screen.take();
        let pictures: Vec<_> =
            frames.iter().filter_map(|frame| Some((frame.time.capture?, look(frame.bitmap()?)))).collect();
        assert!(pictures.iter().all(|picture| reference.0.contains(picture)));
        pictures.len()
    };
    let [slow, quick] = [0, 1].map(|index| count(&screens[index], &footage.pictures));
    assert!(slow < quick, "{slow} of {quick}");
    // A jump does not wait for what is no longer wanted.
    player.pause();
    player.seek(at(9900));
    player.seek(at(8000));
    assert!(player.wait_shown(SOON));
    assert_eq!(screens[0].shows(), footage.pictures.at(at(8000)));
}

#[test]
fn what_cannot_be_read_is_said_and_tried_again() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = Footage::default().clip(&small(), START);
    let fails = Arc::new(AtomicBool::new(true));
    let source = failing(&footage, fails.clone());
    let setup = Setup::new(vec![source, footage.source()], at(2000), Gaps::Wait);
    let PlayerEvent::Failed { slot, reason } = setup.event() else { panic!("no failure") };
    assert!(slot == Slot::new(1) && reason.contains("the disk"), "{reason}");
    setup.shown();
    assert!(setup.screens[0].shows().is_none());
    assert_eq!(setup.screens[1].shows(), footage.pictures.at(at(2000)));
    setup.player.play();
    fails.store(false, Ordering::SeqCst);
    wait::until(SOON, "it is read again", || {
        setup.clock.advance(10);
        setup.screens[0].shows().is_some()
    });
}

#[test]
fn what_is_not_possible_is_said() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let none = Player::new(Vec::new(), START, PlayerOptions::default());
    assert_eq!(none.unwrap_err().to_string(), "0 streams cannot be played at once: from 1 to 64");
    // A recording without anything in it is at its end.
    let setup = Setup::new(vec![Box::<MemoryPackets>::default()], START, Gaps::Skip);
    for speed in [0.0, 65.0, f64::NAN] {
        assert!(matches!(setup.player.set_speed(speed), Err(PlaybackError::Speed { .. })));
    }
    setup.player.play();
    assert_eq!(setup.event(), PlayerEvent::End);
    for time in [i64::MIN, i64::MAX, 0] {
        setup.player.seek(WallTime::from_micros(time));
        setup.player.step(Step::Next, SOON).unwrap();
        setup.player.step(Step::Previous, SOON).unwrap();
        setup.shown();
    }
    // Who cannot be asked in time is not waited for.
    let footage = Footage::default().clip(&small(), START);
    let gate = Arc::<Gate>::default();
    gate.set_shut(true);
    let setup = Setup::new(vec![gated(&footage, &gate)], at(3000), Gaps::Wait);
    let error = setup.player.step(Step::Next, Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "no step within 0ns: a stream is still being decoded");
    gate.set_shut(false);
    setup.player.seek(START);
    setup.shown();
}
