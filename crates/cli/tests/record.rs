//! `valkka record`: streams into files, whatever happens to the streams and to the program.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::path::Path;

use common::media::{decoded, probe_file};
use common::{SOON, cameras, finish, run, start};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, vlc, wait};

/// How large the file is; 0 if it is not there.
fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_stream_with_sound_is_recorded_until_the_user_has_enough() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let directory = TempDir::new().unwrap();
    let server = RtspServer::with_mount("/a", Launch::h264_bars(320, 240).and_aac()).unwrap();
    for name in ["a.mkv", "a.mp4"] {
        let file = directory.join(name);
        let child = start(&["record", &server.url("/a"), text(&file)]);
        wait::until(SOON, "something is recorded", || size(&file) > 100_000);
        child.interrupt().unwrap();
        let outcome = finish(child);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        assert!(outcome.output.lines().any(|line| line == text(&file)), "{}", outcome.output);
        assert_eq!(probe_file(&file), "h264,320,240 aac", "{name}");
        assert!(decoded(&file, "v") > 20, "{name}");
        // It is not recorded over unless asked for.
        let outcome = run(&["record", &server.url("/a"), text(&file)]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.output);
        assert!(outcome.output.contains("is there already"), "{}", outcome.output);
    }
}

#[test]
fn several_cameras_are_cut_into_files_that_are_named_by_their_time() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let directory = TempDir::new().unwrap();
    let (_cameras, urls) = cameras(&["--count", "2", "--size", "320x240"]);
    let files = directory.join("video");
    let named = |name: &str, url: &str| format!("{name}={url}");
    let (front, gate) = (named("front", &urls[0]), named("gate", &urls[1]));
    let arguments = ["record", "--dir", text(&files), "--segment", "2s", "--camera", &front, &gate];
    let child = start(&arguments);
    let finished = |output: &str, name: &str| -> Vec<String> {
        let of = |line: &&str| {
            Path::new(line).file_name().is_some_and(|file| text(Path::new(file)).starts_with(name))
        };
        output.lines().filter(of).map(str::to_owned).collect()
    };
    let names = ["front-20", "gate-20"];
    wait::until(SOON * 4, "each camera has three files", || {
        names.iter().all(|name| finished(&child.output(), name).len() >= 3)
    });
    child.interrupt().unwrap();
    let outcome = finish(child);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    for name in names {
        let files = finished(&outcome.output, name);
        for file in &files[..files.len() - 1] {
            // Two seconds, and up to the next key frame; a busy machine makes fewer pictures.
            assert!((10..=100).contains(&decoded(Path::new(file), "v")), "{file}");
        }
    }
}

#[test]
fn a_program_that_is_killed_leaves_a_file_that_others_play() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let directory = TempDir::new().unwrap();
    let (_cameras, urls) = cameras(&["--size", "320x240"]);
    for name in ["cut.mkv", "cut.mp4"] {
        let file = directory.join(name);
        let mut child = start(&["record", &urls[0], text(&file)]);
        wait::until(SOON, "some seconds are recorded", || size(&file) > 1_000_000);
        child.kill().unwrap();
        assert_eq!(probe_file(&file), "h264,320,240", "{name}");
        assert!(decoded(&file, "v") > 75, "{name}");
    }
    if let Err(reason) = vlc::available() {
        assert!(std::env::var_os("VALKKA_SKIP").is_none_or(|what| what != "fail"), "{reason}");
        return;
    }
    // VLC plays it and writes what it plays, as somebody else.
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let (from, to) = (directory.join("cut.mkv"), directory.join("vlc.ts"));
    let mut command = vlc::command().unwrap();
    command.arg(&from);
    command.arg(format!("--sout=#std{{access=file,mux=ts,dst={}}}", to.display())).arg("vlc://quit");
    let outcome = finish(valkka_testkit::process::Child::spawn(command).unwrap());
    assert!(to.exists() && decoded(&to, "v") > 75, "{}", outcome.output);
}

