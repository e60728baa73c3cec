//! Where a camera goes to: the RTSP server, and by multicast.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use valkka::fork::Branch;
use valkka::net::RtpDestination;
use valkka::net::RtpSender;
use valkka::net::server::{Mount, Server};

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
    /// What was written, or could not be.
    described: Option<String>,
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

    /// Writes the description of what is sent, if it has become known or changed. `None` if there was nothing to do.
    pub(super) fn write_sdp(&mut self) -> Option<Result<PathBuf, String>> {
        let sent = self.sent.as_mut()?;
        let path = sent.config.sdp.clone()?;
        let sdp = sent.sender.sdp()?;
        if sent.described.as_ref() == Some(&sdp) {
            return None;
        }
        let written = replace_file(&path, &sdp);
        // Said once, not every second.
        sent.described = Some(sdp);
        Some(match written {
            Ok(()) => Ok(path),
            Err(error) => Err(format!("the description cannot be written to {}: {error}", path.display())),
        })
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
        Ok(Self { _branch: branch, sender, config: config.clone(), described: None })
    }
}

/// Writes a file so that whoever reads it sees the old content or the new, never a part.
fn replace_file(path: &Path, content: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let replaced = fs::write(&new, content).and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // There may be a part of it, where the file system is full. It may not be there either.
        let _ = fs::remove_file(&new);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing_behind() {
        let directory = TempDir::new().unwrap();
        let (file, folder) = (directory.join("a.sdp"), directory.join("b.sdp"));
        replace_file(&file, "v=0").unwrap();
        replace_file(&file, "v=1").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "v=1");
        fs::create_dir(&folder).unwrap();
        assert!(replace_file(&folder, "v=0").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
