//! The file as it is written: its shape, of which the schema for editors is made. What the values mean is said in
//! [`load`](super::load).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::record::RecordMode;
use super::size::Size;
use crate::role::Role;

/// The configuration of `valkka serve`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "valkka.toml")]
pub(super) struct File {
    /// The RTSP server; without this section there is none.
    pub(super) rtsp: Option<Rtsp>,
    /// The web server; without this section there is none.
    pub(super) web: Option<Web>,
    /// Where and how cameras are recorded; without this section, none is.
    pub(super) record: Option<Record>,
    /// Cameras by name: 1 to 64 letters, digits, "-" and "_". rtsp://…/NAME serves the camera.
    #[serde(default)]
    pub(super) cameras: BTreeMap<String, Camera>,
    /// Users by name. `valkka passwd NAME --file FILE` adds one.
    #[serde(default)]
    pub(super) users: BTreeMap<String, User>,
}

/// The RTSP server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rtsp {
    /// Address and port it listens on, 127.0.0.1:8554 if not given; "0.0.0.0:8554" and "[::]:8554" are all addresses.
    pub(super) listen: Option<String>,
    /// Whether everybody may watch everything without a password.
    #[serde(default)]
    pub(super) anyone: bool,
    /// RTSP over TLS (rtsps://), beside the plain one.
    pub(super) tls: Option<RtspTls>,
    /// Groups for viewers who ask for multicast; without it they do not get it.
    pub(super) multicast: Option<Multicast>,
}

/// RTSP over TLS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RtspTls {
    /// Address and port it listens on, e.g. "0.0.0.0:8322".
    pub(super) listen: String,
    /// The file with the certificate and those that it depends on, in PEM format.
    pub(super) certificate: PathBuf,
    /// The file with the private key, in PEM format.
    pub(super) key: PathBuf,
}

/// Groups for viewers who ask for multicast.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Multicast {
    /// The address of the first camera's group, e.g. "239.255.42.1"; further cameras take the addresses that follow.
    pub(super) address: IpAddr,
    /// The first port.
    #[schemars(range(min = 1024))]
    pub(super) port: u16,
    /// Over how many routers packets may go, 1 if not given.
    #[serde(default = "one")]
    pub(super) ttl: u8,
}

/// The web server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Web {
    /// Address and port it listens on, 127.0.0.1:8080 if not given.
    pub(super) listen: Option<String>,
    /// Whether everybody may watch everything without a password.
    #[serde(default)]
    pub(super) anyone: bool,
    /// If given, the server speaks HTTPS, and no plain HTTP.
    pub(super) tls: Option<WebTls>,
}

/// By which the web server shows who it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebTls {
    /// The file with the certificate and those that it depends on, in PEM format.
    pub(super) certificate: PathBuf,
    /// The file with the private key, in PEM format.
    pub(super) key: PathBuf,
}

/// Where cameras are recorded to, and how, unless they say otherwise.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The directory of the store; it is made if it never was there, and the one that it is to be in must be there.
    pub(super) store: PathBuf,
    /// A partition or disk for the recordings of a new store, e.g. /dev/disk/by-partuuid/…, on which nothing else may be; a
    /// file in the directory if not given.
    pub(super) device: Option<PathBuf>,
    /// How much is reserved when the store is made, e.g. "500 GB"; all of the device if not given. A store that is there keeps its size.
    pub(super) size: Option<Size>,
    /// The blocks of a new store, 1 MB to 1 GiB; chosen by its size if not given. What is deleted goes by blocks.
    pub(super) block_size: Option<Size>,
    /// What a new store must leave free on the disk, "1 GB" if not given.
    pub(super) min_free: Option<Size>,
    /// Memory for the seconds before events, of all cameras together; "512 MB" if not given.
    pub(super) memory: Option<Size>,
    /// When cameras are recorded, always if not given.
    pub(super) mode: Option<RecordMode>,
    /// Seconds from before an event that are recorded with it, 5 if not given.
    #[schemars(range(max = 60))]
    pub(super) before: Option<u16>,
    /// Seconds for which recording goes on after an event, 10 if not given.
    #[schemars(range(max = 3600))]
    pub(super) after: Option<u16>,
    /// What is kept of a camera at most, e.g. "50 GB", also of a removed one; as much as there is room for, if not given.
    pub(super) quota: Option<Size>,
    /// For how many days recordings are kept at most, also of removed cameras; as long as there is room, if not given.
    #[schemars(range(min = 1))]
    pub(super) days: Option<u16>,
    /// How little movement counts as such, from 1 to 100; 50 if not given.
    #[schemars(range(min = 1, max = 100))]
    pub(super) sensitivity: Option<u8>,
}

/// How a camera is recorded; what is not given is as in the section record.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Recording {
    /// When it is recorded.
    pub(super) mode: Option<RecordMode>,
    /// Seconds from before an event that are recorded with it.
    #[schemars(range(max = 60))]
    pub(super) before: Option<u16>,
    /// Seconds for which recording goes on after an event.
    #[schemars(range(max = 3600))]
    pub(super) after: Option<u16>,
    /// What is kept of it at most, e.g. "50 GB".
    pub(super) quota: Option<Size>,
    /// For how many days its recordings are kept at most.
    #[schemars(range(min = 1))]
    pub(super) days: Option<u16>,
    /// How little movement counts as such, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub(super) sensitivity: Option<u8>,
}

/// A camera.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Camera {
    /// Its address: rtsp://…, rtsps://…, an .sdp file, or a device such as /dev/video0.
    pub(super) url: String,
    /// What people read; the name if not given.
    #[serde(default)]
    pub(super) title: String,
    /// How packets are to travel: UDP, or TCP where that fails, if not given.
    #[serde(default)]
    pub(super) transport: Transport,
    /// The user name at the camera, if it is not in the address.
    pub(super) user: Option<String>,
    /// The file with the password of that user on its first line.
    pub(super) password_file: Option<PathBuf>,
    /// Whether it is served over RTSP.
    #[serde(default = "yes")]
    pub(super) serve: bool,
    /// Where it is sent to by RTP, unasked.
    pub(super) multicast: Option<Send>,
    /// How it is recorded, where that differs from the section record.
    pub(super) record: Option<Recording>,
}

/// How packets of a camera travel.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Transport {
    /// UDP, or TCP where that fails.
    #[default]
    Auto,
    /// UDP.
    Udp,
    /// Within the RTSP connection.
    Tcp,
    /// Multicast.
    Multicast,
}

/// Where a camera is sent to by RTP, unasked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    /// The address of a multicast group, or of one machine.
    pub(super) address: IpAddr,
    /// The port of its video; audio goes to the one two above it.
    #[schemars(range(min = 1024))]
    pub(super) port: u16,
    /// Over how many routers packets may go, 1 if not given; 0 keeps them on this machine.
    #[serde(default = "one")]
    pub(super) ttl: u8,
    /// The file to which the description is written that receivers need.
    pub(super) sdp: Option<PathBuf>,
}

/// A user.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    /// The hash of the password, which `valkka passwd` makes.
    #[schemars(regex(pattern = r"^\$argon2"))]
    pub(super) password: String,
    /// The secret of RTSP's Digest authentication, which `valkka passwd --digest` makes.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub(super) digest: Option<String>,
    /// What the user may do, by camera; "*" stands for all cameras. Nothing, if not given.
    #[serde(default)]
    pub(super) roles: BTreeMap<String, Role>,
}

fn yes() -> bool {
    true
}

fn one() -> u8 {
    1
}
