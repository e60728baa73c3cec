//! What retina's errors mean to us.
//!
//! retina tells a status code, and everything else only in words. The version is pinned, so these words are
//! what they are; the tests below hold them, and an upgrade that changes them fails there.

use std::io;
use std::time::Duration;

use rtsp_types::StatusCode;
use valkka_core::source::SourceError;
use valkka_core::url::StreamUrl;

/// The step of a session that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Describe,
    Setup,
    Play,
    Receive,
}

impl Step {
    fn method(self) -> &'static str {
        match self {
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play | Self::Receive => "PLAY",
        }
    }
}

/// Turns `error`, which `peer` caused in `step`, into ours.
pub(super) fn translate(error: &retina::Error, step: Step, peer: &StreamUrl) -> SourceError {
    from_words(error.status_code(), &format!("{error:?}"), &error.to_string(), step, peer)
}

/// `variant` is the error's `Debug`, which begins with the name of what happened; `words` its `Display`.
fn from_words(status: Option<u16>, variant: &str, words: &str, step: Step, peer: &StreamUrl) -> SourceError {
    let host = peer.host();
    if let Some(code) = status {
        return match code {
            401 | 407 => SourceError::Unauthorized { host, given: peer.credentials().is_some() },
            // A proper status, but the rest of the answer makes no sense.
            200..=299 => match after(words, ": ") {
                detail if detail.starts_with(NO_STREAMS) => {
                    SourceError::NoTrack { host, detail: "none at all".into() }
                }
                detail => SourceError::Protocol { host, detail },
            },
            _ => SourceError::Status {
                host,
                method: step.method().into(),
                code,
                reason: StatusCode::from(code).to_string(),
            },
        };
    }
    let name = variant.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let cause = || io_error(variant, &first_line(words));
    match name {
        "ConnectError" => match cause() {
            // A name that has no address fails before the system is asked for a connection.
            cause if cause.raw_os_error().is_none() => no_such_host(&host),
            cause => SourceError::Connect { host, cause },
        },
        "RtspReadError" | "UdpRecvError" | "WriteError" => {
            let cause = cause();
            match (cause.kind(), step) {
                (io::ErrorKind::UnexpectedEof, Step::Receive) => SourceError::Ended { host },
                (io::ErrorKind::UnexpectedEof, step) => SourceError::Protocol {
                    host,
                    detail: format!("it closed the connection instead of answering {}", step.method()),
                },
                _ => SourceError::Io { what: host, cause },
            }
        }
        // What a killed camera leaves behind.
        "RtspFramingError" if step == Step::Receive && words.starts_with(CUT_SHORT) => {
            SourceError::Ended { host }
        }
        "InvalidArgument" | "Unsupported" => {
            SourceError::Unsupported { what: host, detail: after(words, ": ") }
        }
        "RtspFramingError" => SourceError::Protocol { host, detail: after(words, "RTSP framing error: ") },
        _ => SourceError::Protocol { host, detail: first_line(words) },
    }
}

const NO_STREAMS: &str = "No parseable streams";
const CUT_SHORT: &str = "RTSP framing error: Incomplete RTSP message at EOF";

/// The first line of `words`, after the first `mark`; what follows are addresses and dumps.
fn after(words: &str, mark: &str) -> String {
    let line = first_line(words);
    line.split_once(mark).map_or(line.clone(), |(_, rest)| rest.to_owned())
}

fn first_line(words: &str) -> String {
    let line = words.lines().next().unwrap_or_default().trim_end_matches([';', ':', ' ']);
    line.trim_end_matches("; buffered").chars().take(MAX_DETAIL).collect()
}

/// Characters of a peer's words that are repeated.
const MAX_DETAIL: usize = 200;

