//! Numbers of bytes as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A number of bytes: in a file a whole number, or a text with a unit, such as `"500 GB"` (of 1000) and `"64 MiB"` (of 1024).
/// The `B` may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A text that is no [`Size`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no number of bytes, such as \"500 GB\" or \"64 MiB\"")]
pub struct BadSize;

impl FromStr for Size {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        let digits =
            text.find(|letter: char| !(letter.is_ascii_digit() || letter == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        let is_unit = |name: &str| {
            let short = name.trim_end_matches('B');
            name.eq_ignore_ascii_case(unit) || short.eq_ignore_ascii_case(unit)
        };
        let (_, unit) = UNITS.iter().find(|(name, _)| is_unit(name)).ok_or(BadSize)?;
        // Whole numbers are exact, however large.
        if let Ok(number) = number.parse::<u64>() {
            return number.checked_mul(*unit).map(Self).ok_or(BadSize);
        }
        let bytes = number.parse::<f64>().map_err(|_| BadSize)? * *unit as f64;
        if bytes <= MAX_FRACTION { Ok(Self(bytes as u64)) } else { Err(BadSize) }
    }
}

/// In the unit of which there is at least one, of 1000 of the one before, with three digits.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = UNITS[..DECIMAL_UNITS].iter().rev();
        let (name, unit) = units.copied().find(|(_, unit)| self.0 >= *unit).unwrap_or(("bytes", 1));
        let value = self.0 as f64 / unit as f64;
        let digits = if unit == 1 || value >= 100.0 { 0 } else { usize::from(value < 10.0) + 1 };
        let text = format!("{value:.digits$}");
        let text = if digits == 0 { &text } else { text.trim_end_matches('0').trim_end_matches('.') };
        write!(f, "{text} {}", if unit == 1 { "bytes" } else { name })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, such as \"500 GB\" or \"64 MiB\"")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Size, E> {
        u64::try_from(value).map(Size).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Size, E> {
        Ok(Size(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Size, E> {
        value.parse().map_err(|BadSize| E::invalid_value(Unexpected::Str(value), &self))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, such as \"500 GB\" (of 1000) or \"64 MiB\" (of 1024).",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *([kKmMgGtT][iI]?)?[bB]?$" },
            ],
        })
    }
}

/// Those of 1000 first, the least first.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
const DECIMAL_UNITS: usize = 5;

/// Up to here, a number with a fraction is exact enough.
const MAX_FRACTION: f64 = 1e18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("123", 123),
            ("500 GB", 500_000_000_000),
            ("64MiB", 64 << 20),
            ("1.5 tb", 1_500_000_000_000),
            ("2 KIB", 2048),
            ("10G", 10_000_000_000),
            ("1.5 Gi", 3 << 29),
            ("18446744073709551615 B", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for wrong in
            ["", "GB", "x", "-1", "1 GBit", "1..5 GB", ". GB", "1e3", "20000000 TB", "99999999999.5 TB"]
        {
            assert_eq!(wrong.parse::<Size>(), Err(BadSize), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_shown_with_three_digits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1 kB"),
            (1_536_000, "1.54 MB"),
            (64 << 20, "67.1 MB"),
            (500_000_000_000, "500 GB"),
            (20_000_000_000, "20 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
