//! Streams into files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use valkka::av::{Container, Recorder, RecorderEvent, RecorderOptions, Segment};
use valkka::fork::Branch;
use valkka::sink::Discard;
use valkka::url::StreamUrl;
use valkka::{Camera, CameraOptions, Engine, EngineOptions, StreamState};

use super::room::Room;
use super::status::{Status, reason};
use crate::in_place::InPlace;
use crate::interrupt::Interrupt;
use crate::output;
use crate::table::state_word;

/// A stream, and the file or files that it is recorded into.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: StreamUrl,
    pub(super) camera: CameraOptions,
    pub(super) path: PathBuf,
    pub(super) container: Container,
    pub(super) segment: Option<Segment>,
}

/// Records until the user has enough, `duration` is over, there is not `room` enough, or nothing can be recorded any more.
pub(super) fn run(
    targets: Vec<Target>,
    mut room: Room,
    duration: Option<Duration>,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let engine = Engine::new(EngineOptions::default())?;
    let (tx, events) = mpsc::sync_channel(MAX_EVENTS);
    let mut recordings = Vec::new();
    for (index, target) in targets.into_iter().enumerate() {
        let tx = tx.clone();
        // The recorder's thread may wait for a terminal that does not scroll: its queue is bounded.
        let on_event = move |event| drop(tx.send((index, event)));
        recordings.push(Recording::start(&engine, target, on_event)?);
    }
    let started = Instant::now();
    let mut lines = InPlace::new(Duration::from_secs(10));
    let is_over = || interrupt.is_set() || duration.is_some_and(|duration| started.elapsed() >= duration);
    let mut shortage = None;
    while !is_over() && shortage.is_none() && recordings.iter().any(|recording| recording.failed.is_none()) {
        shortage = room.shortage(Instant::now());
        take(&events, &mut recordings, &mut lines)?;
        if lines.is_due() {
            let text: String = recordings.iter_mut().map(Recording::line).collect();
            lines.show(&text)?;
        }
    }
    lines.clear()?;
    for recording in &recordings {
        recording.camera.disconnect();
    }
    // The reason why nothing came is lost with the connection.
    for index in 0..recordings.len() {
        recordings[index].recorder.deactivate();
        while let Ok((index, event)) = events.try_recv() {
            recordings[index].note(event)?;
        }
    }
    if let Some(shortage) = shortage {
        bail!("{shortage}");
    }
    let failed = recordings.iter().filter(|recording| !recording.succeeded()).count();
    if failed > 0 {
        bail!("{failed} of {} recordings failed", recordings.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes what recorders have told, for a while.
fn take(
    events: &Receiver<(usize, RecorderEvent)>,
    recordings: &mut [Recording],
    lines: &mut InPlace,
) -> anyhow::Result<()> {
    match events.recv_timeout(POLL) {
        Ok((index, event)) => {
            lines.clear()?;
            recordings[index].note(event)
        }
        Err(RecvTimeoutError::Timeout) => Ok(()),
        Err(RecvTimeoutError::Disconnected) => bail!("the recorders are gone"),
    }
}

/// A stream that is being recorded.
struct Recording {
    // Dropped in this order: first nothing more comes in.
    _branch: Branch,
    recorder: Arc<Recorder>,
    camera: Arc<Camera>,
    status: Status,
    files: u64,
    failed: Option<String>,
}

impl Recording {
    fn start(
        engine: &Engine,
        target: Target,
        on_event: impl Fn(RecorderEvent) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let Target { url, camera, path, container, segment } = target;
        let camera = Arc::new(engine.camera(url, camera)?);
        let options = RecorderOptions { container, segment, ..RecorderOptions::default() };
        let recorder = Arc::new(Recorder::new(camera.name(), options, Arc::new(Discard), on_event));
        recorder.activate(path, None).context("the system gives no thread")?;
        let branch = camera.packets("recorder", recorder.clone())?;
        Ok(Self { _branch: branch, recorder, camera, status: Status::default(), files: 0, failed: None })
    }

    /// Tells the user of `event`.
    fn note(&mut self, event: RecorderEvent) -> anyhow::Result<()> {
        let name = self.camera.name();
        match event {
            RecorderEvent::Started { path, left_out } => {
                self.status.begun.get_or_insert_with(Instant::now);
                self.files += 1;
                for track in left_out {
                    eprintln!("{name}: {} is without {track}", path.display());
                }
            }
            RecorderEvent::Finished { path, dropped } => {
                if dropped > 0 {
                    eprintln!("{name}: {dropped} packets were dropped so far, for the disk is too slow");
                }
                output::print(&format!("{}\n", path.display()))?;
            }
            RecorderEvent::Failed(error) => {
                eprintln!("{name}: {error}");
                self.failed = Some(error.to_string());
                self.camera.disconnect();
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether there is something in its files; says why not, if not.
    fn succeeded(&self) -> bool {
        if self.failed.is_none() && self.status.begun.is_none() {
            eprintln!("{}: nothing was recorded", self.camera.name());
        }
        self.failed.is_none() && self.status.begun.is_some()
    }

    /// How it stands.
    fn line(&mut self) -> String {
        let state = self.camera.state();
        let word = match (&self.failed, &state, self.status.begun) {
            (Some(_), ..) => "failed",
            (None, StreamState::Online(_), Some(_)) => "recording",
            (None, StreamState::Online(_), None) => "connected",
            (None, state, _) => state_word(state),
        };
        let files = format!(", {} file{}", self.files, if self.files == 1 { "" } else { "s" });
        let why = self.failed.as_deref().unwrap_or(reason(&state));
        self.status.line(&self.camera, word, &files, why)
    }
}

/// What recorders may have told before it is read.
const MAX_EVENTS: usize = 1024;

/// How often the loop looks at the clock and the user's signals.
const POLL: Duration = Duration::from_millis(50);
