//! Streams recorded into files, and what goes wrong with that.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use valkka_av::{Container, Recorder, RecorderEvent, RecorderOptions};
use valkka_core::codec::Codec;
use valkka_core::frame::{Frame, Signal};
use valkka_core::sink::{Discard, FnSink, Sink};
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::process::{self, Child};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

mod common;
use common::probe::{decodes, probe, times_ms};
use common::read_all;
use common::recorder::{audio, clip, feed, finished, interleaved, later, online, recorder};

const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn a_recording_begins_with_the_key_frame_before() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip { audio: true, ..Clip::default() });
    let (recorder, events) = recorder(RecorderOptions::default());
    let half = frames.iter().position(|frame| frame.time.media.ticks() >= 90 * 2500).unwrap();
    feed(&recorder, &frames[..half]);
    assert!(!recorder.is_active());
    let file = directory.join("half.mkv");
    recorder.activate(&file, None).unwrap();
    feed(&recorder, &frames[half..]);
    recorder.deactivate();
    assert_eq!(finished(&events), std::slice::from_ref(&file));
    assert!(!recorder.is_active());
    // From the key frame at two seconds on.
    assert_eq!(decodes(&file), 50);
    assert_eq!(times_ms(&file, 0), (0..50).map(|n| n * 40).collect::<Vec<_>>());
    assert_eq!(probe(&file, "stream=codec_name").len(), 2);
    let keys: Vec<_> = probe(&file, "packet=stream_index,flags")
        .iter()
        .filter(|packet| packet["stream_index"] == "0")
        .map(|packet| packet["flags"].starts_with('K'))
        .collect();
    assert!(keys.iter().enumerate().all(|(n, &key)| key == (n % 25 == 0)), "{keys:?}");
    let duration = probe(&file, "format=duration")[0]["duration"].parse::<f64>().unwrap();
    assert!((1.95..2.1).contains(&duration), "{duration}");
}

#[test]
fn all_frames_go_on() {
    let (tx, rx) = mpsc::channel();
    let next = Arc::new(FnSink(move |frame: Frame| tx.send(frame.slot.number()).unwrap()));
    let recorder = Recorder::new("recorder", RecorderOptions::default(), next, |_| {});
    for number in 0..5 {
        recorder.put(Frame::signal(Slot::new(number), WallTime::default(), Signal::End));
    }
    recorder.activate("/nowhere/to/be/found.mkv", None).unwrap();
    recorder.put(Frame::signal(Slot::new(5), WallTime::default(), Signal::End));
    drop(recorder);
    assert_eq!(rx.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn recordings_follow_each_other_without_a_gap() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip { gop: 10, ..Clip::default() });
    let (recorder, events) = recorder(RecorderOptions::default());
    let files: Vec<_> = (0..4).map(|n| directory.join(format!("{n}.mkv"))).collect();
    for (file, part) in files.iter().zip(frames.chunks(25)) {
        recorder.activate(file, None).unwrap();
        feed(&recorder, part);
    }
    recorder.deactivate();
    assert_eq!(finished(&events), files);
    // Each begins with the key frame that was the last one then.
    assert_eq!(files.iter().map(|file| decodes(file)).collect::<Vec<_>>(), [25, 30, 35, 30]);
}

#[test]
fn time_zero_may_be_given() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip::default());
    let (recorder, events) = recorder(RecorderOptions::default());
    let file = directory.join("zero.mkv");
    let zero = frames[0].time.wall.offset_micros(-5_000_000);
    recorder.activate(&file, Some(zero)).unwrap();
    feed(&recorder, &frames);
    recorder.deactivate();
    assert_eq!(finished(&events), std::slice::from_ref(&file));
    assert_eq!(times_ms(&file, 0)[..2], [5000, 5040]);
    let created = &probe(&file, "format_tags=creation_time")[0]["tag:creation_time"];
    assert!(created.starts_with("20"), "{created}");
}

#[test]
fn every_codec_of_sound() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let video = clip(&Clip { codec: media::Codec::H265, ..Clip::default() });
    for (container, extension) in [(Container::Matroska, "mkv"), (Container::Mp4, "mp4")] {
        for (codec, name) in
            [(Codec::PcmMulaw, "pcm_mulaw"), (Codec::PcmAlaw, "pcm_alaw"), (Codec::Opus, "opus")]
        {
            let (recorder, events) = recorder(RecorderOptions { container, ..RecorderOptions::default() });
            let file = directory.join(format!("{name}.{extension}"));
            recorder.activate(&file, None).unwrap();
            let frames = interleaved([video.clone(), audio(&video[0], codec, 200)].concat());
            feed(&recorder, &frames);
            recorder.deactivate();
            let events: Vec<_> = events.try_iter().collect();
            let RecorderEvent::Started { left_out, .. } = &events[0] else { panic!("{events:?}") };
            let names: Vec<_> =
                probe(&file, "stream=codec_name").iter().map(|stream| stream["codec_name"].clone()).collect();
            if extension == "mp4" && codec != Codec::Opus {
                assert_eq!(names, ["hevc"], "{file:?}");
                assert_eq!(left_out.len(), 1);
                assert!(
                    left_out[0].to_string().starts_with("track 1: mp4 has no place for G.711"),
                    "{left_out:?}"
                );
            } else {
                assert_eq!(names, ["hevc", name], "{file:?}");
                assert_eq!(left_out[..], []);
                assert_eq!(times_ms(&file, 1).len(), 200);
            }
            assert_eq!(decodes(&file), 100, "{file:?}");
        }
    }
}

