//! What was recorded, over HTTP.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::process::Output;

use common::{Client, SOON, Stage, json_of};
use serde_json::{Value, json};
use valkka::frame::{Body, Frame, Packet};
use valkka::store::Entry;
use valkka::time::WallTime;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{process, require, wait};
use valkka_web::WebOptions;

/// From when to when `front` was recorded in one piece, at least so many seconds.
fn recorded(client: &Client, least: f64) -> (WallTime, WallTime) {
    wait::until_some(SOON, "something recorded", || {
        let archive = client.json("/api/archive");
        let front = archive["cameras"].as_array()?.iter().find(|camera| camera["name"] == "front")?;
        let (from, to) = (time(&front["from"])?, time(&front["to"])?);
        (to.saturating_since(from).as_secs_f64() >= least).then_some((from, to))
    })
}

fn time(value: &Value) -> Option<WallTime> {
    value.as_str()?.parse().ok()
}

fn header(response: &ureq::http::Response<ureq::Body>, name: &str) -> WallTime {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

/// The moments of the pictures of `front` until `end`, in order: a camera on a busy machine does not keep its rate.
fn moments(stage: &Stage, end: WallTime) -> Vec<WallTime> {
    pictures(stage, end, |_| true)
}

/// The moments of its key frames.
fn keyframes(stage: &Stage, end: WallTime) -> Vec<WallTime> {
    pictures(stage, end, |packet| packet.keyframe)
}

fn pictures(stage: &Stage, end: WallTime, are_meant: impl Fn(&Packet) -> bool) -> Vec<WallTime> {
    let store = stage.site.archive().store().unwrap();
    let mut cursor = store.cursor(store.stream("front").unwrap());
    let mut moments = Vec::new();
    while let Some(entry) = cursor.next().unwrap() {
        match entry {
            Entry::Frame(frame) if frame.time.wall > end => break,
            Entry::Frame(Frame { body: Body::Packet(packet), time, .. }) if are_meant(&packet) => {
                moments.push(time.wall);
            }
            _ => {}
        }
    }
    moments
}

/// The last of `moments` that is not after `at`, which is meant to the millisecond.
fn last_until(moments: &[WallTime], at: WallTime) -> WallTime {
    let end = at.offset_micros(999 - at.micros().rem_euclid(1000));
    *moments.iter().rfind(|moment| **moment <= end).unwrap()
}

/// What ffprobe says of `file`.
fn ffprobe(file: &[u8], arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.join("a"), file).unwrap();
    let mut ffprobe = process::command("ffprobe").unwrap();
    ffprobe.args(["-v", "error", "-of", "csv=p=0"]).args(arguments).arg(folder.join("a"));
    let Output { status, stdout, stderr } = ffprobe.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn what_is_recorded_is_listed() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::recording(WebOptions::default());
    let client = stage.client().log_in("viewer");
    let (from, to) = recorded(&client, 2.0);
    let archive = client.json("/api/archive");
    let cameras = archive["cameras"].as_array().unwrap();
    assert_eq!(cameras.len(), 1, "those of others are not told of: {archive}");
    assert_eq!((&cameras[0]["state"], &cameras[0]["mode"]), (&json!("recording"), &json!("always")));
    assert!(cameras[0]["bytes"].as_u64().unwrap() > 1000, "{archive}");
    assert!(time(&archive["now"]).unwrap() > from, "{archive}");
    assert_eq!(client.json("/api/cameras/front")["recording"]["state"], "recording");

    let (early, late) = (from.offset_micros(-3_600_000_000), to.offset_micros(3_600_000_000));
    let timeline = client.json(&format!("/api/cameras/front/archive?from={early}&to={late}"));
    let stretches = timeline["stretches"].as_array().unwrap();
    assert_eq!(stretches.len(), 1, "{timeline}");
    assert_eq!(time(&stretches[0]["from"]), Some(from));
    assert!(time(&stretches[0]["to"]).unwrap() >= to);
    assert_eq!(timeline["unread"], json!([]));
    assert!(timeline["codec"].as_str().unwrap().starts_with("avc1."), "{timeline}");
    // Of a time before it there is nothing.
    let nothing = client.json(&format!("/api/cameras/front/archive?from={early}&to={from}"));
    assert_eq!((&nothing["stretches"], &nothing["codec"]), (&json!([]), &Value::Null));
}

