//! Fragmented MP4, as browsers and `ffmpeg` read it.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::sync::Arc;
use std::time::Duration;

use valkka_av::Fragmenter;
use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};
use valkka_core::filter::{Filter as _, Stage};
use valkka_core::frame::{Body, Fragment, Frame, Signal};
use valkka_core::sink::{FnSink, Sink as _};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::probe::{decodes, probe, times_ms};
use common::read_all;

const LIMIT: Duration = Duration::from_secs(240);

/// The video of a clip, in slot 7.
fn video(clip: Clip) -> Vec<Frame> {
    let frames = read_all(&clip.file().unwrap());
    let video = frames.into_iter().filter(|frame| frame.packet().unwrap().params.codec.is_video());
    video.map(|frame| Frame { slot: Slot::new(7), ..frame }).collect()
}

fn active() -> Fragmenter {
    let mut fragmenter = Fragmenter::new();
    fragmenter.activate(None);
    fragmenter
}

/// What comes of each frame.
fn run(fragmenter: &mut Fragmenter, frames: &[Frame]) -> Vec<Vec<Frame>> {
    let made = |frame: &Frame| {
        let mut out = Vec::new();
        fragmenter.push(frame.clone(), &mut |frame| out.push(frame));
        out
    };
    frames.iter().map(made).collect()
}

fn fragment(frame: &Frame) -> &Fragment {
    match &frame.body {
        Body::Fragment(fragment) => fragment,
        other => panic!("{other:?} is no fragment"),
    }
}

fn kinds(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| std::str::from_utf8(&fragment(frame).kind).unwrap()).collect()
}

/// The content of the box at `path` in `data`, e.g. `moof/traf/tfdt`.
fn find<'a>(data: &'a [u8], path: &str) -> &'a [u8] {
    let (kind, rest) = path.split_once('/').map_or((path, None), |(kind, rest)| (kind, Some(rest)));
    let mut left = data;
    loop {
        let length = u32::from_be_bytes(left[..4].try_into().unwrap()) as usize;
        if &left[4..8] == kind.as_bytes() {
            let content = &left[8..length];
            return rest.map_or(content, |rest| find(content, rest));
        }
        left = &left[length..];
    }
}

fn decode_time(moof: &Frame) -> u64 {
    let tfdt = find(&fragment(moof).data, "moof/traf/tfdt");
    assert_eq!(tfdt[0], 1, "64 bits");
    u64::from_be_bytes(tfdt[4..12].try_into().unwrap())
}

#[test]
fn each_packet_is_a_pair_of_boxes_at_once() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let frames = video(Clip::default());
    let made = run(&mut active(), &frames);
    assert_eq!(kinds(&made[0]), ["ftyp", "moov", "moof", "mdat"]);
    assert!(made[1..].iter().all(|made| kinds(made) == ["moof", "mdat"]));
    let mdhd = find(&fragment(&made[0][1]).data, "moov/trak/mdia/mdhd");
    assert_eq!(mdhd[12..16], 1000_u32.to_be_bytes(), "units of the timeline per second");
    for (index, (frame, made)) in frames.iter().zip(&made).enumerate() {
        let [moof, mdat] = made.last_chunk().unwrap();
        assert_eq!(decode_time(moof), index as u64 * 40);
        assert_eq!(fragment(moof).keyframe, frame.packet().unwrap().keyframe);
        assert_eq!((moof.slot, moof.time, mdat.time), (Slot::new(7), frame.time, frame.time));
        // One slice, and no parameter sets before it.
        let sample = &find(&fragment(mdat).data, "mdat")[4..];
        assert_eq!(sample[0] & 0x1f, if fragment(moof).keyframe { 5 } else { 1 });
    }
}

