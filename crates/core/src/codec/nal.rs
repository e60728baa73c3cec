//! NAL units: how H.264 and H.265 cut a stream of bytes into pieces.
//!
//! An *Annex B* stream puts a start code (`00 00 01`, often with a further zero before it) before each unit;
//! containers put its length there instead. Packets carry Annex B with 4-byte start codes.

use bytes::Bytes;

use crate::payload::PADDING_BYTES;

/// What packets have before each NAL unit.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of an Annex B stream, without start codes and trailing zeros. Empty units, and what lies
/// before the first start code, are passed over.
pub fn annex_b(data: &[u8]) -> AnnexB<'_> {
    let start = find_start_code(data).map_or(data.len(), |at| at + SHORT_START_CODE_BYTES);
    AnnexB { rest: &data[start..] }
}

/// Iterates over the NAL units of an Annex B stream; see [`annex_b`].
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    /// Starts behind a start code.
    rest: &'a [u8],
}

impl<'a> Iterator for AnnexB<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = find_start_code(self.rest).unwrap_or(self.rest.len());
            let unit = trim_zeros(&self.rest[..end]);
            self.rest = self.rest.get(end + SHORT_START_CODE_BYTES..).unwrap_or_default();
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    }
}

/// The NAL units of a stream in which each follows its length, a big-endian number of `length_bytes` bytes
/// (1 to 4). Ends with an error where a length reaches beyond the data.
pub fn length_prefixed(data: &[u8], length_bytes: usize) -> LengthPrefixed<'_> {
    LengthPrefixed { rest: data, position: 0, length_bytes: length_bytes.clamp(1, 4) }
}

/// Iterates over length-prefixed NAL units; see [`length_prefixed`].
#[derive(Clone, Debug)]
pub struct LengthPrefixed<'a> {
    rest: &'a [u8],
    /// Where `rest` starts, for the error.
    position: usize,
    length_bytes: usize,
}

/// A NAL unit is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the NAL unit at byte {position} wants {wanted} bytes, {left} are left")]
pub struct CutShort {
    /// Where its length stands.
    pub position: usize,
    /// The bytes it is said to have, or the bytes of a length.
    pub wanted: usize,
    /// The bytes there are.
    pub left: usize,
}

impl<'a> Iterator for LengthPrefixed<'a> {
    type Item = Result<&'a [u8], CutShort>;

    fn next(&mut self) -> Option<Result<&'a [u8], CutShort>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some((length, tail)) = self.rest.split_at_checked(self.length_bytes) else {
                return Some(Err(self.cut_short(self.length_bytes, self.rest.len())));
            };
            let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
            let Some((unit, rest)) = tail.split_at_checked(length) else {
                return Some(Err(self.cut_short(length, tail.len())));
            };
            self.position += self.length_bytes + length;
            self.rest = rest;
            if !unit.is_empty() {
                return Some(Ok(unit));
            }
        }
    }
}

impl LengthPrefixed<'_> {
    fn cut_short(&mut self, wanted: usize, left: usize) -> CutShort {
        self.rest = &[];
        CutShort { position: self.position, wanted, left }
    }
}

/// Writes `units` as Annex B with 4-byte start codes. The result has room for the padding of a
/// [`Payload`](crate::payload::Payload).
pub fn to_annex_b<'a>(units: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>) -> Vec<u8> {
    join(units.into_iter(), |_| START_CODE)
}

/// Writes `units` with 4-byte lengths before them.
pub fn to_length_prefixed<'a>(units: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>) -> Vec<u8> {
    // A unit of 4 GiB fits no memory that holds the result too.
    join(units.into_iter(), |unit| u32::try_from(unit.len()).unwrap_or(u32::MAX).to_be_bytes())
}

/// Turns 4-byte lengths into start codes in place: the units themselves do not move.
///
/// # Errors
/// If a unit is cut short. What lies before it has its start codes then.
pub fn lengths_to_start_codes(data: &mut [u8]) -> Result<(), CutShort> {
    let mut position = 0;
    while position < data.len() {
        let left = data.len() - position;
        let Some(prefix) = data[position..].first_chunk_mut::<4>() else {
            return Err(CutShort { position, wanted: START_CODE.len(), left });
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        let left = left - START_CODE.len();
        if length > left {
            return Err(CutShort { position, wanted: length, left });
        }
        *prefix = START_CODE;
        position += START_CODE.len() + length;
    }
    Ok(())
}

/// Parameter sets by their rank: those of rank 0 are needed by those of rank 1, and so on.
pub(super) struct Sets<'a> {
    units: Vec<(u8, &'a [u8])>,
}

/// The distinct units of `stream` (Annex B) that `rank` gives a rank, sorted by it; `None` if there are none.
pub(super) fn collect_sets(stream: &[u8], rank: impl Fn(&[u8]) -> Option<u8>) -> Option<Sets<'_>> {
    let mut units = Vec::new();
    for unit in annex_b(stream) {
        let Some(rank) = rank(unit) else { continue };
        if units.len() < MAX_SETS && !units.contains(&(rank, unit)) {
            units.push((rank, unit));
        }
    }
    units.sort_by_key(|&(rank, _)| rank);
    (!units.is_empty()).then_some(Sets { units })
}

