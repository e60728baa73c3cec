//! Packets in, pictures out, without a thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use tracing::{debug, trace, warn};
use valkka_core::codec::CodecParams;
use valkka_core::filter::Filter;
use valkka_core::frame::{Body, Frame, FrameTime, Packet, Signal};
use valkka_core::stats::StreamStats;
use valkka_core::stream::{Slot, Track};

use crate::driver::{self, DecodeError, Driver, DriverOptions, Picture};
use crate::ffi::Complaints;

/// How a stream is decoded. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderOptions {
    /// FFmpeg's threads. With more than one, each further one holds back one picture of a stream that is not cut into
    /// slices.
    pub threads: usize,
    /// Index of the CPU to which the worker is bound.
    pub affinity: Option<usize>,
    /// What happens to damaged pictures.
    pub damaged: Damaged,
    /// How many packets may wait for the decoder, before it drops up to the next key frame.
    pub capacity: usize,
}

/// What happens to pictures that were decoded from incomplete data, or that depend on what was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Damaged {
    /// They are dropped: after a loss nothing comes until the next key frame.
    #[default]
    Drop,
    /// They come, marked.
    Show,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        Self { threads: 1, affinity: None, damaged: Damaged::Drop, capacity: 32 }
    }
}

/// Decodes the first video track of a stream; what else comes is passed on.
///
/// It starts at a key frame. Its pictures carry the times of their packets, also where they come in another order.
/// When the parameters change, it goes on with a decoder for the new ones. What cannot be decoded is logged once.
pub struct PictureDecoder {
    name: String,
    options: DecoderOptions,
    stats: Arc<StreamStats>,
    /// What is decoded: the first video track that came.
    source: Option<(Slot, Track)>,
    running: Option<Running>,
    /// Parameters that no driver took, so that they are not tried again and again.
    refused: Option<Arc<CodecParams>>,
    waiting: Waiting,
    /// Whether the stream was said to be broken since the last good key frame, so that it is logged once.
    complained: bool,
    next_tag: i64,
    /// Times of the packets inside the decoder, by tag. Bounded by [`MAX_INSIDE`].
    times: VecDeque<(i64, FrameTime)>,
}

/// A driver at work.
struct Running {
    driver: Box<dyn Driver>,
    params: Arc<CodecParams>,
    /// Whether the driver has taken anything since it was opened or flushed.
    fed: bool,
    complaints: Complaints,
    /// The tag of the key frame at which decoding began.
    start: i64,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Nothing: packets are decoded.
    No,
    /// A key frame to begin with.
    Start,
    /// A key frame after something was lost or broken.
    Damage,
}

impl PictureDecoder {
    /// A decoder called `name` in the log. [`DecoderOptions::affinity`] and [`DecoderOptions::capacity`] are for
    /// [`Decoder`](crate::Decoder) only.
    pub fn new(name: &str, options: DecoderOptions, stats: Arc<StreamStats>) -> Self {
        Self {
            name: name.to_owned(),
            options,
            stats,
            source: None,
            running: None,
            refused: None,
            waiting: Waiting::Start,
            complained: false,
            next_tag: 0,
            times: VecDeque::new(),
        }
    }

    /// Forgets everything and frees the memory of pictures and references, ready for a key frame.
    pub fn reset(&mut self) {
        self.running = None;
        self.source = None;
        self.times.clear();
        self.waiting = Waiting::Start;
    }

    /// Forgets what came so far, ready for a key frame elsewhere in the stream. Other than after [`Self::reset`], what is
    /// open stays open with its memory, so that jumping to and fro is quick.
    pub fn restart(&mut self) {
        if let Some(running) = &mut self.running {
            running.driver.flush();
            running.fed = false;
        }
        self.source = None;
        self.times.clear();
        self.waiting = Waiting::Start;
    }

