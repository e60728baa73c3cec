//! Lengths of time and sizes, as people write and read them.

use std::time::Duration;

use anyhow::{Context, bail};

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

/// A number of bytes: `4096`, `512K`, `10M`, `1.5G`, `2T`, of which each unit is 1024 of the one before. A `B` or `iB` may
/// follow.
pub(crate) fn parse_size(text: &str) -> anyhow::Result<u64> {
    let (number, unit, after) = split(text.trim()).context("it is no size, such as 512M or 10G")?;
    let power = match unit.to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => bail!("its unit is not one of K, M, G and T"),
    };
    let bytes = number * 1024_f64.powi(power);
    // Beyond this, a float does not tell single bytes, and no disk is so large.
    if !after.is_empty() || bytes > MAX_SIZE {
        bail!("it is no size, such as 512M or 10G");
    }
    Ok(bytes as u64)
}

/// A number of bytes for people: `12.3 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["bytes", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") }
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

/// 4 PiB.
const MAX_SIZE: f64 = (1_u64 << 52) as f64;

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

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("4096", 4096),
            ("512K", 512 << 10),
            ("10m", 10 << 20),
            ("1.5G", 3 << 29),
            ("10GiB", 10 << 30),
            ("2TB", 2 << 40),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "G", "-1G", "1X", "1G1", "NaN", "1e30", "99999999T"] {
            parse_size(text).unwrap_err();
        }
        assert_eq!(
            [size(0), size(1023), size(1536), size(10 << 30)],
            ["0 bytes", "1023 bytes", "1.5 KiB", "10.0 GiB"]
        );
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
    }
}
