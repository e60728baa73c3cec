//! The decoder as a worker: decodes when told to, keeps up or says so, frees what it took.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use valkka_av::{Decoder, DecoderOptions};
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::sink::{FnSink, Sink as _};
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::require;
use valkka_testkit::wait::until;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::read_all;

const LIMIT: Duration = Duration::from_secs(120);

fn spawn(options: DecoderOptions) -> (Decoder, Receiver<Frame>, Arc<StreamStats>) {
    let (tx, rx) = mpsc::channel();
    let stats = Arc::new(StreamStats::default());
    let sink = FnSink(move |frame| drop(tx.send(frame)));
    let decoder = Decoder::spawn("test", options, stats.clone(), Arc::new(sink)).unwrap();
    (decoder, rx, stats)
}

fn end() -> Frame {
    Frame::signal(Slot::default(), WallTime::default(), Signal::End)
}

fn pictures_until_end(frames: &Receiver<Frame>) -> usize {
    let mut pictures = 0;
    loop {
        let frame = frames.recv_timeout(LIMIT).unwrap();
        match frame.body {
            Body::Bitmap(_) => pictures += 1,
            Body::Signal(Signal::End) => return pictures,
            _ => {}
        }
    }
}

#[test]
fn nothing_is_decoded_until_it_is_told() {
    require!(media::available());
    let _alone = alone();
    let _watchdog = Watchdog::start(LIMIT);
    let clip = Clip { seconds: 2, audio: true, width: 320, height: 180, ..Clip::default() };
    let frames = read_all(&clip.file().unwrap());
    let (decoder, rx, stats) = spawn(DecoderOptions { capacity: 1000, ..DecoderOptions::default() });
    let feed = || frames.iter().cloned().chain([end()]).for_each(|frame| decoder.input().put(frame));
    feed();
    // Audio and signals pass.
    assert_eq!(pictures_until_end(&rx), 0);
    assert_eq!(stats.decoded.get(), 0);
    decoder.set_decoding(true);
    feed();
    assert_eq!(pictures_until_end(&rx), 50);
    assert_eq!(stats.decoded.get(), 50);
    // In the middle of a GOP: it goes on at the next key frame.
    decoder.set_decoding(false);
    feed();
    assert_eq!(pictures_until_end(&rx), 0);
    decoder.set_decoding(true);
    frames[20..].iter().cloned().chain([end()]).for_each(|frame| decoder.input().put(frame));
    let video_from = |n: usize| frames[n..].iter().filter(|frame| frame.track.index() == 0);
    let key = video_from(20).position(|frame| frame.packet().unwrap().keyframe).unwrap();
    assert_eq!(pictures_until_end(&rx), video_from(20).count() - key);
}

#[test]
fn what_it_cannot_keep_up_with_is_dropped_to_a_key_frame_and_counted() {
    require!(media::available());
    let _alone = alone();
    let _watchdog = Watchdog::start(LIMIT);
    let frames = read_all(&Clip { seconds: 4, width: 320, height: 180, ..Clip::default() }.file().unwrap());
    let (go_tx, go_rx) = mpsc::channel::<()>();
    let go_rx = Mutex::new(go_rx);
    let (tx, rx) = mpsc::channel();
    let stats = Arc::new(StreamStats::default());
    // A consumer that is stuck until it is let go.
    let sink = FnSink(move |frame: Frame| {
        let _ = go_rx.lock().unwrap().recv();
        drop(tx.send(frame));
    });
    let options = DecoderOptions { capacity: 10, ..DecoderOptions::default() };
    let decoder = Decoder::spawn("test", options, stats.clone(), Arc::new(sink)).unwrap();
    decoder.set_decoding(true);
    frames[..60].iter().cloned().for_each(|frame| decoder.input().put(frame));
    drop(go_tx);
    let input = decoder.input();
    until(LIMIT, "the queue to be empty", || {
        input.pushed() as usize + input.dropped() as usize == 60 && { stats.decoded.get() == input.pushed() }
    });
    frames[60..].iter().cloned().chain([end()]).for_each(|frame| {
        let passed = input.pushed();
        input.put(frame);
        until(LIMIT, "it to be taken", || {
            input.pushed() == passed || stats.decoded.get() + 1 >= input.pushed()
        });
    });
    let pictures = pictures_until_end(&rx);
    assert_eq!(stats.damaged.get(), 0, "what is decoded can be decoded");
    assert!(stats.decode_dropped.get() > 0);
    assert_eq!(pictures as u64 + stats.decode_dropped.get(), 100);
}

#[test]
fn decoders_come_and_go_without_a_leak() {
    require!(media::available());
    let _alone = alone();
    let _watchdog = Watchdog::start(LIMIT);
    let frames = read_all(&Clip { seconds: 1, ..Clip::default() }.file().unwrap());
    let round = || {
        let (decoder, rx, _) = spawn(DecoderOptions { capacity: 100, ..DecoderOptions::default() });
        decoder.set_decoding(true);
        frames.iter().cloned().chain([end()]).for_each(|frame| decoder.input().put(frame));
        assert_eq!(pictures_until_end(&rx), 25);
    };
    (0..10).for_each(|_| round());
    let before = resident_bytes();
    (0..60).for_each(|_| round());
    let grown = resident_bytes().saturating_sub(before);
    // A picture of this size is 350 kB, and a decoder holds several: one leaked per round would be 20 MB.
    assert!(grown < 8 << 20, "{grown} bytes more after 60 decoders");
}

#[test]
fn pictures_outlive_their_decoder() {
    require!(media::available());
    let _alone = alone();
    let _watchdog = Watchdog::start(LIMIT);
    let frames = read_all(&Clip { seconds: 1, ..Clip::default() }.file().unwrap());
    let (decoder, rx, _) = spawn(DecoderOptions { capacity: 100, ..DecoderOptions::default() });
    decoder.set_decoding(true);
    frames.iter().cloned().chain([end()]).for_each(|frame| decoder.input().put(frame));
    let pictures: Vec<_> =
        std::iter::from_fn(|| rx.recv_timeout(LIMIT).ok().filter(|frame| frame.bitmap().is_some())).collect();
    drop(decoder);
    let wanted = common::decode(&frames);
    assert_eq!(pictures.len(), 25);
    for (picture, wanted) in pictures.iter().zip(&wanted) {
        assert_eq!(common::packed(picture.bitmap().unwrap()), common::packed(wanted.bitmap().unwrap()));
    }
}

/// One test at a time: the memory of all of them is looked at.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
