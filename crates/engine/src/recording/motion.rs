//! Movement as a reason to record.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use valkka_av::{DecoderOptions, PictureDecoder};
use valkka_core::filter::{Filter as _, Movement, MovementOptions};
use valkka_core::fork::Branch;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::queue::{Overflow, QueueReceiver, QueueSender, RecvError, queue};
use valkka_core::sink::Sink;
use valkka_core::stats::StreamStats;
use valkka_core::worker::{StopToken, Worker};

use crate::camera::Camera;
use crate::decoding::Glimpses;
use crate::error::Error;

/// Tells when something moves before a camera, at little cost.
///
/// While somebody else wants the camera's pictures, those are looked at. Else only key frames are decoded, for this alone and
/// on a thread of its own, and compared with each other: it notices what has changed from one to the next. No picture is
/// decoded twice.
pub struct MotionWatch {
    // Dropped in this order: first nothing more comes in.
    _packets: Branch,
    _pictures: Branch,
    _worker: Worker,
}

/// What is taken for movement. All fields are free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MotionOptions {
    /// Pictures are compared when so much time has passed since the last comparison; with key frames alone, it may be more.
    pub interval: Duration,
    /// How much the luma of two pictures differs on average, of 1, when something moved between them.
    pub threshold: f32,
}

impl Default for MotionOptions {
    /// Half a second, and 1 %.
    fn default() -> Self {
        Self { interval: Duration::from_millis(500), threshold: 0.01 }
    }
}

impl MotionWatch {
    /// Calls `on_motion` whenever two pictures that are compared differ: again and again while something moves, at most once
    /// per interval, on a thread of its own. The camera connects if it has not yet.
    ///
    /// # Errors
    /// If the camera is watched already, or the system gives no thread.
    pub fn attach(
        camera: &Camera,
        options: MotionOptions,
        on_motion: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let (input, frames) = queue(camera.name(), QUEUED, Overflow::DropOldest);
        let glimpses = camera.glimpses();
        let looker =
            Looker { frames, options, on_motion: Box::new(on_motion), name: camera.name().to_owned() };
        let worker = Worker::spawn("motion", None, move |stop| looker.run(&stop))
            .map_err(|cause| Error::Thread { what: format!("watching {}", camera.name()), cause })?;
        let inlet = Arc::new(Inlet { input, interval: options.interval, last: AtomicI64::new(i64::MIN) });
        let pictures = glimpses.branch("motion", inlet.clone())?;
        let packets = camera.packets("motion", Arc::new(Keyframes { glimpses, inlet }))?;
        Ok(Self { _packets: packets, _pictures: pictures, _worker: worker })
    }
}

impl fmt::Debug for MotionWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MotionWatch").finish_non_exhaustive()
    }
}

/// Lets through what is wanted of pictures, in the thread that receives or decodes.
struct Inlet {
    input: QueueSender,
    interval: Duration,
    /// The moment of the last one, in microseconds.
    last: AtomicI64,
}

impl Sink for Inlet {
    fn put(&self, frame: Frame) {
        if !matches!(frame.body, Body::Bitmap(_) | Body::Packet(_)) {
            return;
        }
        let now = frame.time.wall.micros();
        let since = now.abs_diff(self.last.load(Ordering::Relaxed));
        if u128::from(since) >= self.interval.as_micros() {
            self.last.store(now, Ordering::Relaxed);
            self.input.push(frame);
        }
    }
}

/// Hands on the key frames, as long as nobody else decodes.
struct Keyframes {
    glimpses: Glimpses,
    inlet: Arc<Inlet>,
}

impl Sink for Keyframes {
    fn put(&self, frame: Frame) {
        let is_wanted = frame.packet().is_some_and(|packet| {
            packet.params.codec.is_video()
                && packet.keyframe
                && packet.lost == 0
                && !self.glimpses.are_coming()
        });
        if is_wanted {
            self.inlet.put(frame);
        }
    }
}

/// Looks at pictures, on a thread of its own.
struct Looker {
    frames: QueueReceiver,
    options: MotionOptions,
    on_motion: Box<dyn Fn() + Send>,
    name: String,
}

impl Looker {
    fn run(self, stop: &StopToken) {
        stop.on_stop(self.frames.closer());
        let MotionOptions { threshold, .. } = self.options;
        // Thinned out before.
        let options = MovementOptions { interval: Duration::ZERO, threshold, duration: Duration::ZERO };
        let (mut movement, _handle) = Movement::new(options, |_| ());
        let mut decoder = None;
        while !stop.is_stopped() {
            let frame = match self.frames.recv(TICK) {
                Ok(frame) => frame,
                Err(RecvError::Timeout) => continue,
                Err(RecvError::Closed) => return,
            };
            let mut look = |frame: Frame| {
                movement.push(frame, &mut |frame| {
                    if frame.bitmap().is_some() {
                        (self.on_motion)();
                    }
                });
            };
            if frame.bitmap().is_some() {
                // Somebody else decodes: the memory of a decoder is not needed meanwhile.
                decoder = None;
                look(frame);
                continue;
            }
            let decoder = decoder.get_or_insert_with(|| {
                PictureDecoder::new(&self.name, DecoderOptions::default(), Arc::new(StreamStats::default()))
            });
            let end = Frame::signal(frame.slot, frame.time.wall, Signal::End);
            // The end has the decoder give the picture at once.
            for frame in [frame, end] {
                decoder.push(frame, &mut |frame| {
                    if frame.bitmap().is_some() {
                        look(frame);
                    }
                });
            }
        }
    }
}

/// Pictures that may wait. They are held by reference, and few decoders have many of them.
const QUEUED: usize = 2;

const TICK: Duration = Duration::from_millis(500);
