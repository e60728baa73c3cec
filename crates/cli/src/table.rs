//! The live table of cameras, and what a run came to.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use valkka::summary::{CameraSummary, Latency, Summary};
use valkka::{Camera, StreamState, usage};

use crate::in_place::InPlace;
use crate::{output, terminal};

/// Prints the state of cameras again and again: in place on a terminal, else one below the other.
#[derive(Debug)]
pub(crate) struct LiveTable {
    lines: InPlace,
    previous: Option<Snapshot>,
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
    /// By a second process.
    shared: u64,
    bytes: u64,
}

impl LiveTable {
    /// A table on standard error, so that standard output is free for results.
    pub(crate) fn new() -> Self {
        Self { lines: InPlace::new(Duration::from_secs(5)), previous: None }
    }

    /// Prints the table if it is time. `shared` is how many pictures of each camera a second process has seen.
    pub(crate) fn tick(&mut self, cameras: &[Arc<Camera>], shared: &[u64]) -> io::Result<()> {
        if !self.lines.is_due() {
            return Ok(());
        }
        let now = Snapshot::take(cameras, shared);
        match &self.previous {
            Some(previous) => {
                self.lines.show(&render(cameras, previous, &now, terminal::size(io::stderr())))?;
            }
            None => self.lines.pass(),
        }
        self.previous = Some(now);
        Ok(())
    }
}

impl Snapshot {
    fn take(cameras: &[Arc<Camera>], shared: &[u64]) -> Self {
        let counters = cameras.iter().zip(shared).map(|(camera, &shared)| {
            let stats = camera.stats();
            Counters {
                received: stats.received.get(),
                decoded: stats.decoded.get(),
                presented: stats.presented.get(),
                shared,
                bytes: stats.received_bytes.get(),
            }
        });
        Self { at: Instant::now(), cpu: usage::cpu_time(), cameras: counters.collect() }
    }
}

/// The table; on a terminal of `size` (columns, rows), no line is broken and no row scrolls away, for otherwise the
/// way back up is lost.
fn render(
    cameras: &[Arc<Camera>],
    before: &Snapshot,
    now: &Snapshot,
    size: Option<(usize, usize)>,
) -> String {
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(1e-3);
    let (name, fit) = (name_width(cameras.iter().map(|camera| camera.name()), LIVE_WIDTH, size), rows(size));
    // What is left out takes a row too.
    let shown = if cameras.len() <= fit { cameras.len() } else { fit.saturating_sub(1) };
    let mut text = format!(
        "{:name$} {:10} {:>6} {:>7} {:>6} {:>6} {:>7} {:>7} {:>11}\n",
        "camera", "state", "fps in", "decoded", "shown", "shared", "dropped", "kbit/s", "age p50/p99"
    );
    for ((camera, before), now) in cameras.iter().zip(&before.cameras).zip(&now.cameras).take(shown) {
        let rate = |count: fn(&Counters) -> u64| (count(now) - count(before)) as f64 / seconds;
        let summary = CameraSummary::of(camera);
        text += &format!(
            "{:name$} {:10} {:>6.1} {:>7.1} {:>6.1} {:>6.1} {:>7} {:>7.0} {:>11}\n",
            clip(camera.name(), name),
            state_word(&camera.state()),
            rate(|counters| counters.received),
            rate(|counters| counters.decoded),
            rate(|counters| counters.presented),
            rate(|counters| counters.shared),
            summary.frames_dropped,
            rate(|counters| counters.bytes) * 8.0 / 1000.0,
            ages(summary.latency_ms),
        );
    }
    if let hidden @ [_, ..] = &cameras[shown..] {
        let online = hidden.iter().filter(|camera| matches!(camera.state(), StreamState::Online(_))).count();
        text += &format!("… and {} more, {online} of them online\n", hidden.len());
    }
    let cpu = now.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds * 100.0;
    text + &format!("CPU {cpu:.0} % of one core, memory {} MiB\n", usage::rss_bytes() >> 20)
}

/// Prints what a run came to, for people or as one JSON object.
pub(crate) fn print_summary(summary: &Summary, json: bool) -> anyhow::Result<()> {
    if json {
        return output::print(&(serde_json::to_string(summary)? + "\n"));
    }
    let size = terminal::size(io::stdout());
    // A Ctrl-C stands as ^C where the summary begins.
    let start = if size.is_some() { "\r" } else { "" };
    output::print(&format!("{start}{}", summary_text(summary, size)))
}