#[test]
fn sound_alone_is_recorded_too() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let video = clip(&Clip::default());
    let (recorder, events) = recorder(RecorderOptions::default());
    let file = directory.join("sound.mkv");
    recorder.activate(&file, None).unwrap();
    feed(&recorder, &audio(&video[0], Codec::PcmMulaw, 100));
    recorder.deactivate();
    assert_eq!(finished(&events), std::slice::from_ref(&file));
    assert_eq!(times_ms(&file, 0), (0..100).map(|n| n * 20).collect::<Vec<_>>());
}

#[test]
fn a_file_goes_on_through_lost_connections() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip { audio: true, b_frames: 3, ..Clip::default() });
    let (recorder, events) = recorder(RecorderOptions::default());
    let file = directory.join("through.mkv");
    recorder.activate(&file, None).unwrap();
    recorder.put(online(&frames));
    feed(&recorder, &frames);
    recorder.put(Frame::signal(frames[0].slot, frames[0].time.wall, Signal::Offline("gone".into())));
    let again = later(&frames, 60);
    recorder.put(online(&again));
    feed(&recorder, &again);
    recorder.deactivate();
    assert_eq!(finished(&events), std::slice::from_ref(&file));
    let times = times_ms(&file, 0);
    assert_eq!((times.len(), times[100]), (200, 60_000));
    assert_eq!(decodes(&file), 200);
}

#[test]
fn other_parameters_and_new_tracks_come_into_another_file() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let large = clip(&Clip::default());
    let small = later(&clip(&Clip { width: 320, height: 180, ..Clip::default() }), 4);
    let sound = later(&clip(&Clip { audio: true, ..Clip::default() }), 8);
    let (recorder, events) = recorder(RecorderOptions::default());
    recorder.activate(directory.join("camera.mkv"), None).unwrap();
    // What is there is not overwritten.
    fs::write(directory.join("camera-2.mkv"), "precious").unwrap();
    feed(&recorder, &large);
    // What came in the middle of a group of pictures could not be decoded.
    feed(&recorder, &small[10..]);
    feed(&recorder, &sound);
    recorder.deactivate();
    let files = finished(&events);
    assert_eq!(files, ["camera.mkv", "camera-3.mkv", "camera-4.mkv"].map(|name| directory.join(name)));
    let size = |file: &Path| {
        let stream = &probe(file, "stream=width,height")[0];
        (stream["width"].clone(), probe(file, "stream=codec_name").len(), decodes(file))
    };
    assert_eq!(size(&files[0]), ("640".into(), 1, 100));
    assert_eq!(size(&files[1]), ("320".into(), 1, 75));
    assert_eq!((size(&files[2]).0, size(&files[2]).1), ("640".into(), 2));
    assert_eq!(fs::read(directory.join("camera-2.mkv")).unwrap(), b"precious");
}

#[test]
fn another_stream_is_not_mixed_in() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip::default());
    let (recorder, events) = recorder(RecorderOptions::default());
    let file = directory.join("one.mkv");
    recorder.activate(&file, None).unwrap();
    for frame in frames {
        let other = Frame { slot: Slot::new(9), ..frame.clone() };
        recorder.put(frame);
        recorder.put(other);
    }
    recorder.deactivate();
    assert_eq!(finished(&events), std::slice::from_ref(&file));
    assert_eq!(decodes(&file), 100);
}

#[test]
fn a_full_disk_and_a_bad_path_end_the_recording_and_nothing_else() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip::default());
    let a_file = directory.join("file");
    fs::write(&a_file, "").unwrap();
    for (path, words) in [
        (PathBuf::from("/dev/full"), "No space left on device"),
        (directory.join("missing/file.mkv"), "No such file or directory"),
        (a_file.join("below.mkv"), "Not a directory"),
        (directory.path().to_owned(), "Is a directory"),
        (PathBuf::from("file\0.mkv"), "/"),
    ] {
        let (recorder, events) = recorder(RecorderOptions::default());
        recorder.activate(&path, None).unwrap();
        feed(&recorder, &frames);
        wait::until(Duration::from_secs(60), "the recording ends", || !recorder.is_active());
        let failures: Vec<_> = events
            .try_iter()
            .filter_map(|event| match event {
                RecorderEvent::Failed(error) => Some(error.to_string()),
                RecorderEvent::Finished { path, .. } => panic!("{path:?} is whole"),
                _ => None,
            })
            .collect();
        assert_eq!(failures.len(), 1, "{failures:?}");
        if words != "/" {
            let text = format!("cannot write {}: {words}", path.display());
            assert!(failures[0].starts_with(&text), "{failures:?}");
        }
        // Another file works, from the same recorder.
        let good = directory.join("good.mkv");
        recorder.activate(&good, None).unwrap();
        recorder.deactivate();
        assert_eq!(finished(&events), std::slice::from_ref(&good));
        assert_eq!(decodes(&good), 25);
    }
}

