//! A store that was there and is not: it is waited for, and nothing is made in its place.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{SOON, cameras, config, stretches, texts, wait_recorded, wait_state};
use valkka::clock::SystemClock;
use valkka::time::WallTime;
use valkka_site::{Config, RecordMode, RecordingConfig, RecordingState, Site};
use valkka_testkit::process::command;
use valkka_testkit::temp::TempDir;
use valkka_testkit::watchdog::Watchdog;
use valkka_testkit::{require, wait};

/// A directory that is another one's place while it is mounted there, as a disk is.
struct Disk {
    contents: PathBuf,
    place: PathBuf,
}

impl Disk {
    fn new(directory: &TempDir) -> Result<Self, String> {
        let [contents, place] = ["disk", "mnt"].map(|name| directory.join(name));
        for path in [&contents, &place] {
            fs::create_dir(path).map_err(|error| error.to_string())?;
        }
        let disk = Self { contents, place };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        let mut mount = command("mount").map_err(|error| error.to_string())?;
        let output = mount.arg("--bind").args([&self.contents, &self.place]).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("nothing can be mounted: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("nothing can be mounted: {error}")),
        }
    }

    fn unmount(&self) {
        if let Ok(mut umount) = command("umount") {
            let _ = umount.arg("-l").arg(&self.place).output();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// One camera, and a file that remembers where it was recorded.
fn remembered(urls: &[String], store: &Path, file: PathBuf) -> Config {
    let mut config = config(urls, store, RecordingConfig::default());
    config.record.as_mut().unwrap().known_stores = Some(file);
    config
}

fn wait_failing(site: &Site, why: &str) {
    wait::until(SOON, &format!("it fails: {why}"), || {
        let status = site.camera("cam1").unwrap().recording();
        status.state == RecordingState::Failing && status.reason.is_some_and(|reason| reason.contains(why))
    });
}

#[test]
fn a_disk_that_is_not_mounted_is_waited_for() {
    let _watchdog = Watchdog::start(8 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let disk = Disk::new(&directory);
    require!(disk.as_ref().map(|_| ()).map_err(Clone::clone));
    let disk = disk.unwrap();
    // A directory of it, and all of it.
    for store in [disk.place.join("store"), disk.place.clone()] {
        let config = remembered(&cameras.urls(), &store, directory.join("valkka.toml.stores"));
        let site = Site::start(config.clone()).unwrap();
        wait_recorded(&site, "cam1", WallTime::default(), 1.0);
        // While it is recorded,
        disk.unmount();
        wait_failing(&site, "not mounted");
        disk.mount().unwrap();
        wait_recorded(&site, "cam1", SystemClock.now(), 1.0);
        drop(site);
        // and after a restart.
        disk.unmount();
        let site = Site::start(config).unwrap();
        wait_failing(&site, "not mounted");
        wait::until(SOON, "an event", || texts(&site).iter().any(|text| text.contains("not mounted")));
        assert_eq!(fs::read_dir(&disk.place).unwrap().count(), 0, "nothing is made there");
        disk.mount().unwrap();
        wait_recorded(&site, "cam1", SystemClock.now(), 1.0);
        assert!(stretches(&site.archive().store().unwrap(), "cam1", WallTime::default()).len() >= 3);
    }
}

#[test]
fn a_store_that_was_removed_is_noticed_and_waited_for() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let [path, away] = ["store", "away"].map(|name| directory.join(name));
    let site = Site::start(config(&cameras.urls(), &path, RecordingConfig::default())).unwrap();
    wait_recorded(&site, "cam1", WallTime::default(), 1.0);
    fs::rename(&path, &away).unwrap();
    wait::until(SOON, "an event", || {
        texts(&site).iter().any(|text| text.contains("store/dumpfile: No such file"))
    });
    wait_failing(&site, "no other one is made");
    assert!(!path.exists());
    fs::rename(&away, &path).unwrap();
    wait_recorded(&site, "cam1", SystemClock.now(), 1.0);
    assert_eq!(site.camera("cam1").unwrap().status().reconnects, 0, "who watches notices nothing");
    // The gap says why, but not where on this machine.
    let all = stretches(&site.archive().store().unwrap(), "cam1", WallTime::default());
    let reasons: Vec<_> = all.into_iter().filter_map(|stretch| Some(stretch.gap_before?.reason)).collect();
    let says_why = |reason: &String| reason.contains("write to dumpfile: No such file");
    assert!(reasons.iter().any(says_why), "{reasons:?}");
    assert!(!reasons.iter().any(|reason| reason.contains("not running")), "{reasons:?}");
}

#[test]
fn an_event_goes_on_when_the_store_is_back() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let [path, away] = ["store", "away"].map(|name| directory.join(name));
    let recording = RecordingConfig {
        mode: RecordMode::Events,
        after: Duration::from_secs(3600),
        ..RecordingConfig::default()
    };
    let site = Site::start(config(&cameras.urls(), &path, recording)).unwrap();
    wait_state(&site, "cam1", RecordingState::Waiting);
    let camera = site.camera("cam1").unwrap();
    wait::until(SOON, "an event", || camera.record_event("the door was opened").is_ok());
    wait_recorded(&site, "cam1", WallTime::default(), 1.0);
    fs::rename(&path, &away).unwrap();
    wait_failing(&site, "no other one is made");
    fs::rename(&away, &path).unwrap();
    wait_recorded(&site, "cam1", SystemClock.now(), 1.0);
}

#[test]
fn another_store_is_not_recorded_into() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let [path, away, file] = ["store", "away", "valkka.toml.stores"].map(|name| directory.join(name));
    let config = remembered(&cameras.urls(), &path, file.clone());
    let site = Site::start(config.clone()).unwrap();
    wait_recorded(&site, "cam1", WallTime::default(), 1.0);
    drop(site);
    fs::rename(&path, &away).unwrap();
    // By somebody who does not know of it.
    drop(Site::start(remembered(&cameras.urls(), &path, directory.join("other"))).map(|site| {
        wait_state(&site, "cam1", RecordingState::Recording);
    }));
    let site = Site::start(config).unwrap();
    wait_failing(&site, "another store than before");
    let reason = site.camera("cam1").unwrap().recording().reason.unwrap();
    assert!(reason.contains("valkka.toml.stores"), "{reason}");
    // As it says.
    fs::remove_file(&file).unwrap();
    wait_recorded(&site, "cam1", SystemClock.now(), 1.0);
    assert!(fs::read_to_string(&file).unwrap().contains("store"));
}

#[test]
fn what_cannot_be_remembered_is_not_made() {
    let _watchdog = Watchdog::start(4 * SOON);
    let (directory, cameras) = (TempDir::new().unwrap(), cameras(1));
    let path = directory.join("store");
    let site = Site::start(remembered(&cameras.urls(), &path, directory.join("state/stores"))).unwrap();
    wait_failing(&site, "it cannot be noted");
    assert!(!path.exists());
    fs::create_dir(directory.join("state")).unwrap();
    wait_state(&site, "cam1", RecordingState::Recording);
}
