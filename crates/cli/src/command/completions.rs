//! `valkka completions`: completions for a shell.

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    clap_complete::generate(args.shell, &mut Arguments::command(), "valkka", &mut io::stdout());
    Ok(ExitCode::SUCCESS)
}
