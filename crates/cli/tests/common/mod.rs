//! Runs the command as a user would.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

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
