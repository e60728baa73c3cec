//! The RTSP server of a site.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use valkka::net::server::{Listener, MulticastRange, Server, ServerOptions};
use valkka::reason::reason;

use super::SiteError;
use super::host::reachable;
use crate::access::Access;
use crate::config::{RtspConfig, RtspTlsConfig};
use crate::event::{EventKind, EventLog};

/// The server, and how it was asked for.
pub(super) struct Rtsp {
    /// Dropped first: it frees its address.
    tls: Option<Tls>,
    server: Arc<Server>,
    config: RtspConfig,
}

struct Tls {
    listener: Listener,
    config: RtspTlsConfig,
}

impl Rtsp {
    pub(super) fn start(config: &RtspConfig, access: &Arc<Access>) -> Result<Self, SiteError> {
        let options = ServerOptions {
            access: access.clone(),
            multicast: config.multicast.map(|range| MulticastRange {
                address: range.address,
                port: range.port,
                ttl: range.ttl,
            }),
            ..ServerOptions::default()
        };
        let server = Server::bind(config.listen, options).map_err(|cause| fail(config.listen, cause))?;
        let tls = config.tls.as_ref().map(|tls| Tls::start(tls, &server)).transpose()?;
        Ok(Self { tls, server: Arc::new(server), config: config.clone() })
    }

    /// Whether the server must end to go on as `new` says: the groups are those of the server as a whole.
    pub(super) fn must_end(&self, new: Option<&RtspConfig>) -> bool {
        new.is_none_or(|new| new.multicast != self.config.multicast)
    }

    /// Goes on as `new` says, and has those who watch notice it as little as can be. What cannot be had stays as it was,
    /// and an event says so.
    pub(super) fn go_on(
        old: Option<Self>,
        new: Option<&RtspConfig>,
        access: &Arc<Access>,
        events: &EventLog,
    ) -> Option<Self> {
        let new = new?;
        let mut failures = Vec::new();
        let rtsp = match old {
            Some(mut old) if !old.must_end(Some(new)) => {
                old.change(new, &mut failures);
                Some(old)
            }
            // Its address must be free before the next one takes it.
            Some(old) => {
                let before = old.config.clone();
                drop(old);
                Self::start(new, access)
                    .or_else(|error| {
                        failures.push(error);
                        Self::start(&before, access)
                    })
                    .map_err(|error| failures.push(error))
                    .ok()
            }
            None => Self::start(new, access).map_err(|error| failures.push(error)).ok(),
        };
        for failure in failures {
            events.note(None, EventKind::Listener, reason(&failure));
        }
        rtsp
    }

    /// The server, for those who are to be served.
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Where it listens, as people write it.
    pub(super) fn urls(&self) -> Vec<String> {
        let plain = format!("rtsp://{}", reachable(self.server.local_addr()));
        let tls = self.tls.as_ref().map(|tls| format!("rtsps://{}", reachable(tls.listener.local_addr())));
        [Some(plain), tls].into_iter().flatten().collect()
    }

    fn change(&mut self, new: &RtspConfig, failures: &mut Vec<SiteError>) {
        if self.config.listen != new.listen {
            match self.server.move_to(new.listen) {
                Ok(()) => self.config.listen = new.listen,
                Err(cause) => failures.push(fail(new.listen, cause)),
            }
        }
        let done = match (&mut self.tls, &new.tls) {
            (Some(old), Some(new)) => old.change(new, &self.server),
            (tls, None) => {
                *tls = None;
                Ok(())
            }
            (tls, Some(new)) => Tls::start(new, &self.server).map(|started| *tls = Some(started)),
        };
        failures.extend(done.err());
        self.config.anyone = new.anyone;
    }
}

impl Tls {
    fn start(config: &RtspTlsConfig, server: &Server) -> Result<Self, SiteError> {
        let identity =
            config.certificate.identity().map_err(|error| fail(config.listen, io::Error::other(error)))?;
        let listener =
            server.listen_tls(config.listen, &identity).map_err(|cause| fail(config.listen, cause))?;
        Ok(Self { listener, config: config.clone() })
    }

    fn change(&mut self, new: &RtspTlsConfig, server: &Server) -> Result<(), SiteError> {
        if self.config.listen != new.listen {
            *self = Self::start(new, server)?;
        } else if self.config != *new {
            let identity =
                new.certificate.identity().map_err(|error| fail(new.listen, io::Error::other(error)))?;
            self.listener.set_identity(identity);
            self.config = new.clone();
        }
        Ok(())
    }
}

fn fail(address: SocketAddr, cause: io::Error) -> SiteError {
    SiteError::Listen { service: "RTSP", address, cause }
}
