//! This program once more, as a process that works for this one.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::Context;

/// This program in another process. It ends with this one: it is killed when this is dropped, and it notices by its
/// standard input when this process is gone.
#[derive(Debug)]
pub(crate) struct Companion {
    child: Child,
}

impl Companion {
    /// Starts `valkka` with these arguments, among which must be what has it end with its standard input. Returns the
    /// lines that it prints, too.
    pub(crate) fn start(arguments: &[String]) -> anyhow::Result<(Self, Receiver<String>)> {
        let program = env::current_exe().context("cannot find the path of this program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start this program once more")?;
        let stdout = child.stdout.take().context("it has no output")?;
        // From here on it is killed when something fails.
        let companion = Self { child };
        let (tx, rx) = mpsc::channel();
        thread::Builder::new().name("companion".into()).spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok((companion, rx))
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // It has nothing to lose, so there is no need to ask; errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
