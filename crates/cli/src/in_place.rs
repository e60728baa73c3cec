//! Lines that are printed again and again.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Prints a few lines on standard error again and again: in place on a terminal, else one below the other. Standard output
/// stays free for results.
#[derive(Debug)]
pub(crate) struct InPlace {
    in_place: bool,
    /// Lines printed last time, to go back up over.
    lines: usize,
    shown: Option<Instant>,
    interval: Duration,
}

impl InPlace {
    /// To be printed once a second on a terminal, else every `elsewhere`: in a log file, a table a second would drown
    /// everything else.
    pub(crate) fn new(elsewhere: Duration) -> Self {
        // Log lines between two tables would be overwritten.
        let in_place = io::stderr().is_terminal() && !tracing::enabled!(tracing::Level::WARN);
        let interval = if in_place { Duration::from_secs(1) } else { elsewhere };
        Self { in_place, lines: 0, shown: None, interval }
    }

    /// Whether it is time to print them.
    pub(crate) fn is_due(&self) -> bool {
        self.shown.is_none_or(|shown| shown.elapsed() >= self.interval)
    }

    /// Takes note that it was time, and there was nothing to print yet.
    pub(crate) fn pass(&mut self) {
        self.shown = Some(Instant::now());
    }

    /// Prints `text`, whose lines each end with a line feed, in the place of what was printed before.
    pub(crate) fn show(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        let mut out = io::stderr().lock();
        write!(out, "{text}")?;
        out.flush()?;
        self.lines = text.lines().count();
        self.pass();
        Ok(())
    }

    /// Takes away what was printed, where that can be done, so that other lines may be printed.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        let lines = std::mem::take(&mut self.lines);
        if self.in_place && lines > 0 {
            // Up, and clear to the end of the screen (ECMA-48 CUU, ED).
            write!(io::stderr().lock(), "\x1b[{lines}A\x1b[J")?;
        }
        Ok(())
    }
}
