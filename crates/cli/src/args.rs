//! The whole command line: help, shell completions and the man page all come from here.

use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};

use crate::command::{
    archive, camera, completions, demo, export, fsck, import, man, passwd, play, probe, record, serve, view,
    watch,
};
use crate::logging::Log;

/// Video surveillance: many cameras, each connected to once and decoded once, in many windows
#[derive(Debug, Parser)]
#[command(name = "valkka", version, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Arguments {
    /// Log more: -v what happens, -vv details, -vvv every frame (or set RUST_LOG)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One variant per command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    View(view::Args),
    Probe(probe::Args),
    Camera(camera::Args),
    Record(Box<record::Args>),
    Export(export::Args),
    Import(import::Args),
    Play(play::Args),
    Archive(archive::Args),
    Fsck(fsck::Args),
    Serve(serve::Args),
    Passwd(passwd::Args),
    Demo(demo::Args),
    Watch(watch::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// What its log is like.
    pub(crate) fn log(&self) -> Log {
        match self {
            Self::Demo(_) | Self::Record(_) | Self::Export(_) | Self::Import(_) | Self::Fsck(_) => {
                Log::BesideTable
            }
            Self::Serve(args) => Log::OfService(args.log_format()),
            _ => Log::Warnings,
        }
    }

    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::View(args) => view::run(args),
            Self::Probe(args) => probe::run(args),
            Self::Camera(args) => camera::run(args),
            Self::Record(args) => record::run(*args),
            Self::Export(args) => export::run(args),
            Self::Import(args) => import::run(args),
            Self::Play(args) => play::run(args),
            Self::Archive(args) => archive::run(&args),
            Self::Fsck(args) => fsck::run(&args),
            Self::Serve(args) => serve::run(args),
            Self::Passwd(args) => passwd::run(&args),
            Self::Demo(args) => demo::run(args),
            Self::Watch(args) => watch::run(args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_is_logged_where_a_bar_is_drawn() {
        for line in ["export --store a --camera b --all c.mkv", "import --store a --camera b c.mkv", "fsck a"]
        {
            let arguments = Arguments::parse_from(["valkka"].into_iter().chain(line.split(' ')));
            assert_eq!(arguments.command.log(), Log::BesideTable, "{line}");
        }
    }
}
