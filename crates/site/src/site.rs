//! What runs.

mod changes;
mod host;
mod rtsp;

pub use changes::Changes;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use valkka::lock::lock;
use valkka::net::server::ViewerInfo;
use valkka::worker::Worker;
use valkka::{Engine, EngineOptions};

use crate::access::Access;
use crate::archive::Archive;
use crate::camera::SiteCamera;
use crate::config::{Config, ConfigError, RtspConfig, WebConfig};
use crate::event::{EventKind, EventLog};
use crate::event_memory;
use crate::retry::Retry;
use crate::users::Users;
use rtsp::Rtsp;

/// Runs a [`Config`]: receives the cameras, serves them over RTSP, sends them by multicast and records them.
///
/// Methods may be called from any thread. Dropping it ends everything, in any order with what was taken from it.
pub struct Site {
    shared: Arc<Shared>,
    _ticker: Worker,
}

struct Shared {
    engine: Arc<Engine>,
    access: Arc<Access>,
    /// Counts changes of who may do what.
    access_changes: AtomicU64,
    events: Arc<EventLog>,
    archive: Arc<Archive>,
    /// Bytes for what precedes events, of all cameras.
    event_memory: AtomicU64,
    cameras: ArcSwap<BTreeMap<String, Arc<SiteCamera>>>,
    /// Held while a configuration is applied.
    state: Mutex<State>,
    /// When figures were taken last.
    ticked: Mutex<Instant>,
}

struct State {
    config: Config,
    rtsp: Option<Rtsp>,
    /// When to try again what could not be had of it.
    retry: Retry,
}

impl State {
    /// Whether the RTSP server runs as `wanted`: not all of that can be had at any time.
    fn serves(&self, wanted: Option<&RtspConfig>) -> bool {
        self.rtsp.as_ref().map(Rtsp::config) == wanted
    }
}

