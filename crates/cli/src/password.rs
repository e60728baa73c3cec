//! A password that somebody types.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, ensure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use valkka_site::MAX_PASSWORD_BYTES;

/// Asks for a new password: twice and without showing it on a terminal, else for one line of standard input.
pub(crate) fn ask_new(of: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let password = ask(&format!("New password of {of}: "))?;
    ensure!(ask("Once more: ")? == password, "the two passwords are not the same");
    Ok(password)
}

fn ask(question: &str) -> anyhow::Result<String> {
    let mut stderr = io::stderr();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).context("cannot ask")?;
    let password = {
        let _hidden = Hidden::start()?;
        read_line()
    };
    // The user's own line feed was not shown either.
    writeln!(stderr).context("cannot ask")?;
    password
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    let limit = MAX_PASSWORD_BYTES as u64 + 2;
    io::stdin().lock().take(limit).read_line(&mut line).context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "the password is empty");
    ensure!(password.len() <= MAX_PASSWORD_BYTES, "the password is longer than {MAX_PASSWORD_BYTES} bytes");
    Ok(password.to_owned())
}

/// While this lives, the terminal does not show what is typed.
struct Hidden(Termios);

impl Hidden {
    fn start() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("cannot ask the terminal")?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // Ctrl-C would leave the terminal as it is now: it comes as a character instead, which ends no line.
        hidden.local_modes.remove(LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).context("cannot hide what is typed")?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to put right.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
