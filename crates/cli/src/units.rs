//! Lengths of time and sizes, as people write and read them.

use std::time::Duration;

use anyhow::{Context, bail};
use valkka_site::{BadSize, Size};

/// A length of time: `90`, `90s`, `10m`, `1h30m`, `2d`. A number without a unit is of seconds.
pub(crate) fn parse_length(text: &str) -> anyhow::Result<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        bail!("it is empty");
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, unit, after) =
            split(rest).context("it is no length of time, such as 90s, 10m or 1h30m")?;
        let per_unit = match unit {
            "s" | "" if after.is_empty() || unit == "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => bail!("its unit is not one of s, m, h and d"),
        };
        seconds += number * per_unit;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).context("it is too long")
}

/// A number of bytes, as in the configuration of `valkka serve`.
pub(crate) fn parse_size(text: &str) -> Result<u64, BadSize> {
    text.trim().parse().map(|Size(bytes)| bytes)
}

/// A number of bytes for people: `12.3 MB`.
pub(crate) fn size(bytes: u64) -> String {
    Size(bytes).to_string()
}

/// A length of time for people: `00:01:23`; days, if there are any, stand before it: `2d 00:01:23`.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60);
    if days > 0 { format!("{days}d {clock}") } else { clock }
}

/// A number, the letters behind it, and what follows them.
fn split(text: &str) -> Option<(f64, &str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    Some((number.parse().ok()?, unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (text, seconds) in
            [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("1h30m", 5400.0), ("2d", 172_800.0), ("0", 0.0)]
        {
            assert_eq!(parse_length(text).unwrap(), Duration::from_secs_f64(seconds), "{text}");
        }
        for text in
            ["", "x", "-1", "1x", "NaN", "inf", "1 h", "1h30x", "30 1h", "1e300", "999999999999999999999d"]
        {
            parse_length(text).unwrap_err();
        }
        assert_eq!(length(Duration::from_secs(3723)), "01:02:03");
        assert_eq!(length(Duration::from_secs(2 * 86_400 + 59)), "2d 00:00:59");
    }
}
