//! Records a camera, as long as there is something to record to.

use std::sync::{Arc, Weak};

use valkka::Camera;
use valkka::clock::SystemClock;
use valkka::fork::Branch;
use valkka::reason::reason;
use valkka::recording::{
    MotionOptions, MotionWatch, Recording, RecordingEvent, RecordingMode, RecordingOptions,
    RecordingState as Engines,
};
use valkka::store::Writer;

use super::late::Late;
use super::{RECORD, SiteCamera};
use crate::archive::ArchiveState;
use crate::config::{RecordMode, RecordingConfig};
use crate::event_memory::{self, FIRST_BYTES, Sufficiency};
use crate::status::{RecordingState, RecordingStatus};

/// What records one camera.
#[derive(Default)]
pub(super) struct Recorder {
    config: RecordingConfig,
    running: Option<Running>,
    /// What was being recorded when the store was gone, or happened since, and is recorded on once there is one.
    interrupted: Option<RecordingEvent>,
    /// Why nothing runs that should, or no movement is looked for, in words.
    failure: Option<String>,
    /// Whether there is memory enough for what precedes events.
    sufficiency: Sufficiency,
}

struct Running {
    // Dropped first: nothing is recorded any more.
    _branch: Branch,
    motion: Option<Motion>,
    recording: Arc<Recording>,
    /// That records; the archive has another one when the store was opened anew.
    writer: Weak<Writer>,
}

/// A watch over one connection of the camera.
struct Motion {
    _watch: MotionWatch,
    camera: Arc<Camera>,
    sensitivity: u8,
}

impl Recorder {
    /// Is to go on as `config` says, by [`Self::follow`].
    pub(super) fn set(&mut self, config: RecordingConfig) {
        self.config = config;
    }

    /// Records nothing any more into another writer than `writer`. What this returns may be the last that holds it: it is to
    /// be dropped where nobody waits.
    pub(super) fn leave(&mut self, writer: Option<&Arc<Writer>>) -> Option<Arc<Recording>> {
        let is_other = |running: &mut Running| {
            !writer.is_some_and(|writer| std::ptr::eq(Arc::as_ptr(writer), running.writer.as_ptr()))
        };
        let before = self.running.take_if(is_other)?;
        self.interrupted = before.recording.event().or(self.interrupted.take());
        Some(before.recording)
    }

    /// Goes on as it should, into `writer`, after [`Self::leave`]. Returns what is worth telling.
    pub(super) fn follow(&mut self, camera: &SiteCamera, writer: Option<&Arc<Writer>>) -> Option<String> {
        let config = self.config;
        if self.running.is_none()
            && let Some(writer) = writer
            && config.mode != RecordMode::Off
        {
            match Running::start(camera, writer, &config) {
                Ok(running) => {
                    let event = self.interrupted.take().filter(|event| event.until > SystemClock.now());
                    event.into_iter().for_each(|event| running.recording.resume(event));
                    self.running = Some(running);
                }
                Err(failure) => return self.fail(failure),
            }
        }
        let followed = self.running.as_mut().map_or(Ok(()), |running| running.go_on(camera, &config));
        match followed {
            Err(failure) => self.fail(failure),
            Ok(()) => {
                self.failure = None;
                None
            }
        }
    }

    /// How many bytes of memory it needs for what precedes events, `None` of them for as many as there are; `None` if it
    /// keeps nothing there.
    pub(super) fn memory_need(&self) -> Option<Option<usize>> {
        let is_kept = matches!(self.config.mode, RecordMode::Motion | RecordMode::Events);
        let running = self.running.as_ref().filter(|_| is_kept)?;
        Some(event_memory::need(running.recording.memory()))
    }

    /// May have so many bytes for that, of the `total` for all cameras; once a second. Returns what is worth telling.
    pub(super) fn set_memory(&mut self, bytes: usize, total: u64) -> Option<String> {
        let running = self.running.as_ref()?;
        running.recording.set_max_bytes(bytes);
        self.sufficiency.look(running.recording.memory(), self.config.before, total)
    }

