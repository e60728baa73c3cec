//! Servers and networks that misbehave: a clear error within its deadline, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::time::Duration;

use valkka_core::source::{SourceError, SourceOptions, Transport};
use valkka_testkit::fake::{Method, Nobody, Script, Server};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::lossy::{Impairment, Proxy};
use valkka_testkit::require;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::receiver::Receiving;

const LIMIT: Duration = Duration::from_secs(240);

/// The fake server speaks TCP only.
fn options() -> SourceOptions {
    SourceOptions {
        transport: Transport::Tcp,
        connect_timeout: Duration::from_millis(1500),
        silence_timeout: Duration::from_millis(1500),
        ..SourceOptions::default()
    }
}

/// The same for who waits for an answer, however slow the machine is.
fn patient() -> SourceOptions {
    SourceOptions { connect_timeout: LIMIT, silence_timeout: LIMIT, ..options() }
}

fn error_of(script: Script, options: SourceOptions) -> SourceError {
    let server = Server::spawn(script).unwrap();
    let error = Receiving::start(&server.url_with("user", "s3cret"), options).end().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"));
    let host = server.address().to_string();
    assert!(error.to_string().contains(&host), "{error} does not name {host}");
    error
}

#[test]
fn no_host_and_no_server() {
    let _watchdog = Watchdog::start(LIMIT);
    let end = |url: &str| Receiving::start(url, patient()).end().unwrap_err();
    assert_eq!(end("rtsp://no-such-host.invalid/1").to_string(), "no such host: no-such-host.invalid");
    let nobody = Nobody::new().unwrap();
    let error = end(&nobody.url());
    let refused = format!("cannot connect to {}: Connection refused", nobody.address());
    assert!(
        matches!(error, SourceError::Connect { .. }) && error.to_string().starts_with(&refused),
        "{error}"
    );
    let error = end("/no/such/file.sdp");
    assert!(error.to_string().contains("/no/such/file.sdp"), "{error}");
    assert!(matches!(end("http://127.0.0.1/1"), SourceError::Unsupported { .. }));
}

#[test]
fn silence_has_an_end_at_every_step() {
    let _watchdog = Watchdog::start(LIMIT);
    for method in [Method::Describe, Method::Setup, Method::Play] {
        let error = error_of(Script::Ignores(method), options());
        assert!(matches!(error, SourceError::Silent { .. }), "{method:?}: {error}");
    }
    for pictures in [0, 5] {
        let error = error_of(Script::SilentAfter { pictures }, options());
        assert!(matches!(error, SourceError::Silent { .. }), "{pictures} pictures: {error}");
    }
}

#[test]
fn refusals_are_told_with_their_words() {
    let _watchdog = Watchdog::start(LIMIT);
    for (method, name) in [(Method::Describe, "DESCRIBE"), (Method::Setup, "SETUP"), (Method::Play, "PLAY")] {
        for code in [404, 454, 500, 503] {
            let error = error_of(Script::Refuses(method, code), patient()).to_string();
            assert!(error.contains(&format!("answered {name} with {code} Refused")), "{error}");
        }
    }
    let error = error_of(Script::AlwaysUnauthorized, patient());
    assert!(matches!(error, SourceError::Unauthorized { .. }), "{error}");
    let error = error_of(Script::NoTracks, patient());
    assert!(matches!(error, SourceError::NoTrack { .. }), "{error}");
}

#[test]
fn what_is_no_rtsp_is_an_error_and_no_more() {
    let _watchdog = Watchdog::start(LIMIT);
    for script in [
        Script::ClosesOn(Method::Options),
        Script::ClosesOn(Method::Describe),
        Script::ClosesOn(Method::Setup),
        Script::ClosesOn(Method::Play),
        Script::ClosesAfter { pictures: 0 },
        Script::ClosesAfter { pictures: 5 },
        Script::Garbage,
        Script::Http,
        Script::GarbageSdp,
        Script::AbsurdLength(1 << 40),
        Script::EndlessHeaders,
        Script::EndlessLine,
        Script::GarbageAfterPlay,
    ] {
        let error = error_of(script, options());
        println!("{script:?}: {error}");
    }
}

#[test]
fn broken_packets_do_not_end_the_stream() {
    let _watchdog = Watchdog::start(LIMIT);
    let server = Server::spawn(Script::BrokenPackets).unwrap();
    let receiving = Receiving::start(&server.url(), patient());
    receiving.take(0, 50);
    receiving.stop().unwrap();
}

#[test]
fn a_stop_ends_a_wait_at_once() {
    let _watchdog = Watchdog::start(LIMIT);
    let patient = SourceOptions { connect_timeout: Duration::from_secs(3600), ..options() };
    let server = Server::spawn(Script::Ignores(Method::Describe)).unwrap();
    let receiving = Receiving::start(&server.url(), patient);
    valkka_testkit::wait::until(LIMIT, "the source to ask", || !server.requests().is_empty());
    receiving.stop().unwrap();
}

#[test]
fn datagrams_that_never_come_are_silence() {
    require!(gst::available());
    let _watchdog = Watchdog::start(LIMIT);
    let server = RtspServer::with_mount("/1", Launch::h264_bars(320, 180)).unwrap();
    let proxy = Proxy::spawn(
        ([127, 0, 0, 1], server.port()).into(),
        Impairment { lost: 1.0, ..Impairment::default() },
    );
    let proxy = proxy.unwrap();
    let options = SourceOptions { connect_timeout: LIMIT, ..SourceOptions::default() };
    let impatient = SourceOptions { silence_timeout: Duration::from_secs(2), ..options.clone() };
    let error = Receiving::start(&proxy.url("/1"), impatient).end().unwrap_err();
    assert!(error.to_string().ends_with("sent nothing for 2 s"), "{error}");
    // The cable is pulled in mid-stream.
    proxy.set_impairment(Impairment::default());
    let receiving = Receiving::start(&proxy.url("/1"), options);
    receiving.take(0, 10);
    proxy.set_dark(true);
    let error = receiving.end().unwrap_err();
    assert!(matches!(error, SourceError::Silent { .. }), "{error}");
}
