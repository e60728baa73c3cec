//! Requests that nobody should send, and connections that send nothing.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use common::{SOON, Stage, raw};
use serde_json::json;
use tungstenite::Message;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;
use valkka_web::WebOptions;

#[test]
fn odd_requests_get_the_right_status_or_none() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let address = stage.address();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let long = "a".repeat(30_000);
    for (request, status) in [
        (get("/static/../Cargo.toml"), 404),
        (get("/static/..%2f..%2fCargo.toml"), 404),
        (get("/static/%2e%2e/%2e%2e/etc/passwd"), 404),
        (get("/static//app.js"), 404),
        (get("/static/app.js/"), 404),
        (get("/static/app.js%00"), 404),
        (get("//static/app.js"), 404),
        (get("/STATIC/app.js"), 404),
        (get("/cameras/%ff"), 400),
        (get("/api/cameras/%ff"), 401),
        (get("/nothing"), 404),
        (get(&format!("/api/events?since={long}")), 431),
        (get("/static/app.js?a=b&c"), 200),
        (get("*"), 404),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 405),
        (b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}".to_vec(), 415),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 0),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n".to_vec(), 400),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n").into_bytes(), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(500)).into_bytes(), 431),
    ] {
        let got = raw(address, &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        let code: u16 = got.as_deref().map_or(0, |line| line.split(' ').nth(1).unwrap().parse().unwrap());
        if status == 0 {
            assert!(code == 0 || code == 400 || code == 505, "{shown}: {got:?}");
        } else {
            assert_eq!(code, status, "{shown}: {got:?}");
        }
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let client = stage.client().log_in("admin");
    for (path, status) in [
        ("/api/cameras/front/snapshot.jpg?width=0", 400),
        ("/api/cameras/front/snapshot.jpg?width=-1", 400),
        ("/api/cameras/front/snapshot.jpg?width=99999999999", 400),
        ("/api/cameras/front/snapshot.jpg?width=x", 400),
        ("/api/cameras/front/snapshot.jpg?width=64&width=65", 400),
        ("/api/cameras/front/snapshot.jpg?at=7", 200),
        ("/api/events?since=x", 400),
        ("/api/events?since=18446744073709551615", 200),
        ("/api/events?since=18446744073709551616", 400),
        ("/api/cameras/..%2ffront", 404),
        ("/api/cameras/front%20", 404),
        ("/api/cameras/", 404),
    ] {
        assert_eq!(client.get(path).status(), status, "{path}");
    }
    // Parts of what has no parts: the whole is right.
    for range in ["bytes=0-", "bytes=5-2", "bytes=999999999-", "bytes=--", "lines=1-2", "bytes=0-0,1-1"] {
        let client = client.clone().with("range", range);
        assert_eq!(client.get("/static/app.js").status(), 200, "{range}");
        assert_eq!(client.get("/api/cameras/front/snapshot.jpg").status(), 200, "{range}");
    }
    let head = client.head("/api/cameras");
    assert_eq!(head.status(), 200);
    for body in [json!({}), json!([]), json!({ "user": 1, "password": 2 }), json!("x".repeat(60_000))] {
        assert_eq!(stage.client().post("/api/login", &body).status(), 400);
    }
    // It is refused before it was sent to its end.
    let body = json!({ "user": "x".repeat(70_000), "password": "" }).to_string();
    let head = "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = raw(stage.address(), request.as_bytes());
    assert!(answer.as_deref().is_some_and(|line| line.contains(" 413 ")), "{answer:?}");
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    let _watchdog = Watchdog::start(5 * SOON);
    let request_timeout = Duration::from_secs(5);
    let stage = Stage::new(WebOptions { request_timeout, ..WebOptions::default() });
    let mut silent: Vec<_> = (0..1000).map(|_| TcpStream::connect(stage.address()).unwrap()).collect();
    // Half of them begin a request and never end it.
    for stream in silent.iter_mut().step_by(2) {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
    }
    let client = stage.client().log_in("viewer");
    assert_eq!(client.get("/api/cameras").status(), 200);
    let mut socket = client.socket().unwrap();
    socket.watch(1, "front");
    socket.hear_text("begin");
    // They are closed one and all.
    for stream in &mut silent {
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut rest = Vec::new();
        // Some are told why.
        let _ = stream.read_to_end(&mut rest);
    }
}

#[test]
fn one_peer_cannot_take_all_connections() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions { max_connections: 8, ..WebOptions::default() });
    let held: Vec<_> = (0..8).map(|_| TcpStream::connect(stage.address()).unwrap()).collect();
    wait::until(SOON, "one more is closed", || {
        let mut more = TcpStream::connect(stage.address()).unwrap();
        more.set_read_timeout(Some(SOON)).unwrap();
        matches!(more.read(&mut [0]), Ok(0) | Err(_))
    });
    drop(held);
    wait::until(SOON, "there is room again", || {
        raw(stage.address(), b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .is_some_and(|line| line.contains("200"))
    });
}

#[test]
fn sockets_that_talk_nonsense_are_closed() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions { max_sockets_per_user: 3, ..WebOptions::default() });
    let client = stage.client().log_in("admin");
    let mut socket = client.socket().unwrap();
    socket.0.send(Message::text("nonsense")).unwrap();
    assert_eq!(socket.hear_close().0, 1008);
    let mut socket = client.socket().unwrap();
    // Too long, and cut off: how it ends is the socket's affair, but it ends.
    let _ = socket.0.send(Message::text("x".repeat(100_000)));
    while socket.0.read().is_ok() {}

    let mut sockets = Vec::new();
    wait::until(SOON, "those before are gone", || match client.socket() {
        Ok(socket) => {
            sockets.push(socket);
            sockets.len() == 3
        }
        Err(status) => {
            assert_eq!(status, 429);
            false
        }
    });
    assert_eq!(client.socket().err(), Some(429));
    for id in 0..65 {
        sockets[0].watch(id, "front");
    }
    let end = sockets[0].hear_text("end");
    assert_eq!(end["id"], 64);
    assert!(end["reason"].as_str().unwrap().contains("64"));
}

#[test]
fn it_stops_at_once_whatever_is_open() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let client = stage.client().log_in("viewer");
    let mut socket = client.socket().unwrap();
    socket.watch(1, "front");
    socket.hear_text("begin");
    let mut silent = TcpStream::connect(stage.address()).unwrap();
    let mut film = client.get("/api/cameras/front/live.mp4").into_body().into_reader();
    film.read_exact(&mut [0; 100]).unwrap();
    let Stage { web, site, cameras, directory: _directory } = stage;
    drop(web);
    // A thread that does not end is left behind, with the site.
    wait::until(SOON, "nothing is left of it", || Arc::strong_count(&site) == 1);
    assert_eq!(socket.hear_close(), (1001, "the server stops".into()));
    assert!(matches!(silent.read(&mut [0; 100]), Ok(0) | Err(_)));
    let _ = film.read_to_end(&mut Vec::new());
    drop((site, cameras));
}
