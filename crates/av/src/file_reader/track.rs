//! One track of a file.

use std::sync::Arc;

use bytes::Bytes;
use valkka_core::codec::h264::{self, AvcConfig};
use valkka_core::codec::h265::{self, HevcConfig};
use valkka_core::codec::{Codec, CodecParams, nal};
use valkka_core::payload::{PADDING_BYTES, Payload};
use valkka_core::stream::Track;
use valkka_core::time::MediaTime;

use crate::description::{codec_of, params_of, to_ticks};
use crate::ffi::{RawPacket, StreamFacts};
use crate::track::{TrackParams, payload_of};

/// Makes access units of the packets that a container holds of one track.
///
/// Where lengths stand before NAL units, a packet is an access unit. Where start codes do, it may also be a part of one:
/// there are files with one NAL unit per packet. Then a unit is complete when the next one begins.
pub(super) struct FileTrack {
    pub(super) number: Track,
    params: TrackParams,
    /// Bytes of the length before each NAL unit, if lengths stand there and no start codes.
    length_bytes: Option<usize>,
    time_base: (u32, u32),
    /// Ticks of 90 kHz from unit to unit, for files without times.
    step: i64,
    /// Units so far.
    count: i64,
    /// Whether the file says when units are to be shown, as far as it was read.
    timed: bool,
    parts: Option<Parts>,
}

/// An access unit.
pub(super) struct Unit {
    pub(super) payload: Payload,
    pub(super) params: Arc<CodecParams>,
    pub(super) keyframe: bool,
    pub(super) lost: u32,
    /// Its position in the file, in ticks of 90 kHz.
    pub(super) ticks: i64,
}

/// What came of an access unit so far.
struct Parts {
    data: Vec<u8>,
    time: Option<i64>,
    lost: u32,
    has_slice: bool,
}

impl FileTrack {
    /// `None` if it cannot be received.
    pub(super) fn new(number: Track, facts: &StreamFacts) -> Option<Self> {
        let codec = codec_of(facts)?;
        let (extra, length_bytes) = match codec {
            Codec::H264 if facts.extra.first() == Some(&1) => {
                let config = AvcConfig::parse(&facts.extra).ok()?;
                (config.parameter_sets, Some(config.length_bytes))
            }
            Codec::H265 if facts.extra.first() == Some(&1) => {
                let config = HevcConfig::parse(&facts.extra).ok()?;
                (config.parameter_sets, Some(config.length_bytes))
            }
            _ => (Bytes::from(facts.extra.clone()), None),
        };
        let step = facts.frame_rate.map_or(DEFAULT_STEP, |rate| {
            i64::from(MediaTime::RATE_HZ) * i64::from(rate.denominator()) / i64::from(rate.numerator())
        });
        let params = TrackParams::new(params_of(codec, facts, extra));
        let time_base = facts.time_base;
        Some(Self { number, params, length_bytes, time_base, step, count: 0, timed: true, parts: None })
    }

    pub(super) fn params(&self) -> &Arc<CodecParams> {
        self.params.current()
    }

    /// Whether the file says when units are to be shown, as far as it was read.
    pub(super) fn is_timed(&self) -> bool {
        self.timed
    }

    /// The time of `ticks` ticks of 90 kHz in units of the file, rounding down.
    pub(super) fn file_time(&self, ticks: i64) -> i64 {
        let (num, den) = self.time_base;
        let per_second = i128::from(MediaTime::RATE_HZ) * i128::from(num.max(1));
        let time = (i128::from(ticks) * i128::from(den)).div_euclid(per_second);
        i64::try_from(time).unwrap_or(if time > 0 { i64::MAX } else { i64::MIN })
    }

