//! Streams under their paths.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::runtime::Handle;
use url::Url;
use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;

use super::ServerOptions;
use super::channel::{Channel, REPORT_INTERVAL};

/// A stream that a server serves under a path.
///
/// Put the frames of one stream into it: packets are sent to all viewers, and
/// [`Signal::Online`](valkka_core::frame::Signal::Online) tells which tracks there will be; other frames are
/// passed over. A stream whose source connects anew goes on for its viewers, unless a codec has changed: then they are
/// disconnected and may describe it anew.
///
/// Putting a frame costs the caller the packetising (some microseconds) and never waits for a viewer. Dropping
/// the mount says goodbye to its viewers and closes their connections.
#[derive(Debug)]
pub struct Mount {
    channel: Arc<Channel>,
    registry: Arc<Registry>,
}

/// What a mount has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountStats {
    /// Viewers that are being sent to now.
    pub viewers: u64,
    /// Bytes of RTP and RTCP packets that were sent to all viewers, so far; those to a multicast group count once.
    pub bytes: u64,
    /// These packets.
    pub packets: u64,
    /// Access units that viewers were not sent because they did not keep up, so far.
    pub skipped: u64,
    /// Blocks of RTCP receiver reports that came from viewers, so far.
    pub reports: u64,
}

/// Why a stream could not be mounted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// Something is mounted there already.
    #[error("the path \"{path}\" is taken")]
    PathTaken {
        /// The path.
        path: String,
    },
    /// It cannot be part of an address.
    #[error("\"{path}\" is no path to serve a stream under")]
    BadPath {
        /// What was given.
        path: String,
    },
}

impl Mount {
    pub(super) fn new(
        path: &str,
        registry: &Arc<Registry>,
        options: &ServerOptions,
        handle: &Handle,
    ) -> Result<Self, MountError> {
        let bad = || MountError::BadPath { path: path.to_owned() };
        let mut url = Url::parse("rtsp://localhost/").expect("it is an address");
        if path.contains(['?', '#']) {
            return Err(bad());
        }
        url.set_path(path);
        let key = key(&url).to_owned();
        if key.is_empty() {
            return Err(bad());
        }
        let mut mounts = registry.lock();
        let taken: BTreeSet<u32> = mounts.values().map(|channel| channel.place()).collect();
        let place = (0..).find(|place| !taken.contains(place)).expect("there are fewer mounts than numbers");
        // Whoever only reads has something to read more often than it has to give a sign of life.
        let reports = REPORT_INTERVAL.min(options.session_timeout / 4);
        let channel = Arc::new(Channel::new(key.clone(), place, options.kept_bytes, reports));
        match mounts.entry(key) {
            Entry::Occupied(taken) => return Err(MountError::PathTaken { path: taken.key().clone() }),
            Entry::Vacant(free) => free.insert(channel.clone()),
        };
        drop(mounts);
        let fanning_out = channel.clone();
        handle.spawn(async move { fanning_out.fan_out().await });
        Ok(Self { channel, registry: registry.clone() })
    }

    /// Its path, percent-encoded, without slashes at its ends.
    pub fn path(&self) -> &str {
        self.channel.path()
    }

    /// What it has counted.
    pub fn stats(&self) -> MountStats {
        let counters = &self.channel.counters;
        MountStats {
            viewers: counters.viewers.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            packets: counters.packets.load(Ordering::Relaxed),
            skipped: counters.skipped.load(Ordering::Relaxed),
            reports: counters.reports.load(Ordering::Relaxed),
        }
    }
}

impl Sink for Mount {
    fn put(&self, frame: Frame) {
        self.channel.put(&frame);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.registry.lock().remove(self.channel.path());
        self.channel.close();
    }
}

/// What is mounted, by path as [`key`] gives it.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<HashMap<String, Arc<Channel>>>);

impl Registry {
    /// What is mounted under the path of `url`.
    pub(super) fn find(&self, path: &str) -> Option<Arc<Channel>> {
        self.lock().get(path).cloned()
    }

    /// Closes everything that is mounted.
    pub(super) fn close_all(&self) {
        self.lock().values().for_each(|channel| channel.close());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Channel>>> {
        lock(&self.0)
    }
}

/// The path of `url` without slashes at its ends. Parsing has resolved dots and encoded what needs it, the same
/// way for mounts and for requests.
pub(super) fn key(url: &Url) -> &str {
    url.path().trim_matches('/')
}