#[test]
fn ffmpeg_decodes_it_from_any_key_frame_on() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    for codec in [media::Codec::H264, media::Codec::H265] {
        for b_frames in [0, 3] {
            let frames = video(Clip { codec, b_frames, ..Clip::default() });
            let made = run(&mut active(), &frames);
            let meta: Vec<_> = made[0][..2].iter().flat_map(|frame| fragment(frame).data.to_vec()).collect();
            for start in [0, 50] {
                let fragments =
                    made[start..].iter().flatten().filter(|made| fragment(made).kind.starts_with(b"m"));
                let boxes = fragments.filter(|made| fragment(made).kind != *b"moov");
                let mut data = meta.clone();
                boxes.for_each(|made| data.extend_from_slice(&fragment(made).data));
                let path = directory.join(format!("{codec}-{b_frames}-{start}.mp4"));
                std::fs::write(&path, data).unwrap();
                assert_eq!(decodes(&path), 100 - start, "{path:?}");
                let mut times = times_ms(&path, 0);
                times.sort_unstable();
                assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 40), "{path:?}: {times:?}");
                let tag = &probe(&path, "stream=codec_tag_string")[0]["codec_tag_string"];
                assert_eq!(tag, if codec == media::Codec::H264 { "avc1" } else { "hvc1" });
            }
        }
    }
}

#[test]
fn it_begins_with_a_key_frame_and_again_with_new_parameters() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let frames = video(Clip::default());
    let small = video(Clip { width: 320, height: 180, ..Clip::default() });
    let mut fragmenter = Fragmenter::new();
    assert!(run(&mut fragmenter, &frames[..30]).concat().is_empty(), "idle at first");
    assert!(!fragmenter.send_meta(&mut |_| panic!("there is nothing yet")));
    fragmenter.activate(None);
    let made = run(&mut fragmenter, &frames[30..]);
    assert!(made[..20].concat().is_empty());
    assert_eq!(kinds(&made[20]), ["ftyp", "moov", "moof", "mdat"]);
    let again = run(&mut fragmenter, &small);
    assert_eq!(kinds(&again[0]), ["ftyp", "moov", "moof", "mdat"]);
    let mut meta = Vec::new();
    assert!(fragmenter.send_meta(&mut |frame| meta.push(frame)));
    assert_eq!(kinds(&meta), ["ftyp", "moov"]);
    assert_eq!(fragment(&meta[1]).data, fragment(&again[0][1]).data);
    fragmenter.deactivate();
    assert!(run(&mut fragmenter, &frames).concat().is_empty());
}

#[test]
fn time_zero_may_be_given() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let frames = video(Clip::default());
    let mut fragmenter = Fragmenter::new();
    fragmenter.activate(Some(frames[0].time.wall.offset_micros(-3_000_000)));
    let made = run(&mut fragmenter, &frames);
    assert_eq!(decode_time(&made[0][2]), 3000);
    assert_eq!(decode_time(&made[10][0]), 3400);
}

#[test]
fn what_is_no_video_makes_nothing() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let frames = read_all(&Clip { audio: true, ..Clip::default() }.file().unwrap());
    let mut fragmenter = active();
    let made = run(&mut fragmenter, &frames);
    for (frame, made) in frames.iter().zip(&made) {
        assert_eq!(made.is_empty(), frame.track.index() != 0);
    }
    let bitmap = Bitmap::from_packed(PixelFormat::Gray, 1, 1, ColorSpec::default(), vec![0]).unwrap();
    let picture = Frame { body: Body::Bitmap(bitmap), ..frames[0].clone() };
    let signal = Frame::signal(Slot::new(7), WallTime::default(), Signal::End);
    let second = Frame { track: Track::new(2), ..frames[0].clone() };
    assert!(run(&mut fragmenter, &[picture, signal, second]).concat().is_empty());
}

#[test]
fn meta_can_be_sent_from_another_thread_while_frames_flow() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let frames = video(Clip::default());
    let (tx, rx) = std::sync::mpsc::channel();
    let stage = Arc::new(Stage::new(active(), Arc::new(FnSink(move |frame| tx.send(frame).unwrap()))));
    let feeder = std::thread::spawn({
        let stage = stage.clone();
        move || frames.into_iter().for_each(|frame| stage.put(frame))
    });
    let mut sent = 0;
    while !feeder.is_finished() {
        sent += u32::from(stage.with(|fragmenter, emit| fragmenter.send_meta(emit)).unwrap());
    }
    feeder.join().unwrap();
    drop(stage);
    let made: Vec<_> = rx.into_iter().collect();
    let kinds = kinds(&made);
    assert_eq!(kinds.iter().filter(|&&kind| kind == "ftyp").count() as u32, sent + 1);
    // A pair is never torn.
    assert!(kinds.windows(2).all(|pair| (pair[0] == "moof") == (pair[1] == "mdat")), "{kinds:?}");
}
