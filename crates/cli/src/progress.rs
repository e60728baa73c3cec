//! How far long work has come.

use std::io;
use std::time::{Duration, Instant};

use valkka::time::WallTime;

use crate::in_place::InPlace;
use crate::{moment, terminal, units};

/// A bar on standard error, for work that goes through recorded time.
#[derive(Debug)]
pub(crate) struct Progress {
    lines: InPlace,
    from: WallTime,
    to: WallTime,
    started: Instant,
}

impl Progress {
    /// For work from one moment to another.
    pub(crate) fn new(from: WallTime, to: WallTime) -> Self {
        let mut lines = InPlace::new(Duration::from_secs(10));
        // What is done within a second needs no bar.
        lines.pass();
        Self { lines, from, to, started: Instant::now() }
    }

    /// Shows that the work has come to `position`, if it is time to.
    pub(crate) fn tick(&mut self, position: WallTime) -> io::Result<()> {
        if !self.lines.is_due() {
            return Ok(());
        }
        let whole = self.to.saturating_since(self.from).as_secs_f64();
        let share =
            if whole > 0.0 { position.saturating_since(self.from).as_secs_f64() / whole } else { 1.0 };
        self.lines.show(&bar(share, self.started.elapsed(), &moment::local(position), columns()))
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.lines.clear()
    }
}

/// How wide the terminal is on which bars are shown.
pub(crate) fn columns() -> usize {
    terminal::size(io::stderr()).map_or(USUAL_COLUMNS, |(columns, _)| columns)
}

/// A line of no more than `columns`.
pub(crate) fn bar(share: f64, elapsed: Duration, position: &str, columns: usize) -> String {
    let share = share.clamp(0.0, 1.0);
    // Before much is done, nobody can tell.
    let left = (share > 0.02).then(|| Duration::from_secs_f64(elapsed.as_secs_f64() * (1.0 - share) / share));
    let left = left.map_or_else(|| "--:--:--".to_owned(), units::length);
    let text = format!(" {:3.0} %  {position}  {left} left", share * 100.0);
    let width = columns.saturating_sub(text.chars().count() + 3).min(MOST_COLUMNS);
    let done = (share * width as f64) as usize;
    let line = format!("[{}{}]{text}", "#".repeat(done), ".".repeat(width - done));
    line.chars().take(columns.saturating_sub(1)).chain(['\n']).collect()
}

/// Where there is no terminal.
const USUAL_COLUMNS: usize = 80;

/// A bar is no wider than this.
const MOST_COLUMNS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fit_the_terminal() {
        let minute = Duration::from_secs(60);
        let line = bar(0.25, minute, "2026-11-23 14:00:00", 80);
        assert!(
            line.starts_with("[########....")
                && line.ends_with("]  25 %  2026-11-23 14:00:00  00:03:00 left\n"),
            "{line}"
        );
        for (share, columns) in [(0.0, 80), (1.0, 80), (7.0, 200), (f64::NAN, 80), (0.5, 10), (0.5, 0)] {
            let line = bar(share, minute, "2026-11-23 14:00:00", columns);
            assert!(line.trim_end().chars().count() <= columns, "{share} {columns}: {line}");
        }
    }
}
