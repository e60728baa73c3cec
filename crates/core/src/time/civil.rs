//! Moments as people and programs write them (RFC 3339).

use std::fmt;
use std::str::FromStr;

use super::WallTime;

/// In UTC with milliseconds, e.g. `2026-11-23T06:41:02.125Z`.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis();
        let (days, of_day) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
        let (year, month, day) = civil(days);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// From RFC 3339, e.g. `2026-11-23T06:41:02.125Z` or `2026-11-23T08:41:02+02:00`. Digits beyond the microsecond are left
/// out; a leap second is the first of the next minute.
impl FromStr for WallTime {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        parse(text).ok_or(ParseTimeError)
    }
}

/// A text that is no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no moment as RFC 3339 writes it, such as 2026-11-23T06:41:02.125Z or 2026-11-23T08:41:02+02:00"
)]
pub struct ParseTimeError;

fn parse(text: &str) -> Option<WallTime> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (hour, rest) = number(rest.strip_prefix(['T', 't', ' '])?, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (micros, rest) = match rest.strip_prefix('.') {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    let offset_minutes = offset(rest)?;
    let days = days(year, month, day);
    let is_real = (1..=12).contains(&month) && day > 0 && civil(days) == (year, month, day);
    if !is_real || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = ((days * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
    Some(WallTime::from_micros(seconds * 1_000_000 + micros))
}

/// The number that the first `digits` characters write, and what follows.
fn number(text: &str, digits: usize) -> Option<(i64, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| is_number)?, rest))
}

/// The microseconds that a fraction of a second has, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let micros = digits.bytes().chain(*b"000000").take(6);
    let micros = micros.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    (!digits.is_empty()).then_some((micros, rest))
}

/// By how many minutes a clock is ahead of UTC.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(':')?, 2)?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// How many days after 1970-01-01 a day of the Gregorian calendar is; counted as in [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_0000_03_01_TO_1970
}

/// Year, month and day of the Gregorian calendar, `days` days after 1970-01-01. Years are counted from March, so that
/// the leap day is the last of them, and months by the five that repeat (153 days).
fn civil(days: i64) -> (i64, i64, i64) {
    let since = days + DAYS_0000_03_01_TO_1970;
    let (era, of_era) = (since.div_euclid(DAYS_400_YEARS), since.rem_euclid(DAYS_400_YEARS));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

const DAY_MS: i64 = 86_400_000;
const DAYS_400_YEARS: i64 = 146_097;
const DAYS_0000_03_01_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_795_416_062, "2026-11-23T06:41:02.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(WallTime::from_micros(seconds * 1_000_000).to_string(), text);
        }
        assert_eq!(WallTime::from_micros(125_999).to_string(), "1970-01-01T00:00:00.125Z");
        for extreme in [i64::MIN, i64::MAX] {
            assert!(WallTime::from_micros(extreme).to_string().ends_with('Z'));
        }
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for days in -1000..60_000 {
            let time = WallTime::from_micros((days * 86_400 + days % 86_400) * 1_000_000 + 125_000);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        let micros = |text: &str| text.parse().map(WallTime::micros).ok();
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01 00:00:00z", 0),
            ("1970-01-01T00:00:00.1Z", 100_000),
            ("1970-01-01t00:00:00.1234567890Z", 123_456),
            ("1970-01-01T01:30:00+01:30", 0),
            ("1969-12-31T23:00:00-01:00", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ] {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T06:41Z",
            "2026-11-23T06:41:02",
            "2026-11-23T06:41:02.Z",
            "2026-11-23T06:41:02Zz",
            "2026-11-23T06:41:02+2:00",
            "2026-11-23T06:41:02+24:00",
            "2026-11-23T24:00:00Z",
            "2026-11-23T06:60:00Z",
            "2026-11-23T06:41:61Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "+026-11-23T06:41:02Z",
            "2026-11-23T06:41:0éZ",
            "202é-11-23T06:41:02Z",
        ] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }
}
