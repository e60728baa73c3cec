//! How the program ends.

use std::fmt::Display;
use std::process::ExitCode;

/// Says in one line why what was asked for cannot be had (no such camera, no display), and returns the exit code
/// by which scripts know it from a failure later on.
pub(crate) fn cannot_start(error: &dyn Display) -> ExitCode {
    eprintln!("valkka: {error}");
    ExitCode::from(2)
}
