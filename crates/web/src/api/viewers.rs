//! Who watches over RTSP.

use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use valkka::net::server::ViewerInfo;

use crate::answer::{Problem, json};
use crate::call::Call;

/// Who watches over RTSP at this moment.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Viewers {
    viewers: Vec<Viewer>,
}

/// Somebody who is being sent to.
#[derive(Serialize, JsonSchema)]
struct Viewer {
    /// The path, which is the camera's name.
    path: String,
    /// The address and port of the connection.
    peer: String,
    /// The name that he has logged in by.
    user: Option<String>,
    /// `TCP`, `UDP` or `multicast`.
    transport: String,
    /// Since when, in seconds since 1970.
    since: f64,
    /// Bytes of packets sent since then.
    bytes: u64,
    /// Packets sent since then.
    packets: u64,
    /// Access units and reports that were left out since then, because he did not keep up.
    skipped: u64,
    /// What his player reports of what arrives; `null` if it does not.
    reported: Option<Report>,
}

/// What a player reports.
#[derive(Serialize, JsonSchema)]
struct Report {
    /// The share of packets lost lately, from 0 to 1.
    fraction_lost: f64,
    /// Packets lost in all.
    lost: u64,
    /// How much the time between two packets varies, in milliseconds.
    jitter_ms: f64,
    /// How long a packet takes there and back, in milliseconds.
    round_trip_ms: Option<f64>,
}

pub(crate) async fn viewers(call: Call) -> Result<Response, Problem> {
    let viewers = call.app.site.viewers();
    Ok(json(&Viewers { viewers: viewers.into_iter().map(Viewer::from).collect() }))
}

impl From<ViewerInfo> for Viewer {
    fn from(info: ViewerInfo) -> Self {
        let reported = info.reported.map(|report| Report {
            fraction_lost: report.fraction_lost,
            lost: report.lost,
            jitter_ms: 1e3 * report.jitter.as_secs_f64(),
            round_trip_ms: report.round_trip.map(|time| 1e3 * time.as_secs_f64()),
        });
        Self {
            path: info.path,
            peer: info.peer.to_string(),
            user: info.user,
            transport: info.transport.to_string(),
            since: info.since.micros() as f64 / 1e6,
            bytes: info.bytes,
            packets: info.packets,
            skipped: info.skipped,
            reported,
        }
    }
}