    /// Something happened that is to be recorded. Returns whether a recording begins by it.
    pub(super) fn trigger(&mut self, reason: &str) -> Result<bool, String> {
        match &self.running {
            _ if self.config.mode == RecordMode::Off => Err("this camera is not to be recorded".to_owned()),
            Some(running) => Ok(running.recording.trigger(reason)),
            None => {
                // What comes may be recorded still.
                let until = SystemClock.now() + self.config.after;
                self.interrupted = Some(RecordingEvent { until, reason: reason.into() });
                Err("nothing can be recorded at this moment".to_owned())
            }
        }
    }

    /// How it stands, with the store in the state `archive`.
    pub(super) fn status(&self, archive: ArchiveState) -> RecordingStatus {
        let mode = if archive == ArchiveState::Off { RecordMode::Off } else { self.config.mode };
        let (state, reason) = match (archive, &self.running, &self.failure) {
            _ if mode == RecordMode::Off => (RecordingState::Off, None),
            (ArchiveState::Failing(reason), ..) => (RecordingState::Failing, Some(reason.to_string())),
            (.., Some(failure)) => (RecordingState::Failing, Some(failure.clone())),
            (_, Some(running), None) => match running.recording.state() {
                Engines::Off => (RecordingState::Off, None),
                Engines::Waiting { reason } => {
                    let shortage = self.sufficiency.shortage(running.recording.memory(), self.config.before);
                    let shortage = shortage.map_or_else(String::new, |shortage| format!("; {shortage}"));
                    (RecordingState::Waiting, Some(format!("{reason}{shortage}")))
                }
                Engines::Recording { .. } => (RecordingState::Recording, None),
                Engines::Failing { reason } => (RecordingState::Failing, Some(reason.to_string())),
            },
            (_, None, None) => (RecordingState::Waiting, Some("the store is being opened".to_owned())),
        };
        RecordingStatus { state, reason, mode }
    }

    /// Records nothing any more once what this returns is dropped.
    pub(super) fn end(&mut self) -> impl Sized + use<> {
        self.config.mode = RecordMode::Off;
        self.interrupted = None;
        self.running.take()
    }

    /// Keeps why it does not work, and returns it if that is news.
    fn fail(&mut self, failure: String) -> Option<String> {
        let is_news = self.failure.as_ref() != Some(&failure);
        self.failure = Some(failure.clone());
        is_news.then_some(failure)
    }
}

impl Running {
    fn start(camera: &SiteCamera, writer: &Arc<Writer>, config: &RecordingConfig) -> Result<Self, String> {
        let fail = |error: &dyn std::error::Error| format!("not recorded: {}", reason(error));
        let options = RecordingOptions { mode: mode(config), max_bytes: FIRST_BYTES };
        let recording = Recording::new(writer, &camera.name, config.retention(), options, |_| ());
        let recording = Arc::new(recording.map_err(|error| fail(&error))?);
        let late = Late::new(recording.clone(), camera.keeper.clone());
        let branch = camera.hub.branch(RECORD, Arc::new(late)).map_err(|error| fail(&error))?;
        Ok(Self { _branch: branch, motion: None, recording, writer: Arc::downgrade(writer) })
    }

    /// Goes on as `config` says, with the camera as it is connected to now.
    fn go_on(&mut self, camera: &SiteCamera, config: &RecordingConfig) -> Result<(), String> {
        self.recording.set_retention(config.retention());
        self.recording.set_mode(mode(config));
        if config.mode != RecordMode::Motion {
            self.motion = None;
            return Ok(());
        }
        let connected = camera.camera();
        let is_same = |motion: &Motion| {
            Arc::ptr_eq(&motion.camera, &connected) && motion.sensitivity == config.sensitivity
        };
        if !self.motion.as_ref().is_some_and(is_same) {
            // The old one first: a camera has one.
            self.motion = None;
            let recording = self.recording.clone();
            let options =
                MotionOptions { threshold: threshold(config.sensitivity), ..MotionOptions::default() };
            let moved = move || {
                recording.trigger("movement");
            };
            let watch = MotionWatch::attach(&connected, options, moved);
            let watch = watch.map_err(|error| format!("movement is not looked for: {}", reason(&error)))?;
            self.motion = Some(Motion { _watch: watch, camera: connected, sensitivity: config.sensitivity });
        }
        Ok(())
    }
}

