//! `valkka probe`, on streams that are there and on all that can be wrong with one.

mod common;

use std::fs;
use std::net::TcpListener;
use std::thread;

use common::{Outcome, SOON, cameras, run};
use valkka_testkit::fake::{Method, Script, Server};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_testkit::watchdog::Watchdog;

/// Runs `valkka probe`, which must fail as the command promises: exit code 2, one line.
fn fails(url: &str) -> String {
    let outcome = run(&["probe", url]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert_eq!(outcome.output.lines().count(), 1, "{}", outcome.output);
    outcome.output
}

/// Runs the command; `None` if it failed, as it does when the machine stands still for as long as it waits.
fn succeeds(arguments: &[&str]) -> Option<Outcome> {
    let outcome = run(arguments);
    assert!(matches!(outcome.code, Some(0 | 2)), "{}", outcome.output);
    (outcome.code == Some(0)).then_some(outcome)
}

#[test]
fn a_stream_is_described() {
    require!(gst::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let server = RtspServer::with_mount("/bars", Launch::h264_bars(640, 360).and_pcmu()).unwrap();
    for transport in ["udp", "tcp", "auto"] {
        let url = server.url("/bars");
        let arguments = ["probe", "--json", "--transport", transport, &url];
        let expected = if transport == "auto" { "udp" } else { transport };
        // On a busy machine packets may come too late, or be lost: then it is another stream.
        let report = wait::until_some(SOON, &format!("a whole look by {transport}"), || {
            let report = succeeds(&arguments)?.json();
            let is_whole = report["transport"] == expected && report["lost_packets"] == 0;
            (is_whole && report["tracks"][0]["gop"].is_u64()).then_some(report)
        });
        let video = &report["tracks"][0];
        assert_eq!(
            (&video["codec"], &video["width"], &video["height"]),
            (&"H.264".into(), &640.into(), &360.into())
        );
        assert!((video["frame_rate"].as_f64().unwrap() - 25.0).abs() < 1.0, "{report}");
        assert_eq!(video["gop"], 25, "{report}");
        let audio = &report["tracks"][1];
        assert_eq!((&audio["codec"], &audio["sample_rate_hz"]), (&"G.711 µ-law".into(), &8000.into()));
    }
    let outcome = wait::until_some(SOON, "a look", || succeeds(&["probe", &server.url("/bars")]));
    assert!(outcome.output.contains("video H.264, 640x360, "), "{}", outcome.output);
}

#[test]
fn our_own_cameras_of_each_codec_are_described() {
    let _watchdog = Watchdog::start(SOON * 6);
    for (word, name) in [("h264", "H.264"), ("h265", "H.265"), ("mjpeg", "MJPEG")] {
        let (_camera, urls) = cameras(&["--codec", word, "--size", "320x240", "--count", "2"]);
        let outcome = wait::until_some(SOON, "a look", || succeeds(&["probe", "--json", &urls[1]]));
        let report = outcome.json();
        let video = &report["tracks"][0];
        assert_eq!(
            (&video["codec"], &video["width"], &video["height"]),
            (&name.into(), &320.into(), &240.into())
        );
        // The same machine, the same clock; but a report may be on its way while the machine stands still.
        let offset = report["clock_offset_ms"].as_f64();
        assert!(offset.is_none_or(|offset| offset.abs() < 60_000.0), "{report}");
    }
}

#[test]
fn nobody_there_is_said() {
    let _watchdog = Watchdog::start(SOON * 6);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = fails(&format!("rtsp://{free}/cam1"));
    assert!(refused.contains(&free.to_string()) && refused.contains("refused"), "{refused}");
    let unknown = fails("rtsp://no-such-host.invalid/cam1");
    assert!(unknown.contains("no such host: no-such-host.invalid"), "{unknown}");
}

#[test]
fn peers_that_misbehave_are_said() {
    let _watchdog = Watchdog::start(SOON * 6);
    let scripts = [
        Script::Ignores(Method::Describe),
        Script::Ignores(Method::Play),
        Script::ClosesOn(Method::Setup),
        Script::Refuses(Method::Describe, 404),
        Script::AlwaysUnauthorized,
        Script::Garbage,
        Script::Http,
        Script::GarbageSdp,
        Script::NoTracks,
        Script::AbsurdLength(1 << 62),
        Script::EndlessHeaders,
        Script::EndlessLine,
        Script::SilentAfter { pictures: 0 },
    ];
    for transport in ["tcp", "udp"] {
        thread::scope(|scope| {
            for script in scripts {
                scope.spawn(move || {
                    let server = Server::spawn(script).unwrap();
                    let outcome = run(&["probe", "--transport", transport, &server.url()]);
                    let what = format!("{transport}, {script:?}: {}", outcome.output);
                    assert_eq!(outcome.code, Some(2), "{what}");
                    assert!(outcome.output.contains("127.0.0.1"), "{what}");
                    assert_eq!(outcome.output.lines().count(), 1, "{what}");
                });
            }
        });
    }
}

#[test]
fn a_wrong_password_is_said_and_never_shown() {
    let _watchdog = Watchdog::start(SOON * 6);
    let directory = TempDir::new().unwrap();
    let file = directory.join("password");
    fs::write(&file, "correct horse\n").unwrap();
    let (_camera, urls) = cameras(&["--user", "admin", "--password-file", file.to_str().unwrap()]);
    let with = |credentials: &str| urls[0].replace("rtsp://", &format!("rtsp://{credentials}@"));
    for transport in ["tcp", "udp", "auto"] {
        for credentials in ["admin:battery%20staple", "nobody:battery%20staple"] {
            let outcome = run(&["-vvv", "probe", "--transport", transport, &with(credentials)]);
            assert_eq!(outcome.code, Some(2), "{}", outcome.output);
            assert!(outcome.output.contains("refused our credentials"), "{}", outcome.output);
            assert!(!outcome.output.contains("battery"), "{}", outcome.output);
        }
        let url = with("admin:correct%20horse");
        let arguments = ["-vvv", "probe", "--transport", transport, &url];
        let outcome = wait::until_some(SOON, "a look", || succeeds(&arguments));
        for secret in ["correct horse", "correct%20horse", "Y29ycmVjdC"] {
            assert!(!outcome.output.contains(secret), "{transport}: {}", outcome.output);
        }
    }
    let error = fails(&urls[0]);
    assert!(error.contains("wants a user name and a password"), "{error}");
}

#[test]
fn what_is_no_address_is_refused_without_repeating_it() {
    let outcome = run(&["probe", "rtsp://user:secret@"]);
    assert_eq!(outcome.code, Some(2));
    assert!(!outcome.output.contains("secret"), "{}", outcome.output);
    let outcome = run(&["probe", "http://user:secret@localhost/"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.output.contains("none of rtsp, rtsps, file"), "{}", outcome.output);
    assert!(!outcome.output.contains("secret"), "{}", outcome.output);
}
