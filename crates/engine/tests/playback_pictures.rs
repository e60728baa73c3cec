//! The exact picture of any moment of a recording.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "common/footage.rs"]
mod footage;

use std::cell::Cell;

use footage::{Footage, LIMIT, START, at, look_of, packets, since_start, small};
use valkka::playback::{
    Entry, FilePackets, MemoryPackets, PacketSource as _, PictureOptions, PictureReader, PlaybackError, View,
    Why,
};
use valkka_testkit::media::{self, Clip, Codec};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

fn reader_of(footage: &Footage) -> PictureReader {
    PictureReader::new(footage.source(), PictureOptions::default())
}

/// Keeps no more than a few pictures of a small clip.
fn narrow(footage: &Footage) -> PictureReader {
    PictureReader::new(
        footage.source(),
        PictureOptions { kept_bytes: 300_000, threads: 1, ..Default::default() },
    )
}

fn kinds() -> Vec<Clip> {
    vec![
        small(),
        Clip { gop: 250, ..small() },
        Clip { b_frames: 3, ..small() },
        Clip { b_frames: 2, gop: 250, ..small() },
        Clip { codec: Codec::H265, b_frames: 3, ..small() },
        Clip { codec: Codec::Mjpeg, seconds: 2, ..small() },
        Clip { frame_rate: 10, gop: 10, audio: true, ..small() },
    ]
}

#[track_caller]
fn blank(view: View) -> (Option<f64>, Option<f64>, String) {
    let View::Blank(blank) = view else { panic!("{view:?}") };
    (blank.from.map(since_start), blank.to.map(since_start), blank.why.words().to_owned())
}

#[test]
fn forward_and_backward_every_picture_is_shown_in_its_time() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for clip in kinds() {
        let footage = Footage::default().clip(&clip, START);
        let end = i64::from(clip.seconds) * 1000;
        for mut reader in [reader_of(&footage), narrow(&footage)] {
            for millis in (footage.first()..end).step_by(13) {
                footage.pictures.check(&reader.at(at(millis)).unwrap(), at(millis));
            }
            let decoded = reader.decoded();
            assert_eq!(decoded, footage.pictures.0.len() as u64, "{clip}: each once");
        }
        // Of 250 pictures few are kept at a time: they are decoded again and again.
        let mut reader = reader_of(&footage);
        for millis in (footage.first()..end).rev().step_by(17) {
            footage.pictures.check(&reader.at(at(millis)).unwrap(), at(millis));
        }
        let mut reader = narrow(&footage);
        for millis in (end / 2..end).rev().step_by(17) {
            footage.pictures.check(&reader.at(at(millis)).unwrap(), at(millis));
            reader.prepare_backward(&|| millis % 3 > 0).unwrap();
        }
        // What fits is decoded once, by a thread that has time to do so in advance.
        if clip.gop <= 25 && clip.codec != Codec::Mjpeg {
            let mut reader = reader_of(&footage);
            for millis in (footage.first()..end).rev().step_by(17) {
                footage.pictures.check(&reader.at(at(millis)).unwrap(), at(millis));
                reader.prepare_backward(&|| true).unwrap();
            }
            let (decoded, all) = (reader.decoded(), footage.pictures.0.len() as u64);
            // A few more per group: those behind its end, by which the decoder knows where that is.
            assert!(decoded <= all * 3 / 2, "{clip}: {decoded} of {all}");
        }
    }
}

