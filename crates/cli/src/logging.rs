//! Where log lines go, and how many of them.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// What the log of a command is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// Warnings.
    Warnings,
    /// Only errors on a terminal: warnings would break the table or bar that is drawn there, and what they are about is told
    /// beside it or in the end.
    BesideTable,
    /// What happens, too, for operators who look later.
    OfService(LogFormat),
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

/// Sends log lines to standard error: as many as `log` says, more with `-v`; `RUST_LOG` has the last word.
pub(crate) fn init(verbose: u8, log: Log) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // Other libraries' warnings about a camera's odd packets are not for the operator.
    let default = match (verbose, log) {
        (0, Log::BesideTable) if io::stderr().is_terminal() => "error".to_owned(),
        (0, Log::OfService(_)) => ours("info"),
        (0, _) => ours("warn"),
        _ => level.to_owned(),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if log == Log::OfService(LogFormat::Json) {
        subscriber.json().flatten_event(true).init();
    } else {
        subscriber.with_ansi(io::stderr().is_terminal()).init();
    }
}

/// Our own crates, whose names all begin so, at `level`, and of all others errors.
fn ours(level: &str) -> String {
    format!("error,valkka={level}")
}
