//! `valkka serve` and `valkka passwd`, as an operator runs them.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use common::{SOON, cameras, finish, get, probe, run, start};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use valkka_testkit::certificate::{self, Certificate};
use valkka_testkit::process::{self, Child, command};
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{media, require, wait};

const LISTEN: &str = "[rtsp]\nlisten = \"127.0.0.1:0\"\n[web]\nlisten = \"127.0.0.1:0\"\n";

/// A file of a test.
struct File {
    directory: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.join("valkka.toml");
        fs::write(&path, text).unwrap();
        Self { directory, path }
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// As editors do it.
    fn replace(&self, text: &str) {
        let new = self.directory.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.path).unwrap();
    }
}

fn passwd(arguments: &[&str], password: &str) -> common::Outcome {
    let mut child = start(&[&["passwd"], arguments].concat());
    // Some mistakes are told before anything is read.
    let _ = child.write_line(password);
    child.close_input();
    finish(child)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

fn line_with(child: &Child, text: &str) -> String {
    child.wait_line(SOON, |line| line.contains(text).then(|| line.to_owned())).unwrap()
}

/// What is told to the service manager at `socket`. It reads all the time, as systemd does: the kernel keeps ten messages.
fn service_manager(socket: &Path) -> Receiver<String> {
    let socket = UnixDatagram::bind(socket).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 1000];
        while let Ok(length) = socket.recv(&mut buffer) {
            if tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                return;
            }
        }
    });
    told
}

fn camera(name: &str, url: &str) -> String {
    format!("[cameras.{name}]\nurl = \"{url}\"\ntransport = \"tcp\"\n")
}

#[test]
fn a_file_is_checked_before_it_is_used() {
    let file = File::new("[web]\nanyone = true\nlisten = \"x\"\n[cameras.a]\nurl = \"rtsp://u:secret@\"\n");
    for arguments in [&["serve", "--check", file.name()][..], &["serve", file.name()]] {
        let outcome = run(arguments);
        assert_eq!(outcome.code, Some(1), "{}", outcome.output);
        for place in [":3:1: web.listen: ", ":5:1: cameras.a.url: "] {
            assert!(outcome.output.contains(&format!("{}{place}", file.name())), "{}", outcome.output);
        }
        assert!(!outcome.output.contains("secret"), "{}", outcome.output);
    }
    let fine = File::new(&format!("[web]\nanyone = true\n{}", camera("a", "rtsp://h/1")));
    let outcome = run(&["serve", "--check", fine.name()]);
    assert_eq!(outcome.code, Some(0));
    let said = "it can be used: 1 camera, 0 users, HTTP at 127.0.0.1:8080\n";
    assert!(outcome.output.contains(said), "{}", outcome.output);
    assert_eq!(run(&["serve", "--check", "/no/such.toml"]).code, Some(1));
    let schema: Value = serde_json::from_str(&run(&["serve", "--schema"]).output).unwrap();
    assert_eq!(schema["title"], "valkka.toml");
    assert_eq!(run(&["serve"]).code, Some(2));
}

#[test]
fn cameras_are_served_to_those_who_may_watch() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let (_cameras, urls) = cameras(&["--size", "320x240"]);
    let file = File::new(&format!("{LISTEN}{}", camera("front", &urls[0])));
    let outcome = passwd(&["anna", "--file", file.name(), "--digest"], "sesame");
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let daemon = start(&["serve", file.name()]);
    let page = line_with(&daemon, "http://");
    let rtsp = line_with(&daemon, "rtsp://");
    assert!(rtsp.ends_with("/front"), "{rtsp}");
    line_with(&daemon, "connected");
    let as_anna = |password: &str| rtsp.replace("rtsp://", &format!("rtsp://anna:{password}@"));
    assert_eq!(probe(&as_anna("sesame")).as_deref(), Ok("h264,320,240"));
    for url in [&rtsp, &as_anna("wrong")] {
        assert!(probe(url).unwrap_err().contains("401"));
    }
    get(&page, "/healthz");
    // A file by which nobody could watch is refused as a whole, and everything goes on.
    file.replace("[cameras.front]\nurl = \"rtsp://h/1\"\n[rtsp]\n");
    line_with(&daemon, "nobody could watch");
    assert_eq!(probe(&as_anna("sesame")).as_deref(), Ok("h264,320,240"));
    let log = daemon.output();
    assert!(!log.contains("argon2") && !log.contains("sesame"), "{log}");
}

