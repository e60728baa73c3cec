//! What is answered.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

/// Why there is not the answer that was asked for.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    message: String,
    /// What is told of it to operators alone: causes and places on this machine.
    detail: Option<String>,
    retry_after: Option<Duration>,
}

/// As it is sent.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(crate) struct ErrorBody {
    /// What went wrong, in words for people.
    error: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), detail: None, retry_after: None }
    }

    /// With what operators are told of it besides.
    pub(crate) fn detailed(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// As it is told to somebody, `operates` or not.
    pub(crate) fn told(mut self, operates: bool) -> Self {
        if let Some(detail) = self.detail.take().filter(|_| operates) {
            self.message = format!("{}: {detail}", self.message);
        }
        self
    }

    /// Nobody is logged in, or not with what we know.
    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// There is no such camera, or the caller may not know of it: which of the two is not told.
    pub(crate) fn no_camera() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such camera")
    }

    /// What it takes is in use; it may be tried again in a moment.
    pub(crate) fn busy(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(Duration::from_secs(1))
    }

    /// When it makes sense to ask again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json(&ErrorBody { error: self.message });
        *response.status_mut() = self.status;
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

/// `value` as JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => typed("application/json", text),
        // Only a map with keys that are no text cannot be written, and there is none; should one come, it is told.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Bytes of the type `mime`.
pub(crate) fn typed(mime: &'static str, body: impl Into<Body>) -> Response {
    with_header(Response::new(body.into()), CONTENT_TYPE, HeaderValue::from_static(mime))
}

/// `response` with one header more.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_operators_are_told_where_and_why() {
        let problem = || Problem::busy("it cannot be read").detailed("/srv/a: gone");
        assert_eq!(problem().told(true).message(), "it cannot be read: /srv/a: gone");
        assert_eq!(problem().told(false).message(), "it cannot be read");
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_none() {
        for (wait, told) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (60_000, "60")] {
            let problem = Problem::busy("x").retry_after(Duration::from_millis(wait));
            assert_eq!(problem.into_response().headers()[RETRY_AFTER], told);
        }
    }
}
