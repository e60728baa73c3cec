//! The live table of cameras.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use valkka::summary::{CameraSummary, Latency, Summary};
use valkka::{Camera, StreamState, usage};

/// Prints the state of cameras again and again: in place on a terminal, else one below the other.
#[derive(Debug)]
pub(crate) struct LiveTable {
    in_place: bool,
    /// Lines printed last time, to go back up over.
    lines: usize,
    previous: Option<Snapshot>,
    interval: Duration,
}

/// Counters at one moment.
#[derive(Debug)]
struct Snapshot {
    at: Instant,
    cpu: Duration,
    cameras: Vec<Counters>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    received: u64,
    decoded: u64,
    presented: u64,
    bytes: u64,
}

impl LiveTable {
    /// A table on standard error, so that standard output is free for results.
    pub(crate) fn new() -> Self {
        let in_place = io::stderr().is_terminal();
        // In a log file, one table a second would drown everything else.
        let interval = Duration::from_secs(if in_place { 1 } else { 5 });
        Self { in_place, lines: 0, previous: None, interval }
    }

    /// Prints the table if it is time.
    pub(crate) fn tick(&mut self, cameras: &[Arc<Camera>]) -> io::Result<()> {
        let due = self.previous.as_ref().is_none_or(|previous| previous.at.elapsed() >= self.interval);
        if !due {
            return Ok(());
        }
        let now = Snapshot::take(cameras);
        if let Some(previous) = &self.previous {
            let text = render(cameras, previous, &now);
            let mut out = io::stderr().lock();
            if self.in_place && self.lines > 0 {
                // Up, and clear to the end of the screen (ECMA-48 CUU, ED).
                write!(out, "\x1b[{}A\x1b[J", self.lines)?;
            }
            write!(out, "{text}")?;
            out.flush()?;
            self.lines = text.lines().count();
        }
        self.previous = Some(now);
        Ok(())
    }
}

impl Snapshot {
    fn take(cameras: &[Arc<Camera>]) -> Self {
        let counters = cameras.iter().map(|camera| {
            let stats = camera.stats();
            Counters {
                received: stats.received.get(),
                decoded: stats.decoded.get(),
                presented: stats.presented.get(),
                bytes: stats.received_bytes.get(),
            }
        });
        Self { at: Instant::now(), cpu: usage::cpu_time(), cameras: counters.collect() }
    }
}

fn render(cameras: &[Arc<Camera>], before: &Snapshot, now: &Snapshot) -> String {
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(1e-3);
    let mut text = format!(
        "{:16} {:12} {:>7} {:>7} {:>7} {:>8} {:>8} {:>16}\n",
        "camera", "state", "fps in", "decoded", "shown", "dropped", "kbit/s", "age p50/p99 ms"
    );
    for ((camera, before), now) in cameras.iter().zip(&before.cameras).zip(&now.cameras) {
        let rate = |count: fn(&Counters) -> u64| (count(now) - count(before)) as f64 / seconds;
        let summary = CameraSummary::of(camera);
        text += &format!(
            "{:16} {:12} {:>7.1} {:>7.1} {:>7.1} {:>8} {:>8.0} {:>16}\n",
            clip(camera.name(), 16),
            state_word(&camera.state()),
            rate(|counters| counters.received),
            rate(|counters| counters.decoded),
            rate(|counters| counters.presented),
            summary.frames_dropped,
            rate(|counters| counters.bytes) * 8.0 / 1000.0,
            ages(summary.latency_ms),
        );
    }
    let cpu = now.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds * 100.0;
    text + &format!("CPU {cpu:.0} % of one core, memory {} MiB\n", usage::rss_bytes() >> 20)
}

/// Prints what a run came to, for people.
pub(crate) fn print_summary(summary: &Summary) {
    println!(
        "{:16} {:8} {:>11} {:>9} {:>9} {:>9} {:>8} {:>10} {:>16}",
        "camera", "codec", "size", "received", "decoded", "shown", "dropped", "reconnects", "age p50/p99 ms"
    );
    for camera in &summary.cameras {
        println!(
            "{:16} {:8} {:>11} {:>9} {:>9} {:>9} {:>8} {:>10} {:>16}",
            clip(&camera.name, 16),
            camera.codec.unwrap_or("none"),
            format!("{}x{}", camera.width, camera.height),
            camera.frames_received,
            camera.frames_decoded,
            camera.frames_presented,
            camera.frames_dropped,
            camera.reconnects,
            ages(camera.latency_ms),
        );
    }
    let cpu = summary
        .cpu_ms_per_frame
        .map_or_else(|| "no frames".into(), |cpu| format!("{cpu:.2} ms CPU per frame"));
    println!("{:.1} s, {cpu}, at most {} MiB of memory", summary.seconds, summary.peak_rss_bytes >> 20);
}

fn state_word(state: &StreamState) -> &'static str {
    match state {
        StreamState::Connecting => "connecting",
        StreamState::Online(_) => "online",
        StreamState::Waiting { .. } => "waiting",
        StreamState::Failed { .. } => "failed",
    }
}

fn ages(latency: Latency) -> String {
    match (latency.p50, latency.p99) {
        (Some(p50), Some(p99)) => format!("{p50:.0} / {p99:.0}"),
        _ => "-".into(),
    }
}

fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_clipped() {
        assert_eq!(clip("cam1", 16), "cam1");
        assert_eq!(clip("192.168.100.200:554/live", 16).chars().count(), 16);
    }
}