/// Why a site could not start, or go on otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// The configuration is wrong. Nothing was changed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address is not to be had.
    #[error("the {service} server cannot listen at {address}")]
    Listen {
        /// Whose address it is.
        service: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start {what}")]
    Thread {
        /// What was to run in it.
        what: &'static str,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// The engine could not do it.
    #[error(transparent)]
    Engine(#[from] valkka::Error),
}

impl Site {
    /// Starts to run `config`. The web server is not part of it: see [`Self::web`].
    ///
    /// # Errors
    /// If the configuration does not hold, an address is taken, or the system gives no thread.
    pub fn start(config: Config) -> Result<Self, SiteError> {
        config.check()?;
        let engine = Arc::new(Engine::new(EngineOptions::default())?);
        let events = Arc::<EventLog>::default();
        let anyone = config.rtsp.as_ref().is_some_and(|rtsp| rtsp.anyone);
        let access = Arc::new(Access::new(Users::new(&config.users), anyone, events.clone()));
        let rtsp = config.rtsp.as_ref().map(|config| Rtsp::start(config, &access)).transpose()?;
        let shared = Arc::new(Shared {
            engine,
            access,
            access_changes: AtomicU64::new(0),
            archive: Arc::new(Archive::new(events.clone())),
            event_memory: AtomicU64::new(0),
            events,
            cameras: ArcSwap::default(),
            state: Mutex::new(State {
                config: Config { cameras: BTreeMap::new(), ..config.clone() },
                rtsp,
                retry: Retry::default(),
            }),
            ticked: Mutex::new(Instant::now()),
        });
        shared.apply(config);
        let ticking = shared.clone();
        let ticker = Worker::spawn("site", None, move |stop| {
            while !stop.wait(TICK) {
                ticking.tick(Instant::now());
            }
        })
        .map_err(|cause| SiteError::Thread { what: "the site's thread", cause })?;
        Ok(Self { shared, _ticker: ticker })
    }

    /// Goes on as `config` says. What did not change is not touched: its connections and viewers notice nothing. If a
    /// new address is not to be had, the old one stays, and an event says so; it is tried again, ever less often up to once
    /// a minute, and whenever this is called.
    ///
    /// # Errors
    /// If the configuration does not hold; then everything stays as it was.
    pub fn apply(&self, config: Config) -> Result<Changes, SiteError> {
        if let Err(error) = config.check() {
            self.note_refused(&error);
            return Err(error.into());
        }
        let changes = self.shared.apply(config);
        self.shared.events.note(None, EventKind::Configuration, format!("applied: {changes}"));
        Ok(changes)
    }

    /// Notes in the log of events that a configuration was not applied.
    pub fn note_refused(&self, error: &ConfigError) {
        let (first, more) = (error.problems.first(), error.problems.len().saturating_sub(1));
        let first = first.map_or_else(String::new, |first| ConfigError::line(error.file.as_deref(), first));
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let text = format!("not applied, the old configuration goes on: {first}{more}");
        self.shared.events.note(None, EventKind::Configuration, text);
    }

    /// Notes in the log of events that `user`, whatever a stranger called himself, was not let in by the web server from
    /// `peer`. A flood of it is noted in part.
    pub fn note_login_refused(&self, user: &str, peer: IpAddr) {
        self.shared.access.note_refusal(user, &format!("the web server, from {peer}"));
    }

    /// The cameras, by name.
    pub fn cameras(&self) -> Vec<Arc<SiteCamera>> {
        self.shared.cameras.load().values().cloned().collect()
    }

    /// The camera called `name`.
    pub fn camera(&self, name: &str) -> Option<Arc<SiteCamera>> {
        self.shared.cameras.load().get(name).cloned()
    }

    /// The users as they are now. A new configuration brings new ones: see [`Self::access_changes`].
    pub fn users(&self) -> Arc<Users> {
        self.shared.access.users()
    }

    /// Grows whenever a configuration has changed who may do what: whoever was let in earlier is to be looked at again.
    pub fn access_changes(&self) -> u64 {
        self.shared.access_changes.load(Ordering::Acquire)
    }

    /// Who is sent to over RTSP now.
    pub fn viewers(&self) -> Vec<ViewerInfo> {
        self.shared.state().rtsp.as_ref().map(|rtsp| rtsp.server().viewers()).unwrap_or_default()
    }

    /// Whether its threads still work; each may take `limit` to answer. For watchdogs.
    ///
    /// # Errors
    /// The name of the thread that does not.
    pub fn answers(&self, limit: Duration) -> Result<(), &'static str> {
        if !self.shared.engine.answers(limit) {
            return Err("the receiving thread");
        }
        let server = self.shared.state().rtsp.as_ref().map(|rtsp| rtsp.server().clone());
        if server.is_some_and(|server| !server.answers(limit)) {
            return Err("the RTSP server's thread");
        }
        if lock(&self.shared.ticked).elapsed() > limit + TICK {
            return Err("the site's thread");
        }
        Ok(())
    }

    /// What happened.
    pub fn events(&self) -> &Arc<EventLog> {
        &self.shared.events
    }

    /// What was recorded, and where to.
    pub fn archive(&self) -> &Arc<Archive> {
        &self.shared.archive
    }

    /// How the web server is to run now; `None` if there is to be none.
    pub fn web(&self) -> Option<WebConfig> {
        self.shared.state().config.web.clone()
    }

    /// Where cameras are served over RTSP, as people write it: `rtsp://host:port`, then `rtsps://…` if there is TLS.
    /// Empty if there is no RTSP server.
    pub fn rtsp_urls(&self) -> Vec<String> {
        self.shared.state().rtsp.as_ref().map(Rtsp::urls).unwrap_or_default()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("cameras", &self.cameras().len()).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Goes on as `config` says, which is checked.
    fn apply(&self, config: Config) -> Changes {
        let mut state = self.state();
        let changes = Changes::between(&state.config, &config);
        if changes.users || changes.rtsp {
            let anyone = config.rtsp.as_ref().is_some_and(|rtsp| rtsp.anyone);
            self.access.replace(Users::new(&config.users), anyone);
            self.access_changes.fetch_add(1, Ordering::AcqRel);
        }
        // Whoever asks for it waits for no pause, and is told.
        state.retry.forget();
        if !state.serves(config.rtsp.as_ref()) {
            self.serve(&mut state, config.rtsp.as_ref(), Instant::now());
        }
        let event_memory = config.record.as_ref().map_or(0, |record| record.event_memory);
        self.event_memory.store(event_memory, Ordering::Relaxed);
        if let Err(error) = self.archive.apply(&config) {
            self.events.note(None, EventKind::Recording, error);
        }
        self.apply_cameras(&config, state.rtsp.as_ref(), &changes);
        if let Some(rtsp) = &state.rtsp
            && (changes.users || changes.rtsp)
        {
            rtsp.server().revise_access();
        }
        state.config = config;
        changes
    }

    /// Has the RTSP server go on as `wanted`. An event says what cannot be had, if that is news.
    fn serve(&self, state: &mut State, wanted: Option<&RtspConfig>, now: Instant) {
        let old = state.rtsp.take();
        if old.as_ref().is_some_and(|old| old.must_end(wanted)) {
            // Each of them holds the server, whose address is to be free.
            self.cameras.load().values().for_each(|camera| camera.unserve());
        }
        let (rtsp, failure) = Rtsp::go_on(old, wanted, &self.access);
        state.rtsp = rtsp;
        match failure {
            None => state.retry.forget(),
            Some(failure) => {
                let news = state.retry.fail(failure, now);
                news.into_iter().for_each(|text| self.events.note(None, EventKind::Listener, text));
            }
        }
    }

    /// Tries again what could not be had of the RTSP server, unless viewers would have to connect again for it.
    fn serve_again(&self, now: Instant) {
        // Whoever has it applies a configuration, and tries it himself.
        let Ok(mut state) = self.state.try_lock() else { return };
        let wanted = state.config.rtsp.clone();
        let is_wanted = !state.serves(wanted.as_ref()) && state.retry.is_due(now);
        if !is_wanted || state.rtsp.as_ref().is_some_and(|rtsp| rtsp.must_end(wanted.as_ref())) {
            return;
        }
        let urls = |state: &State| state.rtsp.as_ref().map(Rtsp::urls).unwrap_or_default();
        let before = urls(&state);
        self.serve(&mut state, wanted.as_ref(), now);
        let after = urls(&state);
        if after != before {
            self.apply_cameras(&state.config, state.rtsp.as_ref(), &Changes::default());
            let text = format!("the RTSP server is at {} now", after.join(" and "));
            self.events.note(None, EventKind::Configuration, text);
        }
    }

    fn apply_cameras(&self, config: &Config, rtsp: Option<&Rtsp>, changes: &Changes) {
        let mut cameras = BTreeMap::clone(&self.cameras.load());
        let note = |name: &str, text: &str| self.events.note(Some(name), EventKind::Camera, text);
        for name in &changes.removed {
            cameras.remove(name);
            note(name, "removed");
        }
        for name in &changes.added {
            let Some(camera) = config.cameras.get(name) else { continue };
            match SiteCamera::start(name, camera, &self.engine, &self.events, &self.archive) {
                Ok(camera) => drop(cameras.insert(name.clone(), Arc::new(camera))),
                Err(error) => note(name, &format!("not added: {error}")),
            }
        }
        for (name, camera) in &cameras {
            let Some(config) = config.cameras.get(name) else { continue };
            if let Err(error) = camera.apply(config, rtsp.map(Rtsp::server)) {
                note(name, &format!("not connected to: {error}"));
            }
            camera.set_rtsp(rtsp.and_then(|rtsp| rtsp.urls().into_iter().next()).as_deref());
        }
        for name in &changes.changed {
            note(name, "changed");
        }
        // Whoever still holds a camera that was removed keeps it; its connection ends all the same.
        let old = self.cameras.swap(Arc::new(cameras));
        for name in &changes.removed {
            if let Some(camera) = old.get(name) {
                camera.end();
            }
        }
    }

    fn tick(&self, now: Instant) {
        let cameras = self.cameras.load_full();
        cameras.values().for_each(|camera| camera.tick(now));
        self.serve_again(now);
        let (on_event, needs): (Vec<_>, Vec<_>) =
            cameras.values().filter_map(|camera| Some((camera, camera.memory_need()?))).unzip();
        let total = self.event_memory.load(Ordering::Relaxed);
        let parts = event_memory::divide(usize::try_from(total).unwrap_or(usize::MAX), &needs);
        for (camera, part) in on_event.into_iter().zip(parts) {
            camera.set_memory(part, total);
        }
        *lock(&self.ticked) = Instant::now();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let rtsp = {
            let mut state = self.shared.state();
            // It is not to be tried again.
            state.config.rtsp = None;
            state.rtsp.take()
        };
        for camera in self.cameras() {
            camera.end();
        }
        drop(rtsp);
        // What was recorded up to here is on the disk then.
        self.shared.archive.close();
    }
}

/// How often figures are taken, and what has failed is looked at.
const TICK: Duration = Duration::from_secs(1);
