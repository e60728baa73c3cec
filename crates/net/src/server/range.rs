//! The Range header (RFC 2326, section 12.29).

/// Whether `header` is a range of times. Which times they are makes no difference: what is live is played from now on.
pub(super) fn is_range_of_times(header: &str) -> bool {
    // A time at which the request is to take effect may follow.
    let range = header.split(';').next().unwrap_or_default();
    let Some((unit, times)) = range.split_once('=') else { return false };
    let letters = match unit.trim().to_ascii_lowercase().as_str() {
        "npt" | "smpte" | "smpte-25" | "smpte-30-drop" => ":.",
        "clock" => "TZ.",
        _ => return false,
    };
    let Some((from, to)) = times.split_once('-') else { return false };
    let (from, to) = (from.trim(), to.trim());
    let is_time = |time: &str| {
        time == "now"
            || time.starts_with(|first: char| first.is_ascii_digit())
                && time.chars().all(|letter| letter.is_ascii_digit() || letters.contains(letter))
    };
    let is_free_or_time = |time: &str| time.is_empty() || is_time(time);
    !(from.is_empty() && to.is_empty()) && is_free_or_time(from) && is_free_or_time(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_times_are_told_from_nonsense() {
        let ranges = [
            "npt=0.000-",
            "npt=now-",
            "NPT = 12.5 - 1:02:03.25",
            "npt=-5",
            "clock=19961108T143720.25Z-19961110T000000Z",
            "smpte=0:10:20-",
            "smpte-30-drop=10:07:00-10:07:33:05.01;time=19970123T143720Z",
        ];
        let nonsense = [
            "",
            "npt",
            "npt=",
            "npt=-",
            "npt=5",
            "npt=yesterday-",
            "npt=0-1-2",
            "npt=--5",
            "clock=0:10-",
            "bytes=0-499",
            "=0-",
            "npt=\u{663}-",
        ];
        for range in ranges {
            assert!(is_range_of_times(range), "{range}");
        }
        for range in nonsense {
            assert!(!is_range_of_times(range), "{range}");
        }
    }
}
