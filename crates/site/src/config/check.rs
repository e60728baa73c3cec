//! What a configuration must hold to, wherever it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::problem::{ConfigError, Problem};
use super::{CameraConfig, Config, RecordMode, RecordingConfig, SendConfig, UserConfig};
use crate::users::{self, ALL};

/// The names that a file has, also of what could not be made sense of, so that one mistake is not told twice.
pub(super) struct Known {
    pub(super) cameras: BTreeSet<String>,
    pub(super) users: BTreeSet<String>,
}

impl Config {
    /// Checks all of it. What was read from a file is checked already.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(&self) -> Result<(), ConfigError> {
        let known = Known {
            cameras: self.cameras.keys().cloned().collect(),
            users: self.users.keys().cloned().collect(),
        };
        let problems = check(self, &known);
        if problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError { file: None, problems, files: self.files.clone() })
    }
}

/// Whether a camera may be called `name`.
///
/// # Errors
/// How cameras may be called, in words.
pub fn check_camera_name(name: &str) -> Result<(), String> {
    let letters = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    if letters && (1..=MAX_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(format!("a camera's name is 1 to {MAX_NAME} letters, digits, - and _"))
}

/// Whether a user may be called `name`.
///
/// # Errors
/// How users may be called, in words.
pub fn check_user_name(name: &str) -> Result<(), String> {
    // Basic authentication separates name and password by a colon.
    let letters = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.@".contains(letter));
    if letters && (1..=MAX_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(format!("a user's name is 1 to {MAX_NAME} letters, digits, and -, _, . and @"))
}

pub(super) fn check(config: &Config, known: &Known) -> Vec<Problem> {
    let mut checker = Checker { known, problems: Vec::new() };
    checker.listeners(config);
    checker.services(config);
    checker.record(config);
    checker.cameras(&config.cameras);
    for (name, user) in &config.users {
        checker.user(name, user);
    }
    checker.problems
}

/// What holds, but hardly was meant so.
pub(super) fn doubts(config: &Config) -> Vec<Problem> {
    let mut doubts = Vec::new();
    let mut doubt = |path: &[&str], message: &str| {
        doubts.push(Problem::new(path.iter().map(|&key| key.to_owned()).collect(), message));
    };
    if config.cameras.is_empty() {
        doubt(&[], "there is no camera in it");
    }
    let sent = config.cameras.values().any(|camera| camera.multicast.is_some());
    if config.rtsp.is_none() && config.web.is_none() && config.record.is_none() && !sent {
        let message = "nothing is served or recorded: there is no [rtsp], [web] or [record], and no camera is sent unasked";
        doubt(&[], message);
    }
    for (name, _) in config.users.iter().filter(|(_, user)| user.roles.is_empty()) {
        doubt(&["users", name], "without a role for any camera: this user may see nothing");
    }
    doubts
}

struct Checker<'a> {
    known: &'a Known,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Each address has one listener at most.
    fn listeners(&mut self, config: &Config) {
        let mut taken: Vec<(SocketAddr, &[&str])> = Vec::new();
        let rtsp = config.rtsp.as_ref();
        let listeners: [(Option<SocketAddr>, &[&str]); 3] = [
            (rtsp.map(|rtsp| rtsp.listen), &["rtsp", "listen"]),
            (rtsp.and_then(|rtsp| rtsp.tls.as_ref()).map(|tls| tls.listen), &["rtsp", "tls", "listen"]),
            (config.web.as_ref().map(|web| web.listen), &["web", "listen"]),
        ];
        for (address, place) in listeners {
            let Some(address) = address else { continue };
            match taken.iter().find(|(other, _)| collide(*other, address)) {
                Some((other, by)) => {
                    let message = format!("{address} is taken by {}, which is {other}", by.join("."));
                    self.problem(place, message);
                }
                None => taken.push((address, place)),
            }
        }
    }

    /// Nothing is served to whoever comes, unless the configuration says so.
    fn services(&mut self, config: &Config) {
        let services = [
            ("rtsp", config.rtsp.as_ref().map(|rtsp| (rtsp.listen, rtsp.anyone))),
            ("web", config.web.as_ref().map(|web| (web.listen, web.anyone))),
        ];
        for (service, settings) in services {
            if let Some((listen, false)) = settings
                && self.known.users.is_empty()
            {
                let message = format!(
                    "nobody could watch at {listen}: there are no users. Add one by `valkka passwd NAME --file FILE`, or write \
                     anyone = true here to ask nobody"
                );
                self.problem(&[service], message);
            }
        }
        if let Some(multicast) = config.rtsp.as_ref().and_then(|rtsp| rtsp.multicast) {
            let place = ["rtsp", "multicast"];
            if !multicast.address.is_multicast() {
                let message = format!("{} is no multicast address, such as 239.255.42.1", multicast.address);
                self.problem(&[place[0], place[1], "address"], message);
            }
            self.port(&place, multicast.port);
        }
    }

    /// A store has room for all cameras that are recorded.
    fn record(&mut self, config: &Config) {
        let Some(record) = &config.record else { return };
        let recorded = config.cameras.values().filter(|camera| camera.record.mode != RecordMode::Off).count();
        if record.store.as_os_str().is_empty() {
            self.problem(&["record", "store"], "it names no directory");
        }
        if let Err((key, message)) = record.check_size(recorded) {
            self.problem(&["record", key], message);
        }
        for (name, camera) in &config.cameras {
            let RecordingConfig { before, after, sensitivity, .. } = camera.record;
            if before > RecordingConfig::MAX_BEFORE
                || after > RecordingConfig::MAX_AFTER
                || !(1..=100).contains(&sensitivity)
            {
                let message = "before is 60 seconds at most, after 3600, and sensitivity 1 to 100";
                self.problem(&["cameras", name, "record"], message);
            }
        }
    }

    fn cameras(&mut self, cameras: &BTreeMap<String, CameraConfig>) {
        let count = self.known.cameras.len();
        if count > Config::MAX_CAMERAS {
            self.problem(&["cameras"], format!("there are {count}, and may be {}", Config::MAX_CAMERAS));
        }
        for name in &self.known.cameras {
            if let Err(message) = check_camera_name(name) {
                self.problem(&["cameras", name], message);
            }
        }
        let mut sent: Vec<(&str, &SendConfig)> = Vec::new();
        for (name, camera) in cameras {
            if camera.title.chars().count() > MAX_TITLE || camera.title.chars().any(char::is_control) {
                let message = format!("a title is one line of {MAX_TITLE} characters at most");
                self.problem(&["cameras", name, "title"], message);
            }
            if let Err(message) = check_url(camera) {
                self.problem(&["cameras", name, "url"], message);
            }
            let Some(send) = &camera.multicast else { continue };
            self.port(&["cameras", name, "multicast"], send.port);
            let same = |other: &SendConfig| {
                other.sdp.is_some() && other.sdp == send.sdp
                    || other.address == send.address && other.port.abs_diff(send.port) < PORTS
            };
            if let Some((other, _)) = sent.iter().find(|(_, other)| same(other)) {
                let message =
                    format!("cameras.{other} is sent to the same ports, or described in the same file");
                self.problem(&["cameras", name, "multicast"], message);
            }
            sent.push((name, send));
        }
    }

    fn user(&mut self, name: &str, user: &UserConfig) {
        if let Err(message) = check_user_name(name) {
            self.problem(&["users", name], message);
        }
        if let Err(message) = users::check_hash(&user.password) {
            self.problem(&["users", name, "password"], message);
        }
        let is_md5 = |digest: &String| {
            digest.len() == 32 && digest.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'))
        };
        if !user.digest.as_ref().is_none_or(is_md5) {
            let message = "it has not 32 digits of 0-9 and a-f; `valkka passwd --digest` makes it";
            self.problem(&["users", name, "digest"], message);
        }
        for camera in user.roles.keys() {
            if camera != ALL && !self.known.cameras.contains(camera) {
                let message =
                    format!("there is no camera \"{}\"; \"*\" is all cameras", camera.escape_debug());
                self.problem(&["users", name, "roles", camera], message);
            }
        }
    }

    /// RTP goes to even ports, and of a camera's stream to the next pair, too.
    fn port(&mut self, place: &[&str], port: u16) {
        if !(MIN_PORT..=u16::MAX - PORTS).contains(&port) || port % 2 == 1 {
            let message = format!("{port} is no even number from {MIN_PORT} to {}", u16::MAX - PORTS - 1);
            self.problem(&[place, &["port"]].concat(), message);
        }
    }

    fn problem(&mut self, place: &[&str], message: impl Into<String>) {
        self.problems.push(Problem::new(place.iter().map(|&name| name.to_owned()).collect(), message));
    }
}

/// Whether a listener at one address is in the way of one at the other.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let wild = |addr: SocketAddr| addr.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || wild(one) || wild(other))
}

/// Whether there is something that can receive the address. What a host is called there is not looked up.
fn check_url(camera: &CameraConfig) -> Result<(), String> {
    let url = &camera.url;
    match url.scheme() {
        "rtsp" | "rtsps" | "v4l2" => Ok(()),
        "file" if url.file().is_some_and(|file| file.to_ascii_lowercase().ends_with(".sdp")) => Ok(()),
        "file" => Err("of files, only session descriptions (.sdp) can be received".to_owned()),
        scheme => Err(format!("{scheme}:// is none of rtsp://, rtsps:// and v4l2://")),
    }
}

const MAX_NAME: usize = 64;
const MAX_TITLE: usize = 200;
const MIN_PORT: u16 = 1024;
/// Ports that a stream takes: RTP and RTCP of video and of audio.
const PORTS: u16 = 4;
