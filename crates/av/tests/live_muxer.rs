//! Fragmented MP4 of a live stream: players never find a gap, whatever the stream does.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use valkka_av::{LiveFragment, LiveMuxer};
use valkka_core::codec::aac::{AdtsHeader, AudioSpecificConfig};
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Frame, Packet};
use valkka_core::stream::Track;
use valkka_core::time::WallTime;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::probe::{decodes, probe, times_ms};
use common::{boxes, read_all, scramble};

const LIMIT: Duration = Duration::from_secs(240);

const VIDEO: Track = Track::new(0);
const AUDIO: Track = Track::new(1);

/// Start and end of the samples of a track in seconds, in decoding order.
fn spans(fragments: &[LiveFragment], track: Track, rate: f64) -> Vec<(f64, f64)> {
    let number = u32::from(track.index()) + 1;
    let samples = fragments.iter().flat_map(|fragment| boxes::samples(&fragment.data));
    samples
        .filter(|sample| sample.track == number)
        .map(|sample| (sample.pts as f64 / rate, (sample.pts + sample.duration) as f64 / rate))
        .collect()
}

/// Checks that each begins where the one before ended.
fn assert_gapless(spans: &[(f64, f64)]) {
    for (index, pair) in spans.windows(2).enumerate() {
        let gap = pair[1].0 - pair[0].1;
        assert!(gap.abs() < 0.000_1, "{gap} s behind packet {index}: {pair:?}");
    }
}

fn params(frames: &[Frame], track: Track) -> Arc<CodecParams> {
    frames.iter().find(|frame| frame.track == track).unwrap().packet().unwrap().params.clone()
}

/// Feeds `frames` to a muxer for both of their tracks, and writes what it makes to a file.
struct Run {
    muxer: LiveMuxer,
    fragments: Vec<LiveFragment>,
    directory: TempDir,
}

impl Run {
    fn new(frames: &[Frame], audio: bool, start: Duration) -> Self {
        let audio = audio.then(|| params(frames, AUDIO));
        let muxer = LiveMuxer::new(&params(frames, VIDEO), audio.as_ref(), start).unwrap();
        Self { muxer, fragments: Vec::new(), directory: TempDir::new().unwrap() }
    }

    fn feed<'a>(&mut self, frames: impl IntoIterator<Item = &'a Frame>) {
        for frame in frames {
            let packet: &Packet = frame.packet().unwrap();
            if packet.params.codec.is_video() {
                self.fragments.extend(self.muxer.video(packet, &frame.time).unwrap());
            } else {
                self.muxer.audio(packet, &frame.time);
            }
        }
    }

    /// When pictures are shown, from fragment `from` on.
    fn video(&self, from: usize) -> Vec<(f64, f64)> {
        spans(&self.fragments[from..], VIDEO, 90_000.0)
    }

    /// When audio of 48 kHz is heard.
    fn audio(&self) -> Vec<(f64, f64)> {
        spans(&self.fragments, AUDIO, 48_000.0)
    }

    /// A file of the fragments from number `from` on.
    fn file(&self, from: usize) -> PathBuf {
        let path = self.directory.join(format!("{from}.mp4"));
        let mut data = self.muxer.head().to_vec();
        self.fragments[from..].iter().for_each(|fragment| data.extend_from_slice(&fragment.data));
        std::fs::write(&path, data).unwrap();
        path
    }
}

/// A clip with a tone in Opus.
fn opus_clip() -> PathBuf {
    let clip = Clip { audio: true, ..Clip::default() };
    media::cached("Counter-h264-opus.mkv", |path| {
        let mut command = media::ffmpeg()?;
        command.arg("-i").arg(clip.file()?);
        command.args(["-c:v", "copy", "-c:a", "libopus", "-b:a", "48k"]).arg(path);
        media::run(command).map(|_| ())
    })
    .unwrap()
}

