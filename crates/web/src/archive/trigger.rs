//! `POST /api/cameras/{name}/record`: something happened that is to be recorded.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::task::spawn_blocking;

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
    let camera = call.camera()?.clone();
    let Trigger { reason } = call.body().await?;
    if reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        let message = format!("a reason is one line of {MAX_REASON} characters at most");
        return Err(Problem::new(StatusCode::BAD_REQUEST, message));
    }
    // What was kept from before the event is handed on.
    match spawn_blocking(move || camera.record_event(&reason)).await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Err(why)) => Err(Problem::new(StatusCode::CONFLICT, why)),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it could not be recorded")),
    }
}

const MAX_REASON: usize = 200;