#[test]
fn any_moment_may_follow_any_other() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut random = fastrand::Rng::with_seed(5);
    for clip in kinds() {
        let footage = Footage::default().clip(&clip, START);
        let end = i64::from(clip.seconds) * 1_000_000;
        let mut reader = reader_of(&footage);
        let mut time = 0;
        for _ in 0..250 {
            // Some jump, some creep, in either direction.
            let step = [1_000, 50_000, 900_000, end][random.usize(..4)];
            time = (time + random.i64(-step..=step)).clamp(footage.first() * 1000, end - 1);
            let time = START.offset_micros(time);
            // Whoever gives up on the way disturbs nothing.
            if random.u8(..4) == 0 {
                let patience = Cell::new(random.u8(..5));
                let given_up = reader.at_while(START.offset_micros(random.i64(0..end)), &|| {
                    patience.set(patience.get().saturating_sub(1));
                    patience.get() > 0
                });
                assert!(matches!(given_up, Ok(_) | Err(PlaybackError::GivenUp)), "{given_up:?}");
            }
            if random.u8(..4) == 0 {
                let patience = Cell::new(random.u8(..9));
                let go_on = || {
                    patience.set(patience.get().saturating_sub(1));
                    patience.get() > 0
                };
                reader.prepare_backward(&go_on).unwrap();
            }
            footage.pictures.check(&reader.at(time).unwrap(), time);
        }
    }
}

#[test]
fn a_file_is_a_recording() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    for clip in [small(), Clip { b_frames: 3, audio: true, ..small() }] {
        let footage = Footage::default().clip(&clip, START);
        let mp4 = clip.file().unwrap();
        let mkv = directory.join(format!("{clip}.mkv"));
        let mut command = media::ffmpeg().unwrap();
        command.arg("-i").arg(&mp4).args(["-c", "copy"]).arg(&mkv);
        media::run(command).unwrap();
        for file in [&mp4, &mkv] {
            let mut packets = FilePackets::open(file, START).unwrap();
            // Matroska counts in milliseconds.
            let near = |found: Option<_>| found.map(|time| (since_start(time) / 10.0).round() * 10.0);
            assert_eq!(near(packets.keyframe_before(at(5000)).unwrap()), Some(4000.0));
            assert_eq!(near(packets.keyframe_after(at(5000)).unwrap()), Some(6000.0));
            assert_eq!(packets.keyframe_before(at(0)).unwrap(), None);
            assert_eq!(packets.keyframe_after(at(9500)).unwrap(), None);
            let mut reader = PictureReader::new(Box::new(packets), PictureOptions::default());
            for millis in (20..10_000).step_by(370).chain((20..10_000).rev().step_by(410)) {
                // In the middle of a picture, for the same reason.
                let time = at(millis / 40 * 40 + 20);
                let view = reader.at(time).unwrap();
                let (taken, look) = footage.pictures.at(time).unwrap();
                let picture = view.picture().unwrap();
                assert!((since_start(picture.from) - since_start(taken)).abs() <= 1.0, "{picture:?}");
                assert_eq!(look_of(picture), look, "{millis}");
            }
        }
    }
}

