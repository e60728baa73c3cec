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
use crate::retry::Retry;

/// What a camera is sent to.
#[derive(Default)]
pub(super) struct Outlets {
    served: Option<Served>,
    sent: Option<Sent>,
    /// Where it is to be sent to, unasked; what cannot be sent to is tried again.
    wanted: Option<SendConfig>,
    retry: Retry,
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
        if self.wanted != config.multicast {
            self.sent = None;
            self.wanted.clone_from(&config.multicast);
        }
        // Whoever asks for it anew waits for no pause, and is told.
        self.retry.forget();
        failures.extend(self.send(camera, Instant::now()).and_then(Result::err));
        failures
    }

    /// Begins to send what is to be sent and is not, unless it is too early to try again what has failed. Returns what is
    /// worth telling: that it is sent, or a failure that is not the same as the last.
    pub(super) fn send(&mut self, camera: &SiteCamera, now: Instant) -> Option<Result<String, String>> {
        let config = self.wanted.as_ref().filter(|_| self.sent.is_none() && self.retry.is_due(now))?;
        match Sent::start(camera, config) {
            Ok(sent) => {
                self.sent = Some(sent);
                self.retry.forget();
                Some(Ok(format!("sent to {} port {}", config.address, config.port)))
            }
            Err(message) => self.retry.fail(message, now).map(Err),
        }
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
        Ok(Self { _branch: branch, sender, description })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use valkka::sink::Discard;
    use valkka::{Engine, EngineOptions};

    use super::*;
    use crate::archive::Archive;
    use crate::event::EventLog;

    #[test]
    fn what_cannot_be_sent_to_is_tried_again() {
        let (engine, events) =
            (Arc::new(Engine::new(EngineOptions::default()).unwrap()), Arc::<EventLog>::default());
        let archive = Arc::new(Archive::new(events.clone()));
        let mut config = CameraConfig::new("rtsp://127.0.0.1:1/1".parse().unwrap());
        let camera = SiteCamera::start("front", &config, &engine, &events, &archive).unwrap();
        let address = Ipv4Addr::LOCALHOST.into();
        config.multicast = Some(SendConfig { address, port: 40_000, ttl: 1, sdp: None });
        // In its way, as a network without a route would be.
        let in_its_way = camera.hub.branch(SEND, Arc::new(Discard)).unwrap();
        let mut outlets = Outlets::default();
        let failures = outlets.apply(&camera, &config, None);
        assert!(matches!(&failures[..], [one] if one.starts_with("not sent to 127.0.0.1 port 40000: ")));
        let now = Instant::now();
        assert_eq!(outlets.send(&camera, now + Duration::from_secs(2)), None, "the same failure");
        assert_eq!(outlets.apply(&camera, &config, None), failures, "asked for anew");
        drop(in_its_way);
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(outlets.send(&camera, later), Some(Ok("sent to 127.0.0.1 port 40000".to_owned())));
        assert_eq!((outlets.send(&camera, later), outlets.sent.is_some()), (None, true));
        // It is not sent any more, and nothing is tried.
        config.multicast = None;
        assert_eq!(outlets.apply(&camera, &config, None), [""; 0]);
        assert_eq!((outlets.send(&camera, later), outlets.sent.is_some()), (None, false));
    }
}
