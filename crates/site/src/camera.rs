//! A camera of a site, with all that hangs on it.

mod description;
mod journal;
mod late;
mod outlets;
mod recorder;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use valkka::clock::SystemClock;
use valkka::fork::{Branch, Fork};
use valkka::fragments::{FragmentOptions, LiveFragments};
use valkka::frame::{Frame, Signal};
use valkka::gop::{GopKeeper, GopOptions};
use valkka::lock::lock;
use valkka::net::server::Server;
use valkka::sink::Sink;
use valkka::source::SourceOptions;
use valkka::{Camera, CameraOptions, Engine, Reconnect, StreamState};

use crate::archive::Archive;
use crate::config::CameraConfig;
use crate::event::{EventKind, EventLog};
use crate::meter::Meter;
use crate::status::{CameraState, CameraStatus, RecordingStatus, Viewers};
use journal::Journal;
use outlets::Outlets;
use recorder::Recorder;

/// A camera of a [`Site`](crate::Site): one connection, and whatever watches it.
///
/// It stays the same when its address changes or it is connected to anew: who watches it goes on. Methods may be called
/// from any thread, but not from within a sink of the camera.
pub struct SiteCamera {
    name: String,
    title: ArcSwap<String>,
    /// Where it is served over RTSP.
    rtsp: ArcSwapOption<String>,
    engine: Arc<Engine>,
    events: Arc<EventLog>,
    /// What the packets go to; it outlives connections.
    hub: Fork,
    keeper: Arc<GopKeeper>,
    fragments: Arc<LiveFragments>,
    source: Mutex<Source>,
    /// Held while the source is replaced; whether the camera was removed, and is not to be connected to any more.
    removed: Mutex<bool>,
    outlets: Mutex<Outlets>,
    archive: Arc<Archive>,
    recorder: Mutex<Recorder>,
    meter: Mutex<Meter>,
    _branches: [Branch; 2],
}

/// The connection, and what those before it have counted.
struct Source {
    config: CameraConfig,
    camera: Arc<Camera>,
    earlier: Totals,
    /// Dropped with the camera.
    _branch: Branch,
}

/// What is counted over all connections.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    frames: u64,
    bytes: u64,
    lost: u64,
    reconnects: u64,
}

impl SiteCamera {
    /// Connects to a camera.
    pub(crate) fn start(
        name: &str,
        config: &CameraConfig,
        engine: &Arc<Engine>,
        events: &Arc<EventLog>,
        archive: &Arc<Archive>,
    ) -> Result<Self, valkka::Error> {
        let hub = Fork::new();
        let keeper = Arc::new(GopKeeper::new(GopOptions::default()));
        // Branches are served in the order of their tags: what is kept is known to those that come late.
        let keeping = hub.branch(KEEPER, keeper.clone())?;
        let journal = hub.branch(JOURNAL, Arc::new(Journal::new(name, events.clone())))?;
        let fragments = Arc::new(LiveFragments::new(keeper.clone(), FragmentOptions::default())?);
        let source = Source::open(name, config, engine, &hub, Totals::default())?;
        Ok(Self {
            name: name.to_owned(),
            title: ArcSwap::from_pointee(title(name, config)),
            rtsp: ArcSwapOption::empty(),
            engine: engine.clone(),
            events: events.clone(),
            hub,
            keeper,
            fragments,
            source: Mutex::new(source),
            removed: Mutex::default(),
            outlets: Mutex::default(),
            archive: archive.clone(),
            recorder: Mutex::default(),
            meter: Mutex::default(),
            _branches: [keeping, journal],
        })
    }

    /// Its name, by which it is found.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people read.
    pub fn title(&self) -> String {
        self.title.load().to_string()
    }

    /// The camera as it is connected to now. What hangs on it ends when the camera is connected to anew: take
    /// [`Self::keeper`] for what is to last.
    pub fn camera(&self) -> Arc<Camera> {
        lock(&self.source).camera.clone()
    }

    /// The last group of pictures, and all frames to come.
    pub fn keeper(&self) -> &Arc<GopKeeper> {
        &self.keeper
    }

    /// For browsers: fragmented MP4, made once for all viewers.
    pub fn fragments(&self) -> &Arc<LiveFragments> {
        &self.fragments
    }

