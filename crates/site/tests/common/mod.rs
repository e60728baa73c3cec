//! What the tests of recording share: cameras, a site that records them, and waiting for what is recorded.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part of it, and fails where something is missing"
)]

mod cameras;

use std::path::Path;
use std::sync::Arc;

use valkka::source::Transport;
use valkka::store::{Store, Stretch};
use valkka::time::WallTime;
use valkka_site::{CameraConfig, Config, EventKind, RecordConfig, RecordingConfig, RecordingState, Site};
use valkka_testkit::wait;

pub(crate) use cameras::{SOON, cameras};

/// All `urls`, recorded into a store of 32 MB.
pub(crate) fn config(urls: &[String], store: &Path, recording: RecordingConfig) -> Config {
    let camera = |(index, url): (usize, &String)| {
        let camera = CameraConfig {
            transport: Transport::Tcp,
            record: recording,
            ..CameraConfig::new(url.parse().unwrap())
        };
        (format!("cam{}", index + 1), camera)
    };
    Config {
        record: Some(RecordConfig { min_free: 0, ..RecordConfig::new(store, Some(32 << 20)) }),
        cameras: urls.iter().enumerate().map(camera).collect(),
        ..Config::default()
    }
}

pub(crate) fn wait_state(site: &Site, camera: &str, state: RecordingState) {
    wait::until(SOON, &format!("{camera} to be {state:?}"), || {
        site.camera(camera).unwrap().recording().state == state
    });
}

/// From when to when `camera` was recorded, from `from` on.
pub(crate) fn stretches(store: &Arc<Store>, camera: &str, from: WallTime) -> Vec<Stretch> {
    let Some(stream) = store.stream(camera) else { return Vec::new() };
    // A store that was removed cannot be read.
    store.stretches(stream, from..WallTime::from_micros(i64::MAX)).unwrap_or_default()
}

pub(crate) fn seconds(stretch: &Stretch) -> f64 {
    stretch.to.saturating_since(stretch.from).as_secs_f64()
}

/// Waits until `camera` was recorded for so many seconds after `from`, in one piece at the end.
pub(crate) fn wait_recorded(site: &Site, camera: &str, from: WallTime, least: f64) -> Vec<Stretch> {
    wait::until_some(SOON, &format!("{least} seconds of {camera}"), || {
        let found = stretches(&site.archive().store()?, camera, from);
        found.last().is_some_and(|last| seconds(last) >= least).then_some(found)
    })
}

/// Waits for an event that begins so.
pub(crate) fn wait_told(site: &Site, start: &str) {
    wait::until(SOON, &format!("it is told: {start}"), || {
        texts(site).iter().any(|text| text.starts_with(start))
    });
}

pub(crate) fn texts(site: &Site) -> Vec<String> {
    let events = site.events().recent(0).into_iter().filter(|event| event.kind == EventKind::Recording);
    events.map(|event| event.text.clone()).collect()
}
