//! The packets of one track, as Valkka lays them out.

use std::sync::Arc;

use bytes::Bytes;
use valkka_core::codec::nal::{self, START_CODE};
use valkka_core::codec::{Codec, CodecParams, MediaParams};
use valkka_core::payload::{PADDING_BYTES, Payload};

use crate::ffi::RawPacket;

/// The parameters of one track: those of its description until the stream itself brings others.
#[derive(Debug)]
pub(crate) struct TrackParams {
    current: Arc<CodecParams>,
}

impl TrackParams {
    pub(crate) fn new(params: CodecParams) -> Self {
        Self { current: Arc::new(params) }
    }

    pub(crate) fn current(&self) -> &Arc<CodecParams> {
        &self.current
    }

    /// Lays out an access unit of H.264 or H.265 (Annex B) as packets are: 4-byte start codes, and parameter sets
    /// before a key frame. Other codecs' payloads stay as they are. Does not copy what is right already.
    pub(crate) fn payload(&self, data: Vec<u8>) -> Payload {
        let codec = self.current.codec;
        if !matches!(codec, Codec::H264 | Codec::H265) {
            return Payload::from_vec(data);
        }
        let data = if has_long_start_codes(&data) { data } else { nal::to_annex_b(nal::annex_b(&data)) };
        self.completed(Payload::from_vec(data))
    }

    /// The payload with the parameter sets that a key frame lacks put before it. It must be laid out as packets are.
    pub(crate) fn completed(&self, payload: Payload) -> Payload {
        let CodecParams { codec, extra, .. } = &*self.current;
        let complete = !matches!(codec, Codec::H264 | Codec::H265)
            || extra.is_empty()
            || !codec.is_keyframe(&payload)
            || codec.params_in(&payload).is_some();
        if complete {
            return payload;
        }
        let mut completed = Vec::with_capacity(extra.len() + payload.len() + PADDING_BYTES);
        completed.extend_from_slice(extra);
        completed.extend_from_slice(&payload);
        Payload::from_vec(completed)
    }

    /// The parameters with which `payload` is encoded, and whether it is a key frame.
    pub(crate) fn of(&mut self, payload: &Payload) -> (Arc<CodecParams>, bool) {
        let codec = self.current.codec;
        let keyframe = codec.is_keyframe(payload);
        if keyframe && let Some(found) = codec.params_in(payload) {
            self.update(found);
        }
        (self.current.clone(), keyframe)
    }

    /// Takes over what the stream says of itself; what it leaves open stays.
    fn update(&mut self, mut found: CodecParams) {
        if let (MediaParams::Video(found), Some(current)) = (&mut found.media, self.current.as_video()) {
            found.frame_rate = found.frame_rate.or(current.frame_rate);
        }
        if found != *self.current {
            self.current = Arc::new(found);
        }
    }
}

/// The payload of a packet of FFmpeg's: by reference if there is room for the padding behind it, else copied.
pub(crate) fn payload_of(packet: RawPacket) -> Payload {
    struct Padded(RawPacket);
    impl AsRef<[u8]> for Padded {
        fn as_ref(&self) -> &[u8] {
            self.0.padded(PADDING_BYTES).unwrap_or_default()
        }
    }

    let copy = |data: &[u8]| Payload::copy_from_slice(data);
    if packet.padded(PADDING_BYTES).is_none_or(|padded| padded[packet.data().len()..].iter().any(|&b| b != 0))
    {
        return copy(packet.data());
    }
    let padded = Bytes::from_owner(Padded(packet));
    Payload::from_padded(padded.clone())
        .unwrap_or_else(|| copy(&padded[..padded.len().saturating_sub(PADDING_BYTES)]))
}

/// Whether the data starts with a 4-byte start code and has no shorter ones.
fn has_long_start_codes(data: &[u8]) -> bool {
    let mut zeros = 0;
    let shorter = data.iter().any(|&byte| {
        let short = byte == 1 && zeros == 2;
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        short
    });
    data.starts_with(&START_CODE) && !shorter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key frame's slice; its content does not matter here.
    const IDR: [u8; 3] = [0x65, 0x88, 0x80];

    fn h264(extra: &[u8]) -> TrackParams {
        TrackParams::new(CodecParams::video(Codec::H264, Bytes::copy_from_slice(extra)))
    }

    #[test]
    fn start_codes_become_four_bytes_long() {
        let track = h264(&[]);
        let payload = track.payload([&[0, 0, 1][..], &IDR, &[0, 0, 1, 0x41, 9]].concat());
        assert_eq!(payload[..], [&[0, 0, 0, 1][..], &IDR, &[0, 0, 0, 1, 0x41, 9]].concat());
        assert_eq!(track.payload(payload.to_vec())[..], payload[..]);
    }

    #[test]
    fn key_frames_get_the_parameter_sets_they_lack() {
        let extra = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
        let track = h264(&extra);
        let key = [&[0, 0, 0, 1][..], &IDR].concat();
        assert_eq!(track.payload(key.clone())[..], [&extra[..], &key].concat());
        let other = [0, 0, 0, 1, 0x41, 9];
        assert_eq!(track.payload(other.to_vec())[..], other);
    }
}
