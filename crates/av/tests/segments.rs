//! Recordings that are cut into files.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use valkka_av::{Container, FileWriter, FileWriterOptions, RecorderOptions, Segment, SegmentNames};
use valkka_core::codec::Codec;
use valkka_core::frame::{Frame, Signal};
use valkka_core::sink::Sink as _;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

mod common;
use common::probe::{check_sums, decodes, probe, times_ms};
use common::recorder::{audio, clip, feed, finished, interleaved, later, online, recorder};

const LIMIT: Duration = Duration::from_secs(240);

const CONTAINERS: [(Container, &str); 2] = [(Container::Matroska, "mkv"), (Container::Mp4, "mp4")];

const VIDEO: usize = 0;
const AUDIO: usize = 1;

/// The files of a recording of `frames`.
fn record(path: &Path, container: Container, segment: Option<Segment>, frames: &[Frame]) -> Vec<PathBuf> {
    let (recorder, events) = recorder(RecorderOptions { container, segment, ..RecorderOptions::default() });
    recorder.activate(path, None).unwrap();
    feed(&recorder, frames);
    recorder.deactivate();
    finished(&events)
}

fn of(seconds: u64) -> Segment {
    Segment { duration: Some(Duration::from_secs(seconds)), ..Segment::default() }
}

/// Twelve seconds with sound, a key frame in each. The sound comes later than the pictures of its time, or earlier.
fn footage(sound_behind_ms: i64) -> Vec<Frame> {
    let once = clip(&Clip { audio: true, ..Clip::default() });
    let mut frames: Vec<_> = (0..3).flat_map(|round| later(&once, round * 4)).collect();
    frames.sort_by_key(|frame| {
        let behind = if frame.track.index() == 1 { sound_behind_ms * 1000 } else { 0 };
        frame.time.wall.offset_micros(behind)
    });
    frames
}

fn key_frames(file: &Path) -> Vec<bool> {
    let packets = probe(file, "packet=stream_index,flags");
    let video = packets.iter().filter(|packet| packet["stream_index"] == "0");
    video.map(|packet| packet["flags"].starts_with('K')).collect()
}

#[test]
fn files_of_some_seconds_have_every_packet_once() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for (container, extension) in CONTAINERS {
        for behind_ms in [0, 300, -300] {
            let what = format!("{extension}, sound {behind_ms} ms behind");
            let directory = TempDir::new().unwrap();
            let mut frames = footage(behind_ms);
            // A stream begins with a picture here: what is before the first of all is in no recording.
            let first = frames.iter().position(|frame| frame.track.index() == 0).unwrap();
            frames.drain(..first);
            frames.insert(0, online(&frames));
            let name = |name: &str| directory.join(format!("{name}.{extension}"));
            let whole = record(&name("whole"), container, None, &frames);
            assert_eq!(whole, [name("whole")]);
            let files = record(&name("part"), container, Some(of(2)), &frames);
            let names: Vec<_> = (1..=6).map(|n| name(&format!("part-{n:06}"))).collect();
            assert_eq!(files, names, "{what}");
            for stream in [VIDEO, AUDIO] {
                let parts: Vec<_> = files.iter().flat_map(|file| check_sums(file, stream)).collect();
                assert!(parts.len() >= 300, "{what}: {}", parts.len());
                assert!(parts == check_sums(&whole[0], stream), "{what}: packets of stream {stream}");
            }
            for file in &files {
                assert_eq!(decodes(file), 50, "{what}: {}", file.display());
                assert!(key_frames(file).iter().enumerate().all(|(n, &key)| key == (n % 25 == 0)), "{what}");
                // Sound is in the file of the pictures of its time, unless it came before them.
                let (video, audio) = (times_ms(file, VIDEO), times_ms(file, AUDIO));
                let span = video[0] - 30..=video[0] + 2030 + (-behind_ms).max(0);
                assert!(audio.iter().all(|time| span.contains(time)), "{what}: {audio:?}");
            }
        }
    }
}

#[test]
fn files_of_some_bytes_end_with_the_group_of_pictures() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip { gop: 10, ..Clip::default() });
    let size = |frame: &Frame| frame.packet().unwrap().payload.len() as u64;
    let limit = frames.iter().map(size).sum::<u64>() / 4;
    let (mut pictures, mut bytes) = (vec![0], 0);
    for frame in &frames {
        if frame.packet().unwrap().keyframe && bytes >= limit {
            pictures.push(0);
            bytes = 0;
        }
        bytes += size(frame);
        *pictures.last_mut().unwrap() += 1;
    }
    assert!((3..=4).contains(&pictures.len()), "{pictures:?}");
    for (container, extension) in CONTAINERS {
        let segment = Segment { bytes: Some(limit), ..Segment::default() };
        let path = directory.join(format!("camera.{extension}"));
        let files = record(&path, container, Some(segment), &frames);
        assert_eq!(files.iter().map(|file| decodes(file)).collect::<Vec<_>>(), pictures);
    }
}

#[test]
fn no_file_is_overwritten() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip::default());
    let path = directory.join("camera.mkv");
    let numbered = || record(&path, Container::Matroska, Some(of(2)), &frames);
    let name = |name: &str| directory.join(name);
    assert_eq!(numbered(), [name("camera-000001.mkv"), name("camera-000002.mkv")]);
    fs::remove_file(name("camera-000001.mkv")).unwrap();
    assert_eq!(numbered(), [name("camera-000003.mkv"), name("camera-000004.mkv")]);
    let segment = Segment { names: SegmentNames::Time, ..of(2) };
    let timed = || record(&path, Container::Matroska, Some(segment.clone()), &frames);
    let moment = |frame: usize| frames[frame].time.wall.to_string().replace(':', "-");
    let moments = [moment(0), moment(50)];
    let named =
        |end| moments.iter().map(|moment| name(&format!("camera-{moment}{end}.mkv"))).collect::<Vec<_>>();
    assert_eq!(timed(), named(""));
    assert_eq!(timed(), named("-2"));
    assert!(!path.exists());
}

