//! Fragmented MP4 of one camera for many viewers.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::{SOON, files, mimes};
use valkka::av::FileReader;
use valkka::codec::{Codec, CodecParams};
use valkka::fragments::{FragmentOptions, FragmentViewer, LiveFragments, Piece};
use valkka::frame::{Body, Frame, Packet, Signal};
use valkka::gop::{GopKeeper, GopOptions};
use valkka::payload::Payload;
use valkka::sink::Sink as _;
use valkka::source::StreamInfo;
use valkka::stream::Track;
use valkka_testkit::media::{self, Clip};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

/// A stream that is fed by hand.
struct Stream {
    keeper: Arc<GopKeeper>,
    fragments: LiveFragments,
}

impl Stream {
    fn new(options: FragmentOptions) -> Self {
        let keeper = Arc::new(GopKeeper::new(GopOptions::default()));
        let fragments = LiveFragments::new(keeper.clone(), options).unwrap();
        Self { keeper, fragments }
    }

    fn feed(&self, frames: &[Frame]) {
        frames.iter().for_each(|frame| self.keeper.put(frame.clone()));
    }

    /// Feeds frames to a viewer that keeps up.
    fn play(&self, frames: &[Frame], player: &mut Player) {
        for frame in frames {
            self.keeper.put(frame.clone());
            player.take();
        }
    }

    fn signal(&self, signal: Signal) {
        let slot = valkka::stream::Slot::default();
        self.keeper.put(Frame::signal(slot, valkka::clock::SystemClock.now(), signal));
    }

    fn join(&self) -> Player {
        Player { viewer: self.fragments.join(|| ()), pieces: Vec::new() }
    }
}

/// A viewer that keeps what it gets.
struct Player {
    viewer: FragmentViewer,
    pieces: Vec<Piece>,
}

impl Player {
    /// Takes what there is; returns how much of it was new.
    fn take(&mut self) -> usize {
        let before = self.pieces.len();
        loop {
            let taken = self.viewer.take(10_000);
            if taken.is_empty() {
                return self.pieces.len() - before;
            }
            self.pieces.extend(taken);
        }
    }

    /// What came, in letters: `B`egin, `K`ey frame, `p`icture, `U`nplayable, `O`ffline, `E`nd.
    fn letters(&self) -> String {
        let letter = |piece: &Piece| match piece {
            Piece::Begin { .. } => 'B',
            Piece::Media { keyframe: true, .. } => 'K',
            Piece::Media { .. } => 'p',
            Piece::Unplayable { .. } => 'U',
            Piece::Offline => 'O',
            Piece::End => 'E',
        };
        self.pieces.iter().map(letter).collect()
    }

    /// How many pictures `ffmpeg` decodes of each file that began, refusing whatever is damaged, and whether their times
    /// rise.
    fn decodes(&self) -> Vec<usize> {
        let directory = TempDir::new().unwrap();
        let path = directory.join("played.mp4");
        let decoded = |data| {
            std::fs::write(&path, data).unwrap();
            pictures(&path)
        };
        files(&self.pieces).into_iter().map(decoded).collect()
    }

    /// The decoding time of each fragment's picture, in ticks.
    fn times(&self) -> Vec<u64> {
        let media = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Media { data, .. } => Some(data),
            _ => None,
        });
        media.map(decode_time).collect()
    }
}

/// The time in the first `tfdt` box.
fn decode_time(data: &Bytes) -> u64 {
    let at = data.windows(4).position(|bytes| bytes == b"tfdt").unwrap();
    u64::from_be_bytes(data[at + 8..at + 16].try_into().unwrap())
}

fn pictures(path: &Path) -> usize {
    let mut command = media::ffmpeg().unwrap();
    command.args(["-xerror", "-err_detect", "explode"]).arg("-i").arg(path);
    command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]);
    let said = media::run(command).unwrap();
    let lines: Vec<_> = said.lines().filter(|line| !line.starts_with('#')).collect();
    let time = |line: &&str| line.split(',').nth(2).unwrap().trim().parse::<i64>().unwrap();
    let times: Vec<_> = lines.iter().map(time).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    lines.len()
}

