//! `GET /metrics`: figures for Prometheus.

use std::fmt;
use std::fs;
use std::time::Duration;

use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use valkka::fragments::FragmentStats;
use valkka::store::{Store, StreamSummary, WriterStats};
use valkka::usage;
use valkka_site::{Archive, ArchiveState, CameraState, CameraStatus, RecordingState, SiteCamera};

use crate::answer::{Problem, typed};
use crate::app::App;
use crate::call::Call;

pub(crate) async fn metrics(call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let cameras = call.app.site.cameras();
    let seen = cameras.iter().filter(|camera| caller.sees(camera.name()));
    let archive = call.app.site.archive();
    let store = archive.store();
    // Like whoever looks at recordings: it may wait for the disk.
    let recorded =
        call.app.readers.summary(move || Ok(store.map(|store| Stored::of(&store)).unwrap_or_default()));
    // Prometheus is to hear of everything else all the same.
    let recorded = timeout(PATIENCE, recorded).await.ok().and_then(Result::ok);
    let streams = recorded.as_ref().map_or(&[][..], |recorded| &recorded.streams);
    let scrape = Scrape {
        cameras: seen.map(|camera| CameraFigures::new(camera, streams)).collect(),
        archive: ArchiveFigures::new(archive, recorded.map(|recorded| recorded.free_bytes)),
        web: WebFigures::new(&call.app),
    };
    let text = write(scrape);
    Ok(typed("application/openmetrics-text; version=1.0.0; charset=utf-8", text))
}

/// The name of a family, what it says, and where its values come from.
type Column<T, V> = (&'static str, &'static str, fn(&T) -> V);

/// All figures at one moment.
#[derive(Debug)]
struct Scrape {
    cameras: Vec<CameraFigures>,
    /// `None` if nothing is recorded.
    archive: Option<ArchiveFigures>,
    web: WebFigures,
}

/// What the store tells.
#[derive(Debug, Default)]
struct Stored {
    streams: Vec<StreamSummary>,
    free_bytes: u64,
}

/// Those of one camera.
#[derive(Debug)]
struct CameraFigures {
    status: CameraStatus,
    /// Of its connection; they begin anew with a new one, which counters may do.
    received_bytes: u64,
    fragments: FragmentStats,
    /// What there is of it in the store.
    recorded_bytes: u64,
    recorded_seconds: f64,
}

/// Those of the store.
#[derive(Debug)]
struct ArchiveFigures {
    is_open: bool,
    stats: WriterStats,
    /// Bytes of the blocks that nothing has been recorded into yet; `None` if the store did not tell in time what it holds.
    free_bytes: Option<u64>,
}

/// Those of the web server.
#[derive(Debug, Default)]
struct WebFigures {
    connections: usize,
    sockets: usize,
    films: usize,
    requests: u64,
    sent_bytes: u64,
    live_bytes: u64,
    archive_bytes: u64,
    connections_refused: u64,
    logins_refused: u64,
}

impl Stored {
    fn of(store: &Store) -> Self {
        Self { streams: store.streams(), free_bytes: store.free_bytes() }
    }
}

impl CameraFigures {
    fn new(camera: &SiteCamera, streams: &[StreamSummary]) -> Self {
        let stream = streams.iter().find(|stream| stream.name == camera.name());
        let span = stream.and_then(|stream| Some(stream.last?.saturating_since(stream.first?)));
        Self {
            status: camera.status(),
            received_bytes: camera.camera().stats().received_bytes.get(),
            fragments: camera.fragments().stats(),
            recorded_bytes: stream.map_or(0, |stream| stream.bytes),
            recorded_seconds: span.unwrap_or_default().as_secs_f64(),
        }
    }

    fn name(&self) -> &str {
        &self.status.name
    }
}

impl ArchiveFigures {
    fn new(archive: &Archive, free_bytes: Option<u64>) -> Option<Self> {
        let state = archive.state();
        if state == ArchiveState::Off {
            return None;
        }
        let stats = archive.stats().unwrap_or_default();
        Some(Self { is_open: state == ArchiveState::Open, stats, free_bytes })
    }

