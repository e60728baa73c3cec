//! `valkka record --store`, `archive`, `export` and `import`: cameras into a store, and out of it as files.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::path::Path;

use common::media::{check_sums, decoded, probe_file};
use common::{Outcome, SOON, cameras, finish, run, start};
use serde_json::Value;
use valkka::time::WallTime;
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::media::{self, Clip};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What `valkka archive --json` says of a camera; null if there is none, or no store yet.
fn listed(store: &Path, camera: &str) -> Value {
    let outcome = run(&["archive", text(store), "--json"]);
    if outcome.code != Some(0) {
        return Value::Null;
    }
    let cameras = outcome.json()["cameras"].take();
    cameras.as_array().unwrap().iter().find(|found| found["name"] == camera).cloned().unwrap_or_default()
}

/// Seconds from the first to the last frame.
fn seconds(camera: &Value) -> f64 {
    let moment = |key: &str| camera[key].as_str().map(|text| text.parse::<WallTime>().unwrap());
    match (moment("from"), moment("to")) {
        (Some(from), Some(to)) => to.saturating_since(from).as_secs_f64(),
        _ => 0.0,
    }
}

#[track_caller]
fn assert_done(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
}

#[test]
fn two_cameras_are_recorded_exported_meanwhile_and_killed() {
    require!(gst::available(), media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let directory = TempDir::new().unwrap();
    let (store, file) = (directory.join("store"), directory.join("front.mkv"));
    let server = RtspServer::with_mount("/a", Launch::h264_bars(320, 240).and_pcma()).unwrap();
    let (_cameras, urls) = cameras(&["--size", "320x240"]);
    let (front, gate) = (format!("front={}", server.url("/a")), format!("gate={}", urls[0]));
    let record = ["record", "--store", text(&store), "--size", "64M", "--camera", &front, &gate];
    let mut child = start(&record);
    wait::until(SOON, "some seconds are recorded", || {
        ["front", "gate"].iter().all(|name| seconds(&listed(&store, name)) > 4.0)
    });
    // Export while it is recorded, from a moment on.
    let export = ["export", "--store", text(&store), "--overwrite"];
    let outcome = run(&[&export[..], &["--camera", "front", "--all", text(&file)]].concat());
    assert_done(&outcome);
    assert_eq!(probe_file(&file), "h264,320,240 pcm_alaw");
    // A busy machine makes fewer pictures.
    assert!(decoded(&file, "v") > 25 && decoded(&file, "a") > 20, "{}", outcome.output);
    assert!(outcome.output.lines().any(|line| line == text(&file)), "{}", outcome.output);
    let mp4 = directory.join("gate.mp4");
    let end: WallTime = listed(&store, "gate")["to"].as_str().unwrap().parse().unwrap();
    let (from, to) = (end.offset_micros(-2_000_000).to_string(), end.to_string());
    let part = ["--camera", "gate", "--from", &from, "--to", &to, text(&mp4)];
    assert_done(&run(&[&export[..], &part].concat()));
    assert!((20..100).contains(&decoded(&mp4, "v")));
    // A second recorder is refused with words.
    let outcome = run(&record);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    // Nor is anything imported meanwhile.
    let footage = Clip::default().file().unwrap();
    let outcome = run(&["import", "--store", text(&store), "--camera", "other", text(&footage)]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains("nothing can be imported while valkka serve"), "{}", outcome.output);
    // Nothing is lost but the last second, and the next recorder says so.
    let before = seconds(&listed(&store, "gate"));
    child.kill().unwrap();
    assert!(seconds(&listed(&store, "gate")) >= before);
    let child = start(&record);
    wait::until(SOON, "both recordings go on", || {
        let has_gap =
            |name: &str| listed(&store, name)["gaps"].as_array().is_some_and(|gaps| !gaps.is_empty());
        ["front", "gate"].into_iter().all(has_gap)
    });
    child.interrupt().unwrap();
    assert_done(&finish(child));
    let gate = listed(&store, "gate");
    assert_eq!(gate["stretches"].as_array().unwrap().len(), 2, "{gate}");
    assert!(!gate["gaps"][0]["reason"].as_str().unwrap().is_empty(), "{gate}");
    let table = run(&["archive", text(&store)]);
    assert!(table.output.contains("gate: ") && table.output.contains("  nothing from "), "{}", table.output);
    let outcome = run(&[&export[..], &["--camera", "gate", "--all", "--gaps", "close", text(&mp4)]].concat());
    assert_done(&outcome);
    assert!(outcome.output.contains("1 time without recordings"), "{}", outcome.output);
}

#[test]
fn what_was_recorded_counts_though_the_camera_is_gone() {
    let _watchdog = Watchdog::start(SOON * 5);
    let directory = TempDir::new().unwrap();
    let store = directory.join("store");
    let (mut camera, urls) = cameras(&["--size", "320x240"]);
    camera.kill().unwrap();
    let gate = format!("gate={}", urls[0]);
    let child = start(&["record", "--store", text(&store), "--size", "64M", "--camera", &gate]);
    let waits = |times: usize| {
        let mut told = 0;
        let waits = child.wait_line(SOON, |line| {
            told += usize::from(line.contains("gate: waiting, "));
            (told == times).then_some(())
        });
        waits.unwrap();
    };
    // It is there for less than the time between two lines.
    waits(1);
    let listen = urls[0].trim_start_matches("rtsp://").trim_end_matches("/cam1");
    let mut camera = start(&["camera", "--listen", listen, "--size", "320x240"]);
    wait::until(SOON, "something is recorded", || seconds(&listed(&store, "gate")) > 1.0);
    camera.kill().unwrap();
    waits(2);
    child.interrupt().unwrap();
    assert_done(&finish(child));
}

#[test]
fn what_is_imported_comes_out_again_as_it_was() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let directory = TempDir::new().unwrap();
    let (store, file) = (directory.join("store"), directory.join("out.mkv"));
    let clip = Clip { audio: true, ..Clip::default() }.file().unwrap();
    let import = |start: &str| {
        run(&[
            "import",
            "--store",
            text(&store),
            "--size",
            "32M",
            "--camera",
            "front",
            "--start",
            start,
            text(&clip),
        ])
    };
    assert_done(&import("2026-11-23T12:00:00Z"));
    let outcome = import("2026-11-23T12:00:02Z");
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains("front was recorded from"), "{}", outcome.output);
    let export = |arguments: &[&str]| {
        let store = ["export", "--store", text(&store), "--camera", "front", "--overwrite", text(&file)];
        run(&[&store, arguments].concat())
    };
    assert_done(&export(&["--all"]));
    // Every picture, and the first is the first; sound that came before it is not there.
    assert_eq!(check_sums(&file, "v"), check_sums(&clip, "v"));
    let (sound, was) = (check_sums(&file, "a"), check_sums(&clip, "a"));
    assert!(was.ends_with(&sound) && sound.len() + 6 > was.len(), "{:?} of {:?}", sound.len(), was.len());
    // A part: from its key frame on. The picture at 12:00:02 is the 51st.
    assert_done(&export(&["--from", "2026-11-23T12:00:02.5Z", "--to", "2026-11-23T12:00:03Z"]));
    let part = check_sums(&file, "v");
    assert!((24..=26).contains(&part.len()), "{}", part.len());
    let whole = check_sums(&clip, "v");
    assert!(whole.windows(part.len()).any(|window| window == part));
    // Without a start, it ended when it was modified.
    let outcome = run(&["import", "--store", text(&store), "--camera", "now", text(&clip)]);
    assert_done(&outcome);
    assert!((3.8..4.2).contains(&seconds(&listed(&store, "now"))), "{}", outcome.output);
}

