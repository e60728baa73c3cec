//! libavformat's errors as ours.

use std::io;
use std::time::Duration;

use valkka_core::source::SourceError;
use valkka_core::url::StreamUrl;

use crate::ffi::{AvError, AvErrorKind, LogNotes};

/// Why a stream could not be opened; `expired` if `timeout` was over then.
pub(super) fn opening(
    url: &StreamUrl,
    error: AvError,
    notes: &LogNotes,
    expired: bool,
    timeout: Duration,
) -> SourceError {
    let host = url.host();
    if let Some(path) = url.file() {
        let what = path.to_owned();
        return match error.kind() {
            AvErrorKind::System(cause) => SourceError::Io { what, cause },
            _ => SourceError::Unsupported { what, detail: format!("no session description: {error}") },
        };
    }
    if notes.unresolved && !notes.connected {
        let host = url.host_name().unwrap_or_default().to_owned();
        return SourceError::Resolve { host };
    }
    match (error.kind(), &notes.refused) {
        (AvErrorKind::Status(401), _) | (_, Some((_, 401, _))) => {
            SourceError::Unauthorized { host, given: url.credentials().is_some() }
        }
        (_, Some((method, code, reason))) => {
            SourceError::Status { host, method: method.clone(), code: *code, reason: reason.clone() }
        }
        (AvErrorKind::Status(code), None) => {
            SourceError::Status { host, method: "the request".into(), code, reason: error.to_string() }
        }
        _ if expired && notes.connected => SourceError::Silent { host, silence: timeout },
        _ if expired => SourceError::Connect { host, cause: io::ErrorKind::TimedOut.into() },
        (AvErrorKind::System(cause), None) if !notes.connected => SourceError::Connect { host, cause },
        // What is closed or cut off before the answer, or answered with something else.
        (AvErrorKind::End, None) => {
            SourceError::Protocol { host, detail: "the connection ended within it".into() }
        }
        (AvErrorKind::NoStream, None) => SourceError::NoTrack { host, detail: "none at all".into() },
        (_, None) => SourceError::Protocol { host, detail: error.to_string() },
    }
}

/// Why a stream that was open ended; `expired` if nothing came for `silence`.
pub(super) fn reading(url: &StreamUrl, error: AvError, expired: bool, silence: Duration) -> SourceError {
    let host = url.host();
    match error.kind() {
        _ if expired => SourceError::Silent { host, silence },
        AvErrorKind::End => SourceError::Ended { host },
        AvErrorKind::System(cause) => match cause.kind() {
            io::ErrorKind::TimedOut => SourceError::Silent { host, silence },
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => SourceError::Ended { host },
            _ => SourceError::Io { what: host, cause },
        },
        _ => SourceError::Protocol { host, detail: error.to_string() },
    }
}
