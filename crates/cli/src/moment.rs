//! Moments, as people write and read them.

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use valkka::clock::SystemClock;
use valkka::time::WallTime;

use crate::units::parse_length;

/// A moment: RFC 3339 (`2026-11-23T12:00:00Z`), local time (`2026-11-23 14:00`, `2026-11-23 14:00:30`, `2026-11-23`), before
/// now (`-10m`), or `now`.
pub(crate) fn parse_moment(text: &str) -> anyhow::Result<WallTime> {
    parse(text, SystemClock.now(), &TimeZone::system())
}

/// In local time: `2026-11-23 14:00:05`.
pub(crate) fn local(moment: WallTime) -> String {
    shown(moment, TimeZone::system())
}

/// What [`parse_moment`] takes, for help texts.
pub(crate) const MOMENTS: &str = "Moments are written as 2026-11-23T12:00:00Z or with another offset (RFC 3339), in local \
    time as 2026-11-23, \"2026-11-23 14:00\" or \"2026-11-23 14:00:30\", as now, or before now as -10m or -1h30m.";

fn parse(text: &str, now: WallTime, zone: &TimeZone) -> anyhow::Result<WallTime> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Some(length) = text.strip_prefix('-') {
        return Ok(now
            - parse_length(length).context("it is neither a moment nor a time before now, such as -10m")?);
    }
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let Ok(civil) = text.parse::<DateTime>() else {
        bail!(
            "it is no moment, such as 2026-11-23T12:00:00Z, \"2026-11-23 14:00\" (local time), -10m or now"
        );
    };
    let zoned = civil.to_zoned(zone.clone()).context("it is too far away")?;
    Ok(WallTime::from_micros(zoned.timestamp().as_microsecond()))
}

fn shown(moment: WallTime, zone: TimeZone) -> String {
    match Timestamp::from_microsecond(moment.micros()) {
        Ok(timestamp) => timestamp.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        // Further away than people's calendars go.
        Err(_) => moment.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T12:00:00Z.
    const NOON: WallTime = WallTime::from_micros(1_795_435_200_000_000);

    fn after_noon(seconds: i64) -> WallTime {
        NOON.offset_micros(seconds * 1_000_000)
    }

    #[test]
    fn every_way_to_write_a_moment() {
        // Two hours east of Greenwich.
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (text, seconds) in [
            ("2026-11-23T12:00:10Z", 10),
            ("2026-11-23T14:00:10+02:00", 10),
            ("2026-11-23 14:00", 0),
            ("2026-11-23 14:00:30", 30),
            ("2026-11-23T14:00:30", 30),
            ("2026-11-23", -14 * 3600),
            ("now", 0),
            ("-10m", -600),
            ("-1h30m", -5400),
            ("-5", -5),
        ] {
            assert_eq!(parse(text, NOON, &zone).unwrap(), after_noon(seconds), "{text}");
        }
        for text in ["", "-", "-x", "yesterday", "2026-13-01", "14:00", "2026-11-23 25:00", "12"] {
            parse(text, NOON, &zone).unwrap_err();
        }
        assert_eq!(shown(NOON, zone), "2026-11-23 14:00:00");
        assert!(shown(WallTime::from_micros(i64::MAX), TimeZone::UTC).ends_with('Z'));
    }
}