fn mode(config: &RecordingConfig) -> RecordingMode {
    let (before, after) = (config.before, config.after);
    match config.mode {
        RecordMode::Off => RecordingMode::Off,
        RecordMode::Always => RecordingMode::Always,
        RecordMode::Motion | RecordMode::Events => RecordingMode::OnEvent { before, after },
    }
}

/// How much two pictures must differ on average, of 1: a hundredth at 50, ten times more at 0, ten times less at 100.
fn threshold(sensitivity: u8) -> f32 {
    10_f32.powf(-1.0 - f32::from(sensitivity) / 50.0)
}

#[cfg(test)]
mod tests {
    use valkka::store::{Geometry, Store, StoreOptions, WriterOptions};
    use valkka::{Engine, EngineOptions};
    use valkka_testkit::temp::TempDir;

    use super::*;
    use crate::archive::Archive;
    use crate::config::CameraConfig;
    use crate::event::EventLog;

    #[test]
    fn a_writer_that_is_left_is_not_given_up_under_the_lock() {
        let (temp, events) = (TempDir::new().unwrap(), Arc::<EventLog>::default());
        let engine = Arc::new(Engine::new(EngineOptions::default()).unwrap());
        let archive = Arc::new(Archive::new(events.clone()));
        let config = CameraConfig::new("rtsp://127.0.0.1:1/1".parse().unwrap());
        let camera = SiteCamera::start("front", &config, &engine, &events, &archive).unwrap();
        let options = StoreOptions::new(Geometry::new(1 << 16, 8).unwrap());
        let store = Store::create(&temp.join("store"), &options).unwrap();
        let writer = Arc::new(Writer::open(store, WriterOptions::default()).unwrap());
        let mut recorder = Recorder::default();
        assert_eq!(recorder.follow(&camera, Some(&writer)), None);
        assert!(recorder.leave(Some(&writer)).is_none() && recorder.running.is_some());
        let weak = Arc::downgrade(&writer);
        drop(writer);
        let left = recorder.leave(None);
        assert_eq!(recorder.follow(&camera, None), None);
        assert_eq!((weak.strong_count(), recorder.running.is_some()), (1, false));
        drop(left);
        assert_eq!(weak.strong_count(), 0);
    }

    #[test]
    fn less_movement_counts_the_greater_the_sensitivity_is() {
        let near = |sensitivity, expected: f32| (threshold(sensitivity) / expected - 1.0).abs() < 0.01;
        assert!(near(0, 0.1) && near(50, 0.01) && near(100, 0.001));
    }

    #[test]
    fn what_is_not_recorded_says_why() {
        let mut recorder = Recorder::default();
        let failing = || ArchiveState::Failing("the disk is gone".into());
        assert_eq!(recorder.status(ArchiveState::Off).state, RecordingState::Off);
        assert_eq!(recorder.status(ArchiveState::Opening).state, RecordingState::Waiting);
        assert_eq!(recorder.status(failing()).reason.as_deref(), Some("the disk is gone"));
        assert_eq!(recorder.fail("no room".to_owned()).as_deref(), Some("no room"));
        assert_eq!((recorder.fail("no room".to_owned()), recorder.trigger("x").is_err()), (None, true));
        assert_eq!(recorder.status(ArchiveState::Open).reason.as_deref(), Some("no room"));
        recorder.set(RecordingConfig { mode: RecordMode::Off, ..RecordingConfig::default() });
        assert_eq!(recorder.status(failing()).state, RecordingState::Off);
    }
}
