//! Writes answers.

use std::fmt::Write as _;

use rtsp_types::StatusCode;

/// An answer to a request.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, String)>,
}

impl Response {
    /// An answer without further words.
    pub(super) fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// Adds a header. The same name may come several times, each on a line of its own: that is how clients
    /// expect challenges.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a body of type `content_type`.
    pub(super) fn body(mut self, content_type: &'static str, body: String) -> Self {
        self.body = Some((content_type, body));
        self
    }

    /// The bytes to send.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut text = format!("RTSP/1.0 {} {}\r\n", u16::from(self.status), self.status);
        let mut line = |name: &str, value: &str| {
            write!(text, "{name}: {value}\r\n").expect("a string takes everything");
        };
        for (name, value) in &self.headers {
            line(name, value);
        }
        line("Server", "valkka");
        if let Some((content_type, body)) = &self.body {
            line("Content-Type", content_type);
            line("Content-Length", &body.len().to_string());
        }
        text.push_str("\r\n");
        if let Some((_, body)) = &self.body {
            text.push_str(body);
        }
        text.into_bytes()
    }
}
