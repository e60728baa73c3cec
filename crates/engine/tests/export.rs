//! Parts of recordings as files, looked at by programs that nobody here wrote.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use valkka::av::{Container, FileReader};
use valkka::export::{AtGap, Ending, ExportError, ExportOptions, FragmentExport, Gaps, export, find_change};
use valkka::frame::Frame;
use valkka::playback::{Entry, Gap, MemoryPackets, PacketSource, PlaybackError};
use valkka::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::process::command;
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

const LIMIT: Duration = Duration::from_secs(240);

/// When all recordings of these tests begin.
const START: WallTime = WallTime::from_micros(1_795_435_200_000_000);

fn at(seconds: f64) -> WallTime {
    START.offset_micros((seconds * 1e6) as i64)
}

/// Four seconds of footage, a key frame in each and 25 pictures a second, the first of which was recorded at `seconds`.
fn footage(clip: &Clip, seconds: f64) -> Vec<Entry> {
    let mut reader = FileReader::open(clip.file().unwrap()).unwrap();
    let frames: Vec<_> = std::iter::from_fn(|| reader.read().unwrap()).collect();
    let is_video = |frame: &&Frame| frame.packet().unwrap().params.codec.is_video();
    let first = frames.iter().find(is_video).unwrap().time.media;
    let stamp = |mut frame: Frame| {
        frame.time.wall = at(seconds).offset_micros(frame.time.media.micros_since(first));
        Entry::Frame(frame)
    };
    frames.into_iter().map(stamp).collect()
}

fn gap(from: f64, to: f64) -> Entry {
    Entry::Gap(Gap { from: at(from), to: at(to), reason: "the camera was away".into() })
}

/// With sound, and a gap from 4 to 20 seconds.
fn with_gap() -> Vec<Entry> {
    let clip = Clip { audio: true, ..Clip::default() };
    [footage(&clip, 0.0), vec![gap(4.0, 20.0)], footage(&clip, 20.0)].concat()
}

/// The times of the pictures that `ffmpeg` decodes, in milliseconds, and how many samples of sound.
fn decode(file: &Path) -> (Vec<i64>, usize) {
    let times = |kind: &str| -> Vec<i64> {
        let mut command = command("ffprobe").unwrap();
        command.args([
            "-v",
            "error",
            "-select_streams",
            kind,
            "-show_entries",
            "frame=best_effort_timestamp_time",
        ]);
        command.args(["-of", "csv=p=0"]).arg(file);
        let output = media::run(command).unwrap();
        let number = |line: &str| line.trim_end_matches(',').parse::<f64>().ok();
        output.lines().filter_map(number).map(|seconds| (seconds * 1000.0).round() as i64).collect()
    };
    (times("v:0"), times("a:0").len())
}

fn go_on(_: WallTime) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_range_begins_at_its_key_frame_and_has_every_picture_once() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    for (container, name) in [(Container::Matroska, "a.mkv"), (Container::Mp4, "a.mp4")] {
        for b_frames in [0, 3] {
            let mut source =
                MemoryPackets::new(footage(&Clip { audio: true, b_frames, ..Clip::default() }, 0.0));
            let (file, options) =
                (directory.join(name), ExportOptions { container, ..ExportOptions::default() });
            let mut seen = Vec::new();
            let report = export(&mut source, at(1.5)..at(3.3), &file, &options, &mut |at| {
                seen.push(at);
                ControlFlow::Continue(())
            });
            let report = report.unwrap();
            assert_eq!((report.from, report.files), (at(1.0), vec![file.clone()]));
            assert_eq!(seen, [at(1.0), at(2.0), at(3.0)]);
            let (pictures, sound) = decode(&file);
            // From 1 s to 3.3 s, and what the last ones refer to.
            let beyond = pictures.iter().filter(|&&time| time - pictures[0] >= 2300).count();
            assert_eq!((pictures.len() - beyond, beyond <= 3), (58, true), "{name} {b_frames}: {pictures:?}");
            assert!(b_frames > 0 || beyond == 0);
            assert!(pictures.windows(2).all(|pair| (39..=41).contains(&(pair[1] - pair[0]))), "{pictures:?}");
            assert!((100..=120).contains(&sound), "{sound}");
        }
    }
}

