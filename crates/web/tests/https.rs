//! HTTPS, as curl speaks it.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{SOON, Stage, password};
use valkka_site::Certificate;
use valkka_testkit::process::Child;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{certificate, process, require, wait};
use valkka_web::WebOptions;

/// A server whose certificate is in files that can be replaced.
struct Server {
    stage: Stage,
    directory: TempDir,
}

impl Server {
    fn start(certificate: &certificate::Certificate) -> Self {
        let directory = TempDir::new().unwrap();
        let tls = Some(install(certificate, directory.path()));
        Self { stage: Stage::new(WebOptions { tls, ..WebOptions::default() }), directory }
    }

    /// `curl` for what is at `path`, which believes in `certificate` alone.
    fn command(&self, certificate: &certificate::Certificate, more: &[&str], path: &str) -> Command {
        let mut curl = process::command("curl").unwrap();
        curl.args(["-sS", "-i", "--cacert"]).arg(certificate.path());
        curl.args(["--connect-to", &format!("localhost:443:{}", self.stage.address())]).args(more);
        curl.arg(format!("https://localhost{path}"));
        curl
    }

    /// The whole answer; else what is wrong.
    fn curl(
        &self,
        certificate: &certificate::Certificate,
        more: &[&str],
        path: &str,
    ) -> Result<String, String> {
        let output =
            self.command(certificate, &[&["--max-time", "60"], more].concat(), path).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Logs in: the line by which the cookie is set.
    fn log_in(&self, certificate: &certificate::Certificate, user: &str) -> String {
        let login = format!("{{\"user\":\"{user}\",\"password\":\"{}\"}}", password(user));
        let answer = self
            .curl(certificate, &["-H", "content-type: application/json", "-d", &login], "/api/login")
            .unwrap();
        answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie")).unwrap().to_owned()
    }
}

/// Puts a certificate and its key where a server finds them.
fn install(certificate: &certificate::Certificate, directory: &Path) -> Certificate {
    let (path, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    fs::copy(certificate.path(), &path).unwrap();
    fs::copy(certificate.key(), &key).unwrap();
    Certificate::new(path, key).unwrap()
}

#[test]
fn pages_come_over_https_and_cookies_go_nowhere_else() {
    require!(process::available("curl"), certificate::available());
    let _watchdog = Watchdog::start(5 * SOON);
    let certificate = certificate::Certificate::make().unwrap();
    let server = Server::start(&certificate);
    let address = server.stage.address();
    assert_eq!(server.stage.web.url(), format!("https://{address}/"));
    assert!(server.curl(&certificate, &[], "/").unwrap().contains("<!doctype html>"));
    let cookie = server.log_in(&certificate, "viewer");
    for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let user = format!("viewer:{}", password("viewer"));
    assert!(server.curl(&certificate, &["-u", &user], "/api/cameras").unwrap().contains("\"front\""));
    // Plain HTTP gets nothing here.
    let plain = common::raw(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(plain.is_none_or(|line| !line.starts_with("HTTP")));
}

#[test]
fn a_renewed_certificate_disturbs_nobody() {
    require!(process::available("curl"), certificate::available());
    let _watchdog = Watchdog::start(5 * SOON);
    let [old, new] = [0; 2].map(|_| certificate::Certificate::make().unwrap());
    let server = Server::start(&old);
    let cookie = server.log_in(&old, "viewer");
    let cookie = format!("cookie: {}", cookie.split([' ', ';']).nth(1).unwrap());
    let film = server.directory.join("film.mp4");
    let watching = ["-N", "-H", &cookie, "-o", film.to_str().unwrap()];
    let _viewer = Child::spawn(server.command(&old, &watching, "/api/cameras/front/live.mp4")).unwrap();
    let length = || fs::metadata(&film).map_or(0, |film| film.len());
    wait::until(SOON, "pictures", || length() > 0);

    server.stage.web.renew_certificate(&install(&new, server.directory.path())).unwrap();
    let me = |certificate| server.curl(certificate, &["-H", &cookie], "/api/me");
    assert!(me(&new).unwrap().contains("\"viewer\""));
    me(&old).unwrap_err();
    // Who watches goes on by the old one.
    let seen = length();
    wait::until(SOON, "more pictures", || length() > seen + 10_000);

    // What cannot be used changes nothing.
    let key = server.directory.join("key.pem");
    let usable = fs::read(&key).unwrap();
    fs::copy(old.key(), &key).unwrap();
    let mismatched = Certificate::new(server.directory.join("cert.pem"), &key).unwrap();
    let error = server.stage.web.renew_certificate(&mismatched).unwrap_err();
    assert!(error.to_string().contains("cert.pem cannot be used"), "{error}");
    fs::write(&key, usable).unwrap();
    assert!(me(&new).unwrap().contains("\"viewer\""));
    let plain = Stage::new(WebOptions::default());
    let error = plain.web.renew_certificate(&mismatched).unwrap_err();
    assert!(error.to_string().ends_with("speaks no TLS"), "{error}");
}