#[test]
fn a_disk_that_is_too_slow_holds_nobody_up() {
    require!(media::available(), process::available("mkfifo"));
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let pipe = directory.join("pipe.mkv");
    let mut command = process::command("mkfifo").unwrap();
    command.arg(&pipe);
    media::run(command).unwrap();
    let (tx, events) = mpsc::channel();
    let options = RecorderOptions { capacity: 40, ..RecorderOptions::default() };
    let recorder = Recorder::new("recorder", options, Arc::new(Discard), move |event| drop(tx.send(event)));
    recorder.activate(&pipe, None).unwrap();
    // Nobody reads the pipe yet, and it holds 64 KiB.
    let frames = clip(&Clip::default());
    (0..10).for_each(|round| feed(&recorder, &later(&frames, round * 4)));
    let file = directory.join("file.mkv");
    let reading = {
        let (pipe, file) = (pipe.clone(), file.clone());
        thread::spawn(move || fs::write(file, fs::read(pipe).unwrap()).unwrap())
    };
    recorder.deactivate();
    reading.join().unwrap();
    let dropped = events.try_iter().find_map(|event| match event {
        RecorderEvent::Finished { dropped, .. } => Some(dropped),
        _ => None,
    });
    assert!(dropped.is_some_and(|dropped| dropped > 500), "{dropped:?}");
    // What was not dropped can be decoded.
    assert!(decodes(&file) >= 25);
}

#[test]
fn any_thread_may_steer_while_frames_flow() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip { audio: true, ..Clip::default() });
    let failures = Arc::new(Mutex::new(Vec::new()));
    let seen = failures.clone();
    let on_event = move |event| {
        if let RecorderEvent::Failed(error) = event {
            seen.lock().unwrap().push(error);
        }
    };
    let recorder = Recorder::new("recorder", RecorderOptions::default(), Arc::new(Discard), on_event);
    thread::scope(|scope| {
        let (recorder, frames, directory) = (&recorder, &frames, &directory);
        scope.spawn(move || (0..20).for_each(|round| feed(recorder, &later(frames, round * 4))));
        for n in 0..2 {
            scope.spawn(move || {
                for round in 0..20 {
                    recorder.activate(directory.join(format!("{n}-{round}.mkv")), None).unwrap();
                    if round % 3 == 0 {
                        recorder.deactivate();
                    }
                }
            });
        }
    });
    drop(recorder);
    assert!(failures.lock().unwrap().is_empty());
}

/// Not a test of its own: the process that the test below kills.
#[test]
#[ignore = "the next test runs it"]
fn the_process_that_is_killed() {
    let Some(file) = env::var_os("VALKKA_TEST_RECORDING") else { return };
    let frames = clip(&Clip { audio: true, ..Clip::default() });
    let (recorder, _events) = recorder(RecorderOptions::default());
    recorder.activate(PathBuf::from(file), None).unwrap();
    (0..3).for_each(|round| feed(&recorder, &later(&frames, round * 4)));
    println!("all is handed over");
    thread::sleep(LIMIT);
}

#[test]
fn what_was_recorded_before_a_kill_can_be_played() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    // Made once, by this process.
    Clip { audio: true, ..Clip::default() }.file().unwrap();
    let file = directory.join("killed.mkv");
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "the_process_that_is_killed", "--nocapture"]);
    command.env("VALKKA_TEST_RECORDING", &file);
    let mut child = Child::spawn(command).unwrap();
    let handed_over = |line: &str| line.contains("all is handed over").then_some(());
    child.wait_line(Duration::from_secs(60), handed_over).unwrap();
    // Of the twelve seconds, at most the last one is missing, without anything more to come; then it is killed.
    let is_there = || times_ms(&file, 0).last().is_some_and(|&last| last >= 10_000);
    wait::until(Duration::from_secs(60), "what was recorded is in the file", is_there);
    child.kill().unwrap();
    let times = times_ms(&file, 0);
    assert!(times.last().is_some_and(|&last| last >= 10_000), "{:?}", times.last());
    let mut command = media::ffmpeg().unwrap();
    command.arg("-i").arg(&file).args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]);
    let decoded = media::run(command).unwrap().lines().filter(|line| !line.starts_with('#')).count();
    assert!(decoded >= 250, "{decoded}");
    let frames = read_all(&file);
    assert!(frames.len() >= times.len());
}
