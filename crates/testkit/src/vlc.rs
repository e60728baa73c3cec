//! VLC as a player that nobody here wrote.

use std::io;
use std::process::Command;

use crate::process;

/// Whether VLC is there.
///
/// # Errors
/// That it is not, in words.
pub fn available() -> Result<(), String> {
    process::available("cvlc")
}

/// A command line for VLC without a face. What it plays can be written to files by its option `--sout`; the directory must
/// be open to everybody, because VLC refuses to be run by root, and is run as nobody then.
///
/// # Errors
/// If it is not installed.
pub fn command() -> io::Result<Command> {
    let program = process::find("cvlc")
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "cvlc is not installed"))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    }
    command.args(["--", "env", "HOME=/nonexistent"]).arg(program).args(["-I", "dummy"]);
    Ok(command)
}