#[test]
fn ffmpeg_decodes_it_from_any_key_frame_on() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [media::Codec::H264, media::Codec::H265] {
        for b_frames in [0, 3] {
            let frames = read_all(&Clip { codec, b_frames, ..Clip::default() }.file().unwrap());
            let mut run = Run::new(&frames, false, Duration::from_secs(7));
            run.feed(&frames);
            assert_eq!(run.fragments.len(), 100, "a fragment for each picture");
            for start in [0, 50] {
                assert!(run.fragments[start].keyframe);
                let path = run.file(start);
                assert_eq!(decodes(&path), 100 - start, "{codec} with {b_frames} B frames from {start} on");
                let mut shown = run.video(start);
                let seen = times_ms(&path, 0);
                assert!(
                    shown.iter().zip(seen).all(|(shown, seen)| (shown.0 * 1000.0 - seen as f64).abs() < 1.0)
                );
                assert!(b_frames > 0 || shown.is_sorted_by(|a, b| a.0 < b.0));
                shown.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert_gapless(&shown);
                assert!((shown[0].0 - 7.0 - 0.04 * start as f64).abs() < 0.2, "{shown:?}");
            }
            let tag = &probe(&run.file(0), "stream=codec_tag_string")[0]["codec_tag_string"];
            assert_eq!(tag, if codec == media::Codec::H264 { "avc1" } else { "hvc1" });
            let name = if codec == media::Codec::H264 { "avc1.4d" } else { "hvc1.1.6.L" };
            let mime = run.muxer.mime();
            assert!(
                mime.starts_with(&format!("video/mp4; codecs=\"{name}")) && mime.ends_with('"'),
                "{mime}"
            );
        }
    }
}

#[test]
fn audio_comes_along() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let aac = Clip { audio: true, ..Clip::default() }.file().unwrap();
    for (file, codec, name) in [(aac, Codec::Aac, "mp4a.40.2"), (opus_clip(), Codec::Opus, "opus")] {
        let frames = read_all(&file);
        assert_eq!(params(&frames, AUDIO).codec, codec);
        let mut run = Run::new(&frames, true, Duration::ZERO);
        run.feed(&frames);
        let path = run.file(0);
        assert!(run.muxer.mime().ends_with(&format!(",{name}\"")), "{}", run.muxer.mime());
        assert_eq!(decodes(&path), 100);
        let (video, audio) = (run.video(0), run.audio());
        assert_gapless(&video);
        assert_gapless(&audio);
        assert!(audio[0].0.abs() < 0.03, "{:?}", audio[0]);
        let end = audio.last().unwrap().1;
        assert!((3.5..4.1).contains(&end), "it ends at {end}");
        // What is heard is what was recorded: a tone at this level, without silence.
        assert!((-25.0..-10.0).contains(&mean_volume(&path, 0.0)), "{}", mean_volume(&path, 0.0));
    }
}

/// The mean volume in dB that `ffmpeg` hears from `from` seconds on.
fn mean_volume(path: &Path, from: f64) -> f64 {
    let mut command = media::ffmpeg().unwrap();
    command.args(["-loglevel", "info"]).arg("-i").arg(path);
    command.args(["-map", "0:a", "-af", &format!("atrim=start={from},volumedetect"), "-f", "null", "-"]);
    let said = media::run(command).unwrap();
    let volume = said.split("mean_volume: ").nth(1).and_then(|rest| rest.split(' ').next());
    volume.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
}

#[test]
fn silence_takes_the_place_of_audio_that_does_not_come() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let aac = Clip { audio: true, ..Clip::default() }.file().unwrap();
    for file in [aac, opus_clip()] {
        let frames = read_all(&file);
        let micros = |frame: &Frame| frame.time.wall.micros_since(frames[0].time.wall);
        // There is audio in the second second alone.
        let is_heard =
            |frame: &&Frame| frame.track == VIDEO || (1_000_000..2_000_000).contains(&micros(frame));
        let mut run = Run::new(&frames, true, Duration::ZERO);
        run.feed(frames.iter().filter(is_heard));
        let path = run.file(0);
        let (video, audio) = (run.video(0), run.audio());
        assert_gapless(&audio);
        let (video_end, audio_end) = (video.last().unwrap().1, audio.last().unwrap().1);
        assert!((video_end - audio_end).abs() < 0.05, "{video_end} {audio_end}");
        // It can be decoded, and the end of it is silent.
        assert_eq!(decodes(&path), 100);
        assert!(mean_volume(&path, 2.5) < -60.0, "{}", mean_volume(&path, 2.5));
        assert!(mean_volume(&path, 0.0) > -40.0);
    }
}

