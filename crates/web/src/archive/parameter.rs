//! The parameters of requests: moments, spans of time, and whether.

use std::ops::Range;
use std::time::Duration;

use axum::http::StatusCode;
use valkka::time::WallTime;

use crate::answer::Problem;

/// The moment that the parameter `name` has, which must be there.
pub(super) fn moment(name: &str, text: Option<&str>) -> Result<WallTime, Problem> {
    let text = text.ok_or_else(|| bad(format!("{name} is missing: a moment such as {EXAMPLE}")))?;
    // In a query, + stands for a blank, and many forget it.
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(['T', 't']) => format!("{time}+{offset}"),
        _ => text.to_owned(),
    };
    text.parse().map_err(|error| bad(format!("{name}: {error}")))
}

/// The last microsecond of the moment that the parameter `name` has.
///
/// Pictures have their time in microseconds, and are told of with fewer digits by some: whoever asks for the time that he was
/// told of a picture must get this one, and not the one before.
pub(super) fn end_of_moment(name: &str, text: Option<&str>) -> Result<WallTime, Problem> {
    let fraction = text.and_then(|text| text.split_once('.')).map_or("", |(_, rest)| rest);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count().min(6) as u32;
    Ok(moment(name, text)?.offset_micros(10_i64.pow(6 - digits) - 1))
}

/// The time from `from` up to `to`, no longer than `limit`.
pub(super) fn span(
    from: Option<&str>,
    to: Option<&str>,
    limit: Duration,
) -> Result<Range<WallTime>, Problem> {
    let (from, to) = (moment("from", from)?, moment("to", to)?);
    if from >= to {
        return Err(bad(format!("from must be before to, and {from} is not before {to}")));
    }
    let length = to.saturating_since(from);
    if length > limit {
        let hours = |length: Duration| length.as_secs_f64() / 3600.0;
        return Err(bad(format!(
            "from {from} to {to} are {:.2} hours, and may be {:.2}",
            hours(length),
            hours(limit)
        )));
    }
    Ok(from..to)
}

/// The value of the parameter `name`: 1, 0 or nothing.
pub(super) fn flag(name: &str, text: Option<&str>) -> Result<bool, Problem> {
    match text {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(bad(format!("{name} is 1 or 0"))),
    }
}

/// `time` with microseconds.
pub(super) fn exact(time: WallTime) -> String {
    let millis = time.to_string();
    format!("{}{:03}Z", millis.trim_end_matches('Z'), time.micros().rem_euclid(1000))
}

fn bad(message: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message)
}

const EXAMPLE: &str = "2026-11-23T06:41:02.125Z";

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_moment_ends_where_its_digits_do() {
        for (text, micros) in [
            ("1970-01-01T00:00:01Z", 1_999_999),
            ("1970-01-01T00:00:01.5Z", 1_599_999),
            ("1970-01-01T00:00:01.125Z", 1_125_999),
            ("1970-01-01T00:00:01.125456Z", 1_125_456),
            ("1970-01-01T00:00:01.12545678901234Z", 1_125_456),
            ("1970-01-01T01:00:01.125456 01:00", 1_125_456),
        ] {
            assert_eq!(end_of_moment("at", Some(text)).unwrap().micros(), micros, "{text}");
        }
        assert_eq!(exact(WallTime::from_micros(1_125_456)), "1970-01-01T00:00:01.125456Z");
        assert_eq!(exact(WallTime::from_micros(-1)), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn flags_are_told_from_nonsense() {
        assert_eq!((flag("a", None).ok(), flag("a", Some("1")).ok()), (Some(false), Some(true)));
        assert!(flag("a", Some("yes")).is_err());
    }

    #[test]
    fn spans_are_in_order_and_bounded() {
        let at = |seconds: i64| WallTime::from_micros(seconds * 1_000_000).to_string();
        let span =
            |from: i64, to: i64| span(Some(&at(from)), Some(&at(to)), HOUR).map(|span| span.end.micros());
        assert_eq!(span(0, 3600).unwrap(), 3_600_000_000);
        for (from, to) in [(0, 3601), (1, 0), (0, 0), (i64::MIN / 1_000_000, i64::MAX / 1_000_000)] {
            assert_eq!(span(from, to).unwrap_err().status(), StatusCode::BAD_REQUEST);
        }
        for text in [None, Some(""), Some("yesterday"), Some("\u{0}"), Some("9999999999999999")] {
            assert_eq!(moment("at", text).unwrap_err().status(), StatusCode::BAD_REQUEST, "{text:?}");
        }
    }
}
