//! What happened.

use std::sync::Arc;

use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use valkka_site::Event;

use crate::answer::{Problem, json};
use crate::auth::Caller;
use crate::call::Call;

/// Events, the oldest first.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Events<'a> {
    events: Vec<&'a Event>,
}

#[derive(Deserialize)]
struct Since {
    since: Option<u64>,
}

pub(crate) async fn events(call: Call) -> Result<Response, Problem> {
    let Since { since } = call.query()?;
    let caller = call.caller()?;
    let events = call.app.site.events().recent(since.unwrap_or_default());
    let events = events.iter().map(Arc::as_ref).filter(|event| may_know(caller, event));
    Ok(json(&Events { events: events.collect() }))
}

/// Whether `caller` may know of `event`: what is about no camera is for those who operate all of them.
pub(crate) fn may_know(caller: &Caller, event: &Event) -> bool {
    match &event.camera {
        Some(camera) => caller.sees(camera),
        None => caller.operates(),
    }
}
