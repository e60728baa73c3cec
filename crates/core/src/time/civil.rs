//! Moments as people and programs write them (RFC 3339).

use std::fmt;

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
}
