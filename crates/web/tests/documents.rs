//! Metrics, the document of the API, snapshots, events, and that none of them holds a secret.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use common::{CAMERA_PASSWORD, Client, SOON, Stage, USERS, password};
use serde_json::{Value, json};
use tracing::Level;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{process, require, wait};
use valkka_web::WebOptions;

/// What a scrape says: the type of each family, and the value of each series.
fn scrape(client: &Client) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let mut response = client.get("/metrics");
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = response.body_mut().read_to_string().unwrap();
    assert!(text.ends_with("# EOF\n"));
    let (mut types, mut helped, mut values) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            helped.insert(rest.split_once(' ').unwrap().0.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let family = types.iter().find(|(family, kind)| match kind.as_str() {
                "counter" => name == format!("{family}_total"),
                "info" => name == format!("{family}_info"),
                _ => name == *family,
            });
            assert!(family.is_some(), "{name} is of no family");
            assert!(
                values.insert(series.to_owned(), value.parse().unwrap()).is_none(),
                "{series} comes twice"
            );
        }
    }
    assert_eq!(types.keys().cloned().collect::<BTreeSet<_>>(), helped);
    (types, values)
}

#[test]
fn figures_are_as_prometheus_wants_them() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let client = stage.client().basic("admin", &password("admin"));
    let mut socket = client.socket().unwrap();
    socket.watch(1, "front");
    socket.hear_text("begin");
    let (types, first) = scrape(&client);
    assert_eq!(types["valkka_camera_frames"], "counter");
    assert_eq!(types["process_resident_memory_bytes"], "gauge");
    assert_eq!(first["valkka_camera_state{camera=\"front\",state=\"online\"}"], 1.0);
    assert_eq!(first["valkka_camera_state{camera=\"front\",state=\"failed\"}"], 0.0);
    assert_eq!(first["valkka_camera_viewers{camera=\"front\",via=\"web\"}"], 1.0);
    assert_eq!(first["valkka_web_sockets"], 1.0);
    assert!(first["process_threads"] >= 4.0 && first["process_resident_memory_bytes"] > 1e6);
    let frames = "valkka_camera_frames_total{camera=\"front\"}";
    wait::until(SOON, "they grow", || scrape(&client).1[frames] > first[frames] + 10.0);
    let (_, last) = scrape(&client);
    for (series, value) in first.iter().filter(|(series, _)| series.contains("_total")) {
        assert!(last[series] >= *value, "{series} shrinks");
    }
    assert!(last["valkka_web_live_bytes_total"] > 0.0);

    // Of the cameras of others there is nothing.
    let (_, of_viewer) = scrape(&stage.client().basic("viewer", &password("viewer")));
    assert!(of_viewer.keys().any(|series| series.contains("front")));
    assert!(!of_viewer.keys().any(|series| series.contains("back")));
}

#[test]
fn the_document_is_one_of_openapi() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let client = stage.client().log_in("admin");
    let document = client.json("/api/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    // What is answered has the shape that the document gives it.
    for (path, list) in [("/api/cameras", "cameras"), ("/api/events", "events")] {
        let schema =
            &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let schema = resolve(&document, schema);
        let item = resolve(&document, &schema["properties"][list]["items"]);
        let known: BTreeSet<_> = item["properties"].as_object().unwrap().keys().collect();
        let answer = client.json(path);
        let items = answer[list].as_array().unwrap();
        assert!(!items.is_empty(), "{path}");
        for item in items {
            assert_eq!(item.as_object().unwrap().keys().collect::<BTreeSet<_>>(), known, "{path}");
        }
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => schema,
    }
}

#[test]
fn a_snapshot_is_a_picture_of_now() {
    require!(process::available("ffprobe"));
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let client = stage.client().log_in("viewer");
    for (query, width, height) in [("", 320, 240), ("?width=160", 160, 120), ("?width=3840", 320, 240)] {
        let mut response = client.get(&format!("/api/cameras/front/snapshot.jpg{query}"));
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "image/jpeg");
        assert_eq!(response.headers()["x-picture-online"], "true");
        let time: f64 = response.headers()["x-picture-time"].to_str().unwrap().parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - time).abs() < 120.0, "{time} and {now}");
        let file = response.body_mut().read_to_vec().unwrap();
        let folder = valkka_testkit::temp::TempDir::new().unwrap();
        std::fs::write(folder.join("a.jpg"), &file).unwrap();
        let mut ffprobe = process::command("ffprobe").unwrap();
        ffprobe.args(["-v", "error", "-of", "csv=p=0", "-show_entries", "stream=width,height"]);
        let output = ffprobe.arg(folder.join("a.jpg")).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), format!("{width},{height}"));
    }
}

#[test]
fn secrets_are_in_no_answer_and_no_log() {
    let _watchdog = Watchdog::start(5 * SOON);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_ansi(false);
    tracing::subscriber::set_global_default(subscriber.with_writer(move || writer.clone()).finish()).unwrap();

    let stage = Stage::new(WebOptions::default());
    let mut said = String::new();
    let document = stage.client().json("/api/openapi.json");
    for (user, ..) in USERS {
        for client in [stage.client().log_in(user), stage.client().basic(user, &password(user))] {
            for (path, methods) in document["paths"].as_object().unwrap() {
                if methods["get"].is_null() || path.ends_with("live.mp4") {
                    continue;
                }
                for camera in ["front", "back"] {
                    let path = path.replace("{name}", camera).replace("{file}", "app.js");
                    let mut response = client.get(&path);
                    said.push_str(&format!("{:?}", response.headers()));
                    said.push_str(&String::from_utf8_lossy(&response.body_mut().read_to_vec().unwrap()));
                }
            }
            let mut socket = client.socket().unwrap();
            said.push_str(&socket.hear_text("cameras").to_string());
        }
    }
    let mistyped =
        stage.client().post("/api/login", &json!({ "user": "admin", "password": "admin-secret-91bd" }));
    said.push_str(&common::json_of(mistyped).to_string());
    let broken = stage.client().post("/api/login", &json!({ "user": "admin", "pass": password("admin") }));
    said.push_str(&common::json_of(broken).to_string());
    said.push_str(&format!("{:?} {:?}", stage.web, stage.site));
    drop(stage);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(said.contains("rtsp://") && logged.contains("WebSocket"), "something was looked at");

    let mut secrets = vec![CAMERA_PASSWORD.to_owned(), "admin-secret-91bd".to_owned(), "$argon2".to_owned()];
    secrets.extend(USERS.map(|(user, ..)| password(user)));
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} is in an answer");
        let line = logged.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret} is in the log: {line:?}");
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
