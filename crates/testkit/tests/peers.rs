//! GStreamer's server and the `ffmpeg` program, talking to each other through the kit.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::bars::{self, Area};
use valkka_testkit::media::{self, Clip, Codec, Scene, Sender};
use valkka_testkit::picture::Picture;
use valkka_testkit::process::{self, Child};
use valkka_testkit::require;
use valkka_testkit::watchdog::Watchdog;

const LIMIT: Duration = Duration::from_secs(300);

const PATIENCE: Duration = Duration::from_secs(60);

/// What ffprobe says of the codec and size of each track.
fn probe(options: &[&str], url: &str) -> String {
    let mut command = process::command("ffprobe").unwrap();
    command.args(["-v", "error", "-of", "csv=p=0", "-show_entries", "stream=codec_name,width,height"]);
    command.args(options).arg(url);
    media::run(command).unwrap()
}

fn assert_bars(picture: &Picture) {
    bars::check(picture, Area::whole(picture), 6).unwrap();
}

#[test]
fn bars_over_tcp_and_udp() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 360)).unwrap();
    for transport in ["tcp", "udp"] {
        let picture = Picture::from_ffmpeg(&["-rtsp_transport", transport], &server.url("/bars")).unwrap();
        assert_eq!((picture.width(), picture.height()), (640, 360));
        assert_bars(&picture);
    }
}

#[test]
fn every_codec() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::builder()
        .mount("/h265", Launch::h265_bars(320, 240))
        .mount("/mjpeg", Launch::mjpeg_bars(320, 240))
        .mount("/aac", Launch::h264_bars(320, 240).and_aac())
        .mount("/pcmu", Launch::h264_bars(320, 240).and_pcmu())
        .mount("/pcma", Launch::h264_bars(320, 240).and_pcma())
        .mount("/opus", Launch::h264_bars(320, 240).and_opus())
        .spawn()
        .unwrap();
    let tcp = ["-rtsp_transport", "tcp"];
    assert_eq!(probe(&tcp, &server.url("/h265")), "hevc,320,240\n");
    assert_eq!(probe(&tcp, &server.url("/mjpeg")), "mjpeg,320,240\n");
    assert_eq!(probe(&tcp, &server.url("/aac")), "h264,320,240\naac\n");
    assert_eq!(probe(&tcp, &server.url("/pcmu")), "h264,320,240\npcm_mulaw\n");
    assert_eq!(probe(&tcp, &server.url("/pcma")), "h264,320,240\npcm_alaw\n");
    assert_eq!(probe(&tcp, &server.url("/opus")), "h264,320,240\nopus\n");
}

#[test]
fn credentials_are_asked_for() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let digest = RtspServer::builder().digest("viewer", "secret").mount("/bars", Launch::h264_bars(320, 240));
    let basic = RtspServer::builder().basic("viewer", "secret").mount("/bars", Launch::h264_bars(320, 240));
    for builder in [digest, basic] {
        let server = builder.spawn().unwrap();
        let url = server.url_with("viewer", "secret", "/bars");
        assert_eq!(probe(&["-rtsp_transport", "tcp"], &url), "h264,320,240\n");
        let error = Picture::from_ffmpeg(&[], &server.url_with("viewer", "wrong", "/bars")).unwrap_err();
        assert!(error.to_string().contains("401"), "{error}");
    }
}

#[test]
fn one_transport_alone() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::builder()
        .udp_only()
        .mount("/udp", Launch::h264_bars(320, 240))
        .tcp_only()
        .mount("/tcp", Launch::h264_bars(320, 240))
        .spawn()
        .unwrap();
    let works =
        |transport, path| Picture::from_ffmpeg(&["-rtsp_transport", transport], &server.url(path)).is_ok();
    assert!(works("udp", "/udp") && works("tcp", "/tcp"));
    assert!(!works("tcp", "/udp") && !works("udp", "/tcp"));
}

