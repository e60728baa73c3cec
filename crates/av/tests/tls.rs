//! RTSP inside TLS: GStreamer's server behind a TLS terminator.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::time::Duration;

use valkka_core::source::{SourceError, SourceOptions};
use valkka_testkit::gst::{self, Launch, RtspServer};
use valkka_testkit::process::{self, Child};
use valkka_testkit::require;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;

mod common;
use common::decode;
use common::receiver::{Receiving, patient};

#[test]
fn rtsps_is_received_and_its_failures_are_said() {
    require!(gst::available(), process::available("openssl"), process::available("/usr/bin/python3"));
    let _watchdog = Watchdog::start(Duration::from_secs(300));
    let server = RtspServer::builder().tcp_only().mount("/1", Launch::h264_bars(320, 180)).spawn().unwrap();
    let directory = TempDir::new().unwrap();
    let (key, certificate) = (directory.join("key.pem"), directory.join("certificate.pem"));
    let mut openssl = process::command("openssl").unwrap();
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    valkka_testkit::media::run(openssl).unwrap();
    let mut python = process::command("/usr/bin/python3").unwrap();
    python.args(["-c", TERMINATOR]).arg(&key).arg(&certificate).arg(server.port().to_string());
    let terminator = Child::spawn(python).unwrap();
    let port: u16 = terminator.wait_line(Duration::from_secs(60), |line| line.parse().ok()).unwrap();

    let receiving = Receiving::start(&format!("rtsps://127.0.0.1:{port}/1"), patient());
    assert!(decode(&receiving.take(0, 60)).len() >= 30);
    receiving.stop().unwrap();

    // A server without TLS.
    let plain = format!("rtsps://127.0.0.1:{}/1", server.port());
    let options = SourceOptions { connect_timeout: Duration::from_secs(3), ..SourceOptions::default() };
    let error = Receiving::start(&plain, options).end().unwrap_err();
    assert!(matches!(error, SourceError::Protocol { .. } | SourceError::Silent { .. }), "{error}");
}

/// Takes TLS off what comes in, and hands it to a server on this machine.
const TERMINATOR: &str = "
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[1])
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
while True:
    try:
        client = context.wrap_socket(listener.accept()[0], server_side=True)
        server = socket.create_connection(('127.0.0.1', int(sys.argv[3])))
    except OSError:
        continue
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
";
