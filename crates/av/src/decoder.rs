//! The worker around a decoder.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use valkka_core::filter::Filter as _;
use valkka_core::frame::{Body, Frame};
use valkka_core::queue::{Overflow, QueueReceiver, QueueSender, RecvError, queue};
use valkka_core::sink::Sink;
use valkka_core::stats::StreamStats;
use valkka_core::worker::{StopToken, Worker};

use crate::picture_decoder::{DecoderOptions, PictureDecoder};

/// A worker that decodes the packets of one stream; see [`PictureDecoder`] for what it does with them.
///
/// **A new decoder decodes nothing** until [`Self::set_decoding`] says so: it takes packets in and drops them. When it
/// is told to decode it starts at the next key frame. Signals, audio and whatever else is not for it pass through in
/// order, in either state. Packets that it cannot keep up with are dropped up to the next key frame and counted in
/// [`StreamStats::decode_dropped`].
///
/// Dropping it ends its thread; what waits in its queue is dropped.
pub struct Decoder {
    input: QueueSender,
    decoding: Arc<AtomicBool>,
    // Dropped last: the thread ends.
    _worker: Worker,
}

impl Decoder {
    /// Starts a decoder. `name` names its thread and stands in the log; pictures and all that passes go to `sink`, from
    /// its thread; `stats` are those of the stream.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(
        name: &str,
        options: DecoderOptions,
        stats: Arc<StreamStats>,
        sink: Arc<dyn Sink>,
    ) -> io::Result<Self> {
        let (input, packets) = queue(name, options.capacity, Overflow::DropToKeyframe);
        let decoding = Arc::new(AtomicBool::new(false));
        let affinity = options.affinity;
        let body = Running {
            packets,
            dropped: input.clone(),
            counted: 0,
            decoding: decoding.clone(),
            decoder: PictureDecoder::new(name, options, stats.clone()),
            stats,
            sink,
        };
        let worker = Worker::spawn(name, affinity, move |stop| body.run(&stop))?;
        Ok(Self { input, decoding, _worker: worker })
    }

    /// Where packets go in.
    pub fn input(&self) -> QueueSender {
        self.input.clone()
    }

    /// Whether packets are decoded from now on. When decoding ends, the memory of the pictures is freed.
    pub fn set_decoding(&self, decoding: bool) {
        self.decoding.store(decoding, Ordering::Relaxed);
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("input", &self.input).field("decoding", &self.decoding).finish()
    }
}

/// What the thread owns.
struct Running {
    packets: QueueReceiver,
    /// Tells how many packets the queue dropped.
    dropped: QueueSender,
    /// How many of them are in the statistics.
    counted: u64,
    decoding: Arc<AtomicBool>,
    decoder: PictureDecoder,
    stats: Arc<StreamStats>,
    sink: Arc<dyn Sink>,
}

impl Running {
    fn run(mut self, stop: &StopToken) {
        stop.on_stop(self.packets.closer());
        let mut decodes = false;
        while !stop.is_stopped() {
            let frame = self.packets.recv(TICK);
            self.count_drops();
            let decoding = self.decoding.load(Ordering::Relaxed);
            if decodes && !decoding {
                self.decoder.reset();
            }
            decodes = decoding;
            match frame {
                Ok(frame) => self.frame(frame, decoding),
                Err(RecvError::Timeout) => {}
                Err(RecvError::Closed) => break,
            }
        }
    }

    fn frame(&mut self, frame: Frame, decoding: bool) {
        let video = matches!(&frame.body, Body::Packet(packet) if packet.params.codec.is_video());
        match (video, decoding) {
            (true, false) => {}
            (_, true) => self.decoder.push(frame, &mut |frame| self.sink.put(frame)),
            (false, false) => self.sink.put(frame),
        }
    }

    fn count_drops(&mut self) {
        let dropped = self.dropped.dropped();
        self.stats.decode_dropped.add(dropped.saturating_sub(self.counted));
        self.counted = dropped;
    }
}

/// After so long without a packet the worker looks whether it is still to decode.
const TICK: Duration = Duration::from_millis(500);
