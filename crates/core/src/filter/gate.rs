//! Gates: streams that are let through on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Filter;
use super::tracks::TrackMap;
use crate::frame::{Body, Frame, Signal};
use crate::stream::Track;

/// Opens and closes a gate from any thread; takes effect at the next frame.
#[derive(Clone, Debug)]
pub struct GateHandle(Arc<State>);

#[derive(Debug)]
struct State {
    open: AtomicBool,
    signals: AtomicBool,
}

impl GateHandle {
    /// Closed; whether signals pass nevertheless.
    fn closed(signals: bool) -> Self {
        Self(Arc::new(State { open: AtomicBool::new(false), signals: AtomicBool::new(signals) }))
    }

    /// Frames pass from now on.
    pub fn open(&self) {
        self.0.open.store(true, Ordering::SeqCst);
    }

    /// No frames pass from now on.
    pub fn close(&self) {
        self.0.open.store(false, Ordering::SeqCst);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Whether signals pass while it is closed.
    pub fn pass_signals(&self, pass: bool) {
        self.0.signals.store(pass, Ordering::SeqCst);
    }

    fn passes_signals(&self) -> bool {
        self.0.signals.load(Ordering::SeqCst)
    }
}

/// Lets frames through while it is open. Closed at first; signals pass even so unless told otherwise
/// ([`GateHandle::pass_signals`]), so that what lies behind knows the state of the stream.
///
/// What comes first after opening may be packets that do not decode: decoders have a
/// [`KeyframeGate`](super::KeyframeGate) before them. [`CachingGate`] starts with a key frame.
#[derive(Debug)]
pub struct Gate {
    handle: GateHandle,
}

impl Gate {
    /// A closed gate, and what opens it.
    pub fn new() -> (Self, GateHandle) {
        let handle = GateHandle::closed(true);
        (Self { handle: handle.clone() }, handle)
    }
}

impl Filter for Gate {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        let signal = matches!(frame.body, Body::Signal(_));
        if self.handle.is_open() || (signal && self.handle.passes_signals()) {
            emit(frame);
        }
    }
}

/// A gate that can be opened in mid-stream: what comes out can be decoded from the first frame on.
///
/// While it is closed, nothing passes (nor do signals, unless told otherwise), but it remembers of each
/// stream whether it came online or went offline, and of each video track the latest key frame. When it opens, it emits these, and
/// goes on with each track at its next key frame, for what lies between the remembered one and the present
/// would not decode. Audio goes on at once.
///
/// It emits what it remembers when the next frame comes, or at once in [`Self::release`].
#[derive(Debug)]
pub struct CachingGate {
    handle: GateHandle,
    /// Whether the gate was open when the last frame came.
    was_open: bool,
    /// The latest signal of each stream that came online or went offline; track 0 stands for all.
    states: TrackMap<Option<Frame>>,
    tracks: TrackMap<VideoTrack>,
}

/// What is known of a video track. While the gate is open, tracks that pass are here with no frame.
#[derive(Debug)]
struct VideoTrack {
    /// The latest key frame.
    keyframe: Option<Frame>,
    /// Whether the next packet continues what was emitted.
    continues: bool,
}

impl CachingGate {
    /// A closed gate, and what opens it.
    pub fn new() -> (Self, GateHandle) {
        let handle = GateHandle::closed(false);
        let gate = Self {
            handle: handle.clone(),
            was_open: false,
            states: TrackMap::new(MAX_CACHED),
            tracks: TrackMap::new(MAX_CACHED),
        };
        (gate, handle)
    }

    /// Emits what is remembered if the gate was opened since the last frame. By
    /// [`Stage::with`](super::Stage::with), whoever opens the gate needs not wait for the next frame.
    pub fn release(&mut self, emit: &mut dyn FnMut(Frame)) {
        let open = self.handle.is_open();
        if open && !self.was_open {
            self.states.values_mut().filter_map(Option::take).for_each(&mut *emit);
            self.tracks.values_mut().filter_map(|track| track.keyframe.take()).for_each(&mut *emit);
        } else if !open && self.was_open {
            // Nothing that passed is remembered: only what comes now is up to date when the gate opens again.
            self.tracks.clear();
        }
        self.was_open = open;
    }

