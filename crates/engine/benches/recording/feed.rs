//! The cameras: packets in memory, at the pace of cameras.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use valkka::av::FileReader;
use valkka::clock::SystemClock;
use valkka::frame::{Body, Frame};
use valkka::time::MediaTime;
use valkka::worker::Worker;
use valkka_testkit::media::Clip;

/// One thread that gives each stream its next frame when it is due, to the end of its life. The frames of different streams
/// fall due one after the other; each stream begins somewhere else in the clip.
pub(crate) struct Feed {
    sent: Arc<Sent>,
    _worker: Worker,
}

#[derive(Default)]
struct Sent {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Feed {
    /// Feeds `streams` streams; `put` gets the number of the stream and the frame.
    pub(crate) fn start(streams: usize, put: impl Fn(usize, &Frame) + Send + 'static) -> io::Result<Self> {
        let clip = clip()?;
        let sent = Arc::new(Sent::default());
        let counted = sent.clone();
        let worker = Worker::spawn("feed", None, move |stop| {
            let started = Instant::now();
            let mut next: u64 = 0;
            while !stop.is_stopped() {
                let due = (started.elapsed().as_nanos() * streams as u128 / FRAME.as_nanos()) as u64;
                for index in next..due {
                    let (stream, number) = (index as usize % streams, index / streams as u64);
                    let at = (number as usize + stream * 7) % clip.len();
                    let mut frame = clip[at].clone();
                    frame.time.media = MediaTime::from_ticks(number as i64 * TICKS);
                    frame.time.wall = SystemClock.now();
                    frame.time.arrival = frame.time.wall;
                    let bytes = payload_bytes(&frame);
                    put(stream, &frame);
                    counted.frames.fetch_add(1, Ordering::Relaxed);
                    counted.bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                next = due;
                stop.wait(STEP);
            }
        })?;
        Ok(Self { sent, _worker: worker })
    }

    /// Frames and bytes of packets so far.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.sent.frames.load(Ordering::Relaxed), self.sent.bytes.load(Ordering::Relaxed))
    }
}

/// The frames of the load, of which each second begins with a key frame.
pub(crate) fn clip() -> io::Result<Vec<Frame>> {
    let mut file = FileReader::open(&Clip::bench().file()?).map_err(io::Error::other)?;
    let mut frames = Vec::new();
    while let Some(frame) = file.read().map_err(io::Error::other)? {
        frames.push(frame);
    }
    Ok(frames)
}

pub(crate) fn payload_bytes(frame: &Frame) -> u64 {
    match &frame.body {
        Body::Packet(packet) => packet.payload.len() as u64,
        _ => 0,
    }
}

/// Between the frames of a stream.
pub(crate) const FRAME: Duration = Duration::from_millis(40);
/// The same in ticks of 90 kHz.
const TICKS: i64 = 3600;
/// How often it is looked what is due.
const STEP: Duration = Duration::from_millis(2);