/// The system's error from its `Debug`: `Os { code: 111, … }`, `Custom { kind: UnexpectedEof, … }`, `Kind(…)`.
fn io_error(debug: &str, words: &str) -> io::Error {
    let code = debug.split_once("Os { code: ").and_then(|(_, rest)| {
        rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
    });
    if let Some(code) = code {
        return io::Error::from_raw_os_error(code);
    }
    let kind = [
        ("UnexpectedEof", io::ErrorKind::UnexpectedEof),
        ("TimedOut", io::ErrorKind::TimedOut),
        ("ConnectionReset", io::ErrorKind::ConnectionReset),
    ]
    .into_iter()
    .find(|(name, _)| debug.contains(name));
    io::Error::new(kind.map_or(io::ErrorKind::Other, |(_, kind)| kind), words.to_owned())
}

/// `host`, which is `name:port`, has no address.
pub(super) fn no_such_host(host: &str) -> SourceError {
    SourceError::Resolve { host: host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned() }
}

/// No answer within `timeout`.
pub(super) fn no_answer(host: &str, timeout: Duration) -> SourceError {
    SourceError::Silent { host: host.to_owned(), silence: timeout }
}

/// `read_bytes` came, and made no answer and no frame.
pub(super) fn without_end(host: &str, read_bytes: u64) -> SourceError {
    let detail = format!("it sent {} MiB that make neither an answer nor a frame", read_bytes >> 20);
    SourceError::Protocol { host: host.to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(address: &str) -> StreamUrl {
        format!("rtsp://{address}/live").parse().unwrap()
    }

    fn message(status: Option<u16>, variant: &str, words: &str, step: Step) -> String {
        from_words(status, variant, words, step, &camera("user:password@cam")).to_string()
    }

    #[test]
    fn statuses() {
        let words = "404 response to DESCRIBE CSeq=1: Unexpected RTSP response status\n\nconn: …";
        let of = |status| message(Some(status), "RtspResponseError { … }", words, Step::Describe);
        assert_eq!(of(404), "cam:554 answered DESCRIBE with 404 Not Found");
        assert_eq!(of(401), "cam:554 refused our credentials");
        let stranger = from_words(Some(401), "", "", Step::Describe, &camera("cam"));
        assert_eq!(stranger.to_string(), "cam:554 wants a user name and a password");
        let words = "200 response to DESCRIBE CSeq=1: Unable to parse SDP\n\nconn: …";
        assert_eq!(
            message(Some(200), "RtspResponseError { … }", words, Step::Describe),
            "cam:554 does not speak proper RTSP: Unable to parse SDP"
        );
    }

    #[test]
    fn system_errors_keep_their_number() {
        let debug =
            "ConnectError(Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" })";
        let words = "Unable to connect to RTSP server: …";
        let error = from_words(None, debug, words, Step::Describe, &camera("cam"));
        let SourceError::Connect { cause, .. } = error else { panic!("{error}") };
        assert_eq!(cause.raw_os_error(), Some(111));
        let debug =
            "ConnectError(Custom { kind: Uncategorized, error: \"failed to lookup address information\" })";
        assert_eq!(message(None, debug, "…", Step::Describe), "no such host: cam");
    }

    #[test]
    fn an_end_is_an_end_only_while_playing() {
        let debug = "RtspReadError { source: Custom { kind: UnexpectedEof, error: \"EOF\" } }";
        assert_eq!(message(None, debug, "", Step::Receive), "cam:554 ended the stream");
        assert_eq!(
            message(None, debug, "", Step::Setup),
            "cam:554 does not speak proper RTSP: it closed the connection instead of answering SETUP"
        );
        let words = format!("{CUT_SHORT} (…); buffered:\n…");
        assert_eq!(
            message(None, "RtspFramingError { … }", &words, Step::Receive),
            "cam:554 ended the stream"
        );
    }

    #[test]
    fn dumps_and_addresses_are_left_out() {
        let words =
            "RTSP framing error: Invalid RTSP message: byte 0: method; buffered:\n00 01\n\nconn: 1.2.3.4";
        assert_eq!(
            message(None, "RtspFramingError { … }", words, Step::Describe),
            "cam:554 does not speak proper RTSP: Invalid RTSP message: byte 0: method"
        );
    }
}
