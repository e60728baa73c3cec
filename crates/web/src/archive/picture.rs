//! `GET /api/cameras/{name}/archive/picture.jpg`: what a camera saw at a moment.

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use valkka::clock::SystemClock;
use valkka::playback::{Precision, StillError};
use valkka::time::WallTime;

use super::parameter::{end_of_moment, exact, flag};
use super::{Footage, nothing, unreadable};
use crate::answer::{Problem, typed, with_header};
use crate::api::snapshot::read_width;
use crate::call::Call;
use crate::headers::knows;

#[derive(Deserialize)]
struct Query {
    at: Option<String>,
    width: Option<String>,
    near: Option<String>,
}

pub(crate) async fn picture(call: Call) -> Result<Response, Problem> {
    let Query { at, width, near } = call.query()?;
    let at = end_of_moment("at", at.as_deref())?;
    let width = width.map(|text| read_width(&text)).transpose()?;
    let near = flag("near", near.as_deref())?;
    let precision = if near { Precision::Keyframe } else { Precision::Exact };
    // What was to be seen long ago stays what it is.
    let settled = SystemClock.now().saturating_since(at) > SETTLED;
    let tag = format!("\"{}-{}-{}\"", at.micros(), width.unwrap_or_default(), u8::from(near));
    let known = settled && knows(call.request.headers(), &tag);
    let (app, camera) = (call.app.clone(), call.camera()?.name().to_owned());
    let still = call.app.readers.pictures.work(super::PATIENCE, move || {
        let footage = Footage::of(&app.site, &camera)?.ok_or_else(|| nothing(super::NEVER))?;
        if known && is_kept(&footage, at) {
            return Ok(None);
        }
        let source = Box::new(footage.store.cursor(footage.stream));
        app.readers.stills.jpeg(source, at, precision, width, PATIENCE).map(Some).map_err(problem)
    });
    let Some(still) = still.await? else {
        return Ok(kept(StatusCode::NOT_MODIFIED.into_response(), &tag));
    };
    let settled = settled && still.to > at;
    let mut response = typed("image/jpeg", still.data);
    if let Ok(value) = HeaderValue::from_str(&exact(still.from)) {
        response = with_header(response, TIME, value);
    }
    Ok(if settled { kept(response, &tag) } else { response })
}

fn problem(error: StillError) -> Problem {
    match error {
        StillError::Blank(_) => nothing(&error.to_string()),
        StillError::Deadline { .. } => Problem::busy(&error.to_string()),
        StillError::Playback(error) => unreadable(&error),
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Whether the recordings still reach back to `at`.
fn is_kept(footage: &Footage, at: WallTime) -> bool {
    let streams = footage.store.streams();
    streams.iter().any(|stream| stream.id == footage.stream && stream.first.is_some_and(|first| first <= at))
}

/// `response`, which the browser may keep for itself.
fn kept(response: Response, tag: &str) -> Response {
    let response = with_header(response, CACHE_CONTROL, HeaderValue::from_static(KEPT));
    match HeaderValue::from_str(tag) {
        Ok(tag) => with_header(response, ETAG, tag),
        Err(_) => response,
    }
}

/// The moment that the picture shows.
const TIME: HeaderName = HeaderName::from_static("valkka-time");

/// By then everything of a moment is on the disk.
const SETTLED: Duration = Duration::from_secs(10);

/// For a day, by the browser alone: others may not see it.
const KEPT: &str = "private, max-age=86400";

/// How long a picture may take.
const PATIENCE: Duration = Duration::from_secs(5);
