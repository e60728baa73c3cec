//! Decoded pictures are those that the `ffmpeg` program decodes, with the times of their packets.

use std::sync::Arc;
use std::time::Duration;

use valkka_av::{Damaged, DecoderOptions, FileReader, PictureDecoder, decode_floor};
use valkka_core::bitmap::{ColorMatrix, ColorRange};
use valkka_core::filter::Filter as _;
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_testkit::media::{self, Clip, Codec, Scene};
use valkka_testkit::require;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::{decode, decode_with, packed, read_all, reference};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn every_codec_gives_the_pictures_ffmpeg_gives() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [Codec::H264, Codec::H265, Codec::Mjpeg] {
        for (b_frames, threads) in [(0, 1), (2, 1), (2, 3)] {
            let clip = Clip { codec, b_frames, seconds: 2, ..Clip::default() };
            let file = clip.file().unwrap();
            let frames = read_all(&file);
            let options = DecoderOptions { threads, ..DecoderOptions::default() };
            let (pictures, stats) = decode_with(options, &frames);
            let wanted = reference(&file);
            assert_eq!(pictures.len(), 50, "{clip} {threads} threads");
            for (index, (picture, wanted)) in pictures.iter().zip(&wanted).enumerate() {
                assert_eq!(
                    &packed(picture.bitmap().unwrap()),
                    wanted,
                    "{clip} {threads} threads, picture {index}"
                );
            }
            let mut times: Vec<_> = frames.iter().map(|frame| frame.time).collect();
            times.sort_by_key(|time| time.media);
            let got: Vec<_> = pictures.iter().map(|frame| frame.time).collect();
            assert_eq!(got, times, "{clip} {threads} threads");
            assert_eq!((stats.decoded.get(), stats.damaged.get()), (50, 0));
        }
    }
}

#[test]
fn the_floor_decodes_every_picture() {
    require!(media::available());
    let frames = read_all(&Clip { seconds: 2, b_frames: 2, ..Clip::default() }.file().unwrap());
    let packets: Vec<Packet> = frames.iter().filter_map(|frame| frame.packet().cloned()).collect();
    assert_eq!(decode_floor(&packets).unwrap(), 50);
    assert_eq!(decode_floor(&[]).unwrap(), 0);
}

#[test]
fn a_decoder_that_jumps_shows_what_one_shows_that_begins_there() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [Codec::H264, Codec::H265, Codec::Mjpeg] {
        for (b_frames, threads) in [(0, 1), (2, 1), (2, 3)] {
            let clip = Clip { codec, b_frames, seconds: 2, ..Clip::default() };
            let frames = read_all(&clip.file().unwrap());
            let wanted: Vec<_> =
                decode(&frames).iter().map(|frame| packed(frame.bitmap().unwrap())).collect();
            let options = DecoderOptions { threads, ..DecoderOptions::default() };
            let mut decoder = PictureDecoder::new("test", options, Arc::new(StreamStats::default()));
            // Left in the middle of a group of pictures, with some inside, and begun anew.
            for (from, to) in [(0, 7), (25, 33), (0, 25), (25, 50)] {
                decoder.restart();
                let mut pictures = Vec::new();
                for frame in &frames[from..to] {
                    decoder
                        .push(frame.clone(), &mut |picture| pictures.push(packed(picture.bitmap().unwrap())));
                }
                if to % 25 == 0 {
                    decoder.finish(&mut |picture| pictures.push(packed(picture.bitmap().unwrap())));
                    assert_eq!(pictures.len(), 25, "{clip} {threads} threads");
                }
                assert!(wanted[from..].starts_with(&pictures), "{clip} {threads} threads, {from} to {to}");
            }
        }
    }
}

#[test]
fn the_streams_own_colours_are_told() {
    require!(media::available());
    let colors = |clip: Clip| {
        let pictures = decode(&read_all(&clip.file().unwrap()));
        pictures[0].bitmap().unwrap().color()
    };
    let bars = Clip { scene: Scene::Bars, seconds: 1, ..Clip::default() };
    let color = colors(bars.clone());
    assert_eq!((color.matrix, color.range), (ColorMatrix::Bt601, ColorRange::Limited));
    let color = colors(Clip { scene: Scene::BarsHd, ..bars.clone() });
    assert_eq!((color.matrix, color.range), (ColorMatrix::Bt709, ColorRange::Limited));
    let color = colors(Clip { codec: Codec::Mjpeg, ..bars });
    assert_eq!((color.matrix, color.range), (ColorMatrix::Bt601, ColorRange::Full));
}

