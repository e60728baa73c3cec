//! What the daemon runs, without HTTP: cameras, users and services, from one file.
//!
//! A [`Config`] is read from a file, or made in Rust, and checked as a whole. A [`Site`] runs it: it receives the cameras,
//! serves them over RTSP, sends them by multicast, records them and keeps what the browser needs, and takes a new
//! configuration at any time, by which only what changed restarts. Who may watch what is said by its [`Users`]; what happened
//! is in its [`EventLog`], what was recorded in its [`Archive`].
//!
//! ```no_run
//! use valkka_site::{Config, Site};
//!
//! let site = Site::start(Config::load("valkka.toml".as_ref())?)?;
//! for camera in site.cameras() {
//!     println!("{:?}", camera.status());
//! }
//! let changes = site.apply(Config::load("valkka.toml".as_ref())?)?;
//! println!("{changes}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod access;
mod archive;
mod camera;
mod config;
mod event;
mod event_memory;
mod known_stores;
mod meter;
mod retry;
mod role;
mod site;
mod status;
mod users;

pub use archive::{Archive, ArchiveState};
pub use camera::SiteCamera;
pub use config::{
    BadSize, CameraConfig, Certificate, Config, ConfigError, MulticastConfig, Position, Problem,
    RecordConfig, RecordMode, RecordingConfig, RtspConfig, RtspTlsConfig, SendConfig, Size, UserConfig,
    WebConfig, check_camera_name, check_user_name,
};
pub use event::{Event, EventKind, EventLog, Subscription};
pub use role::Role;
pub use site::{Changes, Site, SiteError};
pub use status::{CameraState, CameraStatus, RecordingState, RecordingStatus, Viewers};
pub use users::{MAX_PASSWORD_BYTES, PasswordError, User, Users, hash_password};