    /// Hands out the pictures that are still inside, of a stream that ends or is interrupted here; then it is as after
    /// [`Self::restart`].
    pub fn finish(&mut self, emit: &mut dyn FnMut(Frame)) {
        self.drain(emit);
        self.restart();
    }

    fn packet(&mut self, frame: &Frame, packet: &Packet, emit: &mut dyn FnMut(Frame)) {
        let source = (frame.slot, frame.track);
        match self.source {
            None => self.source = Some(source),
            Some(current) if current == source => {}
            Some((slot, track)) if slot == frame.slot => {
                trace!(decoder = self.name, %track, other = %frame.track, "packet of another track dropped");
                return;
            }
            // Another stream takes the place of the one before.
            Some(_) => {
                self.end(emit);
                self.source = Some(source);
            }
        }
        if self.running.as_ref().is_some_and(|running| !fits(&running.params, &packet.params)) {
            debug!(decoder = self.name, codec = %packet.params.codec, "parameters changed");
            self.end(emit);
            self.source = Some(source);
        }
        if let Some(running) = &mut self.running {
            running.params = packet.params.clone();
        }
        let drop_damaged = self.options.damaged == Damaged::Drop;
        if packet.lost > 0 && drop_damaged && self.waiting == Waiting::No {
            self.interrupt(emit);
        }
        if self.waiting != Waiting::No {
            if !packet.keyframe || (packet.lost > 0 && drop_damaged) {
                if self.waiting == Waiting::Damage || packet.lost > 0 {
                    self.stats.damaged.add(1);
                }
                return;
            }
            if !self.open(&packet.params) {
                return;
            }
        }
        self.decode(frame.time, packet, emit);
    }

    /// Has a driver at work that takes `params`; otherwise says so, once.
    fn open(&mut self, params: &Arc<CodecParams>) -> bool {
        let start = self.next_tag;
        self.waiting = Waiting::No;
        if let Some(running) = &mut self.running {
            running.start = start;
            running.complaints = running.driver.complaints();
            return true;
        }
        if self.refused.as_ref().is_some_and(|refused| fits(refused, params)) {
            self.waiting = Waiting::Start;
            return false;
        }
        let options = DriverOptions {
            threads: self.options.threads.clamp(1, MAX_THREADS),
            show_damaged: self.options.damaged == Damaged::Show,
        };
        match driver::open(params, options) {
            Ok((name, driver)) => {
                debug!(decoder = self.name, codec = %params.codec, driver = name, "decoding");
                let complaints = driver.complaints();
                let params = params.clone();
                self.running = Some(Running { driver, params, fed: false, complaints, start });
                self.refused = None;
                true
            }
            Err(error) => {
                warn!(decoder = self.name, %error, "the stream is not decoded");
                self.refused = Some(params.clone());
                self.waiting = Waiting::Start;
                false
            }
        }
    }

    fn decode(&mut self, time: FrameTime, packet: &Packet, emit: &mut dyn FnMut(Frame)) {
        let Some(running) = &mut self.running else { return };
        let tag = self.next_tag;
        self.next_tag += 1;
        if self.times.len() == MAX_INSIDE {
            self.times.pop_front();
        }
        self.times.push_back((tag, time));
        running.fed = true;
        let sent = running.driver.send(&packet.payload, tag);
        if let Err(error) = sent {
            self.broken(&error);
        }
        self.receive(emit);
    }

    /// Hands out the pictures that are ready.
    fn receive(&mut self, emit: &mut dyn FnMut(Frame)) {
        while let Some(running) = &mut self.running {
            match running.driver.receive() {
                Ok(Some(picture)) => {
                    let damaged = picture.bitmap.is_damaged() || running.complained(picture.tag);
                    self.picture(picture, damaged, emit);
                }
                Ok(None) => return,
                Err(error) => self.broken(&error),
            }
            if self.waiting != Waiting::No {
                return;
            }
        }
    }

