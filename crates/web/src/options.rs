//! How the web server is to run.

use std::net::SocketAddr;
use std::time::Duration;

use valkka_site::{Certificate, WebConfig};

/// How a [`Web`](crate::Web) is to run. All fields are free.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Whether everybody may watch everything without being asked who he is. Who logs in all the same may do what his
    /// roles say.
    pub anyone: bool,
    /// By which it shows who it is; if given, it speaks HTTPS, and no plain HTTP.
    pub tls: Option<Certificate>,
    /// The index of the CPU its thread is bound to.
    pub affinity: Option<usize>,
    /// Connections at the same time; more are closed as they come.
    pub max_connections: usize,
    /// Connections from one address (for IPv6, from one network of 64 bits) at the same time. This machine's own addresses
    /// are not bound by it.
    pub max_connections_per_peer: usize,
    /// WebSockets of one user at the same time.
    pub max_sockets_per_user: usize,
    /// A connection that has not sent the head of a request within this time is closed.
    pub request_timeout: Duration,
    /// A connection that takes nothing, or next to nothing, of what is there for it is closed once it was waited for so long;
    /// so is one that does not answer within this time when it is asked for a sign of life.
    pub patience: Duration,
    /// Who is logged in and does nothing for so long is logged out.
    pub session_idle: Duration,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            listen: WebConfig::LISTEN,
            anyone: false,
            tls: None,
            affinity: None,
            max_connections: 1024,
            max_connections_per_peer: 64,
            max_sockets_per_user: 32,
            request_timeout: Duration::from_secs(15),
            patience: Duration::from_secs(60),
            session_idle: Duration::from_secs(12 * 60 * 60),
        }
    }
}

impl From<&WebConfig> for WebOptions {
    /// What a configuration says of the web server.
    fn from(config: &WebConfig) -> Self {
        let WebConfig { listen, anyone, tls } = config;
        Self { listen: *listen, anyone: *anyone, tls: tls.clone(), ..Self::default() }
    }
}