#[test]
fn gaps_say_why() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for b_frames in [0, 3] {
        let clip = Clip { seconds: 2, b_frames, ..small() };
        let footage = Footage::default()
            .clip(&clip, at(0))
            .gap(at(1960), at(5000), "the camera was not connected")
            .clip(&clip, at(5000))
            // Nobody recorded why.
            .clip(&clip, at(60_000));
        let camera = (Some(2000.0), Some(5000.0), "the camera was not connected".to_owned());
        let silence = (Some(7000.0), Some(60_000.0), Why::Silence.words().to_owned());
        for mut reader in [reader_of(&footage), narrow(&footage)] {
            for forward in [true, false] {
                let mut times: Vec<i64> = (-200..62_500).step_by(90).collect();
                if !forward {
                    times.reverse();
                }
                for millis in times {
                    let view = reader.at(at(millis)).unwrap();
                    match millis {
                        ..0 => assert_eq!(blank(view), (None, Some(0.0), Why::Before.words().to_owned())),
                        2000..5000 => assert_eq!(blank(view), camera, "{millis}"),
                        7000..60_000 => assert_eq!(blank(view), silence, "{millis}"),
                        62_000.. => {
                            assert_eq!(blank(view), (Some(62_000.0), None, Why::After.words().to_owned()))
                        }
                        _ => footage.pictures.check(&view, at(millis)),
                    }
                    if !forward {
                        reader.prepare_backward(&|| true).unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_damaged_is_not_shown() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let clip = Clip { seconds: 3, ..small() };
    let frames = packets(&clip, START);
    let mut footage = Footage::default().clip(&clip, START);
    // A record in the middle of the second group of pictures is rotten.
    footage.entries[35] = Entry::Damage("block 7, byte 4096: rotten".into());
    assert!(frames[35].time.wall == at(1400));
    for mut reader in [reader_of(&footage), narrow(&footage)] {
        for millis in (0..2900).step_by(30).chain((0..2900).rev().step_by(30)) {
            let view = reader.at(at(millis)).unwrap();
            if (1400..2000).contains(&millis) {
                assert_eq!(blank(view), (Some(1400.0), Some(2000.0), "block 7, byte 4096: rotten".into()));
            } else {
                footage.pictures.check(&view, at(millis));
            }
        }
    }
    // Of what cannot be decoded at all, nothing is shown.
    let garbage = frames.iter().cloned().map(|mut frame| {
        if let valkka::frame::Body::Packet(packet) = &mut frame.body {
            packet.payload = valkka::payload::Payload::copy_from_slice(&[0, 0, 0, 1, 0x65, 7, 7, 7]);
        }
        Entry::Frame(frame)
    });
    let mut reader =
        PictureReader::new(Box::new(MemoryPackets::new(garbage.collect())), PictureOptions::default());
    for millis in (0..3000).step_by(310) {
        assert!(reader.at(at(millis)).unwrap().picture().is_none());
    }
}

#[test]
fn codec_and_size_may_change() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let one = Clip { seconds: 2, b_frames: 3, ..small() };
    let footage = Footage::default()
        .clip(&one, at(0))
        .clip(&Clip { width: 320, height: 240, ..one.clone() }, at(2000))
        .clip(&Clip { codec: Codec::H265, ..one.clone() }, at(4000))
        .clip(&Clip { codec: Codec::Mjpeg, b_frames: 0, ..one }, at(6000));
    for mut reader in [reader_of(&footage), narrow(&footage)] {
        for millis in (0..7990).step_by(37).chain((0..7990).rev().step_by(37)) {
            footage.pictures.check(&reader.at(at(millis)).unwrap(), at(millis));
        }
        let sizes = [1000, 3000, 5000]
            .map(|millis| reader.at(at(millis)).unwrap().picture().unwrap().bitmap().width());
        assert_eq!(sizes, [160, 320, 160]);
    }
}

#[test]
fn a_clock_may_be_set() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    // It is set back by 5 s after 10 s, then ahead by an hour.
    let clip = Clip { b_frames: 2, ..small() };
    let footage = Footage::default().clip(&clip, at(0)).clip(&clip, at(5000)).clip(&clip, at(3_600_000));
    let mut reader = reader_of(&footage);
    // Going forward, what was recorded in the time that is there twice is passed over, the rest is shown in its time.
    let mut last = None;
    for millis in (0..15_000).step_by(20) {
        let view = reader.at(at(millis)).unwrap();
        let picture = view.picture().unwrap();
        assert!(picture.from <= at(millis) && at(millis) < picture.to);
        // Two frames of reordering may pass before it is noticed.
        assert!(since_start(at(millis)) - since_start(picture.from) < 40.0, "{millis}: {picture:?}");
        assert!(last <= Some(picture.from));
        last = Some(picture.from);
        let of = footage.pictures.0.iter().filter(|&&(taken, _)| taken == picture.from);
        assert!(of.clone().any(|&(_, look)| look == look_of(picture)), "{millis}");
    }
    assert_eq!(blank(reader.at(at(20_000)).unwrap()).1, Some(3_600_000.0));
    assert!(reader.at(at(3_600_020)).unwrap().picture().is_some());
    // Any moment has its picture, in any order.
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..200 {
        let time = at(random.i64(0..15_000));
        let view = reader.at(time).unwrap();
        let picture = view.picture().unwrap();
        assert!(
            (0.0..40.0).contains(&(since_start(time) - since_start(picture.from))),
            "{time:?}: {picture:?}"
        );
    }
}

#[test]
fn what_was_added_later_is_shown_in_its_time() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for b_frames in [0, 2] {
        let clip = Clip { seconds: 3, b_frames, ..small() };
        let newer = || Footage::default().clip(&clip, at(100_000));
        for footage in [
            // The older one is the last that was recorded, is followed without a word, and with one.
            newer().clip(&clip, at(0)),
            newer().clip(&clip, at(0)).clip(&clip, at(200_000)),
            newer().clip(&clip, at(0)).gap(at(2960), at(200_000), "a pause").clip(&clip, at(200_000)),
        ] {
            let end = if footage.pictures.at(at(300_000)).unwrap().0 > at(150_000) {
                Some(200_000.0)
            } else {
                None
            };
            for mut reader in [reader_of(&footage), narrow(&footage)] {
                for millis in (0..2990).chain(100_000..102_990).step_by(90) {
                    footage.pictures.check(&reader.at(at(millis)).unwrap(), at(millis));
                }
                assert_eq!(blank(reader.at(at(150_000)).unwrap()).1, end);
                let mut reader = narrow(&footage);
                footage.pictures.check(&reader.at(at(2900)).unwrap(), at(2900));
                assert_eq!(blank(reader.at(at(50_000)).unwrap()).1, Some(100_000.0));
                footage.pictures.check(&reader.at(at(100_000)).unwrap(), at(100_000));
                footage.pictures.check(&reader.at(at(102_900)).unwrap(), at(102_900));
                assert_eq!(blank(reader.at(at(103_100)).unwrap()).1, end);
            }
        }
    }
}

#[test]
fn a_clock_may_be_set_back_twice_over_the_same_time() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let clip = small();
    let footage = Footage::default().clip(&clip, at(0)).clip(&clip, at(500)).clip(&clip, at(-5000));
    let mut reader = reader_of(&footage);
    for millis in (0..10_400).step_by(20) {
        let view = reader.at(at(millis)).unwrap();
        let picture = view.picture().unwrap();
        assert!(picture.from <= at(millis) && at(millis) < picture.to, "{millis}: {picture:?}");
    }
    assert_eq!(blank(reader.at(at(20_000)).unwrap()).1, None);
}

