//! HTTPS, as curl speaks it.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::path::Path;

use common::{SOON, Stage, password};
use valkka_site::Certificate;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{process, require};
use valkka_web::WebOptions;

/// A certificate for `localhost`, and its key.
fn certificate(folder: &Path) -> Certificate {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let mut openssl = process::command("openssl").unwrap();
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout"]);
    let output = openssl.arg(&key).arg("-out").arg(&certificate).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Certificate::new(certificate, key).unwrap()
}

#[test]
fn pages_come_over_https_and_cookies_go_nowhere_else() {
    require!(process::available("curl"), process::available("openssl"));
    let _watchdog = Watchdog::start(5 * SOON);
    let folder = TempDir::new().unwrap();
    let tls = Some(certificate(folder.path()));
    let stage = Stage::new(WebOptions { tls, ..WebOptions::default() });
    let address = stage.address();
    assert_eq!(stage.web.url(), format!("https://{address}/"));
    let curl = |more: &[&str], path: &str| {
        let mut curl = process::command("curl").unwrap();
        curl.args(["-sS", "-i", "--max-time", "60", "--cacert"]).arg(folder.join("cert.pem"));
        curl.args(["--connect-to", &format!("localhost:443:{address}")]).args(more);
        let output = curl.arg(format!("https://localhost{path}")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(curl(&[], "/").contains("<!doctype html>"));
    let login = format!("{{\"user\":\"viewer\",\"password\":\"{}\"}}", password("viewer"));
    let answer = curl(&["-H", "content-type: application/json", "-d", &login], "/api/login");
    let cookie = answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie")).unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let user = format!("viewer:{}", password("viewer"));
    assert!(curl(&["-u", &user], "/api/cameras").contains("\"front\""));
    // Plain HTTP gets nothing here.
    let plain = common::raw(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(plain.is_none_or(|line| !line.starts_with("HTTP")));
}
