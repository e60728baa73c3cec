//! Runs the command as a user would.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

pub(crate) mod media;
pub(crate) mod page;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use valkka_testkit::process::{Child, command};

/// Long enough for anything; a test that needs it has failed.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    /// Both outputs.
    pub(crate) output: String,
}

impl Outcome {
    /// The JSON object among the lines.
    pub(crate) fn json(&self) -> Value {
        let line = self.output.lines().find(|line| line.starts_with('{'));
        let line = line.unwrap_or_else(|| panic!("no JSON in:\n{}", self.output));
        serde_json::from_str(line).unwrap()
    }
}

/// Starts `valkka` with these arguments, without the display that the tests may run on.
pub(crate) fn start(arguments: &[&str]) -> Child {
    start_on(None, arguments)
}

/// Starts `valkka` on a display.
pub(crate) fn start_on(display: Option<&str>, arguments: &[&str]) -> Child {
    let mut valkka = command(env!("CARGO_BIN_EXE_valkka")).unwrap();
    valkka.args(arguments).env_remove("RUST_LOG").env_remove("DISPLAY");
    if let Some(display) = display {
        valkka.env("DISPLAY", display);
    }
    Child::spawn(valkka).unwrap()
}

/// Runs `valkka` to its end.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    finish(start(arguments))
}

/// Waits for the end.
pub(crate) fn finish(mut child: Child) -> Outcome {
    let code = child.wait(SOON * 2).unwrap().code();
    Outcome { code, output: child.output() }
}

/// Starts `valkka camera` on a free port, and waits for the addresses of its cameras.
pub(crate) fn cameras(arguments: &[&str]) -> (Child, Vec<String>) {
    let child = start(&[&["camera", "--listen", "127.0.0.1:0"], arguments].concat());
    let count =
        arguments.windows(2).find(|pair| pair[0] == "--count").map_or(1, |pair| pair[1].parse().unwrap());
    let urls = (1..=count).map(|number| {
        let suffix = format!("/cam{number}");
        child.wait_line(SOON, |line| line.ends_with(&suffix).then(|| line.to_owned())).unwrap()
    });
    let urls = urls.collect();
    (child, urls)
}

/// What `ffprobe` says of the video at `url`, received over TCP: `codec,width,height`; else what is wrong.
pub(crate) fn probe(url: &str) -> Result<String, String> {
    let mut ffprobe = command("ffprobe").unwrap();
    ffprobe.args(["-v", "error", "-rtsp_transport", "tcp", "-select_streams", "v:0", "-of", "csv=p=0"]);
    ffprobe.args(["-show_entries", "stream=codec_name,width,height", url]);
    let mut child = Child::spawn(ffprobe).unwrap();
    let status = child.wait(SOON).unwrap();
    let output = child.output().trim().to_owned();
    if status.success() { Ok(output) } else { Err(output) }
}

/// What is at `path` of the web server at `base`, as plain HTTP/1.0 gets it: the body, if the answer is 200.
#[track_caller]
pub(crate) fn get(base: &str, path: &str) -> String {
    let host = base.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}
