//! Once a second: how the cameras are, and whether everybody may still do what he could.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use valkka_site::CameraStatus;

use crate::api::cameras::told;
use crate::app::App;

/// How all cameras were at one moment. Cloning it counts references.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    /// Each written once for however many are told.
    pub(crate) cameras: Arc<[Written]>,
}

/// How a camera is, in JSON.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) name: String,
    /// For those who operate the service.
    pub(crate) full: String,
    /// For all others; `None` if that is the same.
    pub(crate) brief: Option<String>,
}

impl Pulse {
    /// As they are now.
    pub(crate) fn take(app: &App) -> Self {
        let cameras = app.site.cameras();
        let statuses = cameras.iter().map(|camera| camera.status());
        Self { cameras: statuses.filter_map(Written::new).collect() }
    }
}

impl Written {
    fn new(status: CameraStatus) -> Option<Self> {
        let write = |status: &CameraStatus| serde_json::to_string(status).ok();
        let full = write(&status)?;
        let recording = told(status.recording.clone(), false);
        let is_same = recording == status.recording;
        let brief = CameraStatus { recording, ..status };
        let written = if is_same { None } else { Some(write(&brief)?) };
        Some(Self { name: brief.name, full, brief: written })
    }
}

/// Runs until it is aborted.
pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = app.site.access_changes();
    loop {
        ticks.tick().await;
        app.beat.beat(Instant::now());
        let now = app.site.access_changes();
        if now != changes {
            changes = now;
            app.sessions.revise(&app.site.users());
            app.revise_access();
        }
        // Nobody looks at figures that nobody is told.
        if app.pulse.receiver_count() > 0 {
            app.pulse.send_replace(Pulse::take(&app));
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
