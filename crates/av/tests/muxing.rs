//! Files that other programs read.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use valkka_av::{Container, FileReader, MuxError, Muxer, MuxerOptions};
use valkka_core::frame::Frame;
use valkka_core::time::{MediaTime, WallTime};
use valkka_testkit::media::{self, Clip};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::probe::{decodes, probe, times_ms};
use common::{decode, packed, read_all, scramble};

const LIMIT: Duration = Duration::from_secs(240);

const CONTAINERS: [(Container, &str); 2] = [(Container::Matroska, "mkv"), (Container::Mp4, "mp4")];

/// Options with all tracks of `file`.
fn options(container: Container, file: &Path) -> MuxerOptions {
    let reader = FileReader::open(file).unwrap();
    let tracks = reader.info().tracks.iter().filter_map(|track| Some((track.track, track.params.clone()?)));
    let created = Some(WallTime::from_micros(1_700_000_000_000_000));
    MuxerOptions { container, created, tracks: tracks.collect() }
}

/// The time from the first frame.
fn since_start(frame: &Frame) -> Duration {
    Duration::from_micros(frame.time.media.micros_since(MediaTime::default()).try_into().unwrap_or(0))
}

/// Writes `frames` into a file next to others in `directory`.
fn write(directory: &TempDir, name: &str, options: &MuxerOptions, frames: &[Frame]) -> PathBuf {
    let path = directory.join(name);
    let mut muxer = Muxer::create(&path, options).unwrap();
    assert_eq!(muxer.left_out(), []);
    for frame in frames {
        muxer.write(frame.track, frame.packet().unwrap(), since_start(frame)).unwrap();
    }
    muxer.finish().unwrap();
    path
}

#[test]
fn every_video_codec_with_sound() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    for (codec, name) in
        [(media::Codec::H264, "h264"), (media::Codec::H265, "hevc"), (media::Codec::Mjpeg, "mjpeg")]
    {
        for b_frames in [0, 3] {
            let clip = Clip { codec, b_frames, audio: true, ..Clip::default() }.file().unwrap();
            let frames = read_all(&clip);
            for (container, extension) in CONTAINERS {
                let what = format!("{name}-{b_frames}.{extension}");
                let file = write(&directory, &what, &options(container, &clip), &frames);
                let streams = probe(&file, "stream=codec_name,width,height,channels,sample_rate");
                assert_eq!(streams[0]["codec_name"], name, "{what}");
                assert_eq!((&*streams[0]["width"], &*streams[0]["height"]), ("640", "360"), "{what}");
                assert_eq!(
                    (&*streams[1]["codec_name"], &*streams[1]["sample_rate"]),
                    ("aac", "48000"),
                    "{what}"
                );
                assert_eq!(decodes(&file), 100, "{what}");
                // The times are those of the frames, but for what a container adds to all.
                let wanted: Vec<_> = frames
                    .iter()
                    .filter(|frame| frame.track.index() == 0)
                    .map(|frame| since_start(frame).as_millis() as i64)
                    .collect();
                let times = times_ms(&file, 0);
                let shift = times[0] - wanted[0];
                assert!(shift == 0 || container == Container::Mp4, "{what}: {shift}");
                let shifted: Vec<_> = wanted.iter().map(|time| time + shift).collect();
                assert_eq!(times, shifted, "{what}");
                // Our own reader finds the same.
                let again = read_all(&file);
                let video = |frames: &[Frame]| {
                    let video = frames.iter().filter(|frame| frame.track.index() == 0);
                    video.map(|frame| frame.packet().unwrap().payload.to_vec()).collect::<Vec<_>>()
                };
                assert_eq!(video(&again).len(), video(&frames).len(), "{what}");
                let pictures = |frames: &[Frame]| {
                    let video: Vec<_> =
                        frames.iter().filter(|frame| frame.track.index() == 0).cloned().collect();
                    decode(&video).iter().map(|frame| packed(frame.bitmap().unwrap())).collect::<Vec<_>>()
                };
                assert!(pictures(&again) == pictures(&frames), "{what}");
            }
        }
    }
}

#[test]
fn a_file_without_a_track_is_refused() {
    require!(media::available());
    let directory = TempDir::new().unwrap();
    let options = MuxerOptions { container: Container::Mp4, created: None, tracks: Vec::new() };
    let error = Muxer::create(directory.join("none.mp4"), &options).unwrap_err();
    assert!(matches!(error, MuxError::NoTrack { .. }), "{error}");
}

#[test]
fn damaged_packets_make_damaged_files_and_no_more() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let mut random = fastrand::Rng::with_seed(6);
    for codec in [media::Codec::H264, media::Codec::H265, media::Codec::Mjpeg] {
        let clip = Clip { codec, audio: true, ..Clip::default() }.file().unwrap();
        let frames = read_all(&clip);
        for (container, extension) in CONTAINERS {
            let file = directory.join(format!("damaged.{extension}"));
            let mut muxer = Muxer::create(&file, &options(container, &clip)).unwrap();
            for round in 0..4 {
                for frame in &frames {
                    let frame = scramble(frame, &mut random, round * 3);
                    let time = Duration::from_micros(random.u64(..5_000_000));
                    muxer.write(frame.track, frame.packet().unwrap(), time).unwrap();
                }
            }
            muxer.finish().unwrap();
            // What was written can be read again, whatever it is.
            assert!(!read_all(&file).is_empty());
        }
    }
}

#[test]
fn a_file_tells_when_it_begins() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let clip = Clip::default().file().unwrap();
    assert_eq!(FileReader::open(&clip).unwrap().created(), None);
    let frames = read_all(&clip);
    for (container, extension) in CONTAINERS {
        let created = Some(WallTime::from_micros(1_700_000_000_250_000));
        let options = MuxerOptions { created, ..options(container, &clip) };
        let file = write(&directory, &format!("a.{extension}"), &options, &frames);
        let told = FileReader::open(file).unwrap().created().unwrap();
        let wanted = if container == Container::Mp4 { 1_700_000_000_000_000 } else { 1_700_000_000_250_000 };
        assert_eq!(told, WallTime::from_micros(wanted), "{extension}");
    }
}
