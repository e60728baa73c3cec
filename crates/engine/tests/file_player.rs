//! Files that are played: what comes when, and what holds up whom.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use valkka::clock::SystemClock;
use valkka::frame::{Body, Frame, Signal};
use valkka::graph::{FilePlayer, PlayerError, PlayerEvent};
use valkka::sink::{Discard, FnSink, Sink};
use valkka::source::SourceError;
use valkka::stream::Slot;
use valkka_testkit::media::{self, Clip, Codec};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

/// A watchdog for whatever hangs.
const LIMIT: Duration = Duration::from_secs(120);

const SOON: Duration = Duration::from_secs(60);

const ONE: Slot = Slot::new(1);
const TWO: Slot = Slot::new(2);

/// Four seconds of 25 frames, a key frame every second.
fn clip() -> PathBuf {
    Clip::default().file().unwrap()
}

/// A sink, and what comes to it with the moment at which it came.
fn sink() -> (Arc<dyn Sink>, Receiver<(Frame, Instant)>) {
    let (tx, rx) = mpsc::channel();
    (Arc::new(FnSink(move |frame| drop(tx.send((frame, Instant::now()))))), rx)
}

/// A player at work, and what it tells.
fn player() -> (FilePlayer, Receiver<PlayerEvent>) {
    let (tx, rx) = mpsc::channel();
    let player = FilePlayer::new("player", move |event| drop(tx.send(event)));
    player.start(None).unwrap();
    (player, rx)
}

/// Milliseconds of media time of the packets that have come.
fn times(frames: &Receiver<(Frame, Instant)>) -> Vec<i64> {
    let packets = frames.try_iter().filter(|(frame, _)| frame.packet().is_some());
    packets.map(|(frame, _)| frame.time.media.ticks() / 90).collect()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A sink that waits until it is opened.
#[derive(Default)]
struct Valve {
    open: Mutex<bool>,
    opened: Condvar,
    waits: AtomicBool,
}

impl Valve {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Sink for Valve {
    fn put(&self, _: Frame) {
        self.waits.store(true, Ordering::SeqCst);
        let _open = self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap();
    }
}

#[test]
fn a_file_that_is_opened_shows_its_first_picture_and_stands_still() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let (player, _events) = player();
    let (sink, frames) = sink();
    let opened = player.open(ONE, clip(), sink).unwrap();
    assert_eq!(opened.duration, Duration::from_secs(4));
    let (first, _) = frames.try_recv().unwrap();
    let Body::Signal(Signal::Online(info)) = &first.body else { panic!("{first:?}") };
    assert_eq!((info.tracks.len(), first.slot), (1, ONE));
    let (picture, _) = frames.try_recv().unwrap();
    assert!(picture.packet().unwrap().keyframe && picture.slot == ONE);
    let age = SystemClock.now().micros_since(picture.time.wall);
    assert!((0..60_000_000).contains(&age), "{age}");
    assert!(frames.recv_timeout(millis(200)).is_err(), "it stands still");
}

#[test]
fn a_seek_sends_what_is_needed_to_decode_the_target() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [Codec::H264, Codec::H265] {
        for b_frames in [0, 3] {
            let file = Clip { codec, b_frames, ..Clip::default() }.file().unwrap();
            let (player, _events) = player();
            let (sink, frames) = sink();
            let opened = player.open(ONE, file, sink).unwrap();
            times(&frames);
            for (to, start) in [(2500, 2000), (999, 0), (1000, 1000), (3960, 3000), (0, 0)] {
                let before = SystemClock.now();
                player.seek(ONE, millis(to)).unwrap();
                assert_eq!(opened.position.get(), millis(to));
                let came: Vec<_> = frames.try_iter().map(|(frame, _)| frame).collect();
                let times: Vec<_> = came.iter().map(|frame| frame.time.media.ticks() / 90).collect();
                assert_eq!(times[0], start, "{to}");
                let mut shown: Vec<_> = times.iter().copied().filter(|&time| time <= to as i64).collect();
                shown.sort_unstable();
                let wanted: Vec<_> = (start..=to as i64).step_by(40).collect();
                assert_eq!(shown, wanted, "{codec} {b_frames}: {to}");
                // What is shown later came only where others need it.
                assert!(times.len() - shown.len() <= b_frames as usize, "{times:?}");
                // The target stands for the moment of the seek.
                let target = came.iter().max_by_key(|frame| frame.time.media).unwrap();
                let offset = target.time.wall.micros_since(before) / 1000;
                assert!(offset >= -40, "{offset}");
            }
        }
    }
}