    /// Takes the next packet, and returns the access unit that is complete now, if one is.
    pub(super) fn push(&mut self, packet: RawPacket) -> Option<Unit> {
        let facts = packet.facts();
        let (time, lost) = (facts.pts.or(facts.dts), u32::from(facts.corrupt));
        let codec = self.params.current().codec;
        if !matches!(codec, Codec::H264 | Codec::H265) {
            return self.unit(payload_of(packet), time, lost);
        }
        let data = packet.data();
        let Some(length_bytes) = self.length_bytes else { return self.push_part(codec, data, time, lost) };
        let annex_b = if length_bytes == 4 {
            let mut copy = with_room(data);
            // What lies before a unit that is cut short can be used.
            let _ = nal::lengths_to_start_codes(&mut copy);
            copy
        } else {
            let units: Vec<_> = nal::length_prefixed(data, length_bytes).map_while(Result::ok).collect();
            nal::to_annex_b(units)
        };
        self.unit(self.params.payload(annex_b), time, lost)
    }

    /// Returns the access unit that is left at the end of the file.
    pub(super) fn finish(&mut self) -> Option<Unit> {
        let parts = self.parts.take()?;
        self.unit(self.params.payload(parts.data), parts.time, parts.lost)
    }

    /// Forgets what came so far: reading goes on elsewhere in the file.
    pub(super) fn forget(&mut self) {
        self.parts = None;
    }

    fn push_part(&mut self, codec: Codec, data: &[u8], time: Option<i64>, lost: u32) -> Option<Unit> {
        let (begins, has_slice) = (begins_unit(codec, data), holds_slice(codec, data));
        let is_complete = |parts: &Parts| (parts.has_slice && begins) || parts.data.len() > MAX_UNIT_BYTES;
        let complete = if self.parts.as_ref().is_some_and(is_complete) { self.finish() } else { None };
        match &mut self.parts {
            Some(parts) => {
                parts.data.extend_from_slice(data);
                parts.lost = parts.lost.saturating_add(lost);
                // What stands before a slice may have a time of its own.
                if has_slice && !parts.has_slice {
                    parts.time = time.or(parts.time);
                    parts.has_slice = true;
                }
            }
            None => self.parts = Some(Parts { data: with_room(data), time, lost, has_slice }),
        }
        complete
    }

    fn unit(&mut self, payload: Payload, time: Option<i64>, lost: u32) -> Option<Unit> {
        let counted = self.count.saturating_mul(self.step);
        self.count += 1;
        self.timed &= time.is_some();
        let ticks = time.map_or(counted, |time| to_ticks(time, self.time_base));
        if payload.is_empty() {
            return None;
        }
        let (params, keyframe) = self.params.of(&payload);
        Some(Unit { payload, params, keyframe, lost, ticks })
    }
}

fn with_room(data: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(data.len() + PADDING_BYTES);
    copy.extend_from_slice(data);
    copy
}

/// Whether an access unit begins with the first NAL unit of `data`, if there was a slice before it (H.264, 7.4.1.2.3;
/// H.265, 7.4.2.4.4).
fn begins_unit(codec: Codec, data: &[u8]) -> bool {
    let Some(unit) = nal::annex_b(data).next() else { return false };
    match codec {
        Codec::H264 => match h264::NalType::of(unit) {
            Some(kind) if kind.is_slice() => h264::first_macroblock(unit) == Some(0),
            kind => matches!(kind, Some(h264::NalType(6..=9 | 14..=18))),
        },
        _ => match h265::NalType::of(unit) {
            Some(kind) if kind.is_slice() => h265::is_first_slice(unit) == Some(true),
            kind => matches!(kind, Some(h265::NalType(32..=35 | 39 | 41..=44 | 48..=55))),
        },
    }
}

fn holds_slice(codec: Codec, data: &[u8]) -> bool {
    nal::annex_b(data).any(|unit| match codec {
        Codec::H264 => h264::NalType::of(unit).is_some_and(h264::NalType::is_slice),
        _ => h265::NalType::of(unit).is_some_and(h265::NalType::is_slice),
    })
}

/// 25 frames per second.
const DEFAULT_STEP: i64 = MediaTime::RATE_HZ as i64 / 25;

/// More than any picture has.
const MAX_UNIT_BYTES: usize = 64 << 20;
