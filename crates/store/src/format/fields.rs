//! Reading little-endian numbers one after the other, and check sums at the end.

use valkka_core::time::WallTime;

/// What is left to be read; every read past the end gives `None`.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn time(&mut self) -> Option<WallTime> {
        self.i64().map(WallTime::from_micros)
    }

    /// A time that may be missing.
    pub(super) fn maybe_time(&mut self) -> Option<Option<WallTime>> {
        self.i64().map(|micros| (micros != NO_TIME).then_some(WallTime::from_micros(micros)))
    }
}

/// `time` in microseconds; [`NO_TIME`] if it is missing.
pub(super) fn micros(time: Option<WallTime>) -> i64 {
    time.map_or(NO_TIME, WallTime::micros)
}

/// Fills up with zeros, but for the check sum of all before it in the last four bytes.
pub(super) fn seal<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut sealed = [0; N];
    let mut at = 0;
    for field in fields {
        sealed[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    debug_assert!(at <= N - CRC_BYTES, "{at} bytes leave room for the check sum in {N}");
    let crc = crc32fast::hash(&sealed[..N - CRC_BYTES]);
    sealed[N - CRC_BYTES..].copy_from_slice(&crc.to_le_bytes());
    sealed
}

/// The fields of what [`seal`] made, if the first `length` bytes are such.
pub(super) fn unseal(data: &[u8], length: usize) -> Option<Fields<'_>> {
    let (fields, crc) = data.get(..length)?.split_at_checked(length.checked_sub(CRC_BYTES)?)?;
    (crc32fast::hash(fields).to_le_bytes() == crc).then_some(Fields(fields))
}

/// Stands for a time that is missing.
const NO_TIME: i64 = i64::MIN;
const CRC_BYTES: usize = 4;