#[test]
fn a_device_takes_the_recordings_unless_it_holds_something() {
    let _watchdog = Watchdog::start(SOON * 8);
    let directory = TempDir::new().unwrap();
    let (store, device) = (directory.join("store"), directory.join("device"));
    // A file in its place.
    fs::File::create(&device).unwrap().set_len(32 << 20).unwrap();
    let (_cameras, urls) = cameras(&["--size", "320x240"]);
    let front = format!("front={}", urls[0]);
    let device = ["--device", text(&device)];
    let record = |store: &Path, more: &[&str]| {
        start(&[&["record", "--store", text(store)], &device[..], more, &["--camera", &front]].concat())
    };
    let record_some = |store: &Path, more: &[&str]| {
        let child = record(store, more);
        wait::until(SOON, "something is recorded", || seconds(&listed(store, "front")) > 1.0);
        child.interrupt().unwrap();
        assert_done(&finish(child));
    };
    record_some(&store, &["--block-size", "1M"]);
    assert!(!store.join("dumpfile").exists());
    let other = directory.join("other");
    let outcome = finish(record(&other, &[]));
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains("device holds recordings"), "{}", outcome.output);
    assert!(outcome.output.contains("--overwrite-device"), "{}", outcome.output);
    // What said where they are is lost.
    fs::remove_file(store.join("valkkafs.json")).unwrap();
    assert_eq!(run(&["fsck", text(&store), "--repair"]).code, Some(2));
    let outcome = run(&[&["fsck", text(&store), "--repair"], &device[..]].concat());
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    assert!(!listed(&store, "front")["from"].is_null());
    record_some(&other, &["--overwrite-device"]);
}

