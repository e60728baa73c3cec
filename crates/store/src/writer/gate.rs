//! What is dropped when one packet is.

use std::time::{Duration, Instant};

use valkka_core::frame::Packet;

/// Keeps the packets of a stream away after one was dropped, up to the next one at which decoding can start.
#[derive(Debug, Default)]
pub(super) struct Gate {
    has_video: bool,
    dropped: Option<Dropped>,
    /// When it was looked last what is to be told, while it is shut.
    told: Option<Instant>,
}

/// What was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) frames: u64,
    /// How many of them nobody was told of yet.
    pub(super) untold: u64,
    /// Why the first one was.
    pub(super) reason: String,
}

impl Gate {
    /// Whether `packet` may pass; if not, it is counted as dropped.
    pub(super) fn admits(&mut self, packet: &Packet) -> bool {
        let is_video = packet.params.codec.is_video();
        self.has_video |= is_video;
        let can_start = packet.keyframe && is_video == self.has_video;
        match &mut self.dropped {
            Some(dropped) if !can_start => {
                dropped.count();
                false
            }
            _ => true,
        }
    }

    /// A packet was dropped: those after it are too.
    pub(super) fn shut(&mut self, reason: impl FnOnce() -> String) {
        match &mut self.dropped {
            Some(dropped) => dropped.count(),
            None => self.dropped = Some(Dropped { frames: 1, untold: 1, reason: reason() }),
        }
    }

    /// Why it is shut; empty if it is open.
    pub(super) fn reason(&self) -> &str {
        self.dropped.as_ref().map_or("", |dropped| &dropped.reason)
    }

    /// A packet passed: what was dropped before it.
    pub(super) fn open(&mut self) -> Option<Dropped> {
        self.told = None;
        self.dropped.take()
    }

    /// What is to be told of a gate that stays shut, now and then. Asked whenever a packet was dropped.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Dropped> {
        let dropped = self.dropped.as_mut()?;
        let told = self.told.get_or_insert(now);
        if now.saturating_duration_since(*told) < TELL_INTERVAL {
            return None;
        }
        *told = now;
        let overdue = dropped.clone();
        dropped.untold = 0;
        Some(overdue)
    }
}

impl Dropped {
    fn count(&mut self) {
        self.frames += 1;
        self.untold += 1;
    }
}

/// How often it is told that a gate is shut.
const TELL_INTERVAL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use valkka_core::codec::{Codec, CodecParams};
    use valkka_core::payload::Payload;

    use super::*;

    #[test]
    fn it_opens_at_a_key_frame_of_the_video() {
        let packet = |codec: Codec, keyframe| {
            let params = if codec.is_video() {
                CodecParams::video(codec, Bytes::new())
            } else {
                CodecParams::audio(codec, 8000, 1, Bytes::new())
            };
            Packet { params: Arc::new(params), payload: Payload::default(), keyframe, lost: 0 }
        };
        let (audio, video) = (packet(Codec::PcmMulaw, true), packet(Codec::H264, false));
        let mut gate = Gate::default();
        assert!(gate.admits(&audio));
        gate.shut(|| "full".into());
        assert!(gate.admits(&audio), "there is no video");
        assert_eq!(gate.open(), Some(Dropped { frames: 1, untold: 1, reason: "full".into() }));
        assert!(gate.admits(&video));
        gate.shut(|| "full again".into());
        assert!(!gate.admits(&audio) && !gate.admits(&video));
        assert!(gate.admits(&packet(Codec::H264, true)));
        gate.shut(|| "still full".into());
        assert_eq!(gate.open(), Some(Dropped { frames: 4, untold: 4, reason: "full again".into() }));
        assert_eq!(gate.open(), None);
        // One that stays shut is told of now and then.
        let start = Instant::now();
        assert_eq!(gate.overdue(start), None);
        let dropped = |frames, untold| Some(Dropped { frames, untold, reason: "full".into() });
        gate.shut(|| "full".into());
        assert_eq!(gate.overdue(start), None);
        assert!(!gate.admits(&video));
        assert_eq!(gate.overdue(start + TELL_INTERVAL), dropped(2, 2));
        assert!(!gate.admits(&video));
        assert_eq!(gate.overdue(start + TELL_INTERVAL), None);
        assert_eq!(gate.open(), dropped(3, 1));
    }
}
