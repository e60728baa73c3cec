//! Streams into a store.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use valkka::recording::{Recording, RecordingOptions, RecordingState};
use valkka::store::{Retention, Store, Writer, WriterEvent, WriterOptions};
use valkka::url::StreamUrl;
use valkka::{Camera, CameraOptions, Engine, EngineOptions};

use super::status::{Status, fit, reason};
use crate::archive::{self, NewStore};
use crate::in_place::InPlace;
use crate::interrupt::Interrupt;
use crate::units;

/// Where cameras are recorded to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) dir: PathBuf,
    /// What is to be made if there is none.
    pub(super) new: NewStore,
    pub(super) retention: Retention,
    pub(super) cameras: Vec<(StreamUrl, CameraOptions)>,
}

impl Target {
    /// Opens the store, or makes it, and takes it for writing.
    pub(super) fn open(&self) -> anyhow::Result<Archive> {
        let store = archive::open_or_create(&self.dir, &self.new, self.cameras.len())?;
        let (tx, events) = mpsc::sync_channel(MAX_EVENTS);
        // What does not fit any more is told by the state, too.
        let on_event = Arc::new(move |event| drop(tx.try_send(event)));
        let writer = Writer::open(store.clone(), WriterOptions { on_event, ..WriterOptions::default() })?;
        Ok(Archive { store, writer: Arc::new(writer), events })
    }
}

/// A store that is open for writing.
#[derive(Debug)]
pub(super) struct Archive {
    store: Arc<Store>,
    writer: Arc<Writer>,
    events: Receiver<WriterEvent>,
}

/// Records until the user has enough, or `duration` is over.
pub(super) fn run(
    archive: &Archive,
    target: Target,
    duration: Option<Duration>,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let engine = Engine::new(EngineOptions::default())?;
    let mut recordings = Vec::new();
    for (url, options) in target.cameras {
        let camera = Arc::new(engine.camera(url, options)?);
        let options = RecordingOptions::default();
        let recording = Recording::new(&archive.writer, camera.name(), target.retention, options, |_| ())?;
        recording.attach(&camera)?;
        recordings.push(Recorded { recording, camera, status: Status::default() });
    }
    let started = Instant::now();
    let mut lines = InPlace::new(Duration::from_secs(10));
    while !interrupt.is_set() && duration.is_none_or(|duration| started.elapsed() < duration) {
        match archive.events.recv_timeout(POLL) {
            Ok(event) => {
                lines.clear()?;
                archive.tell(&event);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the store's writer is gone"),
        }
        recordings.iter_mut().for_each(Recorded::look);
        if lines.is_due() {
            let text: String = recordings.iter_mut().map(Recorded::line).collect();
            lines.show(&(text + &archive.line()))?;
        }
    }
    lines.clear()?;
    recordings.iter_mut().for_each(Recorded::look);
    let silent = recordings.iter().filter(|recorded| recorded.status.begun.is_none());
    let silent: Vec<_> = silent.map(|recorded| recorded.camera.name().to_owned()).collect();
    drop(recordings);
    archive.writer.commit(Instant::now() + PATIENCE).context("not all of the recordings is on the disk")?;
    eprint!("{}", archive.line());
    if !silent.is_empty() {
        bail!("nothing was recorded of {}", silent.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

impl Archive {
    fn tell(&self, event: &WriterEvent) {
        match event {
            WriterEvent::Failing { reason } => eprintln!("the store cannot be written: {reason}"),
            WriterEvent::Recovered { .. } => eprintln!("the store can be written again"),
            WriterEvent::Dropped { id, frames, reason } => {
                let name = self.store.name_of(*id);
                eprintln!("{name}: {frames} packets were dropped: {reason}");
            }
            _ => {}
        }
    }

    /// What was written, in a line.
    fn line(&self) -> String {
        let stats = self.writer.stats();
        let place = self.store.directory().map(|dir| dir.display().to_string()).unwrap_or_default();
        let (size, whole) =
            (units::size(stats.recorded_bytes), units::size(self.store.geometry().data_bytes()));
        fit(&format!("{place}: {size} recorded, into {whole}"))
    }
}

/// A camera that is being recorded.
#[derive(Debug)]
struct Recorded {
    // Dropped in this order: first nothing more comes in.
    recording: Recording,
    camera: Arc<Camera>,
    status: Status,
}

impl Recorded {
    /// Notes when recording began.
    fn look(&mut self) {
        if self.status.begun.is_none() && matches!(self.recording.state(), RecordingState::Recording { .. }) {
            self.status.begun = Some(Instant::now());
        }
    }

    /// How it stands.
    fn line(&mut self) -> String {
        let stream = self.camera.state();
        let (word, why) = match self.recording.state() {
            RecordingState::Off => ("off", String::new()),
            RecordingState::Waiting { reason: why } => {
                let known = reason(&stream);
                ("waiting", if known.is_empty() { why.to_string() } else { known.to_owned() })
            }
            RecordingState::Recording { .. } => ("recording", String::new()),
            RecordingState::Failing { reason } => ("failing", reason.to_string()),
        };
        self.status.line(&self.camera, word, "", &why)
    }
}

/// What the writer may have told before it is read.
const MAX_EVENTS: usize = 256;

/// How often the loop looks at the clock and the user's signals.
const POLL: Duration = Duration::from_millis(50);

/// So long the disk may take in the end.
const PATIENCE: Duration = Duration::from_secs(10);