#[test]
fn it_plays_in_real_time_pauses_and_ends() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let (player, events) = player();
    let (sink, frames) = sink();
    let opened = player.open(ONE, clip(), sink).unwrap();
    player.seek(ONE, millis(1000)).unwrap();
    times(&frames);
    let start = Instant::now();
    player.play(ONE).unwrap();
    let played: Vec<_> = (0..25).map(|_| frames.recv_timeout(SOON).unwrap()).collect();
    for (n, (frame, came)) in (1..).zip(&played) {
        assert_eq!(frame.time.media.ticks() / 90, 1000 + n * 40);
        // None comes before its time, by which it is stamped.
        assert!(*came + millis(5) >= start + millis(n as u64 * 40), "{n}: {:?}", *came - start);
    }
    for pair in played.windows(2) {
        let step = pair[1].0.time.wall.micros_since(pair[0].0.time.wall) / 1000;
        // One that was held up for more than a second goes on from there.
        assert!(step == 40 || step > 1000, "{step}");
    }
    player.pause(ONE).unwrap();
    wait::until(SOON, "it has paused", || {
        let before = opened.position.get();
        thread::sleep(millis(100));
        opened.position.get() == before
    });
    let at = opened.position.get();
    assert!(at >= millis(1960) && at < millis(4000), "{at:?}");
    times(&frames);
    player.seek(ONE, millis(3800)).unwrap();
    // It may have come to its end before it was told to pause.
    while events.try_recv().is_ok() {}
    player.play(ONE).unwrap();
    assert!(matches!(events.recv_timeout(SOON), Ok(PlayerEvent::Ended(ONE))));
    assert_eq!(times(&frames).last(), Some(&3960));
    // Then nothing comes of playing until it is sought.
    player.play(ONE).unwrap();
    assert!(frames.recv_timeout(millis(200)).is_err());
    player.seek(ONE, Duration::ZERO).unwrap();
    assert_eq!(times(&frames), [0]);
    player.play(ONE).unwrap();
    assert_eq!(frames.recv_timeout(SOON).unwrap().0.time.media.ticks() / 90, 40);
}

#[test]
fn a_sink_that_makes_one_wait_holds_up_no_other_and_no_stop() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let (player, _events) = player();
    let player = Arc::new(player);
    let valve = Arc::new(Valve::default());
    let opening = {
        let (player, valve) = (player.clone(), valve.clone());
        thread::spawn(move || player.open(ONE, clip(), valve).map(|_| ()))
    };
    wait::until(SOON, "the sink makes it wait", || valve.waits.load(Ordering::SeqCst));
    let (sink, frames) = sink();
    player.open(TWO, clip(), sink).unwrap();
    player.seek(TWO, millis(500)).unwrap();
    player.play(TWO).unwrap();
    wait::until(SOON, "the other plays", || times(&frames).last() >= Some(&600));
    // Calls about the first one return, whatever comes of them.
    player.play(ONE).unwrap();
    player.pause(ONE).unwrap();
    player.close(ONE).unwrap();
    valve.open();
    player.stop();
    opening.join().unwrap().ok();
    while frames.try_recv().is_ok() {}
    assert!(frames.recv_timeout(millis(100)).is_err(), "nothing comes after a stop");
    assert!(matches!(player.open(ONE, clip(), Arc::new(Discard)), Err(PlayerError::Stopped)));
    assert!(matches!(player.seek(TWO, Duration::ZERO), Err(PlayerError::Nothing(TWO))));
}

