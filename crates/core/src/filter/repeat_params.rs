//! Parameter sets where a decoder needs them.

use super::Filter;
use crate::codec::{Codec, CodecParams, h264, h265, nal};
use crate::frame::{Body, Frame, Packet};
use crate::payload::Payload;

/// Puts the parameter sets of a track into each key frame of H.264 and H.265 that comes without them: for consumers that
/// take nothing but the bytes. Everything else passes as it is.
///
/// The sets are those of the packet's own parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct RepeatParams;

impl Filter for RepeatParams {
    fn push(&mut self, mut frame: Frame, emit: &mut dyn FnMut(Frame)) {
        if let Body::Packet(packet) = &mut frame.body
            && packet.keyframe
            && let Some(payload) = completed(packet)
        {
            packet.payload = payload;
        }
        emit(frame);
    }
}

/// The payload with the parameter sets that it lacks; `None` if it lacks none, or they are not known.
fn completed(packet: &Packet) -> Option<Payload> {
    let CodecParams { codec, extra, .. } = &*packet.params;
    let complete = match codec {
        Codec::H264 => h264::parameter_sets(&packet.payload).is_some(),
        Codec::H265 => h265::parameter_sets(&packet.payload).is_some(),
        _ => return None,
    };
    if complete || extra.is_empty() {
        return None;
    }
    // A delimiter comes before all other units of an access unit.
    let delimits = |unit: &&[u8]| match codec {
        Codec::H264 => h264::NalType::of(unit) == Some(h264::NalType::AUD),
        _ => h265::NalType::of(unit) == Some(h265::NalType::AUD),
    };
    let leading = nal::annex_b(&packet.payload).take_while(delimits);
    let rest = nal::annex_b(&packet.payload).skip_while(delimits);
    let units: Vec<_> = leading.chain(nal::annex_b(extra)).chain(rest).collect();
    Some(Payload::from_vec(nal::to_annex_b(units)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::testing::{audio, online, packet, run};

    /// What becomes of a packet with the units `units`, by the first bytes of its units.
    fn repeat(codec: Codec, keyframe: bool, extra: &[&[u8]], units: &[&[u8]]) -> Vec<u8> {
        let extra = Bytes::from(nal::to_annex_b(extra.iter().copied()));
        let payload = Payload::from_vec(nal::to_annex_b(units.iter().copied()));
        let params = Arc::new(CodecParams::video(codec, extra));
        let body = Body::Packet(Packet { params, payload, keyframe, lost: 0 });
        let out = run(&mut RepeatParams, [Frame { body, ..packet('A') }]);
        nal::annex_b(&out[0].packet().unwrap().payload).map(|unit| unit[0]).collect()
    }

    #[test]
    fn bare_key_frames_get_their_parameter_sets() {
        let extra: &[&[u8]] = &[&[0x67, 1], &[0x68, 2]];
        let repeat = |keyframe, units| repeat(Codec::H264, keyframe, extra, units);
        assert_eq!(repeat(true, &[&[0x65, 1], &[0x65, 2]]), [0x67, 0x68, 0x65, 0x65]);
        assert_eq!(repeat(true, &[&[0x09, 0xf0], &[0x06, 1], &[0x65, 1]]), [0x09, 0x67, 0x68, 0x06, 0x65]);
        assert_eq!(repeat(true, &[&[0x67, 3], &[0x68, 4], &[0x65, 1]]), [0x67, 0x68, 0x65]);
        assert_eq!(repeat(false, &[&[0x41, 1]]), [0x41]);
    }

    #[test]
    fn h265_too() {
        let extra: &[&[u8]] = &[&[0x40, 1, 1], &[0x42, 1, 1], &[0x44, 1, 1]];
        let units: &[&[u8]] = &[&[0x46, 1, 1], &[0x26, 1, 1]];
        assert_eq!(repeat(Codec::H265, true, extra, units), [0x46, 0x40, 0x42, 0x44, 0x26]);
    }

    #[test]
    fn what_is_not_known_is_not_repeated_and_all_else_passes() {
        assert_eq!(repeat(Codec::H264, true, &[], &[&[0x65, 1]]), [0x65]);
        assert_eq!(repeat(Codec::Mjpeg, true, &[&[1]], &[&[0x65, 1]]), [0x65]);
        assert_eq!(run(&mut RepeatParams, [audio('x'), online(), packet('A')]).len(), 3);
    }
}
