//! Packets into fragments of MP4.

use std::fmt;
use std::sync::Arc;

use tracing::{trace, warn};
use valkka_core::codec::CodecParams;
use valkka_core::filter::Filter;
use valkka_core::frame::{Body, Fragment, Frame, Signal};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::WallTime;

use crate::muxer::Muxer;
use crate::timeline::Timeline;

/// Makes fragmented MP4 of the video of a stream, as browsers take it (Media Source Extensions), one
/// [`Fragment`] per box: `ftyp` and `moov` when it begins, then `moof` and `mdat` for each packet, at once.
///
/// Nothing else passes. A fragmenter is idle at first; once [activated](Self::activate) it begins with the next key
/// frame. When the parameters of the stream change, or another stream comes, it begins again. Fragments have the slot,
/// track and times of their packet; their own timeline counts milliseconds.
///
/// Put it into a [`Stage`](valkka_core::filter::Stage), whose `with` reaches its methods while frames flow.
#[derive(Default)]
pub struct Fragmenter {
    active: Option<Timeline>,
    running: Option<Running>,
    /// `ftyp` and `moov` of what runs, or ran last.
    meta: Vec<Frame>,
    /// The last parameters of which nothing could be made, so that it is said once.
    refused: Option<Arc<CodecParams>>,
}

struct Running {
    muxer: Muxer,
    slot: Slot,
    track: Track,
    params: Arc<CodecParams>,
}

impl Fragmenter {
    /// An idle fragmenter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins with the next key frame; begins anew if it is at work. Its timeline counts from `zero`, or else from that
    /// key frame.
    pub fn activate(&mut self, zero: Option<WallTime>) {
        self.deactivate();
        self.active = Some(Timeline::new(zero));
    }

    /// Makes no more fragments.
    pub fn deactivate(&mut self) {
        (self.active, self.running, self.refused) = (None, None, None);
    }

    /// Emits `ftyp` and `moov` once more, for who comes late. Returns whether there are any yet.
    pub fn send_meta(&self, emit: &mut dyn FnMut(Frame)) -> bool {
        self.meta.iter().cloned().for_each(emit);
        !self.meta.is_empty()
    }

    fn packet(&mut self, frame: &Frame, emit: &mut dyn FnMut(Frame)) {
        let Some(packet) = frame.packet().filter(|packet| packet.params.codec.is_video()) else { return };
        if self.active.is_none() || self.running.as_ref().is_some_and(|running| running.is_beside(frame)) {
            return;
        }
        if !self.running.as_ref().is_some_and(|running| running.goes_on_with(frame, &packet.params)) {
            self.running = None;
            if packet.keyframe {
                self.begin(frame, &packet.params, emit);
            }
        }
        let (Some(timeline), Some(running)) = (&mut self.active, &mut self.running) else { return };
        let Some(time) = timeline.place(frame.track, &frame.time) else { return };
        let written =
            running.muxer.write(Track::default(), packet, time).and_then(|()| running.muxer.flush());
        if let Err(error) = written {
            // Its own memory can hardly fail; with the next key frame it begins anew.
            warn!(slot = %frame.slot, %error, "a fragment is lost");
            self.running = None;
            return;
        }
        boxes(&mut running.muxer, frame, packet.keyframe).for_each(emit);
    }

    /// Begins with the key frame `frame`.
    fn begin(&mut self, frame: &Frame, params: &Arc<CodecParams>, emit: &mut dyn FnMut(Frame)) {
        if self.refused.as_ref().is_some_and(|refused| refused.same_setup(params)) {
            return;
        }
        let mut muxer = match Muxer::fragments(params) {
            Ok(muxer) => muxer,
            Err(error) => {
                warn!(slot = %frame.slot, %error, "no fragments");
                self.refused = Some(params.clone());
                return;
            }
        };
        self.meta = boxes(&mut muxer, frame, false).collect();
        self.meta.iter().cloned().for_each(emit);
        self.running = Some(Running { muxer, slot: frame.slot, track: frame.track, params: params.clone() });
    }
}

impl Filter for Fragmenter {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        match &frame.body {
            Body::Packet(_) => self.packet(&frame, emit),
            Body::Signal(Signal::Online(_)) => {
                if let Some(timeline) = &mut self.active {
                    timeline.reconnected();
                }
            }
            Body::Signal(_) => {}
            Body::Bitmap(_) | Body::Fragment(_) => {
                trace!(slot = %frame.slot, "fragments are made of packets only")
            }
        }
    }
}

impl Running {
    /// Whether `frame` is of another track of the stream.
    fn is_beside(&self, frame: &Frame) -> bool {
        self.slot == frame.slot && self.track != frame.track
    }

    fn goes_on_with(&self, frame: &Frame, params: &CodecParams) -> bool {
        self.slot == frame.slot && self.params.same_setup(params)
    }
}

impl fmt::Debug for Fragmenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fragmenter").field("active", &self.active.is_some()).finish_non_exhaustive()
    }
}

/// What `muxer` made of `frame`, box by box.
fn boxes(muxer: &mut Muxer, frame: &Frame, keyframe: bool) -> impl Iterator<Item = Frame> {
    let (slot, track, time) = (frame.slot, frame.track, frame.time);
    Fragment::split(muxer.made(), keyframe).map(move |fragment| Frame {
        slot,
        track,
        time,
        body: Body::Fragment(fragment),
    })
}