fn read(clip: &Clip) -> Vec<Frame> {
    let mut reader = FileReader::open(clip.file().unwrap()).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// The same frames, `seconds` later.
fn later(frames: &[Frame], seconds: u64) -> Vec<Frame> {
    let by = Duration::from_secs(seconds);
    let moved = |frame: &Frame| {
        let mut frame = frame.clone();
        frame.time.wall = frame.time.wall + by;
        frame.time.media = frame.time.media + by;
        frame
    };
    frames.iter().map(moved).collect()
}

fn online() -> Signal {
    Signal::Online(Arc::new(StreamInfo::default()))
}

#[test]
fn viewers_start_at_the_last_key_frame_whenever_they_come() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let codecs = [(media::Codec::H264, 0), (media::Codec::H264, 3), (media::Codec::H265, 0)];
    for (codec, b_frames) in codecs {
        let frames = read(&Clip { codec, b_frames, ..Clip::default() });
        let stream = Stream::new(FragmentOptions::default());
        let mut early = stream.join();
        assert_eq!((early.take(), early.letters().as_str()), (1, "O"));
        stream.feed(&frames[..30]);
        let mut late = stream.join();
        late.take();
        assert_eq!(late.letters(), "BKpppp");
        stream.feed(&frames[30..]);
        let mut latest = stream.join();
        for player in [&mut early, &mut late, &mut latest] {
            player.take();
        }
        assert_eq!([&early, &late, &latest].map(Player::decodes), [[100], [75], [25]]);
        assert_eq!(mimes(&early.pieces), mimes(&late.pieces));
        let stats = stream.fragments.stats();
        assert_eq!((stats.begun, stats.fragments, stats.viewers, stats.skipped), (1, 100, 3, 0));
        for times in [early.times(), late.times()] {
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        }
    }
}

#[test]
fn a_hundred_viewers_share_one_muxer_and_its_memory() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip::default());
    let stream = Stream::new(FragmentOptions::default());
    stream.feed(&frames[..25]);
    let mut players: Vec<_> = (0..100).map(|_| stream.join()).collect();
    players.iter_mut().for_each(|player| assert_eq!(player.take(), 26));
    stream.feed(&frames[25..]);
    for player in &mut players {
        player.take();
        assert_eq!(player.letters().len(), 101);
    }
    let memory = |player: &Player| -> Vec<_> {
        let data = |piece: &Piece| match piece {
            Piece::Begin { data, .. } | Piece::Media { data, .. } => data.as_ptr(),
            other => panic!("{other:?}"),
        };
        player.pieces.iter().map(data).collect()
    };
    assert!(players.iter().all(|player| memory(player) == memory(&players[0])));
    let stats = stream.fragments.stats();
    assert_eq!((stats.begun, stats.fragments, stats.viewers), (1, 100, 100));
}

#[test]
fn a_slow_viewer_goes_on_at_a_key_frame_and_nobody_else_loses_anything() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip::default());
    let stream = Stream::new(FragmentOptions { max_bytes: 200_000, ..FragmentOptions::default() });
    let (mut slow, mut quick) = (stream.join(), stream.join());
    stream.feed(&frames[..10]);
    slow.take();
    for frame in &frames[10..90] {
        stream.feed(std::slice::from_ref(frame));
        quick.take();
    }
    slow.take();
    assert_eq!(slow.letters(), format!("B K{} K{}", "p".repeat(9), "p".repeat(14)).replace(' ', ""));
    assert_eq!(quick.decodes(), [90]);
    assert_eq!(slow.decodes(), [25]);
    assert_eq!(stream.fragments.stats().skipped, 65);
}

#[test]
fn nothing_is_muxed_for_nobody() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip::default());
    let stream = Stream::new(FragmentOptions { linger: Duration::ZERO, ..FragmentOptions::default() });
    stream.feed(&frames[..60]);
    assert_eq!(stream.fragments.stats().begun, 0);
    let player = stream.join();
    assert_eq!((stream.fragments.stats().begun, stream.fragments.stats().fragments), (1, 10));
    drop(player);
    stream.feed(&frames[60..]);
    assert_eq!(stream.fragments.stats().fragments, 10);
    let mut player = stream.join();
    player.take();
    assert_eq!((player.letters().len(), stream.fragments.stats().begun), (26, 2));
}

