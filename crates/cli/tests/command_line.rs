//! What the command line says of itself.

mod common;

use std::fs::File;
use std::process::Command;

use common::run;
use valkka_testkit::temp::TempDir;

#[test]
fn every_command_explains_itself() {
    for command in [
        "view",
        "probe",
        "camera",
        "record",
        "play",
        "archive",
        "export",
        "import",
        "fsck",
        "serve",
        "passwd",
        "demo",
        "watch",
        "completions",
        "man",
    ] {
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

#[test]
fn only_lengths_of_time_are_lengths_of_time() {
    for seconds in ["-1", "NaN", "inf", "soon"] {
        let outcome = run(&["view", "rtsp://127.0.0.1/x", &format!("--seconds={seconds}")]);
        assert_eq!(outcome.code, Some(2), "{seconds}: {}", outcome.output);
    }
}

#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    for arguments in [&["man"][..], &["completions", "zsh"], &["camera", "--listen", "127.0.0.1:0"]] {
        let mut valkka = Command::new(env!("CARGO_BIN_EXE_valkka"));
        let full = File::options().write(true).open("/dev/full").unwrap();
        let outcome = valkka.args(arguments).stdout(full).output().unwrap();
        let complaint = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{complaint}");
        assert!(complaint.starts_with("valkka: cannot write to standard output: "), "{complaint}");
    }
}

#[test]
fn a_second_password_in_the_path_of_an_address_is_never_shown() {
    let outcome = run(&[
        "view",
        "rtsp://127.0.0.1:1/user=admin&password=secret&channel=1.sdp",
        "--output=null",
        "--seconds=1",
        "--json",
        "-vv",
    ]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(!outcome.output.contains("secret"), "{}", outcome.output);
    assert_eq!(outcome.json()["cameras"][0]["name"], "127.0.0.1:1/user=admin&password=***&channel=1.sdp");
}
