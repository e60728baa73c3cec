//! `valkka watch`: what a program shares is seen, whoever comes first.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use common::{SOON, finish, run, start};
use serde_json::Value;
use valkka::shm::{Content, Meta, Shape, Writer};
use valkka_testkit::watchdog::Watchdog;

#[test]
fn it_counts_what_comes() {
    let _watchdog = Watchdog::start(SOON * 4);
    let name = format!("watched-{}", std::process::id());
    let child = start(&["watch", &name, "--json"]);
    let mut writer = Writer::create(&name, Shape::pictures(3, 32, 18).unwrap()).unwrap();
    let meta = Meta { content: Content::Picture { width: 32, height: 18 }, ..Meta::default() };
    let line = child.wait_line(SOON, |line| {
        writer.push(meta, &[7; 32 * 18 * 3]);
        let report: Value = serde_json::from_str(line).unwrap();
        (report["frames"].as_u64() > Some(0)).then_some(report)
    });
    let report = line.unwrap();
    assert_eq!((&report["name"], &report["content"]), (&name.as_str().into(), &"32x18".into()));
    assert!(report["wake_ms"]["p50"].as_f64().unwrap() >= 0.0);
    child.interrupt().unwrap();
    assert_eq!(finish(child).code, Some(0));
}

#[test]
fn a_name_that_nobody_shares_is_waited_for() {
    let outcome = run(&["watch", "nobody-shares-this", "--seconds", "1"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("nobody-shares-this: 0.0 fps, nothing yet"), "{}", outcome.output);
}
