//! The RTSP server of a site.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use valkka::net::server::{Listener, MulticastRange, Server, ServerOptions, TlsIdentity};
use valkka::reason::reason;

use super::SiteError;
use super::host::reachable;
use crate::access::Access;
use crate::config::{RtspConfig, RtspTlsConfig};

/// The server, and how it runs.
pub(super) struct Rtsp {
    /// Dropped first: it frees its address.
    tls: Option<Listener>,
    server: Arc<Server>,
    /// What was asked for, as far as it could be had.
    config: RtspConfig,
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
        let tls = config.tls.as_ref().map(|tls| listen_tls(tls, &server)).transpose()?;
        Ok(Self { tls, server: Arc::new(server), config: config.clone() })
    }

    /// Whether the server must end to go on as `new` says: the groups are those of the server as a whole.
    pub(super) fn must_end(&self, new: Option<&RtspConfig>) -> bool {
        new.is_none_or(|new| new.multicast != self.config.multicast)
    }

    /// How it runs.
    pub(super) fn config(&self) -> &RtspConfig {
        &self.config
    }

    /// Goes on as `new` says, and has those who watch notice it as little as can be. What cannot be had stays as it was; why,
    /// is returned in words.
    pub(super) fn go_on(
        old: Option<Self>,
        new: Option<&RtspConfig>,
        access: &Arc<Access>,
    ) -> (Option<Self>, Option<String>) {
        let Some(new) = new else { return (None, None) };
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
        let failures: Vec<_> = failures.iter().map(|failure| reason(failure)).collect();
        (rtsp, (!failures.is_empty()).then(|| failures.join("; ")))
    }

    /// The server, for those who are to be served.
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Where it listens, as people write it.
    pub(super) fn urls(&self) -> Vec<String> {
        let plain = format!("rtsp://{}", reachable(self.server.local_addr()));
        let tls = self.tls.as_ref().map(|tls| format!("rtsps://{}", reachable(tls.local_addr())));
        [Some(plain), tls].into_iter().flatten().collect()
    }

    fn change(&mut self, new: &RtspConfig, failures: &mut Vec<SiteError>) {
        if self.config.listen != new.listen {
            match self.server.move_to(new.listen) {
                Ok(()) => self.config.listen = new.listen,
                Err(cause) => failures.push(fail(new.listen, cause)),
            }
        }
        if self.config.tls != new.tls {
            match self.change_tls(new.tls.as_ref()) {
                Ok(()) => self.config.tls.clone_from(&new.tls),
                Err(error) => failures.push(error),
            }
        }
        self.config.anyone = new.anyone;
    }

    fn change_tls(&mut self, new: Option<&RtspTlsConfig>) -> Result<(), SiteError> {
        match (&self.tls, &self.config.tls, new) {
            (Some(listener), Some(old), Some(new)) if old.listen == new.listen => {
                listener.set_identity(identity(new)?);
            }
            (_, _, Some(new)) => self.tls = Some(listen_tls(new, &self.server)?),
            (_, _, None) => self.tls = None,
        }
        Ok(())
    }
}

fn listen_tls(config: &RtspTlsConfig, server: &Server) -> Result<Listener, SiteError> {
    let identity = identity(config)?;
    server.listen_tls(config.listen, &identity).map_err(|cause| fail(config.listen, cause))
}

fn identity(config: &RtspTlsConfig) -> Result<TlsIdentity, SiteError> {
    config.certificate.identity().map_err(|error| fail(config.listen, io::Error::other(error)))
}

fn fail(address: SocketAddr, cause: io::Error) -> SiteError {
    SiteError::Listen { service: "RTSP", address, cause }
}
