//! What is to run.

mod certificate;
mod check;
mod file;
mod load;
mod problem;
mod read;
mod record;
mod size;
mod tree;

pub use certificate::Certificate;
pub use check::{check_camera_name, check_user_name};
pub use problem::{ConfigError, Position, Problem};
pub(crate) use read::read_bounded;
pub use record::{RecordConfig, RecordMode, RecordingConfig};
pub use size::{BadSize, Size};

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use valkka::source::Transport;
use valkka::url::StreamUrl;

use crate::role::Role;

/// Everything that a [`Site`](crate::Site) runs. It is read from a file by [`Self::load`], or made in Rust.
///
/// Nothing of it is ever executed. `Debug` shows no passwords.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The RTSP server; `None` for none.
    pub rtsp: Option<RtspConfig>,
    /// The web server; `None` for none.
    pub web: Option<WebConfig>,
    /// Where cameras are recorded to; `None` if they are not.
    pub record: Option<RecordConfig>,
    /// Cameras by name: 1 to 64 letters, digits, `-` and `_`. The name is the path of the camera, too.
    pub cameras: BTreeMap<String, CameraConfig>,
    /// Users by name.
    pub users: BTreeMap<String, UserConfig>,
    /// The other files that it was made of: passwords and certificates with their keys.
    pub files: Vec<PathBuf>,
    /// What is odd about the file that it was read from, but does not keep it from being used.
    pub warnings: Vec<Problem>,
}

/// The RTSP server.
#[derive(Clone, Debug, PartialEq)]
pub struct RtspConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether nobody is asked for a password.
    pub anyone: bool,
    /// RTSP over TLS, beside the plain one.
    pub tls: Option<RtspTlsConfig>,
    /// The groups that viewers who ask for multicast are sent to; `None` if they are not to have it.
    pub multicast: Option<MulticastConfig>,
}

/// RTSP over TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct RtspTlsConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// By which it shows who it is.
    pub certificate: Certificate,
}

/// Groups for viewers who ask for multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MulticastConfig {
    /// The address of the groups of the first camera; further cameras take the addresses that follow.
    pub address: IpAddr,
    /// The first port.
    pub port: u16,
    /// Over how many routers packets may go.
    pub ttl: u8,
}

/// The web server.
#[derive(Clone, Debug, PartialEq)]
pub struct WebConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether nobody is asked for a password.
    pub anyone: bool,
    /// If given, it speaks HTTPS, and no plain HTTP.
    pub tls: Option<Certificate>,
}

/// A camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    /// Its address, with what to log in with.
    pub url: StreamUrl,
    /// What people read; its name if empty.
    pub title: String,
    /// How packets are to travel.
    pub transport: Transport,
    /// Whether it is served over RTSP.
    pub serve: bool,
    /// Where it is sent to, unasked.
    pub multicast: Option<SendConfig>,
    /// How it is recorded, if anything is.
    pub record: RecordingConfig,
}

/// Where a camera is sent to by RTP, unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendConfig {
    /// The address of a group, or of a machine.
    pub address: IpAddr,
    /// The port of its video; audio goes to the one two above it.
    pub port: u16,
    /// Over how many routers packets may go.
    pub ttl: u8,
    /// Where the description is written that receivers need.
    pub sdp: Option<PathBuf>,
}

/// A user. `Debug` shows no hashes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserConfig {
    /// The password, hashed by [`hash_password`](crate::hash_password).
    pub password: String,
    /// The secret of Digest authentication, if he may log in by it: the MD5 of name, realm and password in hexadecimal.
    pub digest: Option<String>,
    /// Roles by the names of cameras; `"*"` stands for all cameras.
    pub roles: BTreeMap<String, Role>,
}

impl Config {
    /// The most cameras of one configuration.
    pub const MAX_CAMERAS: usize = 1000;
    /// The most users of one configuration.
    pub const MAX_USERS: usize = 10_000;

    /// What is in the way of running it on this machine at this moment, for people who check a file. Looks at the disk that
    /// is recorded to.
    pub fn doubts(&self) -> Vec<Problem> {
        self.record.iter().filter_map(RecordConfig::doubts).collect()
    }
}

impl RtspConfig {
    /// Port 8554 of this machine alone.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8554);
}

impl Default for RtspConfig {
    /// For this machine alone, and not without a password.
    fn default() -> Self {
        Self { listen: Self::LISTEN, anyone: false, tls: None, multicast: None }
    }
}

impl WebConfig {
    /// Port 8080 of this machine alone.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
}

impl Default for WebConfig {
    /// For this machine alone, and not without a password.
    fn default() -> Self {
        Self { listen: Self::LISTEN, anyone: false, tls: None }
    }
}

impl CameraConfig {
    /// A camera that is received from `url`, served, and always recorded if anything is.
    pub fn new(url: StreamUrl) -> Self {
        Self {
            url,
            title: String::new(),
            transport: Transport::Auto,
            serve: true,
            multicast: None,
            record: RecordingConfig::default(),
        }
    }
}

impl fmt::Debug for UserConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserConfig").field("roles", &self.roles).finish_non_exhaustive()
    }
}
