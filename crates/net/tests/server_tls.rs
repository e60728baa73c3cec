//! Viewers that come by TLS.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod served;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{fs, io};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use served::client::Client;
use served::watcher::Watcher;
use served::{Camera, SOON, streams};
use valkka_core::url::Credentials;
use valkka_net::server::{Listener, ServerOptions, TlsIdentity};
use valkka_testkit::certificate::{self, Certificate};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, process, require, wait};

fn listen(camera: &Camera, certificate: &Certificate) -> Listener {
    let identity = TlsIdentity::load(certificate.path(), certificate.key()).unwrap();
    camera.server.listen_tls("127.0.0.1:0".parse().unwrap(), &identity).unwrap()
}

/// A connection that trusts in `certificate` alone.
fn connect(
    addr: SocketAddr,
    certificate: &Certificate,
) -> io::Result<Client<StreamOwned<ClientConnection, TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate.path()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(addr.ip());
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    Ok(Client::over(StreamOwned::new(tls, stream), "rtsps", addr))
}

#[test]
fn ffmpeg_sees_and_hears_and_needs_its_password() {
    require!(media::available(), certificate::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let credentials = Credentials { username: "anna".into(), password: "secret".into() };
    let options = ServerOptions { access: Arc::new(credentials), ..ServerOptions::default() };
    let camera = Camera::with(vec![streams::h264(), streams::aac()], options);
    let listener = listen(&camera, &Certificate::make().unwrap());
    // FFmpeg 5.1 cannot be told to verify certificates for RTSP.
    let watch = |password: &str| {
        served::run(
            "ffmpeg",
            &format!(
                "-nostdin -v warning -i rtsps://anna:{password}@{}/cam1 \
                 -map 0:v -map 0:a -frames:v 40 -f framecrc -",
                listener.local_addr()
            ),
        )
    };
    let right = watch("secret");
    assert!(right.success, "{}", right.output);
    assert_eq!(right.output.lines().filter(|line| line.starts_with("0,")).count(), 40);
    assert!(right.output.lines().any(|line| line.starts_with("1,")), "sound too");
    let wrong = watch("wrong");
    assert!(!wrong.success && wrong.output.contains("401"), "{}", wrong.output);
}

#[test]
fn gstreamer_sees_the_picture_and_does_not_trust_in_just_anybody() {
    require!(media::available(), certificate::available(), process::available("gst-launch-1.0"));
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let listener = listen(&camera, &Certificate::make().unwrap());
    for (flags, right) in [("tls-validation-flags=0", true), ("", false)] {
        let said = served::run(
            "gst-launch-1.0",
            &format!(
                "rtspsrc location=rtsps://{}/cam1 {flags} ! rtph264depay ! identity eos-after=10 ! fakesink",
                listener.local_addr()
            ),
        );
        assert_eq!(said.output.contains("Got EOS"), right, "{}", said.output);
    }
}

#[test]
fn nothing_leaves_the_encrypted_connection() {
    require!(media::available(), certificate::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let certificate = Certificate::make().unwrap();
    let listener = listen(&camera, &certificate);
    let mut client = connect(listener.local_addr(), &certificate).unwrap();
    for refused in ["RTP/AVP;unicast;client_port=5000-5001", "RTP/AVP;multicast"] {
        let answer = client.ask("SETUP", "/cam1/trackID=0", &[&format!("Transport: {refused}")]);
        assert_eq!(answer.status, 461, "{refused}");
    }
    let (_, answer) = client.play();
    assert!(answer.header("RTP-Info").unwrap().starts_with("url=rtsps://"), "{}", answer.text);
    let mut last: Option<u16> = None;
    for packet in std::iter::from_fn(|| client.packet()).filter(|packet| packet.channel == 0).take(500) {
        assert!(last.is_none_or(|last| packet.sequence() == last.wrapping_add(1)));
        last = Some(packet.sequence());
    }
    assert!(last.is_some());
    drop(client);
    wait::until(SOON, "the viewer's end", || camera.mount.stats().viewers == 0);
}

#[test]
fn whoever_speaks_no_tls_is_closed_and_nobody_notices() {
    require!(media::available(), certificate::available());
    let _watchdog = Watchdog::start(SOON * 3);
    // Longer than a busy machine takes for the viewer's handshake.
    let options = ServerOptions { idle_timeout: Duration::from_secs(10), ..ServerOptions::default() };
    let camera = Camera::with(vec![streams::h264()], options);
    let certificate = Certificate::make().unwrap();
    let listener = listen(&camera, &certificate);
    let mut viewer = connect(listener.local_addr(), &certificate).unwrap();
    viewer.play();
    let watcher = Watcher::of(viewer);
    let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(listener.local_addr()).unwrap()).collect();
    let garbage: [&[u8]; 4] = [
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        b"\x16\x03\x01\xff\xff",
        b"\x80\x2e\x01\x03\x01",
        &[0; 5000],
    ];
    for data in garbage {
        let mut stream = TcpStream::connect(listener.local_addr()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let _ = stream.write_all(data);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        // An alert at most.
        assert!(rest.len() < 20 && !rest.starts_with(b"RTSP"), "{rest:?}");
    }
    for mut stream in silent {
        stream.set_read_timeout(Some(SOON)).unwrap();
        assert!(matches!(stream.read(&mut [0; 100]), Ok(0)));
    }
    watcher.sees(camera.put.load(Ordering::SeqCst));
}

#[test]
fn a_certificate_is_renewed_and_an_address_given_up_without_loss() {
    require!(media::available(), certificate::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let camera = Camera::new(vec![streams::h264()]);
    let (first, second) = (Certificate::make().unwrap(), Certificate::make().unwrap());
    let listener = listen(&camera, &first);
    let addr = listener.local_addr();
    let mut viewer = connect(addr, &first).unwrap();
    viewer.play();
    assert!(connect(addr, &second).is_err());
    listener.set_identity(TlsIdentity::load(second.path(), second.key()).unwrap());
    assert!(connect(addr, &first).is_err());
    assert_eq!(connect(addr, &second).unwrap().ask("DESCRIBE", "/cam1", &[]).status, 200);
    drop(listener);
    drop(TcpListener::bind(addr).expect("the address is free"));
    let mut last: Option<u16> = None;
    for packet in std::iter::from_fn(|| viewer.packet()).filter(|packet| packet.channel == 0).take(200) {
        assert!(last.is_none_or(|last| packet.sequence() == last.wrapping_add(1)));
        last = Some(packet.sequence());
    }
    assert!(last.is_some());
    drop(camera);
    assert!(viewer.rest().len() < 1 << 22, "it ends");
}

#[test]
fn a_certificate_that_is_of_no_use_says_why() {
    require!(certificate::available());
    let _watchdog = Watchdog::start(SOON * 3);
    let (ours, other) = (Certificate::make().unwrap(), Certificate::make().unwrap());
    let directory = TempDir::new().unwrap();
    let error = |certificate: &std::path::Path, key: &std::path::Path| {
        TlsIdentity::load(certificate, key).unwrap_err().to_string()
    };
    let missing = directory.join("missing.pem");
    let named = missing.display().to_string();
    for message in [error(&missing, &ours.key()), error(&ours.path(), &missing)] {
        assert!(message.starts_with(&format!("cannot read {named}: ")), "{message}");
    }
    let swapped = error(&ours.key(), &ours.path());
    assert!(swapped.starts_with("there is no certificate (BEGIN CERTIFICATE) in "), "{swapped}");
    let message = error(&ours.path(), &ours.path());
    assert!(message.starts_with("there is no private key"), "{message}");
    let message = error(&ours.path(), &other.key());
    assert!(message.starts_with("cannot use ") && message.contains("key.pem"), "{message}");
    let damaged = directory.join("damaged.pem");
    let text = fs::read_to_string(ours.path()).unwrap();
    fs::write(&damaged, &text[..text.len() / 2]).unwrap();
    let message = error(&damaged, &ours.key());
    assert!(message.contains("damaged.pem"), "{message}");
    fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let message = error(&damaged, &ours.key());
    assert!(message.starts_with("cannot use "), "{message}");
}
