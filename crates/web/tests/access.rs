//! Rights end when they are taken away, and pages of others get nothing.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use common::{Client, Heard, SOON, Stage, json_of};
use serde_json::json;
use valkka_site::{Role, UserConfig, hash_password};
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;
use valkka_web::{Sessions, Web, WebOptions};

#[test]
fn logging_out_ends_what_is_live() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let client = stage.client().log_in("viewer");
    let other = stage.client().log_in("viewer");
    let (mut socket, mut stays) = (client.socket().unwrap(), other.socket().unwrap());
    socket.watch(1, "front");
    socket.hear_text("begin");
    assert_eq!(client.post("/api/logout", &json!({})).status(), 204);
    assert_eq!(socket.hear_close(), (1008, "logged out".into()));
    assert_eq!(client.get("/api/me").status(), 401);
    assert_eq!(other.json("/api/me")["user"], "viewer");
    stays.watch(1, "front");
    stays.hear_text("begin");
}

#[test]
fn a_new_configuration_takes_rights_away() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let (admin, viewer) = (stage.client().log_in("admin"), stage.client().log_in("viewer"));
    let (mut of_admin, mut of_viewer) = (admin.socket().unwrap(), viewer.socket().unwrap());
    for socket in [&mut of_admin, &mut of_viewer] {
        socket.watch(1, "front");
        socket.hear_text("begin");
    }
    of_admin.watch(2, "back");
    of_admin.hear_text("begin");

    // The viewer goes, and of the admin's cameras the front one.
    let mut config = stage.config();
    config.users.remove("viewer");
    let only_back = [("back".to_owned(), Role::Viewer)].into();
    let known = config.users["admin"].clone();
    config.users.insert("admin".into(), UserConfig { roles: only_back, ..known });
    stage.site.apply(config).unwrap();

    assert_eq!(of_viewer.hear_close(), (1008, "logged out".into()));
    assert_eq!(viewer.get("/api/me").status(), 401);
    let end = of_admin.hear_text("end");
    assert_eq!((&end["id"], &end["reason"]), (&1.into(), &"you may no longer watch this camera".into()));
    let mut pieces = 0;
    while pieces < 30 {
        match of_admin.hear() {
            Heard::Piece(_, id, _) => {
                assert_eq!(id, 2);
                pieces += 1;
            }
            Heard::Text(_) => (),
            Heard::Close(code, reason) => panic!("{code} {reason}"),
        }
    }
    assert_eq!(admin.get("/api/cameras/front").status(), 404);
    assert_eq!(admin.json("/api/cameras")["cameras"].as_array().unwrap().len(), 1);
}

#[test]
fn another_password_ends_what_the_old_one_began() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let by_cookie = stage.client().log_in("viewer");
    let by_password = stage.client().basic("viewer", &common::password("viewer"));
    let mut sockets = [by_cookie.socket().unwrap(), by_password.socket().unwrap()];
    let mut operator = stage.client().log_in("operator").socket().unwrap();
    let mut config = stage.config();
    config.users.get_mut("viewer").unwrap().password = hash_password("another").unwrap();
    stage.site.apply(config).unwrap();
    for socket in &mut sockets {
        assert_eq!(socket.hear_close(), (1008, "logged out".into()));
    }
    assert_eq!(by_cookie.get("/api/me").status(), 401);
    assert_eq!(by_password.get("/api/me").status(), 401);
    operator.watch(1, "front");
    operator.hear_text("begin");
}

#[test]
fn a_camera_that_is_removed_ends_its_watches() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let mut socket = stage.client().log_in("admin").socket().unwrap();
    socket.watch(1, "front");
    socket.hear_text("begin");
    let mut config = stage.config();
    config.cameras.remove("front");
    for user in ["viewer", "operator"] {
        config.users.remove(user);
    }
    stage.site.apply(config).unwrap();
    assert_eq!(socket.hear_text("end")["id"], 1);
    let named = |list: serde_json::Value| list["cameras"].as_array().unwrap().len();
    while named(socket.hear_text("cameras")) != 1 {}
}