    fn picture(&mut self, picture: Picture, damaged: bool, emit: &mut dyn FnMut(Frame)) {
        let Picture { tag, bitmap } = picture;
        let time =
            self.times.iter().position(|&(of, _)| of == tag).and_then(|index| self.times.remove(index));
        let (Some((_, time)), Some((slot, track))) = (time, self.source) else {
            trace!(decoder = self.name, tag, "a picture of no packet dropped");
            return;
        };
        if damaged {
            self.stats.damaged.add(1);
            if self.options.damaged == Damaged::Drop {
                debug!(decoder = self.name, ?time.media, "damaged picture dropped, waiting for a key frame");
                self.await_keyframe();
                return;
            }
        } else {
            self.complained = false;
        }
        self.stats.decoded.add(1);
        emit(Frame { slot, track, time, body: Body::Bitmap(bitmap.with_damage(damaged)) });
    }

    /// Something could not be decoded.
    fn broken(&mut self, error: &DecodeError) {
        if matches!(error, DecodeError::TooLarge { .. }) && !self.complained {
            warn!(decoder = self.name, %error, "the stream is not decoded");
        } else {
            debug!(decoder = self.name, %error, "waiting for a key frame");
        }
        self.complained = true;
        self.stats.damaged.add(1);
        if self.options.damaged == Damaged::Drop {
            self.await_keyframe();
        }
    }

    /// What is inside the decoder is good, and what follows is not: hands it out and waits for a key frame.
    fn interrupt(&mut self, emit: &mut dyn FnMut(Frame)) {
        self.drain(emit);
        self.await_keyframe();
    }

    fn await_keyframe(&mut self) {
        self.waiting = Waiting::Damage;
        self.times.clear();
        if let Some(running) = &mut self.running {
            running.driver.flush();
            running.fed = false;
        }
    }

    /// Hands out what is inside the decoder; it must be flushed or dropped then.
    fn drain(&mut self, emit: &mut dyn FnMut(Frame)) {
        let Some(running) = &mut self.running else { return };
        if !running.fed {
            return;
        }
        running.fed = false;
        match running.driver.drain() {
            Ok(()) => self.receive(emit),
            Err(error) => debug!(decoder = self.name, %error, "nothing comes out any more"),
        }
    }

    /// Hands out what is inside the decoder and forgets the stream.
    fn end(&mut self, emit: &mut dyn FnMut(Frame)) {
        self.drain(emit);
        self.reset();
    }
}

impl Filter for PictureDecoder {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        match &frame.body {
            Body::Packet(packet) if packet.params.codec.is_video() => {
                return self.packet(&frame, packet, emit);
            }
            Body::Signal(Signal::Offline(_) | Signal::End) => self.end(emit),
            // Pictures from before the jump are not to be shown after it.
            Body::Signal(Signal::Seek) => self.reset(),
            _ => {}
        }
        emit(frame);
    }
}

impl Running {
    /// Whether the decoder noticed damage that it does not mark, since it was last asked. That the references of the
    /// first key frame are missing is no damage: it needs none.
    fn complained(&mut self, tag: i64) -> bool {
        let before = std::mem::replace(&mut self.complaints, self.driver.complaints());
        let missing = before.missing != self.complaints.missing && tag != self.start;
        missing || before.broken != self.complaints.broken
    }
}

impl fmt::Debug for PictureDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PictureDecoder({})", self.name)
    }
}

/// Whether a decoder opened for `old` decodes `new`. Sizes are no matter: they are in the stream too.
fn fits(old: &Arc<CodecParams>, new: &Arc<CodecParams>) -> bool {
    Arc::ptr_eq(old, new) || (old.codec == new.codec && old.extra == new.extra)
}

/// More pictures than any decoder holds back: 16 for reordering, and one per thread.
const MAX_INSIDE: usize = 64;
/// What FFmpeg takes without complaint.
const MAX_THREADS: usize = 16;