    fn encode(&self, encoder: &mut Encoder<'_, '_>) -> fmt::Result {
        let open = f64::from(u8::from(self.is_open));
        encoder.gauge("valkka_archive_open", "1 while the store is open and can be written", open)?;
        if let Some(free) = self.free_bytes {
            encoder.gauge(
                "valkka_archive_free_bytes",
                "Room in which nothing is recorded now",
                free as f64,
            )?;
        }
        let queued = self.stats.queued_bytes as f64;
        encoder.gauge("valkka_archive_queued_bytes", "Bytes that wait for the disk", queued)?;
        for (name, help, value) in [
            ("valkka_archive_recorded_frames", "Packets recorded", self.stats.frames),
            ("valkka_archive_recorded_bytes", "Bytes of video and audio recorded", self.stats.recorded_bytes),
            ("valkka_archive_written_bytes", "Bytes written to the disk for them", self.stats.written_bytes),
            ("valkka_archive_syncs", "Times that the disk was waited for", self.stats.syncs),
            (
                "valkka_archive_dropped_frames",
                "Packets not recorded, for the disk is too slow",
                self.stats.dropped,
            ),
        ] {
            encoder.counter(name, help, value)?;
        }
        Ok(())
    }
}

impl WebFigures {
    fn new(app: &App) -> Self {
        let figures = &app.figures;
        Self {
            connections: app.connections.total(),
            sockets: app.sockets.total(),
            films: app.readers.films(),
            requests: figures.requests.get(),
            sent_bytes: figures.sent_bytes.get(),
            live_bytes: figures.live_bytes.get(),
            archive_bytes: figures.archive_bytes.get(),
            connections_refused: figures.connections_refused.get(),
            logins_refused: figures.logins_refused.get(),
        }
    }
}

/// In the OpenMetrics text format.
fn write(scrape: Scrape) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    // A string takes everything, so nothing can fail here.
    let _ = text::encode(&mut text, &registry);
    text
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut Encoder(&mut encoder);
        self.encode_cameras(encoder)?;
        if let Some(archive) = &self.archive {
            if archive.free_bytes.is_some() {
                self.encode_recorded(encoder)?;
            }
            self.encode_recordings(encoder)?;
            archive.encode(encoder)?;
        }
        self.web.encode(encoder)?;
        encode_process(encoder)
    }
}

impl Scrape {
    fn encode_recorded(&self, encoder: &mut Encoder<'_, '_>) -> fmt::Result {
        let gauges: [Column<CameraFigures, f64>; 2] = [
            ("valkka_camera_archive_bytes", "Bytes in the store", |camera| camera.recorded_bytes as f64),
            (
                "valkka_camera_archive_seconds",
                "From the oldest to the newest packet in the store",
                |camera| camera.recorded_seconds,
            ),
        ];
        for (name, help, value) in gauges {
            let rows = self.cameras.iter().map(|camera| ([("camera", camera.name())], value(camera)));
            encoder.gauges(name, help, rows)?;
        }
        Ok(())
    }

    fn encode_recordings(&self, encoder: &mut Encoder<'_, '_>) -> fmt::Result {
        let states = self.cameras.iter().flat_map(|camera| {
            RECORDING_STATES.map(|(state, word)| {
                let is_it = f64::from(u8::from(camera.status.recording.state == state));
                ([("camera", camera.name()), ("state", word)], is_it)
            })
        });
        encoder.gauges("valkka_camera_recording", "1 for the state that its recording is in", states)
    }

    fn encode_cameras(&self, encoder: &mut Encoder<'_, '_>) -> fmt::Result {
        let counters: [Column<CameraFigures, u64>; 6] = [
            ("valkka_camera_frames", "Pictures received", |camera| camera.status.frames),
            ("valkka_camera_received_bytes", "Bytes of video and audio received", |camera| {
                camera.received_bytes
            }),
            ("valkka_camera_lost_packets", "Network packets lost on the way here", |camera| {
                camera.status.lost
            }),
            ("valkka_camera_reconnects", "Connections after the first", |camera| camera.status.reconnects),
            ("valkka_camera_fragments", "Fragments made for browsers", |camera| camera.fragments.fragments),
            (
                "valkka_camera_fragments_skipped",
                "Fragments left out for browsers that did not keep up",
                |camera| camera.fragments.skipped,
            ),
        ];
        for (name, help, value) in counters {
            let rows = self.cameras.iter().map(|camera| ([("camera", camera.name())], value(camera)));
            encoder.counters(name, help, rows)?;
        }
        let gauges: [Column<CameraStatus, f64>; 2] = [
            ("valkka_camera_frames_per_second", "Pictures per second lately", |status| status.fps),
            ("valkka_camera_bits_per_second", "Bits per second lately", |status| 1e3 * status.kbit_s),
        ];
        for (name, help, value) in gauges {
            let rows = self.cameras.iter().map(|camera| ([("camera", camera.name())], value(&camera.status)));
            encoder.gauges(name, help, rows)?;
        }
        let states = self.cameras.iter().flat_map(|camera| {
            STATES.map(|(state, word)| {
                let is_it = f64::from(u8::from(camera.status.state == state));
                ([("camera", camera.name()), ("state", word)], is_it)
            })
        });
        encoder.gauges("valkka_camera_state", "1 for the state that the camera is in", states)?;
        let viewers = self.cameras.iter().flat_map(|camera| {
            [("rtsp", camera.status.viewers.rtsp), ("web", camera.fragments.viewers)]
                .map(|(via, count)| ([("camera", camera.name()), ("via", via)], count as f64))
        });
        encoder.gauges("valkka_camera_viewers", "Who watches the camera at this moment", viewers)
    }
}

