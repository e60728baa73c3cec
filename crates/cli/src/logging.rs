//! Where log lines go, and how many of them.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Sends log lines to standard error: warnings by default, more with `-v`; `RUST_LOG` has the last word. Beside a
/// live table (`table`) on a terminal, only errors: warnings would break it, and it shows what is dropped.
pub(crate) fn init(verbose: u8, table: bool) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // Other libraries' warnings about a camera's odd packets are not for the operator.
    let default = match verbose {
        0 if table && io::stderr().is_terminal() => "error",
        0 => "error,valkka=warn,valkka_core=warn,valkka_net=warn,valkka_av=warn,valkka_render=warn",
        _ => level,
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