#[test]
fn sound_alone_is_not_searched_to_its_end() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let clip = Clip { audio: true, ..small() };
    let sound: Vec<_> = packets(&clip, at(0))
        .into_iter()
        .chain(packets(&clip, at(10_000)))
        .chain(packets(&clip, at(20_000)))
        .filter(|frame| !frame.packet().is_some_and(|packet| packet.params.codec.is_video()))
        .map(Entry::Frame)
        .collect();
    let count = sound.len();
    let mut reader = PictureReader::new(Box::new(MemoryPackets::new(sound)), PictureOptions::default());
    let steps = Cell::new(0);
    let patience = || {
        steps.set(steps.get() + 1);
        true
    };
    assert!(reader.keyframe_near_while(at(0), &patience).unwrap().picture().is_none());
    assert!(steps.get() < count / 2, "{} of {count}", steps.get());
}

#[test]
fn more_may_be_recorded_while_it_is_played() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for b_frames in [0, 3] {
        let clip = Clip { seconds: 3, b_frames, ..small() };
        let footage = Footage::default().clip(&clip, START);
        let source = MemoryPackets::default();
        for threads in [1, 2] {
            let options = PictureOptions { threads, ..PictureOptions::default() };
            let mut reader = PictureReader::new(Box::new(source.clone()), options);
            if threads == 2 {
                footage.pictures.check(&reader.at(at(2400)).unwrap(), at(2400));
                continue;
            }
            assert!(matches!(reader.at(at(0)), Ok(View::Blank(blank)) if blank.why == Why::After));
            let mut newest = None;
            for entry in footage.entries.clone() {
                let Entry::Frame(frame) = &entry else { unreachable!() };
                newest = newest.max(Some(frame.time.wall));
                source.record(entry);
                // With B frames, one that belongs before the newest may still be to come.
                if b_frames == 0 {
                    let time = newest.unwrap();
                    footage.pictures.check(&reader.at(time).unwrap(), time);
                    let after = reader.at(time.offset_micros(60_000)).unwrap();
                    assert!(matches!(after, View::Blank(blank) if blank.why == Why::After));
                } else {
                    reader.at(newest.unwrap()).unwrap();
                }
            }
            footage.pictures.check(&reader.at(at(2990)).unwrap(), at(2990));
            footage.pictures.check(&reader.at(at(1000)).unwrap(), at(1000));
        }
    }
}