#[test]
fn other_samples_are_converted() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    // 10 bits, and RGB.
    for (codec, pixels) in [
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv422p10le"),
        ("libx265", "yuv420p10le"),
        ("libx264rgb", "rgb24"),
    ] {
        let file = media::cached(&format!("bars-{codec}-{pixels}.mkv"), |path| {
            let mut command = media::ffmpeg()?;
            command.args(["-f", "lavfi", "-i", "smptebars=size=322x242:rate=25", "-frames:v", "5"]);
            command.args(["-c:v", codec, "-pix_fmt", pixels, "-strict", "-1"]).arg(path);
            media::run(command).map(|_| ())
        });
        let file = file.unwrap_or_else(|error| panic!("{codec} {pixels}: {error}"));
        let pictures = decode(&read_all(&file));
        assert_eq!(pictures.len(), 5, "{codec} {pixels}");
        let bitmap = pictures[0].bitmap().unwrap();
        assert_eq!((bitmap.width(), bitmap.height()), (322, 242));
        let mut rgb = vec![0; 322 * 242 * 3];
        let mut scaler = valkka_av::Scaler::new();
        scaler.rgb24(bitmap, 322, 242, valkka_av::Sampling::Point, &mut rgb).unwrap();
        // The middle of the second bar is yellow, 75 % strong.
        let at = (60 * 322 + 322 * 3 / 14) * 3;
        let pixel = &rgb[at..at + 3];
        let near = pixel.iter().zip([191u8, 191, 0]).all(|(&got, wanted)| got.abs_diff(wanted) <= 8);
        assert!(near, "{codec} {pixels}: {pixel:?}");
    }
}

#[test]
fn a_stream_goes_on_when_codec_and_size_change() {
    require!(media::available());
    let small = Clip { seconds: 1, width: 320, height: 180, ..Clip::default() };
    let large = Clip { seconds: 1, b_frames: 2, ..Clip::default() };
    let h265 = Clip { codec: Codec::H265, ..small.clone() };
    let mjpeg = Clip { codec: Codec::Mjpeg, ..large.clone() };
    let mut frames = Vec::new();
    for clip in [&small, &large, &h265, &mjpeg, &small] {
        frames.extend(read_all(&clip.file().unwrap()));
    }
    let widths: Vec<_> = decode(&frames).iter().map(|frame| frame.bitmap().unwrap().width()).collect();
    let wanted: Vec<_> = [320, 640, 320, 640, 320].into_iter().flat_map(|width| [width; 25]).collect();
    assert_eq!(widths, wanted);
}

#[test]
fn the_same_parameters_again_do_not_interrupt() {
    require!(media::available());
    let mut frames = read_all(&Clip { seconds: 1, ..Clip::default() }.file().unwrap());
    for frame in &mut frames {
        if let Body::Packet(packet) = &mut frame.body {
            packet.params = Arc::new((*packet.params).clone());
        }
    }
    assert_eq!(decode(&frames).len(), 25);
}

#[test]
fn it_starts_at_a_key_frame() {
    require!(media::available());
    let file = Clip { seconds: 2, ..Clip::default() }.file().unwrap();
    let (pictures, stats) = decode_with(DecoderOptions::default(), &read_all(&file)[7..]);
    assert_eq!(pictures.len(), 25);
    assert_eq!(packed(pictures[0].bitmap().unwrap()), reference(&file)[25]);
    assert_eq!(stats.damaged.get(), 0, "what came before the first key frame is no damage");
}

#[test]
fn signals_stay_in_their_place_and_the_end_brings_the_last_pictures() {
    require!(media::available());
    let frames = read_all(&Clip { seconds: 1, b_frames: 2, ..Clip::default() }.file().unwrap());
    let mut decoder =
        PictureDecoder::new("test", DecoderOptions::default(), Arc::new(StreamStats::default()));
    let mut out = Vec::new();
    let signal = |signal| Frame::signal(Slot::default(), WallTime::default(), signal);
    decoder.push(signal(Signal::Online(Arc::default())), &mut |frame| out.push(frame));
    for frame in frames {
        decoder.push(frame, &mut |frame| out.push(frame));
    }
    decoder.push(signal(Signal::End), &mut |frame| out.push(frame));
    assert_eq!(out.len(), 27);
    assert!(matches!(out[0].body, Body::Signal(Signal::Online(_))));
    assert!(out[1..26].iter().all(|frame| frame.bitmap().is_some()));
    assert!(matches!(out[26].body, Body::Signal(Signal::End)));
}