impl Sets<'_> {
    /// Whether there is a unit of each of `ranks` ranks.
    pub(super) fn has_all(&self, ranks: u8) -> bool {
        (0..ranks).all(|rank| self.units.iter().any(|unit| unit.0 == rank))
    }

    pub(super) fn to_annex_b(&self) -> Bytes {
        to_annex_b(self.units.iter().map(|unit| unit.1)).into()
    }
}

/// Takes the first `count` bytes off `data`, if it has so many.
pub(super) fn take<'a>(data: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = data.split_at_checked(count)?;
    *data = rest;
    Some(taken)
}

/// Takes the first `N` bytes off `data`, if it has so many.
pub(super) fn take_array<'a, const N: usize>(data: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = data.split_first_chunk()?;
    *data = rest;
    Some(taken)
}

/// Writes units with 2-byte lengths before them, as configuration records do; `None` if one is too long.
pub(super) fn put_units<'a>(record: &mut Vec<u8>, units: impl Iterator<Item = &'a [u8]>) -> Option<()> {
    for unit in units {
        record.extend(u16::try_from(unit.len()).ok()?.to_be_bytes());
        record.extend_from_slice(unit);
    }
    Some(())
}

fn join<'a>(units: impl Iterator<Item = &'a [u8]> + Clone, prefix: impl Fn(&[u8]) -> [u8; 4]) -> Vec<u8> {
    let length: usize = units.clone().map(|unit| START_CODE.len() + unit.len()).sum();
    let mut joined = Vec::with_capacity(length + PADDING_BYTES);
    for unit in units {
        joined.extend_from_slice(&prefix(unit));
        joined.extend_from_slice(unit);
    }
    joined
}

/// Where the next `00 00 01` starts.
fn find_start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    // The third byte of a start code is looked at first: unless it is 0 or 1, three positions are out at once.
    while let Some(&third) = data.get(at + 2) {
        match third {
            0 => at += 1,
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

const SHORT_START_CODE_BYTES: usize = 3;

/// Parameter sets of one stream; more than any encoder sends, so that searching them stays cheap.
const MAX_SETS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn units(data: &[u8]) -> Vec<&[u8]> {
        annex_b(data).collect()
    }

    #[test]
    fn annex_b_with_all_kinds_of_start_codes() {
        let data = [9, 0, 0, 1, 5, 6, 0, 0, 0, 1, 7, 0, 0, 1, 0, 0, 1, 8, 0, 0, 3, 0, 0];
        assert_eq!(units(&data), [&[5, 6][..], &[7], &[8, 0, 0, 3]]);
        assert_eq!(units(&[]), [[0_u8; 0]; 0]);
        assert_eq!(units(&[0, 0, 1]), [[0_u8; 0]; 0]);
        assert_eq!(units(&[1, 2, 3]), [[0_u8; 0]; 0]);
        assert_eq!(units(&[0, 0, 0, 0, 0, 1, 9]), [[9]]);
        assert_eq!(units(&[0, 1, 0, 0, 1, 9]), [[9]]);
    }

    #[test]
    fn start_codes_are_found_wherever_they_are() {
        for before in 0..9 {
            for filler in [1, 2, 255] {
                let mut data = vec![filler; before];
                data.extend([0, 0, 1, 0x65]);
                assert_eq!(units(&data), [[0x65]], "{before} bytes of {filler}");
            }
        }
    }

    #[test]
    fn lengths_of_every_size() {
        for length_bytes in 1..=4 {
            let mut data = vec![0; length_bytes];
            data[length_bytes - 1] = 2;
            data.extend([7, 8]);
            data.extend(vec![0; length_bytes]);
            let all: Result<Vec<_>, _> = length_prefixed(&data, length_bytes).collect();
            assert_eq!(all, Ok(vec![&[7, 8][..]]));
        }
    }

    #[test]
    fn a_unit_cut_short_ends_it() {
        let mut units = length_prefixed(&[0, 1, 9, 0, 5, 1], 2);
        assert_eq!(units.next(), Some(Ok(&[9][..])));
        let error = units.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the NAL unit at byte 3 wants 5 bytes, 1 are left");
        assert_eq!(units.next(), None);
        assert!(length_prefixed(&[0, 0, 1], 4).next().unwrap().is_err());
    }

    #[test]
    fn there_and_back() {
        let data = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3];
        let mut lengths = to_length_prefixed(annex_b(&data));
        assert_eq!(lengths, [0, 0, 0, 3, 0x67, 1, 2, 0, 0, 0, 2, 0x68, 3]);
        let units: Vec<_> = length_prefixed(&lengths, 4).map(Result::unwrap).collect();
        let again = to_annex_b(units);
        assert_eq!(again, data);
        assert!(again.capacity() >= again.len() + PADDING_BYTES);
        lengths_to_start_codes(&mut lengths).unwrap();
        assert_eq!(lengths, data);
    }

    #[test]
    fn lengths_that_lie_are_refused_in_place() {
        let error = lengths_to_start_codes(&mut [0, 0, 0, 1, 9, 255, 255, 255, 255, 1]).unwrap_err();
        assert_eq!(error, CutShort { position: 5, wanted: u32::MAX as usize, left: 1 });
        let error = lengths_to_start_codes(&mut [0, 0, 0]).unwrap_err();
        assert_eq!(error, CutShort { position: 0, wanted: 4, left: 3 });
    }
}
