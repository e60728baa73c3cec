//! `POST /api/cameras/{name}/record`: something happened that is to be recorded.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::Problem;
use crate::call::Call;

/// What happened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trigger {
    /// In words, for the log of events; at most 200 characters of one line.
    #[serde(default)]
    reason: String,
}

pub(crate) async fn trigger(call: Call) -> Result<Response, Problem> {
    let (app, camera) = (call.app.clone(), call.camera()?.clone());
    let Trigger { reason } = call.body().await?;
    if reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        let message = format!("a reason is one line of {MAX_REASON} characters at most");
        return Err(Problem::new(StatusCode::BAD_REQUEST, message));
    }
    // What was kept from before the event is handed on.
    let record = move || camera.record_event(&reason).map_err(|why| Problem::new(StatusCode::CONFLICT, why));
    app.changes.work(super::PATIENCE, record).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

const MAX_REASON: usize = 200;