#[test]
fn what_cannot_be_is_told() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let directory = TempDir::new().unwrap();
    let (store, file) = (directory.join("store"), directory.join("out.mkv"));
    let (store, file, none) = (text(&store), text(&file), directory.join("none"));
    let clip = Clip::default().file().unwrap();
    assert_done(&run(&[
        "import",
        "--store",
        store,
        "--size",
        "32M",
        "--camera",
        "front",
        "--start",
        "2026-11-23T12:00:00Z",
        text(&clip),
    ]));
    let export = ["export", "--store", store, "--camera"];
    let make = ["record", "--store", text(&none)];
    let two = [&make[..], &["--size", "64M", "--camera", "a=rtsp://h/x", "b=rtsp://h/y"]].concat();
    for (arguments, code, words) in [
        (&["archive", text(&none)][..], 2, "no recordings"),
        (&["archive", store, "--camera", "gate"], 2, "there are front"),
        (&["export", "--store", text(&none), "--camera", "front", "--all", file], 2, "no recordings"),
        (&[&export[..], &["gate", "--all", file]].concat(), 2, "no camera \"gate\""),
        (&[&export[..], &["front", file]].concat(), 2, "--from"),
        (&[&export[..], &["front", "--all", "--from", "-1h", file]].concat(), 2, "--all"),
        (&[&export[..], &["front", "--from", "yesterday", file]].concat(), 2, "2026-11-23T12:00:00Z"),
        (&[&export[..], &["front", "--all", "out.avi"]].concat(), 2, "--format"),
        (&[&export[..], &["front", "--all", text(&clip)]].concat(), 2, "is there already"),
        (&[&export[..], &["front", "--from", "-1m", file]].concat(), 1, "nothing is recorded from 20"),
        (
            &[&export[..], &["front", "--to", "2020-01-01", file]].concat(),
            1,
            "nothing is recorded before 2020-01-01 00:00:00",
        ),
        (
            &[&export[..], &["front", "--from", "2030-01-01", "--to", "2020-01-01", file]].concat(),
            1,
            "nothing is",
        ),
        (
            &[&export[..], &["front", "--all", "--format", "mkv", "--overwrite", "/dev/full"]].concat(),
            1,
            "No space left",
        ),
        (&["import", "--store", text(&none), "--camera", "a", text(&clip)], 2, "--size"),
        (&["import", "--store", store, "--camera", "a b", text(&clip)], 2, "name"),
        (&["import", "--store", store, "--camera", "a", "/dev/null"], 2, "/dev/null"),
        (&["record", "--store", text(&none), "--camera", "a=rtsp://u:sesame@h/x"], 2, "--size"),
        (&[&make[..], &["--size", "1K", "--camera", "a=rtsp://u:sesame@h/x"]].concat(), 2, "needs 4"),
        (&[&make[..], &["--size", "6M", "--camera", "a=rtsp://h/x", "b=rtsp://h/y"]].concat(), 2, "--size: "),
        (&[&two[..], &["--block-size", "1K"]].concat(), 2, "--block-size: 1000 bytes are not 1 MB"),
        (
            &["record", "--store", text(&none), "--size", "99999999T", "--camera", "a=rtsp://u:sesame@h/x"],
            2,
            "99999999T",
        ),
        (&["record", "--store", store, "--dir", "/tmp", "--camera", "a=rtsp://u:sesame@h/x"], 2, "--dir"),
    ] {
        let outcome = run(arguments);
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {}", outcome.output);
        assert!(outcome.output.contains(words), "{arguments:?}: {}", outcome.output);
        assert!(!outcome.output.contains("sesame"), "{arguments:?}: {}", outcome.output);
    }
    assert!(!none.exists());
    assert!(!fs::exists(file).unwrap());
}
