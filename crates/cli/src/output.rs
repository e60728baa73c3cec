//! Results on standard output.

use std::io::{self, Write};

use anyhow::Context;

/// Writes `text` to standard output, at once. A full disk is an error, not a panic.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Whether `error` only says that the reader of our output has left, as `head` does when it has enough.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    let is_broken_pipe = |io: &io::Error| io.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(is_broken_pipe)
}
