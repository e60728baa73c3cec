//! From what is written to what it means.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use valkka::source;
use valkka::url::{Credentials, StreamUrl};

use super::check::{self, Known};
use super::problem::{ConfigError, Problem};
use super::read::read_bounded;
use super::size::Size;
use super::tree::Tree;
use super::{
    CameraConfig, Certificate, Config, MulticastConfig, RecordConfig, RecordMode, RecordingConfig,
    RtspConfig, RtspTlsConfig, SendConfig, UserConfig, WebConfig, file,
};

impl Config {
    /// Reads the file at `path`, and the files that it names. Relative paths in it start at its directory.
    ///
    /// # Errors
    /// All that is wrong with it, with the places.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = Self::read(path)?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        let mut config = Self::parse(&text, directory)
            .map_err(|error| ConfigError { file: Some(path.to_owned()), ..error })?;
        let is_secret = |url: &StreamUrl| url.credentials().is_some();
        let secret = text.contains('@') && config.cameras.values().any(|camera| is_secret(&camera.url))
            || config.users.values().any(|user| user.digest.is_some());
        if secret && is_world_readable(path) {
            let message = "it holds secrets, and every user of this machine may read it: `chmod o-r` it";
            config.warnings.push(Problem::new(Vec::new(), message));
        }
        Ok(config)
    }

    /// The text of the file at `path`, whatever it says.
    ///
    /// # Errors
    /// If it cannot be read, is no file, has more than 4 MiB, or is no UTF-8.
    pub fn read(path: &Path) -> Result<String, ConfigError> {
        let fail = |message: String| ConfigError {
            file: Some(path.to_owned()),
            problems: vec![Problem::new(Vec::new(), message)],
            files: Vec::new(),
        };
        let bytes =
            read_bounded(path, MAX_BYTES).map_err(|message| fail(format!("cannot read it: {message}")))?;
        String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&byte| byte == b'\n');
            fail(format!("line {} is no UTF-8", line.count() + 1))
        })
    }

    /// Reads `text`, and the files that it names. Relative paths in it start at `directory`.
    ///
    /// # Errors
    /// All that is wrong with it, with the places.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, ConfigError> {
        let fail = |problems, files| ConfigError { file: None, problems, files };
        let tree = Tree::parse(text).map_err(|problems| fail(problems, Vec::new()))?;
        let (file, mut problems) = tree.read::<file::File>();
        let known = Known { cameras: tree.names("cameras"), users: tree.names("users") };
        let mut reader = Reader { directory, files: Vec::new(), problems: Vec::new(), warnings: Vec::new() };
        let mut config = reader.config(file);
        reader.problems.extend(check::check(&config, &known));
        reader.problems.iter_mut().chain(&mut reader.warnings).for_each(|problem| tree.place(problem));
        problems.append(&mut reader.problems);
        if problems.is_empty() {
            config.warnings = check::doubts(&config);
            config.warnings.iter_mut().for_each(|doubt| tree.place(doubt));
            config.warnings.append(&mut reader.warnings);
            return Ok(config);
        }
        problems.sort_by_key(|problem| problem.position);
        Err(fail(problems, config.files))
    }

    /// The JSON schema of the file, by which editors check and complete it.
    pub fn schema() -> String {
        let schema = schemars::schema_for!(file::File);
        serde_json::to_string_pretty(&schema).expect("a schema has no keys but text") + "\n"
    }
}