#[test]
fn it_reads_its_file_anew_and_ends_in_order() {
    require!(media::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let (_cameras, urls) = cameras(&["--size", "320x240", "--count", "2"]);
    let anyone = "[rtsp]\nlisten = \"127.0.0.1:0\"\nanyone = true\n";
    let file = File::new(&format!("{anyone}{}", camera("front", &urls[0])));
    let socket = file.directory.join("notify");
    let manager = service_manager(&socket);
    let mut valkka = command(env!("CARGO_BIN_EXE_valkka")).unwrap();
    valkka.args(["serve", "--log-format", "json", file.name()]).env_remove("RUST_LOG");
    valkka.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "3000000");
    let daemon = Child::spawn(valkka).unwrap();
    let told = |start: &str| loop {
        let text = manager.recv_timeout(SOON).unwrap();
        if text.starts_with(start) {
            return text;
        }
    };
    told("READY=1");
    told("STATUS=1 of 1 cameras online");
    told("WATCHDOG=1");
    let front = line_with(&daemon, "rtsp://").replace('"', "");
    probe(&front).unwrap();

    // By the signal, and by the change alone.
    file.replace(&format!("{anyone}{}{}", camera("front", &urls[0]), camera("yard", &urls[1])));
    signal(&daemon, Signal::HUP);
    assert!(told("RELOADING=1").contains("MONOTONIC_USEC="));
    told("READY=1");
    told("STATUS=2 of 2 cameras online");
    probe(&front.replace("front", "yard")).unwrap();
    file.replace(&format!("{anyone}{}", camera("yard", &urls[1])));
    told("STATUS=1 of 1 cameras online");
    assert!(probe(&front).unwrap_err().contains("404"));

    // What is wrong is refused, and the old configuration goes on.
    file.replace("[cameras.yard]\nurl = 1\n");
    line_with(&daemon, "cameras.yard.url: it must be a string");
    probe(&front.replace("front", "yard")).unwrap();

    signal(&daemon, Signal::TERM);
    told("STOPPING=1");
    let outcome = finish(daemon);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let lines = outcome.output.lines().filter(|line| !line.starts_with("rtsp://"));
    let log: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(log.iter().any(|line| line["camera"] == "yard" && line["level"] == "INFO"), "{log:#?}");
}

#[test]
fn a_password_file_is_read_anew_when_it_changes() {
    let _watchdog = Watchdog::start(SOON * 3);
    let password = "user = \"anna\"\npassword_file = \"front.password\"\n";
    let file = File::new(&format!(
        "[web]\nlisten = \"127.0.0.1:0\"\nanyone = true\n{}{password}",
        camera("front", "rtsp://127.0.0.1:1/1")
    ));
    fs::write(file.directory.join("front.password"), "one\n").unwrap();
    let daemon = start(&["serve", file.name()]);
    line_with(&daemon, "everything is started");
    fs::write(file.directory.join("front.password"), "two\n").unwrap();
    line_with(&daemon, "a file that it names, has changed");
    line_with(&daemon, "applied");
}

#[test]
fn what_a_refused_file_names_is_looked_after() {
    let _watchdog = Watchdog::start(SOON * 4);
    let web = "[web]\nlisten = \"127.0.0.1:0\"\nanyone = true\n";
    let front = camera("front", "rtsp://127.0.0.1:1/1");
    let file = File::new(&format!("{web}{front}"));
    let daemon = start(&["serve", file.name()]);
    line_with(&daemon, "everything is started");
    // The password comes later than the file that names it, which stays as it is.
    file.replace(&format!("{web}{front}user = \"anna\"\npassword_file = \"front.password\"\n"));
    line_with(&daemon, "cannot read ");
    fs::write(file.directory.join("front.password"), "one\n").unwrap();
    line_with(&daemon, "applied: changed front");
}

