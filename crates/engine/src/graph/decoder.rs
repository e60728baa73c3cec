//! A decoder between two parts of a graph.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tracing::debug;
use valkka_av::{DecoderOptions, PictureDecoder};
use valkka_core::clock::SystemClock;
use valkka_core::filter::{CorrectTimestamp, Correction, Filter};
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::queue::{Overflow, QueueReceiver, RecvError};
use valkka_core::sink::Sink;
use valkka_core::stats::StreamStats;
use valkka_core::stream::Track;
use valkka_core::worker::StopToken;

use super::input::{Input, InputNotice, input};
use super::part_worker::PartWorker;
use crate::error::Error;

/// How a [`DecoderStage`] is made. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderStageOptions {
    /// Names its thread, and stands in the log.
    pub name: String,
    /// How many frames may wait for it.
    pub capacity: usize,
    /// Whether everything that waits is dropped when it cannot keep up, rather than what comes.
    pub flush_when_full: bool,
}

impl Default for DecoderStageOptions {
    fn default() -> Self {
        Self { name: "decoder".to_owned(), capacity: 64, flush_when_full: false }
    }
}

/// Decodes on a thread of its own: packets in, pictures out.
///
/// Its inputs take frames from the moment it is made; what does not fit in before it is started is dropped. **It
/// decodes nothing** until [`Self::set_decoding`] says so, and then begins at the next key frame. Pictures go out, and
/// with them those signals that say what is to be shown of them: seek, play, stop and end. That a stream comes or
/// goes, and its audio, concerns nobody behind a decoder.
///
/// From [`Signal::Seek`] to [`Signal::Play`] pictures are decoded and not given out. At [`Signal::Stop`] the last one
/// decoded is given out once more, standing for that moment.
pub struct DecoderStage {
    input: Input,
    settings: Arc<Settings>,
    stats: Arc<StreamStats>,
    worker: PartWorker<Running>,
}

impl DecoderStage {
    /// A decoder whose pictures go to `sink`, on its thread. What people should know of its input goes to `notify`,
    /// on the thread that writes.
    pub fn new(
        options: DecoderStageOptions,
        sink: Arc<dyn Sink>,
        notify: impl Fn(InputNotice<'_>) + Send + Sync + 'static,
    ) -> Self {
        let DecoderStageOptions { name, capacity, flush_when_full } = options;
        let overflow = if flush_when_full { Overflow::Flush } else { Overflow::DropToKeyframe };
        let (input, packets) = input(&name, capacity, overflow, notify);
        let settings = Arc::new(Settings::default());
        let stats = Arc::<StreamStats>::default();
        let running = Running {
            name: name.clone(),
            packets,
            settings: settings.clone(),
            stats: stats.clone(),
            decoders: BTreeMap::new(),
            output: Output {
                settings: settings.clone(),
                correction: CorrectTimestamp::new(Correction::SMART),
                seeking: false,
                last: None,
                sink,
            },
        };
        Self { input, settings, stats, worker: PartWorker::new("decoder", &name, running) }
    }

    /// Where frames go in. What there is no room for is dropped, for packets up to the next key frame.
    pub fn input(&self) -> Arc<dyn Sink> {
        Arc::new(self.input.clone())
    }

    /// Where frames go in that are not to be lost, as those of a file: the writer waits for room, at most
    /// [`INPUT_PATIENCE`](super::INPUT_PATIENCE).
    pub fn waiting_input(&self) -> Arc<dyn Sink> {
        Arc::new(self.input.waiting())
    }

    /// Whether packets are decoded from now on. When decoding ends, the memory of the pictures is freed.
    pub fn set_decoding(&self, decoding: bool) {
        self.settings.decoding.store(decoding, Ordering::Relaxed);
    }

    /// How many threads decode a picture, for streams that begin after this; 1 at first.
    pub fn set_threads(&self, threads: usize) {
        self.settings.threads.store(threads, Ordering::Relaxed);
    }

    /// Has pictures dropped that are older than this when they are decoded. All others then go out as they are, without
    /// correction and also while the position is moving. `None`, as at first, drops none.
    pub fn set_tolerance(&self, tolerance: Option<Duration>) {
        let millis =
            tolerance.map_or(0, |tolerance| u64::try_from(tolerance.as_millis()).unwrap_or(u64::MAX));
        self.settings.tolerance_ms.store(millis, Ordering::Relaxed);
    }

    /// Whether pictures that are more than two seconds off the clock are moved to it (see [`Correction::SMART`]), as at
    /// first.
    pub fn set_correction(&self, correction: bool) {
        self.settings.correction.store(correction, Ordering::Relaxed);
    }

    /// What is counted: packets dropped, pictures decoded.
    pub fn stats(&self) -> &Arc<StreamStats> {
        &self.stats
    }

    /// Starts its thread, bound to the CPU with this index. A second start does nothing.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(&self, affinity: Option<usize>) -> Result<(), Error> {
        self.worker.start(affinity, Running::run)
    }

    /// Asks its thread to stop, and does not wait.
    pub fn request_stop(&self) {
        self.worker.request_stop();
    }

