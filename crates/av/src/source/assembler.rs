//! Access units of H.264 and H.265 from the pieces that libavformat hands out.

use valkka_core::codec::nal::{self, START_CODE};
use valkka_core::codec::{Codec, h264, h265};
use valkka_core::payload::{PADDING_BYTES, Payload};
use valkka_core::time::WallTime;

/// What is known of a piece, or of a whole access unit, beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its position in 90 kHz ticks.
    pub(super) ticks: Option<i64>,
    /// When it was captured, in microseconds since 1970.
    pub(super) capture_micros: Option<i64>,
    /// When it, or the last piece of the unit, arrived.
    pub(super) arrival: WallTime,
    /// How many RTP packets were lost just before it, or before and in the unit.
    pub(super) lost: u32,
}

/// Joins pieces to access units.
///
/// A piece holds what came in one RTP packet: NAL units with start codes, or a part of one. A unit is complete when a
/// piece with another time begins a picture.
#[derive(Debug)]
pub(super) struct Assembler {
    codec: Codec,
    pending: Option<Unit>,
    /// Lost packets that were not told with a piece.
    lost: u32,
}

#[derive(Debug)]
struct Unit {
    data: Vec<u8>,
    about: Piece,
    has_slice: bool,
}

/// What a piece begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// The first slice of a picture, or what stands before it.
    Picture,
    /// A further slice, what stands behind a slice, or the middle of a NAL unit.
    Rest,
}

impl Assembler {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, pending: None, lost: 0 }
    }

    /// Notes that packets were lost before the next piece.
    pub(super) fn lost(&mut self, lost: u32) {
        self.lost = self.lost.saturating_add(lost);
    }

    /// Takes the next piece, and returns the access unit that it completes.
    pub(super) fn push(&mut self, data: &[u8], mut piece: Piece) -> Option<(Payload, Piece)> {
        piece.lost = piece.lost.saturating_add(std::mem::take(&mut self.lost));
        let Some(unit) = &mut self.pending else {
            self.begin(data, piece);
            return None;
        };
        let head = head(self.codec, data);
        let same_time = piece.ticks.is_none() || piece.ticks == unit.about.ticks;
        // libavformat may correct its times within a unit, when a sender report comes.
        if same_time || (head == Head::Rest && piece.lost == 0) {
            unit.about.lost = unit.about.lost.saturating_add(piece.lost);
            unit.about.arrival = piece.arrival;
            unit.has_slice |= has_slice(self.codec, data);
            if unit.data.len() + data.len() <= MAX_UNIT_BYTES {
                unit.data.extend_from_slice(data);
            } else {
                unit.about.lost = unit.about.lost.saturating_add(1);
            }
            return None;
        }
        // Of what was lost between the two, it is not known to which it belongs: if the new unit has its start, it was
        // the end of the old one, or whole units between them, without which what follows is no good either.
        if head == Head::Picture {
            unit.about.lost = unit.about.lost.saturating_add(piece.lost);
            piece.lost = 0;
        } else if piece.lost > 1 {
            unit.about.lost = unit.about.lost.saturating_add(1);
            piece.lost -= 1;
        }
        let complete = self.pending.take()?;
        self.begin(data, piece);
        if complete.has_slice {
            return Some(complete.finish());
        }
        // Parameter sets with a time of their own: they belong to the picture behind them.
        let unit = self.pending.as_mut()?;
        unit.about.lost = unit.about.lost.saturating_add(complete.about.lost);
        if complete.data.len() <= MAX_HEAD_BYTES {
            unit.data.splice(..0, complete.data);
        }
        None
    }

    fn begin(&mut self, data: &[u8], about: Piece) {
        // An access unit has mostly one piece or many.
        let mut unit = Vec::with_capacity(data.len() * 4 + PADDING_BYTES);
        unit.extend_from_slice(data);
        self.pending = Some(Unit { data: unit, about, has_slice: has_slice(self.codec, data) });
    }
}

impl Unit {
    fn finish(self) -> (Payload, Piece) {
        (Payload::from_vec(self.data), self.about)
    }
}

fn head(codec: Codec, piece: &[u8]) -> Head {
    let Some(unit) = piece.strip_prefix(&START_CODE) else { return Head::Rest };
    let picture = match codec {
        Codec::H264 => match h264::NalType::of(unit) {
            Some(kind) if kind.is_slice() => h264::first_macroblock(unit) == Some(0),
            // Between the first slice and the next picture stand only 19 (auxiliary slices) and 10 to 12 (ends,
            // filler); the rest stands before a picture.
            Some(h264::NalType(6..=9 | 13..=18)) => true,
            _ => false,
        },
        Codec::H265 => match h265::NalType::of(unit) {
            Some(kind) if kind.is_slice() => h265::is_first_slice(unit) == Some(true),
            Some(h265::NalType(32..=35 | 39 | 41..=44 | 48..=55)) => true,
            _ => false,
        },
        _ => true,
    };
    if picture { Head::Picture } else { Head::Rest }
}

