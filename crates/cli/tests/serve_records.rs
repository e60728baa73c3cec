//! `valkka serve` records: what outlasts its end, whatever ends it.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;

use common::{SOON, cameras, get, run, start};
use serde_json::Value;
use valkka::clock::SystemClock;
use valkka::time::WallTime;
use valkka_testkit::process::Child;
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

fn page(daemon: &Child) -> String {
    daemon.wait_line(SOON, |line| line.starts_with("http://").then(|| line.to_owned())).unwrap()
}

/// Waits until the store is open: until then, nothing can be read.
fn wait_recording(page: &str) {
    wait::until(SOON, "it to be recorded", || {
        let archive: Value = serde_json::from_str(&get(page, "/api/archive")).unwrap();
        archive["cameras"][0]["state"] == "recording"
    });
}

/// What was recorded of `front` in the last ten minutes, in which a gap of a second is seen.
fn timeline(page: &str) -> Value {
    let now = SystemClock.now();
    let (from, to) = (now - SOON * 10, now + SOON);
    let path = format!("/api/cameras/front/archive?from={from}&to={to}");
    serde_json::from_str(&get(page, &path)).unwrap()
}

/// From when to when it was recorded, in seconds since 1970; of the stretch with this number.
fn stretch(timeline: &Value, number: usize) -> Option<(f64, f64)> {
    let stretch = timeline["stretches"].get(number)?;
    let seconds =
        |key: &str| stretch[key].as_str().unwrap().parse::<WallTime>().unwrap().micros() as f64 / 1e6;
    Some((seconds("from"), seconds("to")))
}

#[test]
fn a_killed_daemon_keeps_what_it_told_and_goes_on() {
    let _watchdog = Watchdog::start(SOON * 6);
    let (_cameras, urls) = cameras(&["--size", "320x240"]);
    let directory = TempDir::new().unwrap();
    let file = directory.join("valkka.toml");
    let text = format!(
        "[record]\nstore = \"store\"\nsize = \"64 MB\"\nmin_free = 0\n[web]\nlisten = \"127.0.0.1:0\"\nanyone = true\n\
         [cameras.front]\nurl = \"{}\"\ntransport = \"tcp\"\n",
        urls[0]
    );
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let checked = run(&["serve", "--check", file]);
    assert!(checked.output.contains("recorded to"), "{}", checked.output);

    let mut daemon = start(&["serve", file]);
    let address = page(&daemon);
    wait_recording(&address);
    let told = wait::until_some(SOON, "five seconds", || {
        stretch(&timeline(&address), 0).and_then(|(from, to)| (to - from >= 5.0).then_some(to))
    });
    daemon.kill().unwrap();

    let daemon = start(&["serve", file]);
    let address = page(&daemon);
    wait_recording(&address);
    let after = wait::until_some(SOON, "it to go on", || {
        let timeline = timeline(&address);
        stretch(&timeline, 1).is_some_and(|(from, to)| to - from >= 1.0).then_some(timeline)
    });
    let (_, end) = stretch(&after, 0).unwrap();
    assert!(end >= told, "{:.3} s are lost: {after}", told - end);
    let reason = after["gaps"][0]["reason"].as_str().unwrap();
    assert!(!reason.is_empty(), "{after}");
    assert_eq!(after["stretches"].as_array().unwrap().len(), 2, "{after}");
}