    /// How it stands.
    pub fn status(&self) -> CameraStatus {
        let (camera, earlier) = {
            let source = lock(&self.source);
            (source.camera.clone(), source.earlier)
        };
        let totals = earlier.with(&camera);
        let (state, reason) = match camera.state() {
            StreamState::Connecting => (CameraState::Connecting, None),
            StreamState::Online(_) => (CameraState::Online, None),
            StreamState::Waiting { reason, .. } => (CameraState::Offline, Some(reason.to_string())),
            StreamState::Failed { reason } => (CameraState::Failed, Some(reason.to_string())),
        };
        let params = camera.video_params();
        let video = params.as_deref().and_then(|params| params.as_video().copied()).unwrap_or_default();
        let (fps, kbit_s) = {
            let meter = lock(&self.meter);
            (meter.fps(), meter.kbit_s())
        };
        CameraStatus {
            name: self.name.clone(),
            title: self.title(),
            state,
            reason,
            codec: params.as_deref().map(|params| params.codec.name().to_owned()),
            width: video.width,
            height: video.height,
            fps: round(fps),
            kbit_s: round(kbit_s),
            frames: totals.frames,
            lost: totals.lost,
            reconnects: totals.reconnects,
            viewers: Viewers { rtsp: lock(&self.outlets).viewers(), web: self.fragments.stats().viewers },
            recording: lock(&self.recorder).status(self.archive.state()),
            url: camera.url().to_string(),
            rtsp: self.rtsp.load().as_deref().cloned(),
        }
    }

    /// Whether it is being recorded.
    pub fn recording(&self) -> RecordingStatus {
        lock(&self.recorder).status(self.archive.state())
    }

    /// Has something that happened recorded, with what came before and comes after it. Whatever the camera is recorded for,
    /// an event says that it was asked for when a recording begins by it. `reason` says what happened.
    ///
    /// # Errors
    /// In words, if the camera is not to be recorded, or cannot be at this moment.
    pub fn record_event(&self, reason: &str) -> Result<(), String> {
        let reason = if reason.is_empty() { "somebody asked for it" } else { reason };
        if lock(&self.recorder).trigger(reason)? {
            self.events.note(
                Some(&self.name),
                EventKind::Recording,
                format!("an event is recorded: {reason}"),
            );
        }
        Ok(())
    }

    /// Ends the connection to the camera, and makes a new one. Who watches waits for it, and goes on. A camera that was
    /// removed from the site stays as it is.
    ///
    /// # Errors
    /// If the engine has no room for it.
    pub fn reconnect(&self) -> Result<(), valkka::Error> {
        self.events.note(Some(&self.name), EventKind::Reconnect, "a new connection was asked for");
        let config = lock(&self.source).config.clone();
        self.connect(&config)
    }

    /// Goes on as `config` says; only what differs from what was is touched. `server` serves it, if anything does.
    pub(crate) fn apply(
        &self,
        config: &CameraConfig,
        server: Option<&Arc<Server>>,
    ) -> Result<(), valkka::Error> {
        self.title.store(Arc::new(title(&self.name, config)));
        let (old, camera) = {
            let mut source = lock(&self.source);
            (std::mem::replace(&mut source.config, config.clone()), source.camera.clone())
        };
        let moved = old.url != config.url || old.transport != config.transport;
        let gone = matches!(camera.state(), StreamState::Failed { .. });
        if moved || gone {
            self.connect(config)?;
        }
        let failures = lock(&self.outlets).apply(self, config, server);
        for failure in failures {
            self.events.note(Some(&self.name), EventKind::Listener, failure);
        }
        lock(&self.recorder).set(config.record);
        self.follow_archive();
        Ok(())
    }

    /// Says where it is served; to be called whenever that may have changed.
    pub(crate) fn set_rtsp(&self, base: Option<&str>) {
        let served = lock(&self.outlets).is_served();
        let url = base.filter(|_| served).map(|base| Arc::new(format!("{base}/{}", self.name)));
        self.rtsp.store(url);
    }

    /// Is no longer served over RTSP, until it is told otherwise.
    pub(crate) fn unserve(&self) {
        let served = lock(&self.outlets).unserve();
        drop(served);
    }

    /// Ends the connection and the serving, whoever still holds the camera.
    pub(crate) fn end(&self) {
        *lock(&self.removed) = true;
        self.camera().disconnect();
        let outlets = std::mem::take(&mut *lock(&self.outlets));
        drop(outlets);
        let recording = lock(&self.recorder).end();
        drop(recording);
        self.hub.put(Frame::signal(self.camera().slot(), SystemClock.now(), Signal::End));
    }

