//! The cameras.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Serialize;
use valkka::reason::reason;
use valkka_site::{CameraStatus, RecordingState, RecordingStatus, SiteCamera};

use crate::answer::{Problem, json};
use crate::call::Call;

/// The cameras that the caller may watch, by their names.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Cameras {
    cameras: Vec<CameraStatus>,
}

pub(crate) async fn list(call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let cameras = call.app.site.cameras();
    let cameras = cameras.iter().filter(|camera| caller.sees(camera.name()));
    let cameras = cameras.map(|camera| status(camera, caller.operates()));
    Ok(json(&Cameras { cameras: cameras.collect() }))
}

pub(crate) async fn one(call: Call) -> Result<Response, Problem> {
    Ok(json(&status(call.camera()?, call.caller()?.operates())))
}

/// How a camera stands, as it is told to somebody who operates the service, or does not.
fn status(camera: &SiteCamera, operates: bool) -> CameraStatus {
    let status = camera.status();
    CameraStatus { recording: told(status.recording, operates), ..status }
}

/// How the recording of a camera stands, as it is told to somebody who operates the service, or does not: why it fails tells of
/// places on this machine.
pub(crate) fn told(status: RecordingStatus, operates: bool) -> RecordingStatus {
    if operates || status.state != RecordingState::Failing {
        return status;
    }
    RecordingStatus { reason: Some(FAILING.to_owned()), ..status }
}

const FAILING: &str = "it cannot be recorded at this moment";

pub(crate) async fn reconnect(call: Call) -> Result<Response, Problem> {
    let camera = call.camera()?.clone();
    // It waits for the frame on its way.
    let failed = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, reason(&error));
    call.app.changes.work(PATIENCE, move || camera.reconnect().map_err(failed)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// How long a change waits for others.
const PATIENCE: Duration = Duration::from_secs(5);
