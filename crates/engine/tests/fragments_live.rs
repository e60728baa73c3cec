//! Fragmented MP4 of cameras that are received.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::{SOON, cameras_at, connect, files, mimes};
use valkka::fragments::{FragmentOptions, FragmentViewer, LiveFragments, Piece};
use valkka::gop::{GopKeeper, GopOptions};
use valkka::source::Transport;
use valkka::{Camera, Engine, EngineOptions};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

/// A viewer that keeps what it gets.
struct Player {
    _fragments: LiveFragments,
    viewer: FragmentViewer,
    pieces: Vec<Piece>,
}

impl Player {
    fn new(camera: &Camera) -> Self {
        let keeper = GopKeeper::attach(camera, GopOptions::default()).unwrap();
        let fragments = LiveFragments::new(keeper, FragmentOptions::default()).unwrap();
        let viewer = fragments.join(|| ());
        Self { _fragments: fragments, viewer, pieces: Vec::new() }
    }

    /// Waits until the newest pieces are as `enough` says.
    fn play(&mut self, what: &str, enough: impl Fn(&[Piece]) -> bool) {
        let from = self.pieces.len();
        wait::until(SOON, what, || {
            self.pieces.extend(self.viewer.take(1 << 20));
            enough(&self.pieces[from..])
        });
    }

    /// What `ffmpeg` says of each file from number `from` on: the time of each packet of the first stream of `kind` (`v` or `a`), in
    /// seconds. Refuses whatever is damaged.
    fn decoded(&self, kind: char, from: usize) -> Vec<Vec<f64>> {
        let directory = TempDir::new().unwrap();
        let path = directory.join("played.mp4");
        let decode = |data| {
            std::fs::write(&path, data).unwrap();
            let mut command = media::ffmpeg().unwrap();
            command.args(["-xerror", "-err_detect", "explode", "-copyts"]).arg("-i").arg(&path);
            command.args(["-map", &format!("0:{kind}:0"), "-fps_mode", "passthrough"]);
            command.args(["-enc_time_base", "1:1000", "-f", "framecrc", "-"]);
            let said = media::run(command).unwrap();
            let scale = said.lines().find_map(|line| line.strip_prefix("#tb 0: 1/")).unwrap();
            let scale: f64 = scale.parse().unwrap();
            let packets = said.lines().filter(|line| !line.starts_with('#'));
            packets
                .map(|line| line.split(',').nth(2).unwrap().trim().parse::<f64>().unwrap() / scale)
                .collect()
        };
        files(&self.pieces).into_iter().skip(from).map(decode).collect()
    }
}

fn media(pieces: &[Piece]) -> usize {
    pieces.iter().filter(|piece| matches!(piece, Piece::Media { .. })).count()
}

#[test]
fn a_camera_that_was_away_goes_on_where_it_stopped() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    let server = cameras_at("127.0.0.1:0", 1);
    let url = server.urls()[0].clone();
    let address = url.trim_start_matches("rtsp://").split('/').next().unwrap().to_owned();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let camera = connect(&engine, &url, Transport::Tcp);
    let mut player = Player::new(&camera);
    player.play("it plays", |pieces| media(pieces) >= 40);
    drop(server);
    player.play("it is offline", |pieces| pieces.contains(&Piece::Offline));
    let _server = cameras_at(&address, 1);
    player.play("it plays again", |pieces| media(pieces) >= 40);
    assert_eq!(mimes(&player.pieces).len(), 1, "{:?}", mimes(&player.pieces));
    let shown = &player.decoded('v', 0)[0];
    assert_eq!(shown.len(), media(&player.pieces));
    let steps: Vec<_> = shown.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| *step >= 0.0), "{steps:?}");
    // The last picture before it was away lasts as long as always, and so does the first one after that.
    let away = player.pieces.iter().rposition(|piece| *piece == Piece::Offline).unwrap();
    let before = media(&player.pieces[..away]);
    assert!(steps[before - 1..=before].iter().all(|step| *step < 1.0), "{before}: {steps:?}");
}

#[test]
fn pictures_of_another_size_begin_anew_and_audio_goes_along() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 4);
    // Opus is not received over TCP.
    for (launch, transport, name) in [
        (Launch::h264_bars(640, 480).and_aac(), Transport::Tcp, "mp4a.40.2"),
        (Launch::h264_bars(640, 480).and_opus(), Transport::Udp, "opus"),
    ] {
        let mut server = RtspServer::with_mount("/bars", launch).unwrap();
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let camera = connect(&engine, &server.url("/bars"), transport);
        let mut player = Player::new(&camera);
        let suffix = format!(",{name}\"");
        let has_audio = |piece: &Piece| matches!(piece, Piece::Begin { mime, .. } if mime.ends_with(&suffix));
        player.play("there is audio", |pieces| pieces.iter().any(has_audio));
        player.play("it plays", |pieces| media(pieces) >= 60);
        let begun = mimes(&player.pieces).len();
        server.resize("/bars", 320, 240).unwrap();
        player.play("it begins anew, with audio", |pieces| {
            let begin = pieces.iter().position(has_audio);
            begin.is_some_and(|begin| media(&pieces[begin..]) >= 30)
        });
        assert_eq!(mimes(&player.pieces).len(), begun + 1, "{:?}", mimes(&player.pieces));
        let (video, audio) = (player.decoded('v', begun - 1), player.decoded('a', begun - 1));
        for (video, audio) in video.iter().zip(&audio) {
            assert!(video.windows(2).chain(audio.windows(2)).all(|pair| pair[0] < pair[1]));
            let (first, last) = (video[0] - audio[0], video[video.len() - 1] - audio[audio.len() - 1]);
            assert!(first.abs() < 0.6 && last.abs() < 0.6, "{name}: {first} {last}");
        }
    }
}