#[test]
fn key_frames_alone_are_quick() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for b_frames in [0, 3] {
        let footage = Footage::default().clip(&Clip { b_frames, ..small() }, START);
        let mut reader = reader_of(&footage);
        for millis in (0..8990).rev().step_by(450) {
            let view = reader.keyframe_near(at(millis)).unwrap();
            let keyframe = at(millis / 1000 * 1000);
            footage.pictures.check(
                &View::Picture(valkka::playback::Picture {
                    to: keyframe.offset_micros(1),
                    ..view.picture().unwrap().clone()
                }),
                keyframe,
            );
            assert_eq!(view.to(), Some(keyframe.offset_micros(1_000_000)));
        }
        assert!(reader.decoded() <= 20, "{}", reader.decoded());
        assert!(matches!(reader.keyframe_near(at(-1)), Ok(View::Blank(blank)) if blank.why == Why::Before));
        assert!(
            matches!(reader.keyframe_near(at(20_000)), Ok(View::Blank(blank)) if blank.why == Why::After)
        );
    }
}

#[test]
fn a_file_that_was_cut_off_is_played_as_far_as_it_goes() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let clip = small();
    let footage = Footage::default().clip(&clip, START);
    let directory = TempDir::new().unwrap();
    let bytes = std::fs::read(clip.file().unwrap()).unwrap();
    let cut = directory.join("cut.mp4");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut reader =
        PictureReader::new(Box::new(FilePackets::open(&cut, START).unwrap()), PictureOptions::default());
    for millis in (20..3500).step_by(330).chain((20..3500).rev().step_by(330)) {
        footage.pictures.check(&reader.at(at(millis)).unwrap(), at(millis));
    }
    // Behind the cut nothing is shown that is not there.
    let mut whole = 0;
    for millis in (3500..10_000).step_by(100) {
        match reader.at(at(millis)) {
            Ok(View::Picture(picture)) => {
                assert!(
                    footage
                        .pictures
                        .0
                        .iter()
                        .any(|&(taken, look)| taken == picture.from && look == look_of(&picture))
                );
                whole += 1;
            }
            Ok(View::Blank(_)) | Err(PlaybackError::Source(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(whole < 40, "{whole}");
    let garbage = directory.join("garbage.mkv");
    std::fs::write(&garbage, [7; 10_000]).unwrap();
    assert!(matches!(FilePackets::open(&garbage, START), Err(PlaybackError::Source(_))));
    assert!(matches!(FilePackets::open(directory.join("missing.mkv"), START), Err(PlaybackError::Source(_))));
}

#[test]
fn no_time_is_out_of_range() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let footage = Footage::default().clip(&Clip { seconds: 2, ..small() }, START).damage("the end");
    let file = Clip { seconds: 2, ..small() }.file().unwrap();
    let mut readers = [
        reader_of(&footage),
        PictureReader::new(
            Box::<MemoryPackets>::default(),
            PictureOptions { kept_bytes: 0, threads: 0, ..Default::default() },
        ),
        PictureReader::new(Box::new(FilePackets::open(file, START).unwrap()), PictureOptions::default()),
    ];
    for reader in &mut readers {
        for micros in [i64::MIN, i64::MAX, 0, -1, START.micros(), i64::MIN + 1, i64::MAX - 1] {
            let time = valkka::time::WallTime::from_micros(micros);
            for _ in 0..2 {
                reader.at(time).unwrap();
                reader.keyframe_near(time).unwrap();
                reader.prepare_backward(&|| true).unwrap();
            }
        }
    }
}