#[test]
fn a_camera_that_restarts_goes_on_in_the_same_file() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    for b_frames in [0, 3] {
        let frames = read(&Clip { audio: true, b_frames, ..Clip::default() });
        let stream = Stream::new(FragmentOptions::default());
        stream.signal(online());
        let mut player = stream.join();
        stream.feed(&frames);
        player.take();
        stream.signal(Signal::Offline("it was unplugged".into()));
        stream.signal(Signal::Offline("it is still away".into()));
        player.take();
        assert!(player.letters().ends_with("pO") && player.letters().matches('O').count() == 1);
        // Its own times begin at zero again. The first pictures have no key frame before them.
        stream.signal(online());
        let again = later(&frames, 3600);
        let video: Vec<_> = again.iter().filter(|frame| frame.track == Track::default()).cloned().collect();
        stream.play(&video[10..], &mut player);
        let letters = player.letters();
        assert_eq!((letters.matches('B').count(), letters.matches('K').count()), (1, 4), "{letters}");
        assert_eq!(player.decodes(), [25 + 75]);
        let times = player.times();
        let ends = times.windows(2).all(|pair| (1..=4 * 3600).contains(&(pair[1] - pair[0])));
        assert!(ends, "{times:?}");
    }
}

#[test]
fn other_parameters_begin_a_new_file() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let large = read(&Clip::default());
    let small = later(&read(&Clip { width: 320, height: 180, ..Clip::default() }), 4);
    let other = later(&read(&Clip { codec: media::Codec::H265, ..Clip::default() }), 8);
    let stream = Stream::new(FragmentOptions::default());
    let mut player = stream.join();
    stream.play(&large, &mut player);
    stream.play(&small[10..], &mut player);
    stream.play(&other, &mut player);
    assert_eq!(player.decodes(), [100, 75, 100]);
    let begun = mimes(&player.pieces);
    assert!(begun[0].contains("avc1.4d") && begun[1].contains("avc1.4d"), "{begun:?}");
    assert!(begun[2].contains("\"hvc1.1.6.L"), "{begun:?}");
    let times = player.times();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert_eq!(stream.fragments.stats().begun, 3);
}

#[test]
fn audio_is_there_as_soon_as_it_can_be() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip { audio: true, ..Clip::default() });
    let stream = Stream::new(FragmentOptions::default());
    let is_video = |frame: &&Frame| frame.track == Track::default();
    let middle = frames.iter().position(|frame| frame.time.media.ticks() > 90_000 * 3 / 2).unwrap();
    // Who comes before any audio gets it from the next key frame on.
    let video: Vec<_> = frames[..middle].iter().filter(is_video).cloned().collect();
    stream.feed(&video);
    let mut player = stream.join();
    player.take();
    stream.play(&frames[middle..], &mut player);
    let begun = mimes(&player.pieces);
    assert_eq!(begun.len(), 2);
    assert!(!begun[0].contains("mp4a") && begun[1].ends_with(",mp4a.40.2\""), "{begun:?}");
    assert_eq!(player.decodes(), [25, 50]);
    // Who comes later has it at once, and G.711 is left out with a reason.
    assert_eq!(
        {
            let mut late = stream.join();
            late.take();
            mimes(&late.pieces).len()
        },
        1
    );
    let stream = Stream::new(FragmentOptions::default());
    let params = Arc::new(CodecParams::audio(Codec::PcmAlaw, 8000, 1, Bytes::new()));
    let packet = Packet { params, payload: Payload::copy_from_slice(&[0; 160]), keyframe: true, lost: 0 };
    stream.feed(&[Frame { track: Track::new(1), body: Body::Packet(packet), ..frames[0].clone() }]);
    stream.feed(&video);
    let mut player = stream.join();
    player.take();
    let Piece::Begin { left_out: Some(reason), mime, .. } = &player.pieces[0] else {
        panic!("{:?}", player.pieces)
    };
    assert!(reason.contains("G.711 A-law") && !mime.contains(','), "{reason} {mime}");
}