    fn remember(&mut self, frame: &Frame) {
        match &frame.body {
            Body::Signal(Signal::Online(_) | Signal::Offline(_)) => {
                self.tracks.remove_slot(frame.slot);
                self.states.insert(frame.slot, Track::default(), Some(frame.clone()));
            }
            Body::Packet(packet) if packet.params.codec.is_video() => {
                if packet.keyframe {
                    let track = VideoTrack { keyframe: Some(frame.clone()), continues: true };
                    self.tracks.insert(frame.slot, frame.track, track);
                } else if let Some(track) = self.tracks.get_mut(frame.slot, frame.track) {
                    track.continues = false;
                }
            }
            _ => {}
        }
    }

    /// Whether a frame that comes while the gate is open can be decoded from here on.
    fn admits(&mut self, frame: &Frame) -> bool {
        let Body::Packet(packet) = &frame.body else { return true };
        if !packet.params.codec.is_video() {
            return true;
        }
        if packet.keyframe {
            self.tracks.insert(frame.slot, frame.track, VideoTrack { keyframe: None, continues: true });
        }
        self.tracks.get_mut(frame.slot, frame.track).is_some_and(|track| track.continues)
    }
}

impl Filter for CachingGate {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        self.release(emit);
        if self.was_open {
            if self.admits(&frame) {
                emit(frame);
            }
            return;
        }
        self.remember(&frame);
        if matches!(frame.body, Body::Signal(_)) && self.handle.passes_signals() {
            emit(frame);
        }
    }
}

/// Tracks, and streams, of which a gate remembers something; a remembered key frame may have megabytes.
const MAX_CACHED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Slot;
    use crate::testing::{audio, names, offline, online, packet, run, run_names};

    #[test]
    fn a_gate_is_closed_at_first_but_to_signals() {
        let (mut gate, handle) = Gate::new();
        assert_eq!(names(run(&mut gate, [online(), packet('A')])), "!");
        handle.pass_signals(false);
        assert_eq!(names(run(&mut gate, [online(), packet('B')])), "");
        handle.open();
        assert_eq!(names(run(&mut gate, [online(), packet('c')])), "!c");
        handle.close();
        assert_eq!(run_names(&mut gate, "D"), "");
    }

    #[test]
    fn a_caching_gate_starts_with_the_latest_key_frame() {
        let (mut gate, handle) = CachingGate::new();
        assert_eq!(names(run(&mut gate, [online()])), "");
        assert_eq!(run_names(&mut gate, "aBcDe"), "");
        handle.open();
        assert_eq!(run_names(&mut gate, "fgHi"), "!DHi");
        handle.close();
        assert_eq!(run_names(&mut gate, "jk"), "");
        handle.open();
        // No key frame came while it was closed.
        assert_eq!(run_names(&mut gate, "lMn"), "Mn");
    }

    #[test]
    fn what_follows_the_key_frame_at_once_passes() {
        let (mut gate, handle) = CachingGate::new();
        assert_eq!(run_names(&mut gate, "aB"), "");
        handle.open();
        assert_eq!(run_names(&mut gate, "cd"), "Bcd");
    }

    #[test]
    fn it_can_be_released_without_a_frame() {
        let (mut gate, handle) = CachingGate::new();
        run_names(&mut gate, "Ab");
        let mut out = Vec::new();
        gate.release(&mut |frame| out.push(frame));
        assert_eq!(names(out.drain(..)), "");
        handle.open();
        gate.release(&mut |frame| out.push(frame));
        gate.release(&mut |frame| out.push(frame));
        assert_eq!(names(out), "A");
    }

    #[test]
    fn old_connections_and_old_sounds_are_not_remembered() {
        let (mut gate, handle) = CachingGate::new();
        run(&mut gate, [online(), packet('A'), audio('x'), offline()]);
        handle.open();
        let out = run(&mut gate, [audio('y'), packet('b'), packet('C')]);
        assert!(matches!(out[0].body, Body::Signal(Signal::Offline(_))));
        assert_eq!(names(out), "!yC");
    }

    #[test]
    fn it_remembers_a_bounded_number_of_tracks() {
        let (mut gate, handle) = CachingGate::new();
        run(&mut gate, (0..1000).map(|slot| Frame { slot: Slot::new(slot), ..packet('A') }));
        run(&mut gate, (0..1000).map(|slot| Frame { slot: Slot::new(slot), ..online() }));
        handle.open();
        let released = run(&mut gate, [audio('x')]).len();
        assert!((2..=2 * MAX_CACHED + 1).contains(&released), "{released}");
    }
}
