//! Any position in any file.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use valkka_av::FileReader;
use valkka_core::codec::Codec;
use valkka_core::frame::Frame;
use valkka_core::time::MediaTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::{decode, matroska, packed, read_all};

const LIMIT: Duration = Duration::from_secs(240);

fn millis(millis: i64) -> MediaTime {
    MediaTime::from_ticks(millis * 90)
}

fn convert(file: &Path, to: PathBuf) -> PathBuf {
    let mut command = media::ffmpeg().unwrap();
    command.arg("-i").arg(file).args(["-c", "copy"]).arg(&to);
    media::run(command).unwrap();
    to
}

fn is_video(frame: &Frame) -> bool {
    frame.packet().unwrap().params.codec.is_video()
}

fn is_key_frame(frame: &Frame) -> bool {
    is_video(frame) && frame.packet().unwrap().keyframe
}

/// The payload without zeros at its end: a parser may take them for a part of the start code behind them.
fn trimmed(frame: &Frame) -> Vec<u8> {
    let payload = &frame.packet().unwrap().payload;
    let length = payload.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    payload[..length].to_vec()
}

/// Seeks to many positions of `file`, back and forth: each time the last key frame before comes first, and then the same
/// frames as when the file is read from its start.
fn check(file: &Path) {
    let all: Vec<_> = read_all(file).into_iter().filter(is_video).collect();
    let mut reader = FileReader::open(file).unwrap();
    for to in [0, 2500, 999, 1000, 1001, 3999, 1, 100_000, 40, -5, 2000] {
        reader.seek(millis(to)).unwrap();
        let start =
            all.iter().rposition(|frame| is_key_frame(frame) && frame.time.media <= millis(to)).unwrap_or(0);
        let mut rest = std::iter::from_fn(|| reader.read().unwrap()).peekable();
        // The file may start with sound.
        assert!(start == 0 || is_key_frame(rest.peek().unwrap()), "{file:?}: {to}");
        let found: Vec<_> = rest.filter(is_video).take(60).collect();
        let wanted = all[start..].iter().take(60);
        let about = |frame: &Frame| (frame.time.media, trimmed(frame));
        assert!(found.iter().map(about).eq(wanted.map(about)), "{file:?}: {to}: {:?}", found[0].time.media);
    }
}

#[test]
fn seeking_finds_the_key_frame_before() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    for codec in [media::Codec::H264, media::Codec::H265, media::Codec::Mjpeg] {
        for b_frames in [0, 3] {
            let clip = Clip { codec, b_frames, audio: true, ..Clip::default() }.file().unwrap();
            let name = format!("{codec}-{b_frames}");
            check(&clip);
            check(&convert(&clip, directory.join(name.clone() + ".mkv")));
            if codec != media::Codec::Mjpeg {
                check(&convert(&clip, directory.join(name + ".ts")));
            }
        }
    }
}

#[test]
fn what_cannot_be_searched_is_read_from_its_start() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let raw = convert(&Clip::default().file().unwrap(), directory.join("clip.h264"));
    let mut reader = FileReader::open(&raw).unwrap();
    for to in [0, 2500] {
        reader.seek(millis(to)).unwrap();
        let frame = reader.read().unwrap().unwrap();
        assert!(frame.packet().unwrap().keyframe);
        assert_eq!(frame.time.media, millis(0));
    }
}

#[test]
fn a_recording_of_the_c_plus_plus_library_is_read_whole() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let frames = read_all(&Clip::default().file().unwrap());
    let file = directory.join("old.mkv");
    fs::write(&file, matroska::nal_unit_per_block(&frames)).unwrap();
    let reader = FileReader::open(&file).unwrap();
    let params = reader.info().tracks[0].params.clone().unwrap();
    assert_eq!(params.codec, Codec::H264);
    let again = read_all(&file);
    assert_eq!(again.len(), frames.len());
    for (again, frame) in again.iter().zip(&frames) {
        let (again, frame) =
            ((again.time.media, again.packet().unwrap()), (frame.time.media, frame.packet().unwrap()));
        assert_eq!(
            (again.0, again.1.keyframe, &again.1.payload[..]),
            (frame.0, frame.1.keyframe, &frame.1.payload[..])
        );
        let size = again.1.params.as_video().map(|video| (video.width, video.height));
        assert_eq!(size, Some((640, 360)));
    }
    let pictures = |frames: &[Frame]| {
        decode(frames).iter().map(|frame| packed(frame.bitmap().unwrap())).collect::<Vec<_>>()
    };
    assert!(pictures(&again) == pictures(&frames));
    check(&file);
}

#[test]
fn a_file_cut_off_anywhere_is_read_as_far_as_it_goes() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let clip = Clip { audio: true, ..Clip::default() }.file().unwrap();
    let whole = convert(&clip, directory.join("whole.mkv"));
    let data = fs::read(&whole).unwrap();
    let file = directory.join("cut.mkv");
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..20 {
        let length = random.usize(..data.len());
        fs::write(&file, &data[..length]).unwrap();
        // Of the first few bytes nothing can be made.
        let Ok(mut reader) = FileReader::open(&file) else {
            assert!(length < 20_000, "{length} bytes are enough");
            continue;
        };
        let measured = reader.measure(Duration::from_secs(60)).unwrap();
        let frames: Vec<_> = std::iter::from_fn(|| reader.read().unwrap()).collect();
        let last = frames.iter().map(|frame| frame.time.media).max().unwrap();
        assert_eq!(measured.as_micros() as i64, last.micros_since(MediaTime::default()));
        reader.seek(last).unwrap();
        assert!(is_key_frame(&reader.read().unwrap().unwrap()));
    }
}

#[test]
fn garbage_is_refused_or_survived() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    let clip = Clip { audio: true, seconds: 2, ..Clip::default() }.file().unwrap();
    let old =
        matroska::nal_unit_per_block(&read_all(&Clip { seconds: 2, ..Clip::default() }.file().unwrap()));
    let new = fs::read(convert(&clip, directory.join("whole.mkv"))).unwrap();
    let mp4 = fs::read(clip).unwrap();
    let file = directory.join("damaged");
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..90 {
        let mut data = [&old, &new, &mp4][round % 3].clone();
        for _ in 0..random.usize(1..200) {
            // The head is what matters most.
            let end = if random.bool() { 4000.min(data.len()) } else { data.len() };
            data[random.usize(..end)] = random.u8(..);
        }
        fs::write(&file, &data).unwrap();
        let Ok(mut reader) = FileReader::open(&file) else { continue };
        for _ in 0..4 {
            if reader.seek(MediaTime::from_ticks(random.i64(-1_000_000..1_000_000))).is_err() {
                break;
            }
            for _ in 0..20 {
                let Ok(Some(_)) = reader.read() else { break };
            }
        }
    }
}