#[test]
fn a_span_can_be_played() {
    require!(process::available("ffprobe"));
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::recording(WebOptions::default());
    let client = stage.client().log_in("viewer");
    let (from, _) = recorded(&client, 5.0);
    // To the millisecond, as it is written.
    let second = from.offset_micros(-from.micros().rem_euclid(1000));
    let (begin, end) = (second.offset_micros(1_500_000), second.offset_micros(3_500_000));
    let path = format!("/api/cameras/front/archive/video.mp4?from={begin}&to={end}");
    let mut response = client.get(&path);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"video/mp4".parse().unwrap())
    );
    let start = header(&response, "valkka-start");
    assert_eq!(start, last_until(&keyframes(&stage, begin), begin), "for {begin}");
    let film = response.body_mut().read_to_vec().unwrap();
    let frames =
        ffprobe(&film, &["-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames"]);
    let frames: usize = frames.trim().trim_end_matches(',').parse().unwrap();
    let expected = moments(&stage, end).iter().filter(|moment| **moment >= start).count();
    // `end` itself is meant to the millisecond.
    assert!(frames.abs_diff(expected) <= 1, "{frames} pictures, and not {expected}");
    let flags = ffprobe(&film, &["-select_streams", "v", "-show_entries", "packet=flags"]);
    assert!(flags.starts_with('K'), "it begins with a key frame: {flags}");

    let saved = client.get(&format!("{path}&download=1"));
    let name = saved.headers()["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"front-20") && name.ends_with("Z.mp4\""), "{name}");
    let head = client.head(&path);
    assert_eq!((head.status().as_u16(), header(&head, "valkka-start")), (200, start));
}

#[test]
fn a_picture_is_that_of_its_moment() {
    require!(process::available("ffprobe"));
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::recording(WebOptions::default());
    let client = stage.client().log_in("viewer");
    let (from, _) = recorded(&client, 3.0);
    let picture = |query: &str| client.get(&format!("/api/cameras/front/archive/picture.jpg?{query}"));
    let moments = moments(&stage, from.offset_micros(2_500_000));
    let at = from.offset_micros(1_234_567);
    let mut response = picture(&format!("at={at}"));
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"image/jpeg".parse().unwrap())
    );
    let shown = header(&response, "valkka-time");
    assert_eq!(shown, last_until(&moments, at), "for {at}");
    let exact = response.body_mut().read_to_vec().unwrap();
    assert_eq!(ffprobe(&exact, &["-show_entries", "stream=width,height"]).trim(), "320,240");
    // It is found by the time that it says, to the microsecond and to the millisecond.
    let micros = shown.micros().rem_euclid(1000);
    let to_the_microsecond = shown.to_string().replace('Z', &format!("{micros:03}Z"));
    for text in [shown.to_string(), to_the_microsecond] {
        let mut again = picture(&format!("at={text}"));
        assert_eq!(header(&again, "valkka-time"), shown, "{text}");
        assert_eq!(again.body_mut().read_to_vec().unwrap(), exact);
    }
    // The one before it is another.
    let earlier = shown.offset_micros(-2000);
    let before = picture(&format!("at={earlier}"));
    assert_eq!(header(&before, "valkka-time"), last_until(&moments, earlier));
    let small = picture(&format!("at={at}&width=160")).body_mut().read_to_vec().unwrap();
    assert_eq!(ffprobe(&small, &["-show_entries", "stream=width,height"]).trim(), "160,120");
    let near = picture(&format!("at={at}&near=1"));
    assert_eq!(header(&near, "valkka-time"), last_until(&keyframes(&stage, shown), at));

    // What was long ago is kept by the browser.
    let tag = wait::until_some(SOON, "it to be long ago", || {
        let response = picture(&format!("at={at}&width=160"));
        response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned())
    });
    let known = client.clone().with("if-none-match", &format!("\"x\", W/{tag}"));
    let response = known.get(&format!("/api/cameras/front/archive/picture.jpg?at={at}&width=160"));
    assert_eq!(
        (response.status().as_u16(), response.headers()["etag"].to_str().unwrap()),
        (304, tag.as_str())
    );
    assert!(response.headers()["cache-control"].to_str().unwrap().starts_with("private, max-age="));
}

