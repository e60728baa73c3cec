//! The records of a block of the older format.

use std::sync::Arc;

use bytes::Bytes;
use valkka_core::codec::h264::{self, NalType};
use valkka_core::codec::{AudioParams, Codec, CodecParams, nal, opus};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};

use crate::damage::DamageReason;
use crate::format::v1::{RecordHeader, codec_of};
use crate::record::{Record, StreamId};

use super::{Found, KnownParams};

/// Joins NAL units to access units. There is nothing to find the next record by where one makes no sense: the rest of the
/// block is passed over then.
#[derive(Debug)]
pub(crate) struct OlderRecords {
    data: Bytes,
    position: usize,
    params: KnownParams,
}

impl OlderRecords {
    pub(crate) fn new(data: Bytes) -> Self {
        Self::with_params(data, KnownParams::new())
    }

    /// With the parameters that were told before.
    pub(crate) fn with_params(data: Bytes, params: KnownParams) -> Self {
        Self { data, position: 0, params }
    }

    /// The parameters that were told last.
    pub(crate) fn into_params(self) -> KnownParams {
        self.params
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn next(&mut self) -> Option<Found> {
        let start = self.position;
        let header = RecordHeader::decode(&self.data[start..]).filter(|header| header.id != 0)?;
        let bytes = (self.data.len() - start) as u64;
        let Some((id, track, length)) = header.sensible(bytes) else {
            self.position = self.data.len();
            return Some(Err((start, DamageReason::NoRecord { bytes })));
        };
        let mut end = start + length as usize;
        let Some(codec) = codec_of(header.media_type, header.codec_id) else {
            self.position = end;
            return Some(Err((start, DamageReason::Contents)));
        };
        let mut payload = self.data[start + RecordHeader::BYTES..end].to_vec();
        let mut unit = AccessUnit::new(&payload);
        while let Some(next) = self.continuation(&header, codec, end) {
            let more = &self.data[end + RecordHeader::BYTES..next];
            if !unit.takes(more) {
                break;
            }
            end = next;
            payload.extend_from_slice(more);
        }
        self.position = end;
        let params = self.params_of((id, track), codec, &payload);
        let Some(params) = params else { return Some(Err((start, DamageReason::NoParameters))) };
        let wall = WallTime::from_micros(header.time_ms.saturating_mul(1000));
        let media = MediaTime::from_rate(header.time_ms, 1000);
        let time = FrameTime { media, arrival: wall, capture: None, wall };
        let keyframe = codec.is_keyframe(&payload);
        let packet = Packet { params, payload: Payload::from_vec(payload), keyframe, lost: 0 };
        let frame = Frame { slot: Slot::default(), track, time, body: Body::Packet(packet) };
        Some(Ok(Record::Packet { id, frame }))
    }

    /// Where the record at `at` ends, if it is of the same stream, track and time as `first`.
    fn continuation(&self, first: &RecordHeader, codec: Codec, at: usize) -> Option<usize> {
        let more = RecordHeader::decode(&self.data[at..])?;
        let same = RecordHeader { payload_bytes: first.payload_bytes, ..more } == *first;
        let (_, _, length) = more.sensible((self.data.len() - at) as u64)?;
        (codec == Codec::H264 && same).then_some(at + length as usize)
    }

    /// The format holds no parameters: they are those of the last packet that told some, or follow from the codec.
    fn params_of(
        &mut self,
        track: (StreamId, Track),
        codec: Codec,
        payload: &[u8],
    ) -> Option<Arc<CodecParams>> {
        let known = self.params.get(&track).filter(|params| params.codec == codec);
        let told = codec.params_in(payload);
        if let Some(known) = known.filter(|known| told.as_ref().is_none_or(|told| *told == ***known)) {
            return Some(known.clone());
        }
        let audio = |sample_rate_hz, channels| AudioParams { sample_rate_hz, channels };
        let params = match (told, codec) {
            (Some(told), _) => told,
            (None, Codec::PcmMulaw | Codec::PcmAlaw) => audio_params(codec, audio(8000, 1)),
            (None, Codec::Opus) => audio_params(codec, audio(opus::CLOCK_HZ, 2)),
            (None, codec) if codec.is_video() => CodecParams::video(codec, Bytes::new()),
            (None, _) => return None,
        };
        let params = Arc::new(params);
        self.params.insert(track, params.clone());
        Some(params)
    }
}

/// Tells which NAL units of the same time belong together: where a camera is fast, or its times are coarse, two access
/// units may have the same millisecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessUnit {
    has_slice: bool,
}

impl AccessUnit {
    /// One that begins with the NAL units in `payload`.
    pub(crate) fn new(payload: &[u8]) -> Self {
        Self { has_slice: has_slice(payload) }
    }

    /// Whether the NAL units in `payload` go on with it. It is not changed by those that do not.
    pub(crate) fn takes(&mut self, payload: &[u8]) -> bool {
        if self.has_slice && nal::annex_b(payload).next().is_some_and(begins_another) {
            return false;
        }
        self.has_slice |= has_slice(payload);
        true
    }
}

fn has_slice(payload: &[u8]) -> bool {
    nal::annex_b(payload).any(|unit| NalType::of(unit).is_some_and(NalType::is_slice))
}

/// Whether such a unit behind a slice is of the next access unit (ITU-T H.264, 7.4.1.2.3 and 7.4.1.2.4).
fn begins_another(unit: &[u8]) -> bool {
    match NalType::of(unit) {
        Some(NalType::AUD | NalType::SPS | NalType::PPS | NalType::SEI) => true,
        Some(NalType(kind)) if (14..=18).contains(&kind) => true,
        _ => h264::first_macroblock(unit) == Some(0),
    }
}

fn audio_params(codec: Codec, audio: AudioParams) -> CodecParams {
    CodecParams::audio(codec, audio.sample_rate_hz, audio.channels, Bytes::new())
}
