//! Live video: what players and browsers get, and what a viewer that does not keep up costs.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use common::{Heard, SOON, Socket, Stage};
use serde_json::Value;
use valkka::codec::Codec;
use valkka_site::CameraState;
use valkka_testkit::process::Child;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{process, require, vlc, wait};
use valkka_web::WebOptions;

const INIT: u8 = 0;
const KEYFRAME: u8 = 1;

/// Watches until `pieces` fragments have come under `id`, from `begin` on; returns its media type and the file.
fn film(socket: &mut Socket, id: u32, pieces: usize) -> (String, Vec<u8>) {
    let begin = socket.hear_text("begin");
    assert_eq!(begin["id"], id);
    let (mut file, mut count) = (Vec::new(), 0);
    while count < pieces {
        match socket.hear() {
            Heard::Piece(kind, of, bytes) => {
                assert_eq!(of, id);
                match (file.is_empty(), count) {
                    (true, _) => assert_eq!(kind, INIT),
                    (false, 0) => assert_eq!(kind, KEYFRAME),
                    _ => assert_ne!(kind, INIT),
                }
                count += usize::from(!file.is_empty());
                file.extend(bytes);
            }
            Heard::Text(value) => assert!(value["type"] == "cameras" || value["type"] == "event", "{value}"),
            Heard::Close(code, reason) => panic!("{code} {reason}"),
        }
    }
    (begin["mime"].as_str().unwrap().to_owned(), file)
}

/// What ffprobe says of a file: codec, and how many pictures can be decoded.
fn probe(file: &[u8]) -> (String, u64) {
    let folder = TempDir::new().unwrap();
    let path = folder.join("film.mp4");
    fs::write(&path, file).unwrap();
    let mut ffprobe = process::command("ffprobe").unwrap();
    ffprobe.args(["-v", "error", "-count_frames", "-of", "json", "-show_streams"]).arg(&path);
    let output = ffprobe.output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stream = &said["streams"][0];
    (
        stream["codec_name"].as_str().unwrap().to_owned(),
        stream["nb_read_frames"].as_str().unwrap().parse().unwrap(),
    )
}

#[test]
fn a_browser_gets_pictures_from_the_last_key_frame_on() {
    require!(process::available("ffprobe"));
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let mut socket = stage.client().log_in("viewer").socket().unwrap();
    assert_eq!(socket.hear_text("hello")["user"], "viewer");
    let cameras = socket.hear_text("cameras");
    assert_eq!(cameras["cameras"].as_array().unwrap().len(), 1, "only those that he may watch");
    assert_eq!(cameras["cameras"][0]["name"], "front");

    socket.watch(7, "front");
    let (mime, file) = film(&mut socket, 7, 60);
    assert!(mime.starts_with("video/mp4; codecs=\"avc1."), "{mime}");
    assert_eq!(probe(&file), ("h264".into(), 60));
    // The number of who watches is told.
    wait::until(SOON, "the viewer is counted", || {
        socket.hear_text("cameras")["cameras"][0]["viewers"]["web"] == 1
    });

    // A number that is in use begins anew, and one that was given up is silent.
    socket.watch(7, "front");
    assert_eq!(socket.hear_text("begin")["id"], 7);
    socket.say(&serde_json::json!({ "type": "unwatch", "id": 7 }));
    socket.watch(8, "back");
    assert_eq!(socket.hear_text("end")["reason"], "there is no such camera");
    let camera = stage.site.camera("front").unwrap();
    wait::until(SOON, "nobody watches", || camera.fragments().stats().viewers == 0);
    assert_eq!(camera.fragments().stats().begun, 1, "one muxer for all that");
}

#[test]
fn a_camera_that_comes_back_goes_on_without_being_asked_for() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let mut socket = stage.client().log_in("admin").socket().unwrap();
    socket.watch(1, "back");
    film(&mut socket, 1, 30);
    let answer = stage.client().log_in("admin").post("/api/cameras/back/reconnect", &serde_json::json!({}));
    assert_eq!(answer.status(), 204);
    let event = socket.hear_text("event");
    assert_eq!((&event["event"]["camera"], &event["event"]["kind"]), (&"back".into(), &"reconnect".into()));
    let camera = stage.site.camera("back").unwrap();
    wait::until(SOON, "it is connected again", || camera.status().state == CameraState::Online);
    // More than was on its way when the connection ended.
    let made = || camera.fragments().stats().fragments;
    let enough = made() + 50;
    while made() < enough {
        film_goes_on(&mut socket, 1);
    }
}