#[test]
fn garbage_is_survived() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut random = fastrand::Rng::with_seed(7);
    for codec in [Codec::H264, Codec::H265, Codec::Mjpeg] {
        let frames =
            read_all(&Clip { codec, seconds: 1, width: 320, height: 180, ..Clip::default() }.file().unwrap());
        for damaged in [Damaged::Drop, Damaged::Show] {
            for round in 0..20 {
                let broken: Vec<_> =
                    frames.iter().map(|frame| common::scramble(frame, &mut random, round)).collect();
                decode_with(DecoderOptions { damaged, ..DecoderOptions::default() }, &broken);
            }
        }
    }
}

#[test]
fn an_absurd_size_is_refused() {
    require!(media::available());
    // Within what JPEG can describe, beyond what is decoded.
    let file = media::cached("tall-mjpeg.mkv", |path| {
        let mut command = media::ffmpeg()?;
        command
            .args(["-f", "lavfi", "-i", "color=size=64x16640:rate=5", "-frames:v", "2", "-c:v", "mjpeg"])
            .arg(path);
        media::run(command).map(|_| ())
    });
    let frames = read_all(&file.unwrap());
    let (pictures, stats) = decode_with(DecoderOptions::default(), &frames);
    assert!(pictures.is_empty());
    assert_eq!(stats.damaged.get(), 2);
}

#[test]
fn files_are_read_as_sources_deliver() {
    require!(media::available());
    let clip = Clip { seconds: 1, b_frames: 2, audio: true, ..Clip::default() };
    let file = clip.file().unwrap();
    let mut reader = FileReader::open(&file).unwrap();
    let info = reader.info().clone();
    assert_eq!(info.transport, "file");
    assert_eq!(info.tracks.iter().map(|track| track.encoding.as_str()).collect::<Vec<_>>(), ["H264", "AAC"]);
    let params = info.tracks[0].params.clone().unwrap();
    let video = *params.as_video().unwrap();
    assert_eq!((video.width, video.height), (640, 360));
    assert_eq!(video.frame_rate.unwrap().hz(), 25.0);
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let mut frames = Vec::new();
        while let Some(frame) = reader.read().unwrap() {
            frames.push(frame);
        }
        rounds.push(frames);
        reader.rewind().unwrap();
    }
    let times = |frames: &[Frame]| frames.iter().map(|frame| frame.time.media).collect::<Vec<_>>();
    assert_eq!(times(&rounds[0]), times(&rounds[1]));
    let video: Vec<_> = rounds[0].iter().filter(|frame| frame.track.index() == 0).collect();
    assert_eq!(video.len(), 25);
    let first = video[0].packet().unwrap();
    assert!(first.keyframe && first.payload.starts_with(&[0, 0, 0, 1]));
    assert!(first.params.codec.params_in(&first.payload).is_some(), "parameter sets stand before key frames");
    assert!(video.iter().all(|frame| Arc::ptr_eq(&frame.packet().unwrap().params, &first.params)));
    let audio: Vec<_> = rounds[0].iter().filter(|frame| frame.track.index() == 1).collect();
    assert!((40..60).contains(&audio.len()), "{}", audio.len());
    assert!(audio.iter().all(|frame| frame.packet().unwrap().keyframe));
    assert!(!audio[0].packet().unwrap().params.extra.is_empty());
}

#[test]
fn raw_streams_get_times() {
    require!(media::available());
    for (codec, extension) in [(Codec::H264, "h264"), (Codec::H265, "hevc")] {
        let clip = Clip { codec, seconds: 1, ..Clip::default() };
        let file = media::cached(&format!("raw-{clip}.{extension}"), |path| {
            let mut command = media::ffmpeg()?;
            command.arg("-i").arg(clip.file()?).args(["-c", "copy"]).arg(path);
            media::run(command).map(|_| ())
        });
        let frames = read_all(&file.unwrap());
        let ticks: Vec<_> = frames.iter().map(|frame| frame.time.media.ticks()).collect();
        assert_eq!(ticks, (0..25).map(|n| n * 3600).collect::<Vec<_>>(), "{extension}");
        assert_eq!(decode(&frames).len(), 25);
    }
}

#[test]
fn what_is_no_media_file_is_said() {
    let directory = valkka_testkit::temp::TempDir::new().unwrap();
    let missing = directory.join("missing.mp4");
    let error = FileReader::open(&missing).unwrap_err().to_string();
    assert!(error.contains("missing.mp4") && error.contains("No such file"), "{error}");
    let garbage = directory.join("garbage.bin");
    std::fs::write(&garbage, [7; 5000]).unwrap();
    let error = FileReader::open(&garbage).unwrap_err().to_string();
    assert!(error.contains("garbage.bin"), "{error}");
}