#[test]
fn lost_connections_and_other_pictures() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip { b_frames: 3, ..Clip::default() });
    let small = later(&clip(&Clip { width: 320, height: 180, ..Clip::default() }), 24);
    let again = later(&frames, 20);
    let all = [
        &[online(&frames)][..],
        &frames,
        &[Frame::signal(frames[0].slot, frames[0].time.wall, Signal::Offline("gone".into())), online(&again)],
        &again,
        &[online(&small)],
        &small,
    ];
    for (container, extension) in CONTAINERS {
        let path = directory.join(format!("camera.{extension}"));
        let files = record(&path, container, Some(of(10)), &all.concat());
        // The time without a connection counts; so does another size of pictures.
        assert_eq!(files.iter().map(|file| decodes(file)).collect::<Vec<_>>(), [100, 100, 100]);
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_file_longer() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = clip(&Clip::default());
    let all = [frames.clone(), later(&frames, -3600), later(&frames, -3596)].concat();
    let files = record(&directory.join("camera.mkv"), Container::Matroska, Some(of(2)), &all);
    assert_eq!(files.iter().map(|file| decodes(file)).collect::<Vec<_>>(), [50; 6]);
}

#[test]
fn sound_alone_is_cut_too() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let sound = audio(&clip(&Clip::default())[0], Codec::PcmMulaw, 150);
    let files = record(&directory.join("sound.mkv"), Container::Matroska, Some(of(1)), &sound);
    let counts: Vec<_> = files.iter().map(|file| check_sums(file, 0).len()).collect();
    assert_eq!(counts, [50, 50, 50]);
}

#[test]
fn a_track_that_falls_silent_does_not_keep_files_open() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let video = clip(&Clip::default());
    let sound = audio(&video[0], Codec::PcmMulaw, 50);
    let frames = interleaved([video.clone(), sound, later(&video, 4)].concat());
    let segment = Segment { duration: Some(Duration::ZERO), ..Segment::default() };
    let (recorder, events) =
        recorder(RecorderOptions { segment: Some(segment), ..RecorderOptions::default() });
    recorder.activate(directory.join("camera.mkv"), None).unwrap();
    recorder.put(online(&frames));
    feed(&recorder, &frames);
    // All but the present file and the one before are closed while the recording goes on.
    let mut closed = Vec::new();
    wait::until(Duration::from_secs(60), "files are closed", || {
        closed.extend(finished(&events));
        closed.len() >= 6
    });
    recorder.deactivate();
    closed.extend(finished(&events));
    assert_eq!(closed.iter().map(|file| decodes(file)).collect::<Vec<_>>(), [25; 8]);
}

#[test]
fn what_was_cut_off_anywhere_can_be_played() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    for (container, extension) in CONTAINERS {
        let path = directory.join(format!("camera.{extension}"));
        let file = record(&path, container, Some(of(10)), &footage(100)).remove(0);
        let data = fs::read(&file).unwrap();
        // Where the packets of the video end, in the order of the file.
        let ends: Vec<usize> = probe(&file, "packet=stream_index,pos,size")
            .iter()
            .filter(|packet| packet["stream_index"] == "0")
            .map(|packet| packet["pos"].parse::<usize>().unwrap() + packet["size"].parse::<usize>().unwrap())
            .collect();
        let cut_file = directory.join(format!("cut.{extension}"));
        let evenly = (0..12).map(|n| ends[30] + (data.len() - ends[30]) * n / 12);
        let places: Vec<_> = evenly.chain((0..12).map(|_| random.usize(ends[30]..data.len()))).collect();
        for place in places {
            fs::write(&cut_file, &data[..place]).unwrap();
            let written = ends.iter().filter(|&&end| end <= place).count();
            let mut command = media::ffmpeg().unwrap();
            command.arg("-i").arg(&cut_file);
            command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]);
            let decoded = media::run(command).unwrap().lines().filter(|line| !line.starts_with('#')).count();
            // The last second may be missing; torn pictures, ffmpeg may show more than once.
            let what = format!("{extension} cut at {place} of {}: {decoded} of {written}", data.len());
            assert!(decoded > 0 && decoded + 26 >= written, "{what}");
        }
    }
}

#[test]
fn on_the_callers_thread_the_same_files_are_made() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = footage(100);
    let files = record(&directory.join("a.mkv"), Container::Matroska, Some(of(5)), &frames);
    let options = FileWriterOptions { container: Container::Matroska, segment: Some(of(5)), zero: None };
    let (tx, made) = std::sync::mpsc::channel();
    let mut writer = FileWriter::new(directory.join("b.mkv"), options, move |event| drop(tx.send(event)));
    frames.into_iter().for_each(|frame| writer.write(frame).unwrap());
    writer.finish().unwrap();
    let made = finished(&made);
    assert_eq!((files.len(), made.len()), (3, 3));
    for (a, b) in files.iter().zip(&made) {
        for stream in [VIDEO, AUDIO] {
            assert_eq!(check_sums(a, stream), check_sums(b, stream));
        }
    }
}