#[test]
fn gaps_stay_or_are_closed_up() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    for (container, name) in [(Container::Matroska, "a.mkv"), (Container::Mp4, "a.mp4")] {
        for (gaps, length) in [(Gaps::Keep, 24_000), (Gaps::Close, 8000)] {
            let mut source = MemoryPackets::new(with_gap());
            let (file, options) = (directory.join(name), ExportOptions { container, gaps, segment: None });
            let report = export(&mut source, at(0.0)..at(60.0), &file, &options, &mut go_on).unwrap();
            assert_eq!((report.gaps, report.gap_time.as_secs(), report.pictures), (1, 16, 200));
            let (pictures, sound) = decode(&file);
            assert_eq!(pictures.len(), 200, "{name} {gaps:?}");
            assert!(
                (length - 60..=length).contains(&(pictures[199] - pictures[0])),
                "{name} {gaps:?}: {pictures:?}"
            );
            assert!(sound > 300, "{sound}");
        }
    }
}

#[test]
fn other_parameters_make_another_file() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let small = Clip { width: 320, height: 180, ..Clip::default() };
    let entries = [footage(&Clip::default(), 0.0), footage(&small, 4.0)].concat();
    let file = directory.join("a.mkv");
    let report = export(
        &mut MemoryPackets::new(entries.clone()),
        at(2.0)..at(6.0),
        &file,
        &ExportOptions::default(),
        &mut go_on,
    );
    let report = report.unwrap();
    assert_eq!(report.files, [file.clone(), directory.join("a-2.mkv")]);
    assert_eq!(report.files.iter().map(|file| decode(file).0.len()).collect::<Vec<_>>(), [50, 50]);
    // The bytes of a file end there.
    let mut fragments =
        FragmentExport::new(Box::new(MemoryPackets::new(entries.clone())), at(2.0)..at(6.0), AtGap::GoOn)
            .unwrap();
    let bytes: Vec<u8> = fragments.by_ref().flat_map(Result::unwrap).collect();
    assert_eq!(fragments.ending(), Some(&Ending::Changed { at: at(4.0) }));
    // That can be known before.
    let mut source = MemoryPackets::new(entries);
    for (from, to, change) in [
        (0.0, 8.0, Some(4.0)),
        (2.0, 4.1, Some(4.0)),
        (3.99, 8.0, Some(4.0)),
        (0.0, 4.0, None),
        (4.0, 8.0, None),
    ] {
        let found = find_change(&mut source, at(from)..at(to)).unwrap();
        assert_eq!(found, change.map(at), "{from} to {to}");
    }
    assert_eq!(find_change(&mut MemoryPackets::new(Vec::new()), at(0.0)..at(8.0)).unwrap(), None);
    fs::write(&file, bytes).unwrap();
    assert_eq!(decode(&file).0.len(), 50);
}

#[test]
fn fragments_come_as_they_are_asked_for() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let file = directory.join("a.mp4");
    for (at_gap, count) in [(AtGap::GoOn, 175), (AtGap::Stop, 75)] {
        let source = Box::new(MemoryPackets::new(with_gap()));
        let mut fragments = FragmentExport::new(source, at(1.5)..at(60.0), at_gap).unwrap();
        assert_eq!(fragments.start(), at(1.0));
        assert!(fragments.mime().starts_with("video/mp4; codecs=\"avc1."), "{}", fragments.mime());
        assert!(fragments.mime().contains("mp4a.40.2"), "{}", fragments.mime());
        let runs: Vec<_> = fragments.by_ref().map(Result::unwrap).collect();
        assert!(runs.len() > 3 && runs.iter().all(|run| !run.is_empty()));
        assert_eq!(&runs[0][4..8], b"ftyp");
        assert!(runs[1..].iter().all(|run| &run[4..8] == b"moof"));
        fs::write(&file, runs.concat()).unwrap();
        let (pictures, sound) = decode(&file);
        assert_eq!(pictures.len(), count);
        assert!(pictures[0] < 200 && pictures.windows(2).all(|pair| pair[1] - pair[0] < 100), "{pictures:?}");
        assert!(sound > count, "{sound}");
        let wanted = match at_gap {
            AtGap::GoOn => Ending::Range,
            AtGap::Stop => Ending::Gap { to: at(20.0), reason: "the camera was away".into() },
        };
        assert_eq!(fragments.ending(), Some(&wanted));
    }
}