#[test]
fn what_cannot_be_carried_is_said() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::with_codec(WebOptions::default(), Codec::Mjpeg);
    let client = stage.client().log_in("admin");
    let mut socket = client.socket().unwrap();
    socket.watch(3, "front");
    let unplayable = socket.hear_text("unplayable");
    assert_eq!((&unplayable["id"], &unplayable["codec"]), (&3.into(), &"MJPEG".into()));
    assert!(!unplayable["reason"].as_str().unwrap().is_empty());
    assert_eq!(client.get("/api/cameras/front/live.mp4").status(), 501);
    // A snapshot is there all the same.
    assert_eq!(client.get("/api/cameras/front/snapshot.jpg").status(), 200);
}

#[test]
fn players_play_the_endless_file() {
    require!(process::available("ffmpeg"));
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let url = format!("http://{}/api/cameras/front/live.mp4", stage.address());
    // With name and password in the address: then it waits for a challenge.
    let url = url.replace("http://", &format!("http://viewer:{}@", common::password("viewer")));
    let mut ffmpeg = process::command("ffmpeg").unwrap();
    ffmpeg.args(["-nostdin", "-v", "error", "-i", &url, "-frames:v", "60", "-f", "framemd5", "-"]);
    let output = ffmpeg.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 60);
    // HEAD tells of it and watches nothing.
    let head = stage.client().log_in("viewer").head("/api/cameras/front/live.mp4");
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-type"]),
        (200, &"video/mp4".parse().unwrap())
    );
}

#[test]
fn vlc_plays_it_too() {
    require!(vlc::available(), process::available("ffprobe"));
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions { anyone: true, ..WebOptions::default() });
    let directory = TempDir::new().unwrap();
    // It writes what it plays here, as somebody else.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let film = directory.join("film.ts");
    let mut player = vlc::command().unwrap();
    player.arg("--sout").arg(format!("#std{{access=file,mux=ts,dst={}}}", film.display()));
    player.arg(format!("http://{}/api/cameras/front/live.mp4", stage.address()));
    let mut player = Child::spawn(player).unwrap();
    wait::until(SOON, "it has played some pictures", || {
        assert!(player.is_running(), "{}", player.output());
        let mut ffprobe = process::command("ffprobe").unwrap();
        ffprobe.args(["-v", "error", "-show_entries", "packet=size", "-of", "csv"]).arg(&film);
        let packets = String::from_utf8(ffprobe.output().unwrap().stdout).unwrap();
        packets.lines().filter(|line| line.starts_with("packet,")).count() >= 50
    });
}

#[test]
fn a_viewer_that_stops_reading_is_closed_and_others_see_nothing() {
    let _watchdog = Watchdog::start(5 * SOON);
    // Who reads is not to seem silent for a stall of this machine.
    let patience = Duration::from_secs(10);
    let stage = Stage::new(WebOptions { patience, ..WebOptions::default() });
    let client = stage.client().log_in("viewer");
    let cookie = cookie(&stage);
    let mut reading = client.socket().unwrap();
    reading.watch(1, "front");
    film(&mut reading, 1, 5);

    let mut stopped = client.socket().unwrap();
    for id in 0..64 {
        stopped.watch(id, "front");
    }
    let mut player = TcpStream::connect(stage.address()).unwrap();
    write!(player, "GET /api/cameras/front/live.mp4 HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n")
        .unwrap();
    let mut first = [0; 16];
    player.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 OK"));
    let camera = stage.site.camera("front").unwrap();
    wait::until(SOON, "it watches", || camera.fragments().stats().viewers > 3);
    // Neither reads any more: the one is not alive, the other fills its buffers.
    wait::until(SOON, "the silent socket is closed", || {
        while let Heard::Text(_) = reading.hear() {}
        camera.fragments().stats().viewers <= 2
    });
    film_goes_on(&mut reading, 50);
    drop((stopped, player));
    wait::until(SOON, "one is left", || {
        while let Heard::Text(_) = reading.hear() {}
        camera.fragments().stats().viewers == 1
    });
}

/// Watches until so many pieces more have come.
fn film_goes_on(socket: &mut Socket, pieces: usize) {
    let mut heard = 0;
    while heard < pieces {
        match socket.hear() {
            Heard::Piece(..) => heard += 1,
            Heard::Text(_) => (),
            Heard::Close(code, reason) => panic!("{code} {reason}"),
        }
    }
}

fn cookie(stage: &Stage) -> String {
    let login = serde_json::json!({ "user": "viewer", "password": common::password("viewer") });
    let answer = stage.client().post("/api/login", &login);
    answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}
