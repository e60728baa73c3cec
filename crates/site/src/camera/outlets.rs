//! Where a camera goes to: the RTSP server, and by multicast.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use valkka::fork::Branch;
use valkka::net::RtpDestination;
use valkka::net::RtpSender;
use valkka::net::server::{Mount, Server};

use super::description::DescriptionFile;
use super::late::Late;
use super::{RTSP, SEND, SiteCamera};
use crate::config::{CameraConfig, SendConfig};

/// What a camera is sent to.
#[derive(Default)]
pub(super) struct Outlets {
    served: Option<Served>,
    sent: Option<Sent>,
}

struct Served {
    // Dropped first: nothing is put into the mount any more.
    _branch: Branch,
    mount: Arc<Mount>,
    server: Arc<Server>,
}

struct Sent {
    _branch: Branch,
    sender: Arc<RtpSender>,
    config: SendConfig,
    description: Option<DescriptionFile>,
}

impl Outlets {
    /// How many watch over RTSP.
    pub(super) fn viewers(&self) -> u64 {
        self.served.as_ref().map_or(0, |served| served.mount.stats().viewers)
    }

    pub(super) fn is_served(&self) -> bool {
        self.served.is_some()
    }

    /// Ends the serving once what this returns is dropped.
    pub(super) fn unserve(&mut self) -> impl Sized + use<> {
        self.served.take()
    }

    /// Goes on as `config` says; returns what failed, in words.
    pub(super) fn apply(
        &mut self,
        camera: &SiteCamera,
        config: &CameraConfig,
        server: Option<&Arc<Server>>,
    ) -> Vec<String> {
        let mut failures = Vec::new();
        let server = server.filter(|_| config.serve);
        let is_same = |served: &Served| server.is_some_and(|server| Arc::ptr_eq(server, &served.server));
        if !self.served.as_ref().is_some_and(is_same) {
            self.served = None;
            match server.map(|server| Served::start(camera, server)).transpose() {
                Ok(served) => self.served = served,
                Err(message) => failures.push(message),
            }
        }
        if self.sent.as_ref().map(|sent| &sent.config) != config.multicast.as_ref() {
            self.sent = None;
            match config.multicast.as_ref().map(|config| Sent::start(camera, config)).transpose() {
                Ok(sent) => self.sent = sent,
                Err(message) => failures.push(message),
            }
        }
        failures
    }

    /// Writes the description of what is sent, which calls it `title`, if it has become known or changed. Returns what is
    /// worth telling.
    pub(super) fn write_sdp(&mut self, title: &str, now: Instant) -> Option<Result<&Path, String>> {
        let sent = self.sent.as_mut()?;
        let description = sent.description.as_mut()?;
        sent.sender.set_name(title);
        description.write(sent.sender.sdp()?, now)
    }
}

impl Served {
    fn start(camera: &SiteCamera, server: &Arc<Server>) -> Result<Self, String> {
        let mount = server.mount(&camera.name).map_err(|error| format!("not served: {error}"))?;
        let mount = Arc::new(mount);
        let late = Late::new(mount.clone(), camera.keeper.clone());
        let branch =
            camera.hub.branch(RTSP, Arc::new(late)).map_err(|error| format!("not served: {error}"))?;
        Ok(Self { _branch: branch, mount, server: server.clone() })
    }
}

impl Sent {
    fn start(camera: &SiteCamera, config: &SendConfig) -> Result<Self, String> {
        let SendConfig { address, port, ttl, .. } = *config;
        let fail = |error: &dyn std::fmt::Display| format!("not sent to {address} port {port}: {error}");
        let sender =
            camera.engine.send(RtpDestination { address, port, ttl }).map_err(|error| fail(&error))?;
        let sender = Arc::new(sender);
        let late = Late::new(sender.clone(), camera.keeper.clone());
        let branch = camera.hub.branch(SEND, Arc::new(late)).map_err(|error| fail(&error))?;
        let description = config.sdp.clone().map(DescriptionFile::new);
        Ok(Self { _branch: branch, sender, config: config.clone(), description })
    }
}
