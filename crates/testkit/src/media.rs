//! Files to test with, made by the `ffmpeg` program when they are first asked for.

pub mod bars;
mod clip;
mod frames;
mod sender;

pub use clip::{Clip, Codec, Scene};
pub use frames::Frames;
pub use sender::Sender;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{self, Child};

/// Whether the programs `ffmpeg` and `ffprobe` can be run.
///
/// # Errors
/// What is missing, in words.
pub fn available() -> Result<(), String> {
    process::available("ffmpeg").and(process::available("ffprobe"))
}

/// A command line for `ffmpeg` that asks nothing, overwrites, and reports errors only.
///
/// # Errors
/// If it is not installed.
pub fn ffmpeg() -> io::Result<Command> {
    let mut command = process::command("ffmpeg")?;
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    Ok(command)
}

/// Runs `command` to its end, and returns what it wrote.
///
/// # Errors
/// If it cannot be started, fails, or takes more than ten minutes; with what it wrote.
pub fn run(command: Command) -> io::Result<String> {
    let mut child = Child::spawn(command)?;
    child.close_input();
    let status = child.wait(Duration::from_secs(600))?;
    if status.success() {
        return Ok(child.output());
    }
    Err(io::Error::other(format!("{child:?} ended with {status}:\n{}", child.output())))
}

/// The file or directory `name` among the test files, made by `make`, which is given a path to write to, unless it
/// is there.
///
/// # Errors
/// If it cannot be made.
pub fn cached(name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let directory = directory();
    fs::create_dir_all(&directory)?;
    let path = directory.join(name);
    // Tests run in many processes at once; one of them makes the file, the others wait for it. The kernel
    // drops the lock when its holder dies.
    let lock = File::create(directory.join(format!(".{name}.lock")))?;
    lock.lock()?;
    if !path.exists() {
        // Under another name until it is complete. The extension stays, for it tells ffmpeg the format.
        let unfinished = directory.join(format!("unfinished-{name}"));
        make(&unfinished)?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(path)
}

/// `test-media` in cargo's target directory.
fn directory() -> PathBuf {
    // Tests, benches and examples are at <target>/<profile>/<kind>/<name>.
    let executable = env::current_exe().unwrap_or_default();
    let target = executable.ancestors().nth(3).filter(|path| path.join("CACHEDIR.TAG").exists());
    target.map_or_else(env::temp_dir, Path::to_path_buf).join("test-media")
}
