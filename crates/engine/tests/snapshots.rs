//! The newest picture of a camera as a JPEG.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::SOON;
use valkka::av::FileReader;
use valkka::clock::SystemClock;
use valkka::codec;
use valkka::frame::{Body, Frame, Signal};
use valkka::gop::{GopKeeper, GopOptions, Missing};
use valkka::payload::Payload;
use valkka::sink::Sink as _;
use valkka::snapshot::{Snapshot, SnapshotError, Snapshots};
use valkka::stream::Slot;
use valkka::synthetic::{self, SceneOptions};
use valkka_testkit::media::bars::{self, Area};
use valkka_testkit::media::{self, Clip, Scene};
use valkka_testkit::picture::Picture;
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

fn read(clip: &Clip) -> Vec<Frame> {
    let mut reader = FileReader::open(clip.file().unwrap()).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

fn keeper(frames: &[Frame]) -> Arc<GopKeeper> {
    let keeper = Arc::new(GopKeeper::new(GopOptions::default()));
    frames.iter().for_each(|frame| keeper.put(frame.clone()));
    keeper
}

/// What `ffmpeg` sees in it.
fn seen(snapshot: &Snapshot) -> Picture {
    let directory = TempDir::new().unwrap();
    let path = directory.join("snapshot.jpg");
    std::fs::write(&path, &snapshot.data).unwrap();
    let picture = Picture::from_ffmpeg(&[], path.to_str().unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (snapshot.width, snapshot.height));
    picture
}

#[test]
fn colours_are_right_at_any_size() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let snapshots = Snapshots::new(2);
    let hd = (Scene::BarsHd, 1280, 720);
    let sd = (Scene::Bars, 640, 480);
    for (codec, (scene, width, height)) in [
        (media::Codec::H264, hd),
        (media::Codec::H264, sd),
        (media::Codec::H265, sd),
        (media::Codec::Mjpeg, sd),
    ] {
        let keeper = keeper(&read(&Clip { scene, codec, width, height, seconds: 1, ..Clip::default() }));
        for wanted in [None, Some(320), Some(5000)] {
            let snapshot = snapshots.jpeg(&keeper, wanted, SOON).unwrap();
            let expected = wanted.unwrap_or(width).min(width);
            assert_eq!((snapshot.width, snapshot.height), (expected, height * expected / width));
            assert!(snapshot.online);
            let picture = seen(&snapshot);
            let whole = Area::whole(&picture);
            let area = if scene == Scene::BarsHd { whole.middle() } else { whole };
            let right = bars::check(&picture, area, 8);
            assert_eq!(right, Ok(()), "{codec} of {width}x{height}, {wanted:?} wanted");
        }
    }
}

#[test]
fn synthetic_cameras_have_the_colours_of_their_codec() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    for codec in [codec::Codec::H264, codec::Codec::H265, codec::Codec::Mjpeg] {
        let scene = SceneOptions { frames: 1, ..SceneOptions::new("") };
        let clip = synthetic::Clip::generate(scene, codec, 8_000_000).unwrap();
        let snapshot = Snapshots::new(1).jpeg(&keeper(clip.frames()), None, SOON).unwrap();
        let picture = seen(&snapshot);
        assert_eq!((picture.width(), picture.height()), (1280, 720));
        assert_eq!(bars::check(&picture, Area::whole(&picture), 12), Ok(()), "{codec}");
    }
}

#[test]
fn it_is_the_newest_picture_and_its_time() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip { b_frames: 3, ..Clip::default() });
    let newest = frames.iter().max_by_key(|frame| frame.time.media).unwrap();
    let snapshot = Snapshots::new(1).jpeg(&keeper(&frames), None, SOON).unwrap();
    assert_eq!(snapshot.time, newest.time);
    // Motion JPEG is given as it came.
    let frames = read(&Clip { codec: media::Codec::Mjpeg, ..Clip::default() });
    let last = frames.last().unwrap();
    let snapshot = Snapshots::new(1).jpeg(&keeper(&frames), Some(640), SOON).unwrap();
    assert_eq!((&snapshot.data[..], snapshot.time), (&last.packet().unwrap().payload[..], last.time));
}

#[test]
fn the_last_picture_of_a_camera_that_is_away() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip::default());
    let (keeper, snapshots) = (keeper(&frames), Snapshots::new(1));
    let before = snapshots.jpeg(&keeper, None, SOON).unwrap();
    keeper.put(Frame::signal(Slot::default(), SystemClock.now(), Signal::Offline("unplugged".into())));
    let cached = snapshots.jpeg(&keeper, None, SOON).unwrap();
    assert_eq!((cached.data.as_ptr(), cached.online), (before.data.as_ptr(), false));
    let after = Snapshots::new(1).jpeg(&keeper, None, SOON).unwrap();
    assert_eq!((after.data, after.time, after.online), (before.data, before.time, false));
}

#[test]
fn the_same_is_made_once_for_many() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let (keeper, snapshots) = (keeper(&read(&Clip::default())), Snapshots::new(1));
    let made: Vec<_> = thread::scope(|scope| {
        let one = || snapshots.jpeg(&keeper, Some(320), SOON).unwrap().data.as_ptr() as usize;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|&data| data == made[0]));
    let larger = snapshots.jpeg(&keeper, Some(480), SOON).unwrap();
    assert_eq!((larger.width, larger.height), (480, 270));
}

#[test]
fn what_is_in_the_way_is_said() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let mut frames = read(&Clip::default());
    let snapshots = Snapshots::new(1);
    let error =
        |frames: &[Frame], limit| snapshots.jpeg(&keeper(frames), None, limit).unwrap_err().to_string();
    assert_eq!(error(&[], SOON), "no key frame has come yet; the camera is not connected");
    assert_eq!(error(&frames[1..20], SOON), "no key frame has come yet");
    assert_eq!(error(&frames, Duration::ZERO), "no snapshot within 0ns: its picture is being decoded");
    for frame in &mut frames {
        let Body::Packet(packet) = &mut frame.body else { panic!() };
        packet.payload = Payload::copy_from_slice(&[0, 0, 0, 1, 0x65, 1, 2, 3]);
    }
    let error = error(&frames[..10], SOON);
    assert_eq!(error, "none of the 10 packets of H.264 since the last key frame can be decoded");
    let lacking = keeper(&[]);
    let lacks = snapshots.jpeg(&lacking, None, SOON);
    assert!(matches!(lacks, Err(SnapshotError::NoKeyFrame { missing: Missing::NotYet, online: false })));
    // Key frames come, but nothing can be made of them.
    let frames = read(&Clip::default());
    let small = Arc::new(GopKeeper::new(GopOptions { max_bytes: 1000 }));
    small.put(frames[0].clone());
    let error = snapshots.jpeg(&small, None, SOON).unwrap_err().to_string();
    assert!(error.starts_with("the last group of pictures is too large to be kept: "), "{error}");
    assert!(error.ends_with(" frames so far, at most 1000 bytes in 16384 frames are kept"), "{error}");
    let mut damaged = frames[0].clone();
    let Body::Packet(packet) = &mut damaged.body else { panic!() };
    packet.lost = 3;
    let error = snapshots.jpeg(&keeper(&[damaged]), None, SOON).unwrap_err().to_string();
    assert_eq!(error, "the last key frame is damaged (packets lost in it or just before it: 3)");
}
