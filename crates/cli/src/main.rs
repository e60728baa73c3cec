//! `valkka`: video surveillance from the command line.
//!
//! Each command is a module under `command` with its arguments and a `run`. What a user sees is printed
//! here; everything else is in the `valkka` crate.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its user")]

mod address;
mod archive;
mod args;
mod command;
mod companion;
mod config_file;
mod exit;
mod in_place;
mod interrupt;
mod logging;
mod moment;
mod named_address;
mod output;
mod password;
mod progress;
mod second_process;
mod service_manager;
mod stdin;
mod table;
mod terminal;
mod units;
mod web_service;
mod window;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    logging::init(arguments.verbose, arguments.command.log());
    match arguments.command.run() {
        Ok(code) => code,
        Err(error) if output::is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("valkka: {error:#}");
            ExitCode::FAILURE
        }
    }
}
