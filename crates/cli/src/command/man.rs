//! `valkka man`: the manual pages.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::args::Arguments;
use crate::output;

/// Print the manual page, or write one page per command into a directory
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write valkka.1, valkka-view.1 and so on here instead
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let command = Arguments::command();
    match &args.directory {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            output::print(&String::from_utf8(page)?)?;
        }
        Some(directory) => {
            fs::create_dir_all(directory)
                .and_then(|()| clap_mangen::generate_to(command, directory))
                .with_context(|| format!("cannot write manual pages into {}", directory.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
