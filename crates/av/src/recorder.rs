//! Streams into files.

mod behind;
mod file_writer;
mod group;
mod names;
mod segment;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::queue::{Overflow, QueueSender, queue};
use valkka_core::sink::Sink;
use valkka_core::time::WallTime;
use valkka_core::worker::Worker;

use crate::muxer::{Container, LeftOut, MuxError};
pub use file_writer::{FileWriter, FileWriterOptions};
use group::Group;
use names::Names;
pub use segment::{Segment, SegmentNames};
use writer::{State as WriterState, Writer};

/// Records the stream that passes through it into a file, while it is activated.
///
/// All frames go on downstream at once: the disk is waited for on a thread of its own, which lives as long as a
/// recording. If the disk is too slow, packets are dropped up to the next key frame, and counted.
///
/// A recording begins with the last key frame before [`Self::activate`]: the packets since then are kept in memory,
/// whether anything is recorded or not. It holds the video and audio tracks of one stream, the one that came last. It
/// goes on through lost connections; when a track is added or its parameters change (another resolution), the file is
/// finished and the recording goes on in another, `camera-2.mkv` after `camera.mkv`. It can be cut into files by time or
/// size, too ([`RecorderOptions::segment`]): together these have every packet once.
///
/// Times in the file are those of the moments that frames stand for ([`FrameTime::wall`]), counted from the first
/// packet or from a moment that is given.
///
/// Dropping it ends the recording, as [`Self::deactivate`] does.
///
/// [`FrameTime::wall`]: valkka_core::frame::FrameTime::wall
pub struct Recorder {
    name: String,
    options: RecorderOptions,
    on_event: OnEvent,
    next: Arc<dyn Sink>,
    state: Mutex<State>,
    /// Held while a recording is begun or ended; never while frames pass.
    control: Mutex<()>,
}

/// How streams are recorded. All fields are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderOptions {
    /// How files are laid out.
    pub container: Container,
    /// Packets that may wait for the disk.
    pub capacity: usize,
    /// Bytes that are kept since the last key frame; of longer groups of pictures nothing is kept, and a recording
    /// begins with the next key frame.
    pub group_bytes: usize,
    /// When a recording is cut, and what its files are called. `None` is for one file with the very name it is given.
    pub segment: Option<Segment>,
}

/// What happens to a recording. It is told from the thread of the recording.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecorderEvent {
    /// A file was begun.
    Started {
        /// Its path.
        path: PathBuf,
        /// Tracks of the stream that it has no place for.
        left_out: Vec<LeftOut>,
    },
    /// A file is whole and closed.
    Finished {
        /// Its path.
        path: PathBuf,
        /// How many packets of the recording were dropped so far because the disk was too slow.
        dropped: u64,
    },
    /// The recording has ended; what was written before can be played.
    Failed(MuxError),
}

type OnEvent = Arc<dyn Fn(RecorderEvent) + Send + Sync>;

struct State {
    group: Group,
    active: Option<Active>,
}

/// A recording. Dropping it ends it: what waits in its queue is written and the file is closed.
struct Active {
    input: QueueSender,
    worker: Worker,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        Self { container: Container::Matroska, capacity: 512, group_bytes: 16 << 20, segment: None }
    }
}

impl Recorder {
    /// A recorder that hands frames on to `next`. `name` names its threads and stands in the log; `on_event` is told what
    /// happens, and returns soon.
    pub fn new(
        name: &str,
        options: RecorderOptions,
        next: Arc<dyn Sink>,
        on_event: impl Fn(RecorderEvent) + Send + Sync + 'static,
    ) -> Self {
        let state = State { group: Group::new(options.group_bytes), active: None };
        let (state, control) = (Mutex::new(state), Mutex::default());
        Self { name: name.to_owned(), options, on_event: Arc::new(on_event), next, state, control }
    }

    /// Begins to record into the file at `path`, which is made when there is something to write, and emptied if it is
    /// there; or, in segments, into files beside it, of which none is emptied. Time zero of the file is `zero`, or else the first packet. A recording that is going on is ended first; the
    /// new one begins with the same key frame, so that nothing between them is lost.
    ///
    /// What goes wrong with the file is told by [`RecorderEvent::Failed`], and ends the recording.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn activate(&self, path: impl Into<PathBuf>, zero: Option<WallTime>) -> io::Result<()> {
        let _alone = lock(&self.control);
        self.end();
        let (input, frames) = queue(&self.name, self.options.capacity, Overflow::DropToKeyframe);
        let mut state = lock(&self.state);
        let group = state.group.frames().to_vec();
        let writer = Writer {
            container: self.options.container,
            names: Names::new(path.into(), self.options.segment.as_ref().map(|segment| segment.names)),
            segment: self.options.segment.clone().unwrap_or_default(),
            zero,
            tracks: state.group.tracks().clone(),
            state: WriterState::default(),
            behind: None,
            slot: state.group.slot(),
            input: Some(input.clone()),
            on_event: self.on_event.clone(),
        };
        let worker = Worker::spawn(&self.name, None, move |stop| {
            // What waits is still written then.
            stop.on_stop(frames.closer());
            writer.run(group, &frames);
        })?;
        state.active = Some(Active { input, worker });
        Ok(())
    }

    /// Ends the recording, if there is one. When it returns, the file is whole and closed, unless the disk takes longer
    /// than ten seconds.
    pub fn deactivate(&self) {
        let _alone = lock(&self.control);
        self.end();
    }

    /// Whether a recording is going on.
    pub fn is_active(&self) -> bool {
        lock(&self.state).active.as_ref().is_some_and(|active| !active.worker.is_finished())
    }

    fn end(&self) {
        // Waited for without the lock, so that frames pass meanwhile.
        let active = lock(&self.state).active.take();
        drop(active);
    }
}

impl Sink for Recorder {
    fn put(&self, frame: Frame) {
        {
            let mut state = lock(&self.state);
            state.group.push(&frame);
            if let Some(active) = &state.active {
                active.input.push(frame.clone());
            }
        }
        self.next.put(frame);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({})", self.name)
    }
}