    /// Takes figures, writes what has become known and tries again what has failed; once a second.
    pub(crate) fn tick(&self, now: Instant) {
        let totals = {
            let source = lock(&self.source);
            source.earlier.with(&source.camera)
        };
        lock(&self.meter).sample(now, totals.frames, totals.bytes);
        let told = lock(&self.outlets).send(self, now);
        if let Some(result) = told {
            let kind = if result.is_ok() { EventKind::Camera } else { EventKind::Listener };
            self.events.note(Some(&self.name), kind, result.unwrap_or_else(|failure| failure));
        }
        let told = lock(&self.outlets).write_sdp(&self.title.load(), now).map(|result| match result {
            Ok(path) => format!("described in {}", path.display()),
            Err(message) => message,
        });
        if let Some(text) = told {
            self.events.note(Some(&self.name), EventKind::Camera, text);
        }
        self.follow_archive();
    }

    /// How many bytes of memory it needs for what precedes events, `None` of them for as many as there are; `None` if it
    /// keeps nothing there.
    pub(crate) fn memory_need(&self) -> Option<Option<usize>> {
        lock(&self.recorder).memory_need()
    }

    /// May have so many bytes for that, of the `total` for all cameras; once a second.
    pub(crate) fn set_memory(&self, bytes: usize, total: u64) {
        let told = lock(&self.recorder).set_memory(bytes, total);
        if let Some(text) = told {
            self.events.note(Some(&self.name), EventKind::Recording, text);
        }
    }

    /// Is recorded into the store as it is now, or waits until there is one.
    fn follow_archive(&self) {
        let writer = self.archive.writer();
        let (before, told) = {
            let mut recorder = lock(&self.recorder);
            (recorder.leave(writer.as_ref()), recorder.follow(self, writer.as_ref()))
        };
        // Without the lock: if it is the last one, it waits for its disk, and nobody who asks how the camera stands is to.
        drop(before);
        if let Some(text) = told {
            self.events.note(Some(&self.name), EventKind::Recording, text);
        }
    }

    fn connect(&self, config: &CameraConfig) -> Result<(), valkka::Error> {
        let removed = lock(&self.removed);
        if *removed {
            return Ok(());
        }
        // The source is not locked meanwhile: this waits for a frame on its way, and whoever that is told to may ask how
        // the camera stands.
        let old = self.camera();
        old.disconnect();
        // No frame comes from it any more, so those of the next one come after this mark.
        let reason = "it is connected to anew".into();
        self.hub.put(Frame::signal(old.slot(), SystemClock.now(), Signal::Offline(reason)));
        let earlier = lock(&self.source).earlier.with(&old);
        let source = Source::open(&self.name, config, &self.engine, &self.hub, earlier)?;
        let old = std::mem::replace(&mut *lock(&self.source), source);
        drop(old);
        Ok(())
    }
}

impl fmt::Debug for SiteCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteCamera")
            .field("name", &self.name)
            .field("camera", &self.camera())
            .finish_non_exhaustive()
    }
}

impl Source {
    fn open(
        name: &str,
        config: &CameraConfig,
        engine: &Engine,
        hub: &Fork,
        earlier: Totals,
    ) -> Result<Self, valkka::Error> {
        let source = SourceOptions { transport: config.transport, ..SourceOptions::default() };
        let options = CameraOptions {
            name: name.to_owned(),
            source,
            reconnect: Reconnect::After(SILENCE),
            ..CameraOptions::default()
        };
        let camera = Arc::new(engine.camera(config.url.clone(), options)?);
        let branch = camera.packets("site", Arc::new(hub.clone()))?;
        Ok(Self { config: config.clone(), camera, earlier, _branch: branch })
    }
}

impl Totals {
    /// With what `camera` has counted.
    fn with(self, camera: &Camera) -> Self {
        let stats = camera.stats();
        Self {
            frames: self.frames + stats.received.get(),
            bytes: self.bytes + stats.received_bytes.get(),
            lost: self.lost + stats.lost_packets.get(),
            reconnects: self.reconnects + stats.reconnects.get(),
        }
    }
}

fn title(name: &str, config: &CameraConfig) -> String {
    if config.title.is_empty() { name.to_owned() } else { config.title.clone() }
}

/// One digit behind the point is what a figure that changes every second is good for.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Tags of the hub, in the order in which frames come to them.
const KEEPER: &str = "1 keeper";
const JOURNAL: &str = "2 journal";
const RTSP: &str = "3 RTSP";
const SEND: &str = "4 multicast";
const RECORD: &str = "5 recording";

/// A camera that sends nothing for so long is connected to anew.
const SILENCE: Duration = Duration::from_secs(5);