    /// Stops its thread; no picture comes after this. What still comes in is dropped. It cannot be started again.
    pub fn stop(&self) {
        self.worker.stop();
    }
}

impl fmt::Debug for DecoderStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecoderStage")
            .field("name", &self.worker.name())
            .field("settings", &self.settings)
            .finish()
    }
}

/// What may be changed at any time.
#[derive(Debug)]
struct Settings {
    decoding: AtomicBool,
    threads: AtomicUsize,
    /// 0 for none.
    tolerance_ms: AtomicU64,
    correction: AtomicBool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            decoding: AtomicBool::new(false),
            threads: AtomicUsize::new(1),
            tolerance_ms: AtomicU64::new(0),
            correction: AtomicBool::new(true),
        }
    }
}

/// What the thread owns.
struct Running {
    name: String,
    packets: QueueReceiver,
    settings: Arc<Settings>,
    stats: Arc<StreamStats>,
    /// One for each video track, made when its first packet comes. Bounded by [`MOST_TRACKS`].
    decoders: BTreeMap<Track, PictureDecoder>,
    output: Output,
}

impl Running {
    fn run(mut self, stop: &StopToken) {
        stop.on_stop(self.packets.closer());
        while !stop.is_stopped() {
            let frame = match self.packets.recv(TICK) {
                Ok(frame) => Some(frame),
                Err(RecvError::Timeout) => None,
                Err(RecvError::Closed) => return,
            };
            if !self.settings.decoding.load(Ordering::Relaxed) {
                self.decoders.clear();
                self.output.last = None;
            }
            if let Some(frame) = frame {
                self.take(frame);
            }
        }
    }

    fn take(&mut self, frame: Frame) {
        match &frame.body {
            Body::Packet(packet) if packet.params.codec.is_video() => self.decode(frame),
            Body::Signal(Signal::Online(_)) => {
                self.decoders.clear();
                self.output.seeking = false;
            }
            Body::Signal(signal) => {
                let signal = signal.clone();
                // A decoder gives out at the end what it holds back, and forgets it when the position moves.
                for decoder in self.decoders.values_mut() {
                    decoder.push(frame.clone(), &mut |frame| self.output.picture(frame));
                }
                self.output.signal(frame, &signal);
            }
            Body::Packet(_) | Body::Bitmap(_) | Body::Fragment(_) => {}
        }
    }

    fn decode(&mut self, frame: Frame) {
        if !self.settings.decoding.load(Ordering::Relaxed) {
            return;
        }
        if !self.decoders.contains_key(&frame.track) {
            if self.decoders.len() >= MOST_TRACKS {
                debug!(decoder = self.name, track = %frame.track, "more tracks than are decoded at once");
                return;
            }
            let threads = self.settings.threads.load(Ordering::Relaxed);
            let options = DecoderOptions { threads, ..DecoderOptions::default() };
            let decoder = PictureDecoder::new(&self.name, options, self.stats.clone());
            self.decoders.insert(frame.track, decoder);
        }
        if let Some(decoder) = self.decoders.get_mut(&frame.track) {
            decoder.push(frame, &mut |frame| self.output.picture(frame));
        }
    }
}

/// Where pictures go out.
struct Output {
    settings: Arc<Settings>,
    correction: CorrectTimestamp,
    /// The position is moving: pictures are not given out.
    seeking: bool,
    /// The picture that was decoded last.
    last: Option<Frame>,
    sink: Arc<dyn Sink>,
}

impl Output {
    /// Takes what comes from a decoder.
    fn picture(&mut self, mut frame: Frame) {
        if frame.bitmap().is_none() {
            return;
        }
        self.last = Some(frame.clone());
        let now = SystemClock.now();
        let tolerance_ms = self.settings.tolerance_ms.load(Ordering::Relaxed);
        if tolerance_ms > 0 {
            if now.saturating_since(frame.time.wall) <= Duration::from_millis(tolerance_ms) {
                self.sink.put(frame);
            }
            return;
        }
        if self.seeking {
            return;
        }
        if self.settings.correction.load(Ordering::Relaxed) {
            // By the moment of decoding: not every source knows when its frames arrived.
            let arrival = std::mem::replace(&mut frame.time.arrival, now);
            self.correction.push(frame, &mut |mut frame| {
                frame.time.arrival = arrival;
                self.sink.put(frame);
            });
        } else {
            self.sink.put(frame);
        }
    }

    /// Takes a signal of the stream.
    fn signal(&mut self, frame: Frame, signal: &Signal) {
        match signal {
            Signal::Seek => self.seeking = true,
            Signal::Play => self.seeking = false,
            Signal::Stop | Signal::End => {}
            _ => return,
        }
        self.sink.put(frame);
        if let (Signal::Stop, Some(mut last)) = (signal, self.last.clone()) {
            last.time.wall = SystemClock.now();
            self.sink.put(last);
        }
    }
}

/// Tracks of a stream that are decoded at the same time.
const MOST_TRACKS: usize = 4;

/// After so long without a frame the thread looks whether it is still to decode.
const TICK: Duration = Duration::from_secs(1);