#[test]
fn where_nobody_is_asked_everybody_may_watch_and_no_more() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions { anyone: true, ..WebOptions::default() });
    let client = stage.client();
    assert_eq!(client.json("/api/me")["user"], json!(null));
    assert_eq!(client.json("/api/cameras")["cameras"].as_array().unwrap().len(), 2);
    assert_eq!(client.get("/api/cameras/front/snapshot.jpg?width=160").status(), 200);
    assert_eq!(client.post("/api/cameras/front/reconnect", &json!({})).status(), 403);
    assert_eq!(client.get("/api/viewers").status(), 403);
    let mut socket = client.socket().unwrap();
    assert_eq!(socket.hear_text("hello")["user"], json!(null));
    socket.watch(1, "front");
    socket.hear_text("begin");
    // Who logs in may do what his roles say.
    assert_eq!(client.clone().log_in("admin").get("/api/viewers").status(), 200);
    // A page elsewhere has its own name lead here.
    assert_eq!(client.clone().with("host", "evil.example").get("/api/cameras").status(), 421);
}

#[test]
fn pages_of_others_get_nothing() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let client = stage.client().log_in("operator");
    let reconnect = "/api/cameras/front/reconnect";
    for (origin, status) in [
        ("http://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
        (format!("http://{}", stage.address()), 204),
    ] {
        let client = client.clone().with("origin", &origin);
        assert_eq!(client.post(reconnect, &json!({})).status(), status, "{origin}");
        assert_eq!(client.socket().err(), (status == 403).then_some(403), "{origin}");
    }
    let response = client.get("/");
    let headers = response.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe-inline"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let response = client.get("/api/me");
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[test]
fn guessing_passwords_is_slow_and_told_to_be() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let log_in =
        |password: &str| stage.client().post("/api/login", &json!({ "user": "admin", "password": password }));
    // One that is remembered is no exception: else it could be guessed at will.
    let right = common::password("admin");
    assert_eq!(log_in(&right).status(), 200);
    let mut mistyped = 0;
    let refused = loop {
        let answer = log_in("wrong");
        if answer.status() != 401 {
            break answer;
        }
        mistyped += 1;
        assert!(mistyped < 100, "guessing goes on and on");
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert!(mistyped >= 3, "people mistype");
    assert!(json_of(refused)["error"].as_str().unwrap().contains("wait"));
    // Also a right one is not looked at then, unless one more may be by now.
    wait::until(SOON, "a right one to be refused", || {
        while log_in("wrong").status() == 401 {}
        log_in(&right).status() == 429
    });
    assert_eq!(stage.client().get("/healthz").status(), 200);
}

#[test]
fn many_requests_at_once_are_no_guesses() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    // All at once, of one name that nobody has used yet.
    let at_once = |password: &str, ask: fn(&Client) -> u16| -> Vec<u16> {
        let client = stage.client().basic("viewer", password);
        thread::scope(|scope| {
            let asking: Vec<_> = (0..32).map(|_| scope.spawn(|| ask(&client))).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        })
    };
    let right = at_once(&common::password("viewer"), |client| client.get("/api/me").status().as_u16());
    assert_eq!(right, [200; 32]);
    let begun = Instant::now();
    let wrong = at_once("wrong", |client| client.get_once("/api/me").status().as_u16());
    let looked_at = wrong.iter().filter(|status| **status == 401).count() as u64;
    assert!(looked_at <= 11 + begun.elapsed().as_secs() / 5, "{wrong:?}");
    // On a machine that is busy some are told to come again.
    assert!(wrong.iter().all(|status| [401, 429, 503].contains(status)), "{wrong:?}");
}

#[test]
fn who_is_logged_in_stays_so_when_the_server_is_another() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let sessions = Sessions::default();
    let serve = |listen: SocketAddr| {
        let options = WebOptions { listen, ..WebOptions::default() };
        Web::resume(stage.site.clone(), options, &sessions)
    };
    let web = serve("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = web.local_addr();
    let [viewer, operator] = ["viewer", "operator"].map(|user| Client::new(address).log_in(user));
    drop(web);
    // Meanwhile the viewer gets another password.
    let mut config = stage.config();
    config.users.get_mut("viewer").unwrap().password = hash_password("another").unwrap();
    stage.site.apply(config).unwrap();
    let _web = wait::until_some(SOON, "the address to be free", || serve(address).ok());
    assert_eq!(operator.json("/api/me")["user"], "operator");
    assert_eq!(viewer.get("/api/me").status(), 401);
}

#[test]
fn browsers_are_not_asked_by_a_dialogue_and_programs_are() {
    let _watchdog = Watchdog::start(5 * SOON);
    let stage = Stage::new(WebOptions::default());
    let challenge =
        |client: Client| client.get("/api/me").headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge(stage.client()).starts_with("Basic "));
    let browser = stage.client().with("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");
    assert!(!challenge(browser).contains("Basic"));
}