#[test]
fn what_cannot_be_exported_is_told() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let entries = footage(&Clip::default(), 0.0);
    let options = ExportOptions::default();
    let mut source = MemoryPackets::new(entries);
    let error =
        export(&mut source, at(9.0)..at(10.0), &directory.join("a.mkv"), &options, &mut go_on).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing is recorded from 2026-11-23T12:00:09.000Z to 2026-11-23T12:00:10.000Z"
    );
    assert!(!directory.join("a.mkv").exists());
    let error =
        export(&mut source, at(0.0)..at(9.0), "/dev/full".as_ref(), &options, &mut go_on).unwrap_err();
    assert!(matches!(&error, ExportError::Mux(_)) && error.to_string().contains("/dev/full"), "{error}");
    let error = FragmentExport::new(Box::new(source.clone()), at(-9.0)..at(0.0), AtGap::Stop).unwrap_err();
    assert!(matches!(error, ExportError::Nothing { .. }), "{error}");
    // Stopped by the user, the file is whole.
    let file = directory.join("b.mkv");
    let mut count = 0;
    let report = export(&mut source, at(0.0)..at(9.0), &file, &options, &mut |_| {
        count += 1;
        if count > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(report.unwrap().stopped);
    assert_eq!(decode(&file).0.len(), 50);
}

/// Cannot be read beyond so many entries.
struct Broken(MemoryPackets, usize);

impl PacketSource for Broken {
    fn seek(&mut self, to: WallTime) -> Result<bool, PlaybackError> {
        self.0.seek(to)
    }

    fn next(&mut self) -> Result<Option<Entry>, PlaybackError> {
        self.1 = self.1.checked_sub(1).ok_or(PlaybackError::GivenUp)?;
        self.0.next()
    }

    fn keyframe_before(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        self.0.keyframe_before(time)
    }

    fn keyframe_after(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        self.0.keyframe_after(time)
    }
}

#[test]
fn what_was_read_before_an_error_is_given() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let entries = footage(&Clip::default(), 0.0);
    let readable = entries.len() - 20;
    let source = Box::new(Broken(MemoryPackets::new(entries), readable));
    let mut fragments = FragmentExport::new(source, at(0.0)..at(60.0), AtGap::Stop).unwrap();
    let (runs, errors): (Vec<_>, Vec<_>) = fragments.by_ref().partition(Result::is_ok);
    assert!(matches!(errors[..], [Err(ExportError::Playback(PlaybackError::GivenUp))]), "{errors:?}");
    assert_eq!(fragments.ending(), Some(&Ending::Failed));
    let file = directory.join("a.mp4");
    fs::write(&file, runs.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat()).unwrap();
    let shown = fragments.position().saturating_since(at(0.0)).as_millis() / 40 + 1;
    assert_eq!(decode(&file).0.len() as u128, shown);
    assert!(shown > 40, "{shown}");
}

#[test]
fn what_is_still_being_recorded_is_exported_as_far_as_it_is() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let source = MemoryPackets::new(Vec::new());
    let entries = footage(&Clip::default(), 0.0);
    let (first, rest) = entries.split_at(60);
    first.iter().for_each(|entry| source.record(entry.clone()));
    let mut fragments =
        FragmentExport::new(Box::new(source.clone()), at(0.0)..at(60.0), AtGap::GoOn).unwrap();
    let (head, run) = (fragments.next().unwrap().unwrap(), fragments.next().unwrap().unwrap());
    assert!(!head.is_empty() && !run.is_empty());
    rest.iter().for_each(|entry| source.record(entry.clone()));
    let more = fragments.by_ref().map(|run| run.unwrap().len()).sum::<usize>();
    let size = |entry: &Entry| match entry {
        Entry::Frame(Frame { body: valkka::frame::Body::Packet(packet), .. }) => packet.payload.len(),
        _ => 0,
    };
    assert!(more + run.len() > entries.iter().map(size).sum::<usize>() * 9 / 10);
    assert_eq!(fragments.position(), at(3.96));
}
