//! Snapshots.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use valkka::snapshot::SnapshotError;

use crate::answer::{Problem, typed, with_header};
use crate::call::Call;

#[derive(Deserialize)]
struct Query {
    /// As it is written, so that all that is no width gets the same answer.
    width: Option<String>,
}

pub(crate) async fn snapshot(call: Call) -> Result<Response, Problem> {
    let Query { width } = call.query()?;
    let width = width.map(|text| read_width(&text)).transpose()?;
    let (app, keeper) = (call.app.clone(), call.camera()?.keeper().clone());
    let make = move || app.snapshots.jpeg(&keeper, width, PATIENCE).map_err(problem);
    let snapshot = call.app.snapping.work(PATIENCE, make).await?;
    let seconds = snapshot.time.wall.micros() as f64 / 1e6;
    let mut response = typed("image/jpeg", snapshot.data);
    for (name, value) in [(TIME, format!("{seconds:.3}")), (ONLINE, snapshot.online.to_string())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response = with_header(response, name, value);
        }
    }
    Ok(response)
}

/// The width that a picture is to have.
pub(crate) fn read_width(text: &str) -> Result<u32, Problem> {
    text.parse().ok().filter(|width| WIDTHS.contains(width)).ok_or_else(|| {
        let message =
            format!("width must be a whole number of pixels from {} to {}", WIDTHS.start(), WIDTHS.end());
        Problem::new(StatusCode::BAD_REQUEST, message)
    })
}

fn problem(error: SnapshotError) -> Problem {
    match error {
        SnapshotError::NoKeyFrame { .. } | SnapshotError::Deadline { .. } => {
            Problem::busy(&error.to_string())
        }
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The moment that the picture shows, in seconds since 1970.
const TIME: HeaderName = HeaderName::from_static("x-picture-time");

/// Whether the camera was connected when the picture was asked for.
const ONLINE: HeaderName = HeaderName::from_static("x-picture-online");

/// How wide snapshots may be.
const WIDTHS: std::ops::RangeInclusive<u32> = 16..=3840;

/// How long a snapshot may wait for others, and how long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_numbers_within_their_range() {
        for (text, width) in [("16", 16), ("3840", 3840)] {
            assert_eq!(read_width(text).ok(), Some(width));
        }
        for text in ["", "x", "-1", "0", "15", "3841", "99999999999", "16.5"] {
            assert!(read_width(text).is_err(), "{text}");
        }
    }
}
