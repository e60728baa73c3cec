//! The web server of a service, as its configuration wants it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use valkka_site::{Certificate, EventKind, Site, WebConfig};
use valkka_web::{Sessions, Web, WebOptions};

/// The web server, if there is to be one.
#[derive(Debug)]
pub(crate) struct WebService {
    site: Arc<Site>,
    /// They go on when the server is another one.
    sessions: Sessions,
    running: Option<(Web, WebConfig)>,
}

impl WebService {
    /// Starts what the configuration of `site` wants.
    pub(crate) fn start(site: &Arc<Site>) -> anyhow::Result<Self> {
        let mut service = Self { site: site.clone(), sessions: Sessions::default(), running: None };
        if let Some(config) = site.web() {
            let listen = config.listen;
            let started =
                service.open(config).with_context(|| format!("the web server cannot listen at {listen}"))?;
            service.running = Some(started);
        }
        Ok(service)
    }

    /// Goes on as the configuration wants it now. What cannot be had leaves things as they were, and an event says so.
    pub(crate) fn go_on(&mut self) {
        let wanted = self.site.web();
        if wanted.as_ref() == self.running.as_ref().map(|(_, config)| config) {
            return;
        }
        let Some(config) = wanted else {
            self.running = None;
            return;
        };
        if let Some((web, running)) = &mut self.running
            && let Some(certificate) = renewed(running, &config)
        {
            match web.renew_certificate(certificate) {
                Ok(()) => *running = config,
                Err(error) => {
                    let text = format!("the web server goes on with the certificate that it had: {error}");
                    self.site.events().note(None, EventKind::Listener, text);
                }
            }
            return;
        }
        let listen = config.listen;
        let before = self.running.as_ref().map(|(_, config)| config.clone());
        if before.as_ref().is_some_and(|before| before.listen.port() == listen.port()) {
            // The old one is in the way.
            self.running = None;
        }
        match self.open(config) {
            Ok(started) => self.running = Some(started),
            Err(error) => {
                let text = format!("the web server cannot listen at {listen}: {error}");
                self.site.events().note(None, EventKind::Listener, text);
                if self.running.is_none()
                    && let Some(Ok(started)) = before.map(|config| self.open(config))
                {
                    self.running = Some(started);
                }
            }
        }
    }

    /// The address of the page.
    pub(crate) fn url(&self) -> Option<String> {
        self.running.as_ref().map(|(web, _)| web.url())
    }

    /// Whether its thread has given a sign of life within `limit`, or there is none.
    pub(crate) fn answers(&self, limit: Duration) -> bool {
        self.running.as_ref().is_none_or(|(web, _)| web.silence() <= limit)
    }

    fn open(&self, config: WebConfig) -> io::Result<(Web, WebConfig)> {
        let web = Web::resume(self.site.clone(), WebOptions::from(&config), &self.sessions)?;
        Ok((web, config))
    }
}

/// The certificate of `new`, if nothing else is otherwise than in `old`.
fn renewed<'a>(old: &WebConfig, new: &'a WebConfig) -> Option<&'a Certificate> {
    let certificate = old.tls.as_ref().and(new.tls.as_ref())?;
    let but_for_it = WebConfig { tls: old.tls.clone(), ..new.clone() };
    (but_for_it == *old).then_some(certificate)
}