#[test]
fn clients_are_dropped() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut server = RtspServer::with_mount("/bars", Launch::h264_bars(320, 240)).unwrap();
    let mut command = media::ffmpeg().unwrap();
    command.args(["-rtsp_transport", "tcp", "-i", &server.url("/bars"), "-c", "copy", "-f", "framecrc", "-"]);
    let mut viewer = Child::spawn(command).unwrap();
    viewer.wait_line(PATIENCE, |line| line.starts_with("0, ").then_some(())).unwrap();
    server.drop_clients().unwrap();
    viewer.wait(PATIENCE).unwrap();
}

#[test]
fn a_file_runs_on_without_a_gap() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    for codec in [Codec::H264, Codec::H265] {
        let clip = Clip { codec, width: 320, height: 240, seconds: 2, ..Clip::default() };
        let server = RtspServer::with_mount("/file", Launch::file(&clip.file().unwrap()).unwrap()).unwrap();
        // More than twice the file's length: each picture 1/25 s after the one before, over the joins too.
        let mut command = process::command("ffprobe").unwrap();
        command.args("-v error -rtsp_transport tcp -of csv=p=0 -read_intervals %+#125".split(' '));
        command.args(["-show_entries", "packet=pts_time", &server.url("/file")]);
        let times: Vec<f64> = media::run(command)
            .unwrap()
            .lines()
            .filter_map(|line| line.trim_end_matches(',').parse().ok())
            .collect();
        assert!(times.len() > 100, "{times:?}");
        for pair in times.windows(2) {
            assert!((pair[1] - pair[0] - 0.04).abs() < 0.002, "{codec}: {pair:?}");
        }
    }
}

#[test]
fn the_size_changes_while_a_stream_runs() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let mut server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 360)).unwrap();
    let mut command = process::command("ffmpeg").unwrap();
    command.args(["-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", &server.url("/bars")]);
    command.args(["-vf", "showinfo=checksum=0", "-autoscale", "0", "-f", "null", "-loglevel", "info", "-"]);
    let viewer = Child::spawn(command).unwrap();
    viewer.wait_line(PATIENCE, |line| line.contains(" s:640x360 ").then_some(())).unwrap();
    server.resize("/bars", 320, 240).unwrap();
    viewer.wait_line(PATIENCE, |line| line.contains(" s:320x240 ").then_some(())).unwrap();
}

#[test]
fn clips_hold_what_they_say() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let small = Clip { width: 320, height: 240, seconds: 1, ..Clip::default() };
    for codec in [Codec::H264, Codec::H265, Codec::Mjpeg] {
        for scene in [Scene::Bars, Scene::BarsHd] {
            if (codec, scene) == (Codec::Mjpeg, Scene::BarsHd) {
                continue;
            }
            let file = Clip { codec, scene, ..small.clone() }.file().unwrap();
            let picture = Picture::from_ffmpeg(&[], file.to_str().unwrap()).unwrap();
            let area = Area::whole(&picture);
            let area = if scene == Scene::BarsHd { area.middle() } else { area };
            bars::check(&picture, area, 6).unwrap_or_else(|error| panic!("{codec} {scene:?}: {error}"));
        }
    }
    let both = Clip { audio: true, ..small }.file().unwrap();
    assert_eq!(probe(&[], both.to_str().unwrap()), "h264,320,240\naac\n");
}

#[test]
fn ffmpeg_sends_what_its_description_says() {
    require!(media::available());
    let _watchdog = Watchdog::start(LIMIT);
    let file = Clip { scene: Scene::Bars, ..Clip::default() }.file().unwrap();
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let sender = Sender::rtp(&file, free).unwrap();
    let sdp = sender.sdp();
    let options = ["-protocol_whitelist", "file,udp,rtp"];
    assert_bars(&Picture::from_ffmpeg(&options, sdp.to_str().unwrap()).unwrap());
}