#[test]
fn an_interruption_leaves_no_gap() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for b_frames in [0, 3] {
        let frames = read_all(&Clip { audio: true, b_frames, ..Clip::default() }.file().unwrap());
        let mut run = Run::new(&frames, true, Duration::ZERO);
        let second = |frame: &Frame| frame.time.media.ticks() / 90_000;
        run.feed(frames.iter().filter(|frame| second(frame) < 1));
        run.muxer.interrupt();
        // Audio goes on meanwhile, and is not heard.
        run.feed(frames.iter().filter(|frame| frame.track == AUDIO && (1..3).contains(&second(frame))));
        run.feed(frames.iter().filter(|frame| second(frame) >= 3));
        let path = run.file(0);
        let (mut video, audio) = (run.video(0), run.audio());
        assert_eq!((video.len(), decodes(&path)), (50, 50));
        video.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_gapless(&video);
        assert_gapless(&audio);
        let end = video.last().unwrap().1;
        assert!((1.9..2.3).contains(&end) && (end - audio.last().unwrap().1).abs() < 0.5, "{end}");
    }
}

#[test]
fn pictures_that_come_late_leave_no_gap() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut frames = read_all(&Clip::default().file().unwrap());
    let wall = frames[0].time.wall;
    // 25 pictures a second for a second, then one a second.
    for (index, frame) in frames.iter_mut().enumerate() {
        let micros = if index < 25 { index * 40_000 } else { 1_000_000 * (index - 24) };
        frame.time.wall = wall.offset_micros(micros as i64);
    }
    let mut run = Run::new(&frames, false, Duration::ZERO);
    run.feed(&frames);
    let path = run.file(0);
    assert_eq!(decodes(&path), 100);
    let video = run.video(0);
    assert_gapless(&video);
    let end = video.last().unwrap().1;
    assert!((75.0..78.0).contains(&end), "it lasts as long as it took: {end}");
}

#[test]
fn a_fragment_costs_few_bytes() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let frames = read_all(&Clip { audio: true, ..Clip::default() }.file().unwrap());
    for (audio, most) in [(false, 112), (true, 220)] {
        let mut run = Run::new(&frames, audio, Duration::ZERO);
        run.feed(&frames);
        for fragment in &run.fragments {
            let head = boxes::head_bytes(&fragment.data);
            assert!(head <= most, "{head} bytes beside the samples");
        }
    }
}

#[test]
fn silence_is_silent_in_any_number_of_channels() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let directory = TempDir::new().unwrap();
    for channels in [1, 2, 3, 4, 5, 6, 8] {
        let config = AudioSpecificConfig::lc(48_000, channels).unwrap();
        let silence = config.silence().unwrap();
        let header = AdtsHeader::new(&config, silence.len()).unwrap().write();
        let path = directory.join(format!("{channels}.aac"));
        std::fs::write(&path, [&header[..], &silence].concat().repeat(50)).unwrap();
        let mut command = media::ffmpeg().unwrap();
        command.args(["-xerror", "-err_detect", "explode"]).arg("-i").arg(&path);
        command.args(["-f", "s16le", "-c:a", "pcm_s16le"]).arg(directory.join("heard"));
        media::run(command).unwrap();
        let heard = std::fs::read(directory.join("heard")).unwrap();
        assert_eq!(heard.len(), 50 * 1024 * 2 * usize::from(channels), "{channels}");
        assert!(heard.iter().all(|&byte| byte == 0), "{channels}");
    }
}

#[test]
fn garbage_does_no_harm() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut random = fastrand::Rng::with_seed(11);
    for file in [Clip { audio: true, ..Clip::default() }.file().unwrap(), opus_clip()] {
        let frames = read_all(&file);
        for round in 1..10 {
            let mut run = Run::new(&frames, true, Duration::ZERO);
            for frame in &frames {
                let mut frame = scramble(frame, &mut random, round);
                if random.u8(..10) == 0 {
                    frame.time.wall = WallTime::from_micros(random.i64(..) >> random.u8(..64));
                }
                if random.u8(..20) == 0 {
                    run.muxer.interrupt();
                }
                run.feed([&frame]);
            }
            let largest = run.fragments.iter().map(|fragment| fragment.data.len()).max();
            assert!(largest.is_some_and(|largest| largest < 1 << 20), "{largest:?}");
        }
    }
}

#[test]
fn what_cannot_be_played_is_said() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let frames = read_all(&Clip::default().file().unwrap());
    let video = params(&frames, VIDEO);
    let g711 = Arc::new(CodecParams::audio(Codec::PcmAlaw, 8000, 1, bytes::Bytes::new()));
    assert_eq!(LiveMuxer::takes_audio(&g711), Err("browsers do not play G.711 A-law in MP4".to_owned()));
    let error = LiveMuxer::new(&video, Some(&g711), Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("G.711 A-law"), "{error}");
    let unknown = Arc::new(CodecParams::video(Codec::H264, bytes::Bytes::new()));
    let error = LiveMuxer::new(&unknown, None, Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("parameter sets"), "{error}");
}
