//! A wall in a window, and its run.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use valkka::render::write_png;
use valkka::wall::{OutputKind, Wall, WallOptions};

use crate::interrupt::Interrupt;

/// What every command with a window can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct WindowArgs {
    /// Tiles side by side; by default as many as fit the window best
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    columns: Option<u16>,

    /// Where to show
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,

    /// The X display, e.g. :0.1; by default that of the environment
    #[arg(long, value_name = "DISPLAY")]
    display: Option<String>,

    /// Leave after this many seconds
    #[arg(long, value_name = "N", value_parser = parse_seconds)]
    pub(crate) seconds: Option<Duration>,
}

/// Where to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// On the display there is
    #[default]
    Auto,
    /// Nowhere: decode and pace, but draw nothing
    Null,
    /// In a window of an X11 display
    X11,
}

impl WindowArgs {
    /// Opens the window on `output`, for live pictures.
    pub(crate) fn open(&self, title: &str, output: Output) -> Result<Wall, valkka::Error> {
        self.open_with(title, output, WallOptions::default().buffering)
    }

    /// Opens the window on `output`; pictures wait for `buffering`.
    pub(crate) fn open_with(
        &self,
        title: &str,
        output: Output,
        buffering: Duration,
    ) -> Result<Wall, valkka::Error> {
        Wall::open(WallOptions {
            output: match output {
                Output::Auto | Output::X11 => OutputKind::X11,
                Output::Null => OutputKind::Null,
            },
            display: self.display.clone(),
            columns: self.columns.map(u32::from),
            title: title.to_owned(),
            buffering,
            ..WallOptions::default()
        })
    }

    /// Serves the window until the user or the system has enough, or the time is over. `tick` is called some times a second,
    /// and after each key.
    pub(crate) fn run(
        &self,
        wall: &mut Wall,
        interrupt: &Interrupt,
        mut tick: impl FnMut(&mut Wall) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let is_over = || self.seconds.is_some_and(|length| start.elapsed() >= length);
        while !interrupt.is_set() && !is_over() && wall.run_for(POLL)? {
            tick(wall)?;
        }
        Ok(())
    }
}

/// Writes what the window shows as a PNG file.
pub(crate) fn save_screenshot(wall: &Wall, file: &Path) -> anyhow::Result<()> {
    let image = wall.screenshot().context("cannot take a picture of the wall")?;
    write_png(file, &image).with_context(|| format!("cannot write {}", file.display()))
}

pub(crate) fn parse_seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds: f64 = text.parse().context("it is no number")?;
    Duration::try_from_secs_f64(seconds).context("it is no length of time")
}

/// How often the wall's loop looks at the clock and the user's signals.
pub(crate) const POLL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds() {
        assert_eq!(parse_seconds("1.5").unwrap(), Duration::from_millis(1500));
        assert_eq!(parse_seconds("0").unwrap(), Duration::ZERO);
        for text in ["", "x", "-1", "NaN", "inf", "1e300"] {
            parse_seconds(text).unwrap_err();
        }
    }
}
