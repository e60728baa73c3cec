//! Every route against every role, as the document of the API says it.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::collections::BTreeMap;

use common::{Client, Stage, USERS, password};
use serde_json::{Value, json};
use valkka_site::Role;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;
use valkka_web::WebOptions;

/// Whoever may ask.
enum Asker {
    Nobody,
    /// With a password that is wrong, or a session that is over.
    Refused,
    User(&'static str, Role),
}

/// A route as the document has it.
struct Row {
    method: String,
    path: String,
    who: String,
}

#[test]
fn every_route_is_for_whom_the_document_says() {
    let _watchdog = Watchdog::start(5 * common::SOON);
    let stage = Stage::recording(WebOptions::default());
    let client = stage.client();
    for camera in ["front", "back"] {
        wait::until(common::SOON, "something recorded", || {
            let store = stage.site.archive().store();
            let streams = store.map(|store| store.streams()).unwrap_or_default();
            streams.iter().any(|stream| stream.name == camera && stream.last > stream.first)
        });
    }
    let rows = rows(&client.json("/api/openapi.json"));
    assert!(rows.len() >= 20);

    let mut wrong = Vec::new();
    for (name, asker, client) in askers(&client) {
        for row in &rows {
            for camera in ["front", "nowhere"] {
                if camera == "nowhere" && !row.path.contains("{name}") {
                    continue;
                }
                let expected = expected(row, &asker, camera);
                let got = ask(&client, row, camera);
                if got != expected {
                    let Row { method, path, who } = row;
                    let what = format!("{name}: {method} {path} of {camera} (for {who})");
                    wrong.push(format!("{what} gives {got} and not {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn rows(document: &Value) -> Vec<Row> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| Row {
            method: method.clone(),
            path: path.clone(),
            who: operation["x-valkka-who"].as_str().unwrap().to_owned(),
        })
    });
    // Last, because it ends the session with which the others are asked.
    let (logout, others): (Vec<_>, Vec<_>) = operations.partition(|row| row.path == "/api/logout");
    others.into_iter().chain(logout).collect()
}

/// Nobody, those who are refused, and all users, by cookie and by password.
fn askers(client: &Client) -> Vec<(String, Asker, Client)> {
    let over = client.clone().log_in("admin");
    assert_eq!(over.post("/api/logout", &json!({})).status(), 204);
    let mut askers = vec![
        ("nobody".to_owned(), Asker::Nobody, client.clone()),
        ("a session that is over".to_owned(), Asker::Refused, over),
        ("a cookie of nobody".to_owned(), Asker::Refused, client.clone().with("cookie", "valkka_1=x")),
        (
            "another way to log in".to_owned(),
            Asker::Refused,
            client.clone().with("authorization", "Bearer x"),
        ),
    ];
    for (user, camera, role) in USERS {
        askers.push((format!("{user} by cookie"), Asker::User(camera, role), client.clone().log_in(user)));
        askers.push((
            format!("{user} by password"),
            Asker::User(camera, role),
            client.clone().basic(user, &password(user)),
        ));
    }
    askers
}

/// What the document promises.
fn expected(row: &Row, asker: &Asker, camera: &str) -> u16 {
    let done = match (row.path.as_str(), row.method.as_str()) {
        ("/api/login" | "/static/{file}", _) => return if row.method == "post" { 400 } else { 404 },
        ("/api/logout" | "/api/cameras/{name}/reconnect" | "/api/cameras/{name}/record", _) => 204,
        // Asked for without a time.
        (path, _) if path.starts_with("/api/cameras/{name}/archive") => 400,
        // Asked for without an upgrade.
        ("/api/live", _) => 400,
        _ => 200,
    };
    let who = row.who.as_str();
    if who == "everybody" {
        return done;
    }
    let Asker::User(of, role) = asker else { return 401 };
    let sees = *of == "*" || *of == camera;
    match who {
        "user" => done,
        "service admin" if *of == "*" && *role == Role::Admin => done,
        "service admin" => 403,
        _ if !sees || camera == "nowhere" => 404,
        _ if needed(who) > *role => 403,
        _ => done,
    }
}

fn needed(who: &str) -> Role {
    let roles: BTreeMap<_, _> = Role::ALL.into_iter().map(|role| (role.name(), role)).collect();
    roles[who]
}

fn ask(client: &Client, row: &Row, camera: &str) -> u16 {
    let path = row.path.replace("{name}", camera).replace("{file}", "nothing.js");
    let response = match row.method.as_str() {
        "get" => client.get(&path),
        "post" => client.post(&path, &json!({})),
        other => panic!("{other}"),
    };
    response.status().as_u16()
}
