//! A source at work.

use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use valkka_av::AvSource;
use valkka_core::frame::Frame;
use valkka_core::sink::FnSink;
use valkka_core::source::{Source as _, SourceError, SourceOptions, SourceRequest};
use valkka_core::stream::Slot;
use valkka_core::worker::Worker;

/// The defaults, but for a server that a busy machine holds up before it answers.
pub(crate) fn patient() -> SourceOptions {
    SourceOptions { connect_timeout: LIMIT, ..SourceOptions::default() }
}

/// An [`AvSource`] on a thread of its own.
pub(crate) struct Receiving {
    frames: Receiver<Frame>,
    ended: Receiver<Result<(), SourceError>>,
    worker: Worker,
}

impl Receiving {
    pub(crate) fn start(url: &str, options: SourceOptions) -> Self {
        let (frames_tx, frames) = mpsc::channel();
        let (ended_tx, ended) = mpsc::channel();
        let mut source =
            AvSource::new(SourceRequest { slot: Slot::new(3), url: url.parse().unwrap(), options });
        let worker = Worker::spawn("receiving", None, move |stop| {
            // Its receiver may have gone already.
            let sink = FnSink(move |frame| drop(frames_tx.send(frame)));
            let _ = ended_tx.send(source.run(&sink, &stop));
        });
        Self { frames, ended, worker: worker.unwrap() }
    }

    /// Connects, and takes the frames up to the `count`th packet of `track`.
    ///
    /// GStreamer's server, once in some hundred times, answers PLAY for a stream of two tracks and then sends nothing:
    /// a connection without a packet is made once more.
    pub(crate) fn take_anew(url: &str, options: &SourceOptions, track: u8, count: usize) -> Vec<Frame> {
        let first = Self::start(url, options.clone());
        match first.try_take(track, count) {
            Err(SourceError::Silent { .. }) => Self::start(url, options.clone()).take(track, count),
            taken => taken.unwrap(),
        }
    }

    /// Connects by `start` and takes the frames up to the `count`th packet of the first track, until no more packets are
    /// lost than `allowed` says, which is asked afterwards. The system's buffers overflow where the machine is busy, but
    /// not time after time.
    pub(crate) fn take_whole(
        count: usize,
        start: impl Fn() -> Self,
        allowed: impl Fn() -> u64,
    ) -> (Vec<Frame>, u64) {
        let mut heard = (Vec::new(), 0);
        for _ in 0..ATTEMPTS {
            let receiving = start();
            let frames = receiving.take(0, count);
            receiving.stop().unwrap();
            let lost = frames.iter().filter_map(Frame::packet).map(|packet| u64::from(packet.lost)).sum();
            heard = (frames, lost);
            if lost <= allowed() {
                break;
            }
        }
        heard
    }

    /// The next frame.
    pub(crate) fn next(&self) -> Frame {
        self.try_next().unwrap_or_else(|error| panic!("no frame came: {error}"))
    }

    fn try_next(&self) -> Result<Frame, SourceError> {
        self.frames.recv_timeout(LIMIT).map_err(|_| self.end().expect_err("a source only ends by an error"))
    }

    /// The frames up to the `count`th packet of `track`, signals included.
    pub(crate) fn take(&self, track: u8, count: usize) -> Vec<Frame> {
        self.try_take(track, count).unwrap_or_else(|error| panic!("no frame came: {error}"))
    }

    fn try_take(&self, track: u8, count: usize) -> Result<Vec<Frame>, SourceError> {
        let deadline = Instant::now() + LIMIT;
        let mut frames = Vec::new();
        let mut packets = 0;
        while packets < count {
            assert!(Instant::now() < deadline, "{packets} of {count} packets came");
            let frame = self.try_next()?;
            packets += usize::from(frame.packet().is_some() && frame.track.index() == track);
            frames.push(frame);
        }
        Ok(frames)
    }

    /// How it ends by itself.
    pub(crate) fn end(&self) -> Result<(), SourceError> {
        self.ended.recv_timeout(LIMIT).expect("the source ends")
    }

    /// Asks it to stop.
    pub(crate) fn stop(self) -> Result<(), SourceError> {
        self.worker.stop_token().stop();
        self.end()
    }
}

const ATTEMPTS: usize = 5;

/// A watchdog more than a limit.
const LIMIT: Duration = Duration::from_secs(60);
