//! What the command line says of itself.

mod common;

use common::run;
use valkka_testkit::temp::TempDir;

#[test]
fn every_command_explains_itself() {
    for command in ["view", "probe", "camera", "demo", "completions", "man"] {
        let outcome = run(&[command, "--help"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        assert!(outcome.output.contains(&format!("Usage: valkka {command}")), "{}", outcome.output);
    }
    let outcome = run(&["--version"]);
    assert!(outcome.output.starts_with("valkka "), "{}", outcome.output);
}

#[test]
fn completions_and_manual_come_from_the_same_definitions() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome = run(&["completions", shell]);
        assert!(outcome.output.contains("replicate"), "{shell}");
    }
    assert!(run(&["man"]).output.contains(".TH valkka 1"));
    let directory = TempDir::new().unwrap();
    let path = directory.join("man");
    assert_eq!(run(&["man", "--directory", path.to_str().unwrap()]).code, Some(0));
    assert!(std::fs::read_to_string(path.join("valkka-view.1")).unwrap().contains("replicate"));
}

#[test]
fn mistakes_are_explained() {
    let outcome = run(&["camera", "--listen", "0.0.0.0:0"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.output.contains("--password-file"), "{}", outcome.output);
    let outcome = run(&["camera", "--listen", "127.0.0.1:0", "--file", "/no/such/file.mp4"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.output.contains("/no/such/file.mp4"), "{}", outcome.output);
    let outcome = run(&["camera", "--size", "7x7"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.output.contains("1280x720"), "{}", outcome.output);
    let outcome = run(&["view", "rtsp://127.0.0.1/x", "--transport", "pigeon"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.output.contains("auto, udp, tcp, multicast"), "{}", outcome.output);
}