impl WebFigures {
    fn encode(&self, encoder: &mut Encoder<'_, '_>) -> fmt::Result {
        encoder.gauge(
            "valkka_web_connections",
            "Open connections of the web server",
            self.connections as f64,
        )?;
        encoder.gauge("valkka_web_sockets", "Open WebSockets", self.sockets as f64)?;
        encoder.gauge("valkka_web_films", "Recordings on their way", self.films as f64)?;
        for (name, help, value) in [
            ("valkka_web_requests", "Requests to the web server", self.requests),
            ("valkka_web_sent_bytes", "Bytes the web server has sent", self.sent_bytes),
            ("valkka_web_live_bytes", "Bytes of live video among them", self.live_bytes),
            ("valkka_web_archive_bytes", "Bytes of recordings among them", self.archive_bytes),
            (
                "valkka_web_connections_refused",
                "Connections closed because there were too many",
                self.connections_refused,
            ),
            ("valkka_web_logins_refused", "Wrong names or passwords", self.logins_refused),
        ] {
            encoder.counter(name, help, value)?;
        }
        Ok(())
    }
}

/// By the names that Prometheus has for what every process has.
fn encode_process(encoder: &mut Encoder<'_, '_>) -> fmt::Result {
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    version.encode(encoder.0.encode_descriptor(
        "valkka_build",
        "What is running",
        None,
        MetricType::Info,
    )?)?;
    let seconds = usage::cpu_time().as_secs_f64();
    encoder.counters("process_cpu_seconds", "CPU time used, user and system", [(NO_LABELS, seconds)])?;
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory", usage::rss_bytes()),
        ("process_threads", "Threads", entries("/proc/self/task")),
        ("process_open_fds", "Open file descriptors", entries("/proc/self/fd")),
    ] {
        encoder.gauge(name, help, value as f64)?;
    }
    Ok(())
}

fn entries(folder: &str) -> u64 {
    fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// Writes families of metrics.
struct Encoder<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Encoder<'_, '_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(NO_LABELS, value)])
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(NO_LABELS, value)])
    }

    /// A family of numbers that only grow; `_total` is added to its name.
    fn counters<'l, V, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
    ) -> fmt::Result
    where
        ConstCounter<V>: EncodeMetric,
    {
        self.family(name, help, MetricType::Counter, rows, ConstCounter::new)
    }

    fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, rows, ConstGauge::new)
    }

    fn family<'l, V, M: EncodeMetric, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
        metric: impl Fn(V) -> M,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            if labels.is_empty() {
                // Then there is one row alone, and no braces.
                return metric(value).encode(family);
            }
            metric(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// How long the store may take to tell what it holds. Prometheus itself waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);

const NO_LABELS: [(&str, &str); 0] = [];

const RECORDING_STATES: [(RecordingState, &str); 4] = [
    (RecordingState::Off, "off"),
    (RecordingState::Waiting, "waiting"),
    (RecordingState::Recording, "recording"),
    (RecordingState::Failing, "failing"),
];

const STATES: [(CameraState, &str); 4] = [
    (CameraState::Connecting, "connecting"),
    (CameraState::Online, "online"),
    (CameraState::Offline, "offline"),
    (CameraState::Failed, "failed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_what_the_store_did_not_tell() {
        let text = |free_bytes| {
            let archive = ArchiveFigures { is_open: false, stats: WriterStats::default(), free_bytes };
            write(Scrape { cameras: Vec::new(), archive: Some(archive), web: WebFigures::default() })
        };
        let (told, untold) = (text(Some(4096)), text(None));
        for name in ["valkka_archive_free_bytes", "valkka_camera_archive_bytes"] {
            assert!(told.contains(name) && !untold.contains(name), "{name}");
        }
        assert!(told.contains("valkka_archive_free_bytes 4096"), "{told}");
        assert!(untold.contains("valkka_archive_open 0"), "{untold}");
    }
}
