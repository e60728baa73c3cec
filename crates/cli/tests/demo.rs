//! `valkka demo`, as a newcomer runs it.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Outcome, SOON, finish, run, start, start_on};
use serde_json::Value;
use valkka_testkit::media;
use valkka_testkit::process::Child;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::xvfb::{self, Display};
use valkka_testkit::{require, wait};

/// One demo at a time: each keeps a core busy, and wants to be on time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the live table has said of all `cameras` that pictures come, are decoded, shown and shared; then ends it.
fn seen(demo: Child, cameras: usize) -> Outcome {
    let mut flowing = BTreeSet::new();
    let all_flow = demo.wait_line(SOON, |line| {
        let [name, "online", rates @ ..] = &line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let flows = rates.iter().take(4).all(|rate| rate.parse::<f64>().is_ok_and(|rate| rate > 0.0));
        flowing.extend(flows.then(|| (*name).to_owned()));
        (flowing.len() == cameras).then_some(())
    });
    all_flow.unwrap();
    demo.interrupt().unwrap();
    let outcome = finish(demo);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    outcome
}

/// Checks the summary of a run with `cameras` cameras, with exactly the fields that are promised.
fn check(summary: &Value, cameras: usize) {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(summary), "cameras cpu_ms_per_frame peak_rss_bytes seconds");
    assert!(summary["cpu_ms_per_frame"].as_f64().unwrap() > 0.0);
    assert!(summary["peak_rss_bytes"].as_u64().unwrap() > 1_000_000);
    let list = summary["cameras"].as_array().unwrap();
    assert_eq!(list.len(), cameras);
    for (index, camera) in list.iter().enumerate() {
        assert_eq!(
            keys(camera),
            "codec frames_decoded frames_dropped frames_presented frames_received frames_shared height latency_ms name \
             reconnects url width"
        );
        assert_eq!(camera["name"], format!("cam{}", index + 1));
        assert_eq!(
            (&camera["codec"], &camera["width"], &camera["height"]),
            (&"H.264".into(), &1280.into(), &720.into())
        );
        let count = |key: &str| camera[key].as_u64().unwrap() as f64;
        // A machine that stands still for a while costs pictures, but all that were decoded are accounted for, up to a second
        // of them. What is received before anybody wants pictures is not decoded.
        let accounted = count("frames_presented") + count("frames_dropped");
        assert!(count("frames_presented") > 0.0 && count("frames_shared") > 0.0, "{camera}");
        assert!(accounted + 25.0 >= count("frames_decoded"), "{camera}");
        assert!(count("frames_received") >= count("frames_decoded"), "{camera}");
        assert!(count("reconnects") <= 1.0, "{camera}");
        let (p50, p99) = (&camera["latency_ms"]["p50"], &camera["latency_ms"]["p99"]);
        assert!(p50.as_f64().unwrap() <= p99.as_f64().unwrap(), "{camera}");
    }
}

#[test]
fn without_a_display_everything_is_done_but_the_drawing() {
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let outcome = seen(start(&["demo", "--cameras", "2", "--json"]), 2);
    assert!(outcome.output.contains("no X display"), "{}", outcome.output);
    check(&outcome.json(), 2);
}

#[test]
fn on_a_display_the_wall_is_shown() {
    require!(xvfb::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let display = Display::spawn().unwrap();
    let outcome = seen(start_on(Some(display.name()), &["demo", "--cameras", "2", "--json"]), 2);
    assert!(!outcome.output.contains("no X display"), "{}", outcome.output);
    check(&outcome.json(), 2);
}

#[test]
fn people_get_a_table() {
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let outcome = seen(start(&["demo", "--cameras", "1", "--output", "null"]), 1);
    for word in ["camera", "online", "cam1", "shared", "reconn", "ms CPU per frame"] {
        assert!(outcome.output.contains(word), "no {word} in:\n{}", outcome.output);
    }
}

#[test]
fn its_cameras_are_served_too() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let child = start(&["demo", "--cameras", "2", "--output", "null"]);
    let address = |scheme: &str| {
        let start = format!("Watch them at {scheme}://");
        child
            .wait_line(SOON, |line| line.strip_prefix(&start).map(|rest| format!("{scheme}://{rest}")))
            .unwrap()
    };
    let (page, rtsp) = (address("http"), address("rtsp"));
    assert!(page.starts_with("http://127.0.0.1:") && rtsp.ends_with("/cam1 to /cam2"), "{page} {rtsp}");
    for camera in ["cam1", "cam2"] {
        let url = rtsp.replace("cam1 to /cam2", camera);
        assert_eq!(common::probe(&url).as_deref(), Ok("h264,1280,720"), "{url}");
    }
    assert!(common::get(&page, "/").contains("<html"));
    let cameras: Value = serde_json::from_str(common::get(&page, "/api/cameras").trim()).unwrap();
    assert!(cameras.to_string().contains("\"cam2\""), "{cameras}");
    // They are recorded, and the recordings go with the demo.
    let store =
        child.wait_line(SOON, |line| line.strip_prefix("Recording them into ").map(str::to_owned)).unwrap();
    wait::until(SOON, "both are recorded", || {
        let outcome = run(&["archive", &store]);
        outcome.code == Some(0) && ["cam1: 20", "cam2: 20"].iter().all(|start| outcome.output.contains(start))
    });
    child.interrupt().unwrap();
    assert_eq!(finish(child).code, Some(0));
    assert!(!Path::new(&store).exists());
}

#[test]
fn it_leaves_no_process_behind_when_interrupted() {
    let _watchdog = Watchdog::start(SOON * 8);
    let _alone = alone();
    let child = start(&["demo", "--cameras", "1", "--output", "null"]);
    child.wait_line(SOON, |line| line.contains("online").then_some(())).unwrap();
    child.interrupt().unwrap();
    // Its output is open until the cameras' process, which shares it, has ended too.
    let outcome = finish(child);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
}
