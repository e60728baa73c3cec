//! Films whose readers do not read hold up nobody else, and do not stay for ever.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::net::TcpStream;
use std::time::Duration;

use common::past::Past;
use common::{Client, SOON, Stage, json_of};
use valkka::usage;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;
use valkka_web::WebOptions;

/// As many as one user may have sent.
const FILMS: usize = 24;

/// The value of a metric.
fn metric(client: &Client, name: &str) -> f64 {
    let text = client.get("/metrics").body_mut().read_to_string().unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until nothing more is sent.
fn stalled(client: &Client, films: usize) {
    let mut before = -1.0;
    wait::until(SOON, "nobody takes anything any more", || {
        let (open, sent) =
            (metric(client, "valkka_web_films"), metric(client, "valkka_web_archive_bytes_total"));
        open == films as f64 && sent > 0.0 && std::mem::replace(&mut before, sent) == sent
    });
}

#[test]
fn films_that_nobody_reads_hold_up_nobody() {
    let _watchdog = Watchdog::start(5 * SOON);
    let Past { directory, from, to, bytes: past_bytes } = Past::new();
    // They stay until the end of the test, however long that takes.
    let stage = Stage::over(directory, WebOptions { patience: 5 * SOON, ..WebOptions::default() });
    let (viewer, operator) = (stage.client().log_in("viewer"), stage.client().log_in("operator"));
    let film = format!("/api/cameras/front/archive/video.mp4?from={from}&to={to}");
    let admin = stage.client().log_in("admin");
    let memory = usage::rss_bytes();
    let unread: Vec<TcpStream> =
        [&viewer, &operator].iter().flat_map(|client| (0..FILMS).map(|_| client.begin(&film))).collect();
    stalled(&admin, unread.len());
    for second in 0..20 {
        let at = from + Duration::from_secs(second);
        for path in [
            format!("/api/cameras/front/archive/picture.jpg?at={at}"),
            format!("/api/cameras/front/archive?from={from}&to={to}"),
            "/api/archive".to_owned(),
        ] {
            assert_eq!(viewer.get(&path).status(), 200, "{path}");
        }
    }
    // Somebody who reads gets all of his.
    let mut read = admin.get(&format!("{film}&download=1"));
    let bytes = read.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap().len();
    assert!(bytes as u64 >= past_bytes, "{bytes}");
    // One more of the same user is one too many.
    let refused = viewer.get(&film);
    assert_eq!(refused.status(), 429);
    assert!(json_of(refused)["error"].as_str().unwrap().contains("at most 24 films"));
    // What is unread was not read from the disk either, but for a little of each. (The other test takes some, too.)
    let grown = usage::rss_bytes().saturating_sub(memory);
    let all = unread.len() as u64 * bytes as u64;
    assert!(grown < all / 4, "{grown} bytes of {all}");
}

#[test]
fn films_that_nobody_reads_end() {
    let _watchdog = Watchdog::start(5 * SOON);
    let Past { directory, from, to, .. } = Past::new();
    let stage =
        Stage::over(directory, WebOptions { patience: Duration::from_secs(2), ..WebOptions::default() });
    let (viewer, admin) = (stage.client().log_in("viewer"), stage.client().log_in("admin"));
    let film = format!("/api/cameras/front/archive/video.mp4?from={from}&to={to}");
    let unread: Vec<TcpStream> = (0..FILMS).map(|_| viewer.begin(&film)).collect();
    wait::until(SOON, "all of them are given up", || metric(&admin, "valkka_web_films") == 0.0);
    assert_eq!(viewer.get(&film).status(), 200);
    drop(unread);
}
