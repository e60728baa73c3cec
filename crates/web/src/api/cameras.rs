//! The cameras.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Serialize;
use valkka::reason::reason;
use valkka_site::CameraStatus;

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
    let cameras = cameras.iter().filter(|camera| caller.sees(camera.name())).map(|camera| camera.status());
    Ok(json(&Cameras { cameras: cameras.collect() }))
}

pub(crate) async fn one(call: Call) -> Result<Response, Problem> {
    Ok(json(&call.camera()?.status()))
}

pub(crate) async fn reconnect(call: Call) -> Result<Response, Problem> {
    let camera = call.camera()?.clone();
    // It waits for the frame on its way.
    let failed = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, reason(&error));
    call.app.changes.work(PATIENCE, move || camera.reconnect().map_err(failed)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// How long a change waits for others.
const PATIENCE: Duration = Duration::from_secs(5);
