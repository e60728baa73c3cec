//! Whether the service runs.

use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{Problem, json};
use crate::call::Call;

/// That it runs. Nobody is asked who he is, so there is nothing more.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

pub(crate) async fn healthz(_call: Call) -> Result<Response, Problem> {
    Ok(json(&Health { status: "ok" }))
}
