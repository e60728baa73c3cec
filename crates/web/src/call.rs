//! A request on its way to its handler.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use valkka_site::SiteCamera;

use crate::answer::Problem;
use crate::app::App;
use crate::auth::Caller;

/// A request whose caller may make it.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) peer: SocketAddr,
    /// Who asks; `None` on routes that are for everybody.
    pub(crate) caller: Option<Caller>,
    /// The camera that it is about, which the caller may see.
    pub(crate) camera: Option<Arc<SiteCamera>>,
    /// The part of the path that differs, decoded.
    pub(crate) param: Option<String>,
    pub(crate) request: Request,
}

impl Call {
    /// Who asks.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(|| Problem::unauthorized("log in first"))
    }

    /// The camera that it is about.
    pub(crate) fn camera(&self) -> Result<&Arc<SiteCamera>, Problem> {
        self.camera.as_ref().ok_or_else(Problem::no_camera)
    }

    /// The values behind the question mark.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let query = axum::extract::Query::try_from_uri(self.request.uri());
        query.map(|query| query.0).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))
    }

    /// The body, as JSON.
    pub(crate) async fn body<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let bytes = read(self.request).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            // Where, and what was expected; not what was there, for it may be a password.
            let place = format!("line {}, column {}", error.line(), error.column());
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is not what is asked for: {place}"))
        })
    }
}

/// Whether a body is said to be JSON. Forms of pages elsewhere cannot say so without our leave.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    match timeout(BODY_TIMEOUT, to_bytes(request.into_body(), MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let message = format!("the body is longer than {MAX_BODY_BYTES} bytes, or was cut off");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message))
        }
        Err(_) => {
            let message = format!("the body did not come within {BODY_TIMEOUT:?}");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

/// What bodies may hold: a name and a password.
const MAX_BODY_BYTES: usize = 64 << 10;

/// In which a body has to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_what_forms_can_send() {
        for (value, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("text/plain; application/json", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_json(&headers), json, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
