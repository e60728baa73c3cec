//! Only what can be decoded.

use super::Filter;
use super::tracks::TrackMap;
use crate::frame::{Body, Frame, Packet, Signal};

/// Lets no video packet of a track through until its first complete key frame, nor after a loss until the
/// next one: what comes out decodes without damage.
///
/// Everything else passes. When a stream comes online, or jumps, its tracks start anew.
#[derive(Debug)]
pub struct KeyframeGate {
    /// Tracks that pass.
    open: TrackMap<()>,
}

impl KeyframeGate {
    /// All tracks closed.
    pub fn new() -> Self {
        Self { open: TrackMap::new(MAX_TRACKS) }
    }

    /// Whether `packet` of `frame`'s track passes.
    fn admits(&mut self, frame: &Frame, packet: &Packet) -> bool {
        let open =
            packet.lost == 0 && (packet.keyframe || self.open.get_mut(frame.slot, frame.track).is_some());
        if open {
            self.open.insert(frame.slot, frame.track, ());
        } else {
            self.open.remove(frame.slot, frame.track);
        }
        open
    }
}

impl Default for KeyframeGate {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for KeyframeGate {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        match &frame.body {
            Body::Packet(packet) if packet.params.codec.is_video() && !self.admits(&frame, packet) => return,
            Body::Signal(Signal::Online(_) | Signal::Seek) => self.open.remove_slot(frame.slot),
            _ => {}
        }
        emit(frame);
    }
}

const MAX_TRACKS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Slot;
    use crate::testing::{after_loss, audio, names, online, packet, run, run_names};

    #[test]
    fn starts_at_a_key_frame() {
        assert_eq!(run_names(&mut KeyframeGate::new(), "abCdEf"), "CdEf");
    }

    #[test]
    fn waits_for_a_complete_key_frame_after_a_loss() {
        let frames = [packet('A'), packet('b'), after_loss('c'), packet('d'), after_loss('E'), packet('f')];
        let rest = [packet('G'), packet('h')];
        assert_eq!(names(run(&mut KeyframeGate::new(), frames.into_iter().chain(rest))), "AbGh");
    }

    #[test]
    fn tracks_are_apart_and_audio_passes() {
        let other = |frame| Frame { slot: Slot::new(2), ..frame };
        let frames =
            [audio('x'), packet('A'), other(packet('b')), after_loss('c'), other(packet('D')), audio('y')];
        assert_eq!(names(run(&mut KeyframeGate::new(), frames)), "xADy");
    }

    #[test]
    fn a_new_connection_starts_anew() {
        let frames = [packet('A'), packet('b'), online(), packet('c'), packet('D')];
        assert_eq!(names(run(&mut KeyframeGate::new(), frames)), "Ab!D");
    }
}