/// Makes values of what is written, and notes what makes none.
struct Reader<'a> {
    directory: &'a Path,
    /// What was read.
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self, file: file::File) -> Config {
        let rtsp = file.rtsp.map(|rtsp| self.rtsp(rtsp));
        let web = file.web.map(|web| self.web(web));
        let (record, recording) = file.record.map(|record| self.record(record)).unzip();
        let mut cameras = BTreeMap::new();
        for (name, camera) in file.cameras {
            if let Some(camera) = self.camera(&name, camera, recording.as_ref()) {
                cameras.insert(name, camera);
            }
        }
        let user =
            |user: file::User| UserConfig { password: user.password, digest: user.digest, roles: user.roles };
        let users = file.users.into_iter().map(|(name, written)| (name, user(written))).collect();
        let files = std::mem::take(&mut self.files);
        Config { rtsp, web, record, cameras, users, files, warnings: Vec::new() }
    }

    fn rtsp(&mut self, rtsp: file::Rtsp) -> RtspConfig {
        let tls = rtsp.tls.and_then(|tls| {
            let at = ["rtsp", "tls"];
            let listen = self.listen(&["rtsp", "tls", "listen"], &tls.listen);
            let certificate = self.certificate(&at, &tls.certificate, &tls.key);
            Some(RtspTlsConfig { listen: listen?, certificate: certificate? })
        });
        let multicast = rtsp.multicast.map(|file::Multicast { address, port, ttl }| MulticastConfig {
            address,
            port,
            ttl,
        });
        let listen = rtsp.listen.and_then(|listen| self.listen(&["rtsp", "listen"], &listen));
        RtspConfig { listen: listen.unwrap_or(RtspConfig::LISTEN), anyone: rtsp.anyone, tls, multicast }
    }

    fn web(&mut self, web: file::Web) -> WebConfig {
        let tls = web.tls.and_then(|tls| self.certificate(&["web", "tls"], &tls.certificate, &tls.key));
        let listen = web.listen.and_then(|listen| self.listen(&["web", "listen"], &listen));
        WebConfig { listen: listen.unwrap_or(WebConfig::LISTEN), anyone: web.anyone, tls }
    }

    /// Where to record, and how cameras are recorded that do not say otherwise.
    fn record(&mut self, record: file::Record) -> (RecordConfig, RecordingConfig) {
        let file::Record { mode, before, after, quota, days, sensitivity, .. } = record;
        let said = file::Recording { mode, before, after, quota, days, sensitivity };
        let recording = self.recording(&["record"], said, RecordingConfig::default());
        let bytes = |size: Option<Size>| size.map(|Size(bytes)| bytes);
        let config = RecordConfig {
            store: self.resolve(&record.store),
            device: record.device.as_deref().map(|device| self.resolve(device)),
            size: bytes(record.size),
            block_size: bytes(record.block_size),
            min_free: bytes(record.min_free).unwrap_or(RecordConfig::MIN_FREE),
            event_memory: bytes(record.memory).unwrap_or(RecordConfig::EVENT_MEMORY),
            others: recording.retention(),
            known_stores: None,
        };
        (config, recording)
    }

    /// How a camera is recorded: as `otherwise` where nothing else is said.
    fn recording(
        &mut self,
        place: &[&str],
        said: file::Recording,
        otherwise: RecordingConfig,
    ) -> RecordingConfig {
        // What is out of its range is told, and as if it had not been said.
        let mut bounded = |key: &str, value: Option<u16>, min: u16, max: u16| {
            let (fits, value) = (value.is_none_or(|value| (min..=max).contains(&value)), value?);
            if !fits {
                let message = format!("{value} is no whole number from {min} to {max}");
                self.problem(&[place, &[key]].concat(), message);
            }
            fits.then_some(u64::from(value))
        };
        let max_seconds = |limit: Duration| u16::try_from(limit.as_secs()).unwrap_or(u16::MAX);
        let before = bounded("before", said.before, 0, max_seconds(RecordingConfig::MAX_BEFORE));
        let after = bounded("after", said.after, 0, max_seconds(RecordingConfig::MAX_AFTER));
        let days = bounded("days", said.days, 1, u16::MAX);
        let sensitivity = bounded("sensitivity", said.sensitivity.map(u16::from), 1, 100);
        RecordingConfig {
            mode: said.mode.unwrap_or(otherwise.mode),
            before: before.map_or(otherwise.before, Duration::from_secs),
            after: after.map_or(otherwise.after, Duration::from_secs),
            quota: said.quota.map(|Size(bytes)| bytes).or(otherwise.quota),
            keep: days.map(|days| Duration::from_secs(days * 24 * 60 * 60)).or(otherwise.keep),
            sensitivity: sensitivity.map_or(otherwise.sensitivity, |value| value as u8),
        }
    }

    /// A camera, which is recorded as `recording` says unless it says otherwise itself.
    fn camera(
        &mut self,
        name: &str,
        camera: file::Camera,
        recording: Option<&RecordingConfig>,
    ) -> Option<CameraConfig> {
        let url = match camera.url.parse::<StreamUrl>() {
            Ok(url) => Some(match url.file() {
                Some(file) => self
                    .resolve(Path::new(file))
                    .to_str()
                    .map_or(url.clone(), |path| path.parse().unwrap_or(url.clone())),
                None => url,
            }),
            Err(error) => {
                self.problem(&["cameras", name, "url"], format!("it is no address of a camera: {error}"));
                None
            }
        };
        let credentials = self.credentials(name, camera.user, camera.password_file, url.as_ref());
        let multicast = camera.multicast.map(|send| SendConfig {
            address: send.address,
            port: send.port,
            ttl: send.ttl,
            sdp: send.sdp.map(|path| self.resolve(&path)),
        });
        let url = match credentials {
            Some(credentials) => url?.with_credentials(credentials),
            None => url?,
        };
        let transport = match camera.transport {
            file::Transport::Auto => source::Transport::Auto,
            file::Transport::Udp => source::Transport::Udp,
            file::Transport::Tcp => source::Transport::Tcp,
            file::Transport::Multicast => source::Transport::Multicast,
        };
        let said = camera.record;
        if recording.is_none() && said.as_ref().is_some_and(|said| said.mode != Some(RecordMode::Off)) {
            let message = "there is no [record] that says where to";
            self.problem(&["cameras", name, "record"], message);
        }
        let otherwise = recording.copied().unwrap_or_default();
        let record = self.recording(&["cameras", name, "record"], said.unwrap_or_default(), otherwise);
        Some(CameraConfig { url, title: camera.title, transport, serve: camera.serve, multicast, record })
    }

    /// What to log in to a camera with, unless its address says it.
    fn credentials(
        &mut self,
        name: &str,
        user: Option<String>,
        password_file: Option<PathBuf>,
        url: Option<&StreamUrl>,
    ) -> Option<Credentials> {
        let place = ["cameras", name, if user.is_some() { "user" } else { "password_file" }];
        let (username, path) = match (user, password_file) {
            (None, None) => return None,
            (Some(user), Some(path)) => (user, self.resolve(&path)),
            _ => {
                self.problem(&place, "user and password_file go together");
                return None;
            }
        };
        if url.is_some_and(|url| url.credentials().is_some()) {
            self.problem(&place, "there is a user in the address, too: one of them must go");
        }
        let place = ["cameras", name, "password_file"];
        self.files.push(path.clone());
        let text = read_bounded(&path, MAX_PASSWORD_FILE)
            .map_err(|error| format!("cannot read {}: {error}", path.display()));
        let text = text.and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| format!("{} is no UTF-8", path.display()))
        });
        match text.as_ref().map(|text| text.lines().next().unwrap_or_default()) {
            Err(message) => self.problem(&place, message),
            Ok("") => self.problem(&place, format!("the first line of {} is empty", path.display())),
            Ok(password) => {
                if is_world_readable(&path) {
                    let message =
                        format!("every user of this machine may read {}: `chmod o-r` it", path.display());
                    self.warnings.push(Problem::new(owned(&place), message));
                }
                return Some(Credentials { username, password: password.to_owned() });
            }
        }
        None
    }

    fn certificate(&mut self, place: &[&str], certificate: &Path, key: &Path) -> Option<Certificate> {
        let (certificate, key) = (self.resolve(certificate), self.resolve(key));
        self.files.extend([certificate.clone(), key.clone()]);
        let certificate = Certificate::new(certificate, key);
        let checked = certificate.and_then(|certificate| match certificate.identity() {
            Ok(_) => Ok(certificate),
            Err(error) => Err(io::Error::other(error)),
        });
        match checked {
            Ok(certificate) => Some(certificate),
            Err(error) => {
                self.problem(place, error.to_string());
                None
            }
        }
    }

    fn listen(&mut self, place: &[&str], text: &str) -> Option<SocketAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let how = "like \"127.0.0.1:8554\" or \"[::1]:8554\", an address and a port; 0.0.0.0 and [::] are all addresses";
            self.problem(place, format!("\"{}\" must be {how}", text.escape_debug()));
        }
        parsed
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn problem(&mut self, place: &[&str], message: impl Into<String>) {
        self.problems.push(Problem::new(owned(place), message));
    }
}

fn owned(place: &[&str]) -> Vec<String> {
    place.iter().map(|&name| name.to_owned()).collect()
}

fn is_world_readable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
}

/// A thousand cameras take a tenth of it.
const MAX_BYTES: u64 = 4 << 20;
const MAX_PASSWORD_FILE: u64 = 64 << 10;