#[test]
fn what_was_not_recorded_is_told_in_words() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::recording(WebOptions::default());
    let client = stage.client().log_in("viewer");
    let (from, _) = recorded(&client, 1.0);
    let (early, earlier) = (from.offset_micros(-10_000_000), from.offset_micros(-20_000_000));
    for path in [format!("picture.jpg?at={early}"), format!("video.mp4?from={earlier}&to={early}")] {
        let response = client.get(&format!("/api/cameras/front/archive/{path}"));
        assert_eq!(response.status(), 404, "{path}");
        assert!(json_of(response)["error"].as_str().unwrap().len() > 10);
    }
    let site = Stage::new(WebOptions::default());
    let client = site.client().log_in("viewer");
    for (path, status) in [
        ("/api/archive", 200),
        ("/api/cameras/front/archive?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", 404),
        ("/api/cameras/front/archive/picture.jpg?at=2026-01-01T00:00:00Z", 404),
    ] {
        assert_eq!(client.get(path).status(), status, "{path}: nothing is recorded here");
    }
    assert_eq!(client.json("/api/archive")["cameras"][0]["state"], "off");
}

#[test]
fn queries_that_make_no_sense_are_refused() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::recording(WebOptions::default());
    let client = stage.client().log_in("viewer");
    let (from, to) = recorded(&client, 1.0);
    let day = to.offset_micros(86_400_000_000 + 1);
    let long = "9".repeat(4000);
    for query in [
        "archive".to_owned(),
        "archive?from=&to=".to_owned(),
        "archive?from=yesterday&to=today".to_owned(),
        "archive?from=%00&to=%ff".to_owned(),
        format!("archive?from={to}&to={from}"),
        format!("archive?from={from}&to={from}"),
        format!("archive?from={long}&to={long}"),
        "archive?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z".to_owned(),
        format!("archive?from={from}&from={from}&to={to}"),
        "archive/video.mp4".to_owned(),
        format!("archive/video.mp4?from={from}"),
        format!("archive/video.mp4?from={from}&to={day}"),
        format!("archive/video.mp4?from={from}&to={day}&download=1"),
        format!("archive/video.mp4?from={from}&to={to}&download=yes"),
        format!("archive/video.mp4?from={to}&to={from}"),
        "archive/picture.jpg".to_owned(),
        "archive/picture.jpg?at=1".to_owned(),
        format!("archive/picture.jpg?at={from}&width=0"),
        format!("archive/picture.jpg?at={from}&width=99999"),
        format!("archive/picture.jpg?at={from}&near=2"),
    ] {
        let response = client.get(&format!("/api/cameras/front/{query}"));
        assert_eq!(response.status(), 400, "{query}");
        assert!(json_of(response)["error"].is_string(), "{query}");
    }
    let operator = stage.client().log_in("operator");
    for body in [
        json!({ "reason": 1 }),
        json!({ "reason": "x".repeat(300) }),
        json!({ "reason": "a\nb" }),
        json!({ "x": 1 }),
    ] {
        assert_eq!(operator.post("/api/cameras/front/record", &body).status(), 400, "{body}");
    }
}
