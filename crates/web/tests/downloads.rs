//! Recordings that are saved, over HTTP: nothing is taken for all of it that is not.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Client, SOON, Stage, json_of};
use serde_json::{Value, json};
use valkka::clock::SystemClock;
use valkka::codec::{Codec, CodecParams, FrameRate};
use valkka::frame::{Body, Packet};
use valkka::payload::Payload;
use valkka::store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka::stream::Track;
use valkka::synthetic::{Clip, SceneOptions};
use valkka::time::{MediaTime, WallTime};
use valkka_site::{Config, RecordConfig};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;
use valkka_web::WebOptions;

/// A store with four seconds of `front`, of some minutes ago, with sound that does not go into MP4. After two seconds the
/// pictures are of another size.
fn past(directory: &TempDir, from: WallTime) {
    let options = StoreOptions::new(Geometry::new(1 << 20, 64).unwrap());
    let store = Store::create(&directory.join("store"), &options).unwrap();
    let writer = Writer::open(store, WriterOptions::default()).unwrap();
    let lane = writer.lane("front", Retention::default()).unwrap();
    let scene = |width, height| SceneOptions {
        width,
        height,
        frame_rate: FrameRate::new(25, 1).unwrap(),
        frames: 25,
        ..SceneOptions::new("past")
    };
    let clips = [(320, 240), (160, 128)]
        .map(|(width, height)| Clip::generate(scene(width, height), Codec::H264, 200_000).unwrap());
    let sound = Arc::new(CodecParams::audio(Codec::PcmMulaw, 8000, 1, Default::default()));
    for number in 0..100 {
        let clip = &clips[number / 50];
        let mut frame = clip.frames()[number % clip.frames().len()].clone();
        let at = from + Duration::from_millis(40 * number as u64);
        (frame.time.media, frame.time.wall) = (MediaTime::from_rate(number as i64, 25), at);
        (frame.time.arrival, frame.time.capture) = (at, None);
        assert!(lane.put(&frame));
        frame.track = Track::new(1);
        let payload = Payload::from_vec(vec![0xff; 320]);
        frame.body = Body::Packet(Packet { params: sound.clone(), payload, keyframe: true, lost: 0 });
        assert!(lane.put(&frame));
    }
    writer.commit(Instant::now() + SOON).unwrap();
}

#[test]
fn what_is_saved_is_whole_or_breaks_off() {
    let _watchdog = Watchdog::start(5 * SOON);
    let directory = TempDir::new().unwrap();
    // To the millisecond, as it is asked for.
    let from = WallTime::from_micros((SystemClock.now().micros() / 1000 - 300_000) * 1000);
    past(&directory, from);
    let stage = Stage::over(directory, WebOptions::default());
    let client = stage.client().log_in("viewer");
    let at = |seconds: i64| from.offset_micros(seconds * 1_000_000);
    let path = |from: i64, to: i64, more: &str| {
        format!("/api/cameras/front/archive/video.mp4?from={}&to={}{more}", at(from), at(to))
    };
    wait::until(SOON, "the store is open", || client.head(&path(0, 4, "")).status() == 200);
    let header = |response: &ureq::http::Response<ureq::Body>, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    let moment = |text: Option<String>| text.map(|text| text.parse::<WallTime>().unwrap());

    // It is told before where that will be, and what is not in it; and then it breaks off.
    let head = client.head(&path(0, 4, "&download=1"));
    assert_eq!(moment(header(&head, "valkka-change")), Some(at(2)));
    assert_eq!(header(&head, "valkka-left-out").unwrap(), "browsers do not play G.711 u-law in MP4");
    let mut saved = client.get(&path(0, 4, "&download=1"));
    assert_eq!(moment(header(&saved, "valkka-change")), Some(at(2)));
    saved.body_mut().read_to_vec().unwrap_err();
    // The parts are whole.
    for (from, to) in [(0, 2), (2, 4)] {
        let mut part = client.get(&path(from, to, "&download=1"));
        assert_eq!((part.status().as_u16(), header(&part, "valkka-change")), (200, None));
        assert_eq!(moment(header(&part, "valkka-start")), Some(at(from)));
        assert!(part.body_mut().read_to_vec().unwrap().len() > 10_000);
    }
    // Who plays it asks for what follows.
    let mut played = client.get(&path(0, 4, ""));
    assert_eq!(header(&played, "valkka-change"), None);
    assert!(played.body_mut().read_to_vec().unwrap().len() > 10_000);
}

/// What is told of the recording of `front`, and of why it cannot be read.
fn told(client: &Client, query: &str) -> Vec<Value> {
    let listed = |path: &str| {
        let cameras = client.json(path)["cameras"].take();
        let front = cameras.as_array().unwrap().iter().find(|camera| camera["name"] == "front").unwrap();
        (if path == "/api/archive" { front } else { &front["recording"] })["reason"].clone()
    };
    let mut socket = client.socket().unwrap();
    let cameras = socket.hear_text("cameras");
    let cameras = cameras["cameras"].as_array().unwrap();
    let front = cameras.iter().find(|camera| camera["name"] == "front").unwrap();
    let timeline = client.get_once(&format!("/api/cameras/front/archive?{query}"));
    assert_eq!(timeline.status(), 503);
    vec![
        listed("/api/archive"),
        listed("/api/cameras"),
        client.json("/api/cameras/front")["recording"]["reason"].clone(),
        front["recording"]["reason"].clone(),
        json_of(timeline)["error"].clone(),
    ]
}

#[test]
fn where_the_store_lies_is_told_to_operators() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let directory = TempDir::new().unwrap();
    let place = directory.join("absent");
    // There is none, and none is to be made.
    let record = Some(RecordConfig::new(&place, None));
    stage.site.apply(Config { record, ..stage.config() }).unwrap();
    let [viewer, admin] = ["viewer", "admin"].map(|user| stage.client().log_in(user));
    wait::until(SOON, "it to fail", || {
        admin.json("/api/cameras/front")["recording"]["state"] == json!("failing")
    });
    let query = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let place = place.to_str().unwrap();
    for reason in told(&admin, query) {
        assert!(reason.as_str().unwrap().contains(place), "{reason}");
    }
    let brief = "it cannot be recorded at this moment";
    let expected = [brief, brief, brief, brief, "the recordings cannot be read"];
    assert_eq!(told(&viewer, query), expected.map(Value::from));
}