#[test]
fn what_browsers_do_not_play_is_said() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let stream = Stream::new(FragmentOptions::default());
    let mut player = stream.join();
    stream.feed(&read(&Clip { codec: media::Codec::Mjpeg, ..Clip::default() }));
    player.take();
    assert_eq!(player.letters(), "U");
    let Piece::Unplayable { codec, reason } = &player.pieces[0] else { panic!("{:?}", player.pieces) };
    assert_eq!((codec.as_str(), reason.as_str()), ("MJPEG", "browsers do not play MJPEG in MP4"));
    stream.signal(Signal::Offline("it was unplugged".into()));
    player.take();
    stream.signal(online());
    stream.feed(&read(&Clip { codec: media::Codec::Mjpeg, ..Clip::default() }));
    player.take();
    stream.feed(&read(&Clip::default()));
    player.take();
    assert_eq!(player.letters()[..5], *"UOUBK");
}

#[test]
fn a_stream_without_pictures_is_said_to_have_none() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip { audio: true, seconds: 4, ..Clip::default() });
    let sound: Vec<_> = frames.iter().filter(|frame| frame.track != Track::default()).cloned().collect();
    let stream = Stream::new(FragmentOptions::default());
    let mut player = stream.join();
    let (soon, late) = sound.split_at(sound.len() / 2);
    stream.play(soon, &mut player);
    assert_eq!(player.letters(), "O", "pictures may yet come");
    stream.play(late, &mut player);
    assert_eq!(player.letters(), "OU");
    let Piece::Unplayable { codec, reason } = &player.pieces[1] else { panic!("{:?}", player.pieces) };
    assert_eq!((codec.as_str(), reason.as_str()), ("AAC", "the camera sends sound without pictures"));
    // They may still come.
    stream.feed(&later(&frames, 4));
    player.take();
    assert_eq!(player.letters()[..4], *"OUBK");
}

#[test]
fn lost_packets_are_not_shown() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let mut frames = read(&Clip::default());
    for lost in [30, 75] {
        let Body::Packet(packet) = &mut frames[lost].body else { panic!() };
        packet.lost = 1;
    }
    let stream = Stream::new(FragmentOptions::default());
    let mut player = stream.join();
    stream.play(&frames, &mut player);
    // A key frame that may be incomplete is none to go on with.
    assert_eq!(player.decodes(), [30 + 25]);
    let times = player.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3600), "{times:?}");
}

#[test]
fn viewers_are_woken_and_told_the_end() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let frames = read(&Clip::default());
    let stream = Stream::new(FragmentOptions::default());
    let woken = Arc::new(AtomicU64::new(0));
    let count = woken.clone();
    let mut viewer = stream.fragments.join(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    stream.feed(&frames[..10]);
    assert_eq!(woken.load(Ordering::Relaxed), 10);
    assert_eq!(viewer.take(usize::MAX).len(), 11);
    assert_eq!(viewer.take(usize::MAX), []);
    let Stream { keeper, fragments } = stream;
    drop(fragments);
    assert_eq!(woken.load(Ordering::Relaxed), 11);
    keeper.put(frames[11].clone());
    assert_eq!(viewer.take(usize::MAX), [Piece::End]);
    assert_eq!(viewer.take(usize::MAX), []);
}

#[test]
fn little_is_taken_at_a_time_if_little_is_asked_for() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let stream = Stream::new(FragmentOptions::default());
    stream.feed(&read(&Clip::default())[..25]);
    let mut viewer = stream.fragments.join(|| ());
    assert_eq!(viewer.take(1).len(), 2, "the beginning, and the key frame");
    assert_eq!(viewer.take(1).len(), 1);
    assert_eq!(viewer.take(0), []);
    assert_eq!(viewer.take(usize::MAX).len(), 23);
}
