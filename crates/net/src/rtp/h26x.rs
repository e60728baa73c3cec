//! What H.264 and H.265 have in common.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use valkka_core::codec::nal::annex_b;
use valkka_core::frame::Packet;

/// The NAL units to send for `packet`. A key frame whose parameter sets came only beside the stream gets them
/// in front, so that a viewer can start at any key frame and follow a change of them.
pub(super) fn units(packet: &Packet, is_parameter_set: fn(&[u8]) -> bool) -> Vec<&[u8]> {
    let mut units: Vec<&[u8]> = annex_b(&packet.payload).collect();
    if packet.keyframe && !units.iter().any(|unit| is_parameter_set(unit)) {
        let sets = annex_b(&packet.params.extra).filter(|unit| is_parameter_set(unit));
        units.splice(0..0, sets);
    }
    units
}

/// The parameter sets of the type that `is` tells: those that came beside the stream, or else those in
/// `payload`; in base64, separated by commas. `None` if there is none.
pub(super) fn parameter_sets(extra: &[u8], payload: &[u8], is: impl Fn(&[u8]) -> bool) -> Option<String> {
    let sets = |data| annex_b(data).filter(|unit| is(unit)).collect::<Vec<_>>();
    let mut found = sets(extra);
    if found.is_empty() {
        found = sets(payload);
    }
    let mut seen = HashSet::new();
    found.retain(|unit| seen.insert(*unit));
    let encoded: Vec<_> = found.iter().map(|unit| STANDARD.encode(unit)).collect();
    (!encoded.is_empty()).then(|| encoded.join(","))
}
