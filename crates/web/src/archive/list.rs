//! `GET /api/archive`: what there is.

use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use valkka::clock::SystemClock;
use valkka_site::{RecordMode, RecordingState, RecordingStatus};

use crate::answer::{Problem, json};
use crate::api::cameras::told;
use crate::call::Call;

/// What was recorded of the cameras that the caller may watch.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Recordings {
    cameras: Vec<Recorded>,
    /// The time of this machine, in RFC 3339.
    now: String,
}

/// What was recorded of a camera, and whether it is being recorded.
#[derive(Serialize, JsonSchema)]
struct Recorded {
    name: String,
    /// The moment of the oldest packet, in RFC 3339; `null` if there is none.
    from: Option<String>,
    /// The moment of the newest packet.
    to: Option<String>,
    /// Bytes on the disk.
    bytes: u64,
    state: RecordingState,
    /// Why it is not being recorded, in words.
    reason: Option<String>,
    mode: RecordMode,
}

pub(crate) async fn list(call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let cameras = call.app.site.cameras();
    let seen: Vec<_> = cameras.into_iter().filter(|camera| caller.sees(camera.name())).collect();
    let store = call.app.site.archive().store();
    let operates = caller.operates();
    let cameras = call.app.readers.summary(move || {
        // Another process may write it. What is known of it is told also when that cannot be read.
        let _ = store.as_ref().map(|store| store.refresh());
        let streams = store.map(|store| store.streams()).unwrap_or_default();
        let recorded = |camera: &std::sync::Arc<valkka_site::SiteCamera>| {
            let stream = streams.iter().find(|stream| stream.name == camera.name());
            let RecordingStatus { state, reason, mode } = told(camera.recording(), operates);
            Recorded {
                name: camera.name().to_owned(),
                from: stream.and_then(|stream| stream.first).map(|time| time.to_string()),
                to: stream.and_then(|stream| stream.last).map(|time| time.to_string()),
                bytes: stream.map_or(0, |stream| stream.bytes),
                state,
                reason,
                mode,
            }
        };
        Ok(seen.iter().map(recorded).collect())
    });
    Ok(json(&Recordings { cameras: cameras.await?, now: SystemClock.now().to_string() }))
}
