//! What happened, in numbers, for people and machines.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use valkka_core::stats::Histogram;

use crate::camera::Camera;
use crate::usage;

/// The numbers of a run with one or more cameras. Serialised, it is the JSON that `valkka demo --json` and
/// `valkka view --json` print.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// One entry per camera.
    pub cameras: Vec<CameraSummary>,
    /// How long the run took.
    pub seconds: f64,
    /// CPU milliseconds of this process per video frame received; `None` if there were none.
    pub cpu_ms_per_frame: Option<f64>,
    /// The most memory this process had resident.
    pub peak_rss_bytes: u64,
}

/// The numbers of one camera.
#[derive(Clone, Debug, Serialize)]
pub struct CameraSummary {
    /// Its name.
    pub name: String,
    /// Its address without credentials.
    pub url: String,
    /// The video codec, e.g. `H.264`; `None` if no video was seen.
    pub codec: Option<&'static str>,
    /// Width in pixels; 0 if no video was seen.
    pub width: u32,
    /// Height in pixels; 0 if no video was seen.
    pub height: u32,
    /// Video access units that arrived.
    pub frames_received: u64,
    /// Pictures decoded.
    pub frames_decoded: u64,
    /// Pictures shown.
    pub frames_presented: u64,
    /// Pictures that a second process has read from shared memory; `None` if they were not shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_shared: Option<u64>,
    /// Frames that arrived and were not shown for lack of time, before or after decoding.
    pub frames_dropped: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Age of the pictures when they appeared on the screen.
    pub latency_ms: Latency,
}

/// Quantiles of a latency in milliseconds; `None` if nothing was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the pictures were younger.
    pub p50: Option<f64>,
    /// 99 % of the pictures were younger.
    pub p99: Option<f64>,
}

impl Latency {
    /// The quantiles of `histogram`.
    pub fn of(histogram: &Histogram) -> Self {
        let millis = |quantile| histogram.quantile(quantile).map(|age| round(age.as_secs_f64() * 1000.0));
        Self { p50: millis(0.5), p99: millis(0.99) }
    }
}

/// The beginning of a run whose numbers are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Measurement {
    started: Instant,
    cpu: Duration,
}

impl Measurement {
    /// Begins now.
    pub fn start() -> Self {
        Self { started: Instant::now(), cpu: usage::cpu_time() }
    }

    /// The time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// CPU time of this process since the beginning.
    pub fn cpu(&self) -> Duration {
        usage::cpu_time().saturating_sub(self.cpu)
    }

    /// The numbers since the beginning; the cameras' counters are taken whole.
    pub fn summary<'a>(&self, cameras: impl IntoIterator<Item = &'a Camera>) -> Summary {
        let cameras: Vec<_> = cameras.into_iter().map(CameraSummary::of).collect();
        let frames: u64 = cameras.iter().map(|camera| camera.frames_received).sum();
        Summary {
            seconds: round(self.elapsed().as_secs_f64()),
            cpu_ms_per_frame: (frames > 0).then(|| round(self.cpu().as_secs_f64() * 1000.0 / frames as f64)),
            peak_rss_bytes: usage::peak_rss_bytes(),
            cameras,
        }
    }
}

impl CameraSummary {
    /// The numbers of `camera` up to now.
    pub fn of(camera: &Camera) -> Self {
        let stats = camera.stats();
        let params = camera.video_params();
        let video = params.as_deref().and_then(|params| params.as_video().copied()).unwrap_or_default();
        Self {
            name: camera.name().to_owned(),
            url: camera.url().to_string(),
            codec: params.as_deref().map(|params| params.codec.name()),
            width: video.width,
            height: video.height,
            frames_received: stats.received.get(),
            frames_decoded: stats.decoded.get(),
            frames_presented: stats.presented.get(),
            frames_shared: None,
            frames_dropped: stats.decode_dropped.get() + stats.present_dropped.get(),
            reconnects: stats.reconnects.get(),
            latency_ms: Latency::of(&stats.age),
        }
    }
}

/// Three digits behind the point are more than the measurement tells.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