#[test]
fn a_camera_that_comes_back_is_recorded_on() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 6);
    let directory = TempDir::new().unwrap();
    let file = directory.join("a.mkv");
    let password = directory.join("password");
    fs::write(&password, "sesame\n").unwrap();
    let options = ["--size", "320x240", "--user", "admin", "--password-file", text(&password)];
    let (mut camera, urls) = cameras(&options);
    let url = urls[0].replace("rtsp://", "rtsp://admin:sesame@");
    let listen = urls[0].trim_start_matches("rtsp://").trim_end_matches("/cam1").to_owned();
    let child = start(&["record", &url, text(&file), "--silence", "1s", "-v"]);
    wait::until(SOON, "something is recorded", || size(&file) > 300_000);
    camera.kill().unwrap();
    child.wait_line(SOON, |line| line.contains(": waiting, ").then_some(())).unwrap();
    let before = size(&file);
    let _again = start(&[&["camera", "--listen", &listen], &options[..]].concat());
    wait::until(SOON, "the recording goes on", || size(&file) > before + 300_000);
    child.interrupt().unwrap();
    let outcome = finish(child);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(!outcome.output.contains("sesame"), "{}", outcome.output);
    assert!(decoded(&file, "v") > 40, "{}", outcome.output);
}

#[test]
fn a_full_disk_ends_the_recording_with_words() {
    let _watchdog = Watchdog::start(SOON * 3);
    let (_cameras, urls) = cameras(&["--size", "320x240"]);
    let outcome = run(&["record", &urls[0], "/dev/full", "--format", "mkv", "--overwrite"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    assert!(outcome.output.contains("/dev/full"), "{}", outcome.output);
    assert!(outcome.output.contains("No space left"), "{}", outcome.output);
}

#[test]
fn room_is_left_to_others() {
    let directory = TempDir::new().unwrap();
    let file = directory.join("a.mkv");
    let outcome = run(&["record", "rtsp://127.0.0.1:1/x", text(&file), "--min-free", "1000000T"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    assert!(outcome.output.contains("are to stay free"), "{}", outcome.output);
}

#[test]
fn a_camera_that_never_comes_is_a_failure() {
    let _watchdog = Watchdog::start(SOON * 3);
    let directory = TempDir::new().unwrap();
    let outcome =
        run(&["record", "rtsp://u:sesame@127.0.0.1:1/x", text(&directory.join("a.mkv")), "--duration", "2"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    assert!(outcome.output.contains("nothing was recorded"), "{}", outcome.output);
    assert!(!outcome.output.contains("sesame"), "{}", outcome.output);
}

#[test]
fn what_cannot_be_meant_is_told_at_once() {
    let _watchdog = Watchdog::start(SOON * 3);
    for (arguments, words) in [
        (&["rtsp://u:sesame@h/x", "a.avi"][..], "--format"),
        (&["rtsp://u:sesame@h/x", "/none/a.mkv"], "/none is no directory"),
        (&["rtsp://u:sesame@h/x"], "FILE"),
        (&["rtsp://", "a.mkv"], "not an address"),
        (&["--camera", "a=rtsp://u:sesame@h/x"], "--dir"),
        (&["--dir", "/tmp", "--camera", "rtsp://u:sesame@h/x"], "NAME=URL"),
        (&["--dir", "/tmp", "--camera", "a/b=rtsp://u:sesame@h/x"], "name"),
        (&["--dir", "/tmp", "--camera", "a=rtsp://u:sesame@h/x", "a=rtsp://h/y"], "two cameras called a"),
        (&["--dir", "/proc/none/x", "--camera", "a=rtsp://u:sesame@h/x"], "/proc/none/x"),
    ] {
        let outcome = run(&[&["record"], arguments].concat());
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.output);
        assert!(outcome.output.contains(words), "{arguments:?}: {}", outcome.output);
        assert!(!outcome.output.contains("sesame"), "{arguments:?}: {}", outcome.output);
    }
}