/// Whether a slice begins in the piece.
fn has_slice(codec: Codec, piece: &[u8]) -> bool {
    let is_slice = |unit: &[u8]| match codec {
        Codec::H264 => h264::NalType::of(unit).is_some_and(h264::NalType::is_slice),
        Codec::H265 => h265::NalType::of(unit).is_some_and(h265::NalType::is_slice),
        _ => true,
    };
    match piece.strip_prefix(&START_CODE) {
        Some(unit) => is_slice(unit) || nal::annex_b(piece).any(is_slice),
        // The start of the slice is lost, or in an earlier piece.
        None => true,
    }
}

/// A larger access unit is no picture.
const MAX_UNIT_BYTES: usize = 32 << 20;
/// Larger parameter sets are none.
const MAX_HEAD_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 3];
    const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x80];
    /// The first slice of a picture, and one further down.
    const SLICE: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 0x80];
    const SECOND: &[u8] = &[0, 0, 0, 1, 0x41, 0x4a, 0x80];
    const MIDDLE: &[u8] = &[9, 9, 9];

    fn piece(ticks: i64, lost: u32) -> Piece {
        let arrival = WallTime::from_micros(ticks);
        Piece { ticks: Some(ticks), capture_micros: None, arrival, lost }
    }

    /// Feeds the pieces, and returns the units with their times and losses.
    fn units(pieces: &[(&[u8], i64, u32)]) -> Vec<(Vec<u8>, i64, u32)> {
        let mut assembler = Assembler::new(Codec::H264);
        let end = [(SPS, 1_000_000, 0), (SLICE, 2_000_000, 0)];
        let all = pieces.iter().chain(&end);
        let out = all.filter_map(|&(data, ticks, lost)| assembler.push(data, piece(ticks, lost)));
        out.map(|(payload, about)| (payload.to_vec(), about.ticks.unwrap(), about.lost)).collect()
    }

    #[test]
    fn pieces_of_one_time_are_one_unit() {
        let got = units(&[(SPS, 0, 0), (IDR, 0, 0), (MIDDLE, 0, 0), (SLICE, 3600, 0)]);
        assert_eq!(got, [([SPS, IDR, MIDDLE].concat(), 0, 0), (SLICE.to_vec(), 3600, 0)]);
    }

    #[test]
    fn parameter_sets_of_an_earlier_time_go_with_their_picture() {
        let got = units(&[(SLICE, 0, 0), (SPS, 10, 0), (IDR, 3600, 0)]);
        assert_eq!(got, [(SLICE.to_vec(), 0, 0), ([SPS, IDR].concat(), 3600, 0)]);
    }

    #[test]
    fn a_time_corrected_within_a_unit_does_not_cut_it() {
        let got = units(&[(IDR, 0, 0), (MIDDLE, 3, 0), (SECOND, 3, 0), (SLICE, 3600, 0)]);
        assert_eq!(got, [([IDR, MIDDLE, SECOND].concat(), 0, 0), (SLICE.to_vec(), 3600, 0)]);
    }

    #[test]
    fn losses_mark_the_units_they_may_belong_to() {
        // Within a unit.
        assert_eq!(units(&[(IDR, 0, 0), (MIDDLE, 0, 2), (SLICE, 3600, 0)])[0].2, 2);
        // The end of the first, or units between them.
        let got = units(&[(IDR, 0, 0), (SLICE, 3600, 3), (SLICE, 7200, 0)]);
        assert_eq!(got.iter().map(|unit| unit.2).collect::<Vec<_>>(), [3, 0, 0]);
        // The start of the second.
        let got = units(&[(IDR, 0, 0), (MIDDLE, 3600, 1), (SLICE, 7200, 0)]);
        assert_eq!(got.iter().map(|unit| unit.2).collect::<Vec<_>>(), [0, 1, 0]);
        // The end of the first and the start of the second.
        let got = units(&[(IDR, 0, 0), (MIDDLE, 3600, 5), (SLICE, 7200, 0)]);
        assert_eq!(got.iter().map(|unit| unit.2).collect::<Vec<_>>(), [1, 4, 0]);
        // Before the very first.
        assert_eq!(units(&[(IDR, 0, 7), (SLICE, 3600, 0)])[0].2, 7);
    }

    #[test]
    fn losses_told_apart_from_pieces_are_kept() {
        let mut assembler = Assembler::new(Codec::H264);
        assembler.push(IDR, piece(0, 0));
        assembler.lost(2);
        let (_, about) = assembler.push(SLICE, piece(3600, 0)).unwrap();
        assert_eq!(about.lost, 2);
    }

    #[test]
    fn arrival_is_that_of_the_last_piece() {
        let mut assembler = Assembler::new(Codec::H264);
        let late = WallTime::from_micros(77);
        assembler.push(IDR, piece(0, 0));
        assembler.push(MIDDLE, Piece { arrival: late, ..piece(0, 0) });
        let (_, about) = assembler.push(SLICE, piece(3600, 0)).unwrap();
        assert_eq!(about.arrival, late);
    }

    #[test]
    fn a_unit_has_a_bound() {
        let mut assembler = Assembler::new(Codec::H264);
        let huge = vec![9; 1 << 20];
        assembler.push(IDR, piece(0, 0));
        for _ in 0..100 {
            assembler.push(&huge, piece(0, 0));
        }
        let (payload, about) = assembler.push(SLICE, piece(3600, 0)).unwrap();
        assert!(payload.len() <= MAX_UNIT_BYTES && about.lost > 0);
    }
}
