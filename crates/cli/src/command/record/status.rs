//! The line that tells how a recording stands.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use valkka::{Camera, StreamState};

use crate::table::clip;
use crate::{terminal, units};

/// What was counted of a camera in the last seconds, and since when it is recorded.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// When recording began.
    pub(super) begun: Option<Instant>,
    /// Moments, bytes and pictures up to then.
    counted: VecDeque<(Instant, u64, u64)>,
}

impl Status {
    /// A line about `camera`, which is in the state called `word`; `more` and `reason` may be empty.
    pub(super) fn line(&mut self, camera: &Camera, word: &str, more: &str, reason: &str) -> String {
        let stats = camera.stats();
        let now = (Instant::now(), stats.received_bytes.get(), stats.received.get());
        while self.counted.len() > 1 && self.counted.front().is_some_and(|(at, ..)| at.elapsed() > RATE_OVER)
        {
            self.counted.pop_front();
        }
        self.counted.push_back(now);
        let before = *self.counted.front().unwrap_or(&now);
        let seconds = now.0.duration_since(before.0).as_secs_f64().max(1e-3);
        let kbits = (now.1 - before.1) as f64 * 8e-3 / seconds;
        let fps = (now.2 - before.2) as f64 / seconds;
        let length = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        let (name, length, size) = (clip(camera.name(), 40), units::length(length), units::size(now.1));
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        fit(&format!("{name}: {word}, {length}, {size}, {kbits:.0} kbit/s, {fps:.1} fps{more}{reason}"))
    }
}

/// Why a camera brings nothing; empty if it does.
pub(super) fn reason(state: &StreamState) -> &str {
    match state {
        StreamState::Waiting { reason, .. } | StreamState::Failed { reason } => reason,
        _ => "",
    }
}

/// `line` as far as it fits the terminal, with a line feed.
pub(super) fn fit(line: &str) -> String {
    let columns = terminal::size(io::stderr()).map_or(usize::MAX, |(columns, _)| columns.saturating_sub(1));
    line.chars().take(columns).chain(['\n']).collect()
}

/// Rates are those of the last seconds.
const RATE_OVER: Duration = Duration::from_secs(5);