#[test]
fn neither_a_renewed_certificate_nor_another_web_server_logs_anybody_out() {
    require!(process::available("curl"), certificate::available());
    let _watchdog = Watchdog::start(SOON * 8);
    let [old, new] = [0; 2].map(|_| Certificate::make().unwrap());
    // Browsers keep their session with the port.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let web = format!("[web]\nlisten = \"127.0.0.1:{port}\"\n");
    let tls = "tls = { certificate = \"certificate.pem\", key = \"key.pem\" }\n";
    let file = File::new(&format!("{web}{tls}{}", camera("front", "rtsp://127.0.0.1:1/1")));
    let install = |certificate: &Certificate| {
        fs::copy(certificate.path(), file.directory.join("certificate.pem")).unwrap();
        fs::copy(certificate.key(), file.directory.join("key.pem")).unwrap();
    };
    install(&old);
    assert_eq!(passwd(&["anna", "--file", file.name()], "sesame").code, Some(0));
    let daemon = start(&["serve", file.name()]);
    line_with(&daemon, "https://");
    // The answer, if it comes from who has this certificate.
    let curl = |certificate: &Certificate, more: &[&str], path: &str| {
        let mut curl = command("curl").unwrap();
        curl.args(["-s", "-i", "--max-time", "60", "--cacert"]).arg(certificate.path()).args(more);
        let output = curl.arg(format!("https://127.0.0.1:{port}{path}")).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let login = ["-H", "content-type: application/json", "-d", "{\"user\":\"anna\",\"password\":\"sesame\"}"];
    let answer = curl(&old, &login, "/api/login").unwrap();
    let cookie = answer.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    let cookie = ["-H", &format!("cookie: {cookie}")];
    let is_anna = |answer: &str| answer.contains("\"user\":\"anna\"");

    install(&new);
    let me = wait::until_some(SOON, "the new certificate", || curl(&new, &cookie, "/api/me"));
    assert!(is_anna(&me), "{me}");
    let config = fs::read_to_string(&file.path).unwrap();
    file.replace(&config.replace(&web, &format!("{web}anyone = true\n")));
    let anyones = |answer: &String| answer.contains("\"user\":null");
    wait::until(SOON, "that nobody is asked", || {
        curl(&new, &[], "/api/me").is_some_and(|answer| anyones(&answer))
    });
    let me = curl(&new, &cookie, "/api/me").unwrap();
    assert!(is_anna(&me), "{me}");
}

#[test]
fn an_address_that_is_taken_is_an_error_at_the_start() {
    let file = File::new("[rtsp]\nanyone = true\nlisten = \"127.0.0.1:0\"\n");
    let first = start(&["serve", file.name()]);
    wait::until(SOON, "the start", || first.output().contains("everything is started"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = File::new(&format!("[web]\nanyone = true\nlisten = \"{}\"\n", taken.local_addr().unwrap()));
    let outcome = run(&["serve", file.name()]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.output.contains("the web server cannot listen at 127.0.0.1:"), "{}", outcome.output);
}

#[test]
fn passwords_are_set_from_a_pipe() {
    let outcome = passwd(&["anna"], "secret");
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.starts_with("[users.anna]\npassword = \"$argon2id$"), "{}", outcome.output);
    assert!(!outcome.output.contains("digest"));
    let outcome = passwd(&["anna", "--digest"], "secret");
    assert!(outcome.output.contains("digest = \""), "{}", outcome.output);
    for (arguments, password, complaint) in [
        (&["anna"][..], "", "the password is empty"),
        (&["a:b"], "x", "a user's name is 1 to 64"),
        (&["anna", "--file", "/no/such.toml"], "x", "/no/such.toml: cannot read it: No such file"),
    ] {
        let outcome = passwd(arguments, password);
        assert_ne!(outcome.code, Some(0));
        assert!(outcome.output.contains(complaint), "{}", outcome.output);
    }
}