/// What a run came to, on a terminal of `size` or in a file.
fn summary_text(summary: &Summary, size: Option<(usize, usize)>) -> String {
    let names = summary.cameras.iter().map(|camera| camera.name.as_str());
    let name = name_width(names, SUMMARY_WIDTH, size);
    let is_shared = summary.cameras.iter().any(|camera| camera.frames_shared.is_some());
    let mut text = format!(
        "{:name$} {:5} {:>9} {:>8} {:>7} {:>6}{shared} {:>7} {:>6} {:>11}\n",
        "camera",
        "codec",
        "size",
        "received",
        "decoded",
        "shown",
        "dropped",
        "reconn",
        "age p50/p99",
        shared = if is_shared { " shared" } else { "" }
    );
    for camera in &summary.cameras {
        text += &format!(
            "{:name$} {:5} {:>9} {:>8} {:>7} {:>6}{shared} {:>7} {:>6} {:>11}\n",
            clip(&camera.name, name),
            camera.codec.unwrap_or("-"),
            if camera.width > 0 { format!("{}x{}", camera.width, camera.height) } else { "-".into() },
            camera.frames_received,
            camera.frames_decoded,
            camera.frames_presented,
            camera.frames_dropped,
            camera.reconnects,
            ages(camera.latency_ms),
            shared = camera.frames_shared.map(|frames| format!(" {frames:>6}")).unwrap_or_default(),
        );
    }
    let cpu = summary
        .cpu_ms_per_frame
        .map_or_else(|| "no frames".into(), |cpu| format!("{cpu:.2} ms CPU per frame"));
    let mebibytes = summary.peak_rss_bytes >> 20;
    text + &format!("{:.1} s, {cpu}, at most {mebibytes} MiB of memory\n", summary.seconds)
}

/// How wide the column of names is: as the longest name, if there is room beside the `rest` of the line.
fn name_width<'a>(names: impl Iterator<Item = &'a str>, rest: usize, size: Option<(usize, usize)>) -> usize {
    let longest = names.map(|name| name.chars().count()).max().unwrap_or_default();
    let room = size.map_or(usize::MAX, |(columns, _)| columns.saturating_sub(rest));
    longest.min(room).max(LEAST_NAME)
}

/// How many rows of cameras fit between the head and the last line, with the cursor below.
fn rows(size: Option<(usize, usize)>) -> usize {
    size.map_or(usize::MAX, |(_, rows)| rows.saturating_sub(3).max(1))
}

/// What a state is called in tables.
pub(crate) fn state_word(state: &StreamState) -> &'static str {
    match state {
        StreamState::Connecting => "connecting",
        StreamState::Online(_) => "online",
        StreamState::Waiting { .. } => "waiting",
        StreamState::Failed { .. } => "failed",
    }
}

fn ages(latency: Latency) -> String {
    match (latency.p50, latency.p99) {
        (Some(p50), Some(p99)) => format!("{p50:.0}/{p99:.0} ms"),
        _ => "-".into(),
    }
}

/// The end of `text`, for that is where the names of cameras differ.
pub(crate) fn clip(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    ['…'].into_iter().chain(text.chars().skip(length + 1 - most)).collect()
}

/// Width of the live table and of the summary without the names.
const LIVE_WIDTH: usize = 69;
const SUMMARY_WIDTH: usize = 74;
/// The narrowest column of names.
const LEAST_NAME: usize = 6;

#[cfg(test)]
mod tests {
    use valkka::{CameraOptions, Engine, EngineOptions};

    use super::*;

    #[test]
    fn long_names_are_clipped() {
        assert_eq!(clip("cam1", 16), "cam1");
        assert_eq!(clip("192.168.100.200:554/live", 10), "…:554/live");
    }

    #[test]
    fn the_table_fits_the_terminal() {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let camera = |number| {
            let url = format!("rtsp://192.168.100.200/a/rather/long/path/{number}").parse().unwrap();
            Arc::new(engine.camera(url, CameraOptions::default()).unwrap())
        };
        let cameras: Vec<_> = (0..64).map(camera).collect();
        let shared = vec![0; cameras.len()];
        let (before, now) = (Snapshot::take(&cameras, &shared), Snapshot::take(&cameras, &shared));
        for (columns, height) in [(80, 24), (120, 66), (200, 100), (75, 4)] {
            let text = render(&cameras, &before, &now, Some((columns, height)));
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{columns}: {text}");
            assert!(text.lines().count() < height, "{height}: {text}");
            assert!(text.lines().last().unwrap().starts_with("CPU"), "{text}");
        }
        let text = render(&cameras, &before, &now, Some((80, 24)));
        assert!(text.contains("… and 44 more, 0 of them online"), "{text}");
        assert_eq!(render(&cameras, &before, &now, None).lines().count(), 66);
    }
}