#[test]
fn a_newer_seek_takes_the_place_of_one_that_takes_long() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let (player, _events) = player();
    let (tx, rx) = mpsc::channel();
    let (player, count) = (Arc::new(player), Arc::new(Mutex::new(0)));
    let slow = {
        let count = count.clone();
        FnSink(move |frame: Frame| {
            let count = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count
            };
            // It takes half a minute to its end, however long it takes to ask for the other one.
            thread::sleep(millis(if count > 5 { 300 } else { 20 }));
            let _ = tx.send(frame.time.media.ticks() / 90);
        })
    };
    player.open(ONE, Clip { gop: 100, ..Clip::default() }.file().unwrap(), Arc::new(slow)).unwrap();
    let long = {
        let player = player.clone();
        thread::spawn(move || player.seek(ONE, millis(3960)))
    };
    wait::until(SOON, "it is on its way", || *count.lock().unwrap() > 5);
    player.seek(ONE, millis(40)).unwrap();
    long.join().unwrap().unwrap();
    let all: Vec<_> = rx.try_iter().collect();
    assert_eq!(all[all.len() - 2..], [0, 40]);
    assert!(all.len() < 90, "{}", all.len());
}

#[test]
fn calls_before_the_start_wait_for_it() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let player = FilePlayer::new("player", |_| {});
    let (sink, frames) = sink();
    player.open(ONE, clip(), sink).unwrap();
    player.seek(ONE, millis(1000)).unwrap();
    player.play(ONE).unwrap();
    assert!(frames.try_recv().is_err());
    player.start(None).unwrap();
    wait::until(SOON, "it plays", || times(&frames).last() >= Some(&1080));
    player.stop();
    player.stop();
    drop(FilePlayer::new("never started", |_| {}));
}

#[test]
fn what_cannot_be_done_is_said() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let (player, _events) = player();
    let missing = player.open(ONE, directory.join("missing.mkv"), Arc::new(Discard)).unwrap_err();
    assert!(matches!(&missing, PlayerError::Source(SourceError::Io { .. })), "{missing}");
    let garbage = directory.join("garbage.mkv");
    std::fs::write(&garbage, [7; 10_000]).unwrap();
    assert!(matches!(player.open(ONE, garbage, Arc::new(Discard)), Err(PlayerError::Source(_))));
    assert!(matches!(player.play(ONE), Err(PlayerError::Nothing(ONE))));
    // The slot is still free; then it is taken.
    player.open(ONE, clip(), Arc::new(Discard)).unwrap();
    let error = player.open(ONE, clip(), Arc::new(Discard)).unwrap_err();
    assert_eq!(error.to_string(), "slot 1 is in use");
    player.close(ONE).unwrap();
    let error = player.close(ONE).unwrap_err();
    assert_eq!(error.to_string(), "there is no file at slot 1");
    player.open(ONE, clip(), Arc::new(Discard)).unwrap();
}

#[test]
fn any_thread_may_call_anything() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let (player, _events) = player();
    let file = Clip { audio: true, b_frames: 3, ..Clip::default() }.file().unwrap();
    thread::scope(|scope| {
        for n in 0..4_u16 {
            let (player, file) = (&player, &file);
            scope.spawn(move || {
                for round in 0..30 {
                    let slot = Slot::new(n / 2);
                    let _ = player.open(slot, file, Arc::new(Discard));
                    let _ = player.play(slot);
                    let _ = player.seek(slot, millis(round * 100));
                    let _ = player.pause(slot);
                    let _ = player.play(slot);
                    let _ = player.close(slot);
                }
            });
        }
    });
    player.stop();
}
