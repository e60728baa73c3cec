//! What the tests of the web server share: a site with cameras and users, and clients that nobody here wrote.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

pub(crate) mod past;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};
use ureq::http::Response;
use ureq::{Agent, Body};
use valkka::codec::{Codec, FrameRate};
use valkka::synthetic::{Footage, SceneOptions, SyntheticCameras, SyntheticOptions};
use valkka::url::Credentials;
use valkka_site::{CameraConfig, CameraState, Config, RecordConfig, Role, Site, UserConfig, hash_password};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;
use valkka_web::{Web, WebOptions};

/// Long enough for anything; a test that needs it has failed.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What the cameras ask for.
pub(crate) const CAMERA_PASSWORD: &str = "camera-secret-7f3a";

/// Users by name: what they may do, and with which camera. Passwords are [`password`].
pub(crate) const USERS: [(&str, &str, Role); 4] = [
    ("viewer", "front", Role::Viewer),
    ("other", "back", Role::Viewer),
    ("operator", "front", Role::Operator),
    ("admin", "*", Role::Admin),
];

/// The password of `user`.
pub(crate) fn password(user: &str) -> String {
    format!("{user}-secret-91bc")
}

/// Cameras, a site that receives them as `front` and `back`, and a web server.
pub(crate) struct Stage {
    pub(crate) web: Web,
    pub(crate) site: Arc<Site>,
    pub(crate) cameras: SyntheticCameras,
    /// With the recordings, if there are any. Dropped last.
    pub(crate) directory: Option<TempDir>,
}

impl Stage {
    pub(crate) fn new(options: WebOptions) -> Self {
        Self::with_codec(options, Codec::H264)
    }

    /// With cameras that are recorded.
    pub(crate) fn recording(options: WebOptions) -> Self {
        Self::start(options, Codec::H264, Some(TempDir::new().unwrap()))
    }

    /// With cameras that are recorded into the store in `directory`.
    pub(crate) fn over(directory: TempDir, options: WebOptions) -> Self {
        Self::start(options, Codec::H264, Some(directory))
    }

    /// With cameras of this codec.
    pub(crate) fn with_codec(options: WebOptions, codec: Codec) -> Self {
        Self::start(options, codec, None)
    }

    fn start(options: WebOptions, codec: Codec, directory: Option<TempDir>) -> Self {
        let cameras = cameras(codec);
        let record = |directory: &TempDir| RecordConfig {
            min_free: 0,
            ..RecordConfig::new(directory.join("store"), Some(64 << 20))
        };
        let config = Config { record: directory.as_ref().map(record), ..config(&cameras) };
        let site = Arc::new(Site::start(config).unwrap());
        let options = WebOptions { listen: "127.0.0.1:0".parse().unwrap(), ..options };
        let web = Web::start(site.clone(), options).unwrap();
        wait::until(SOON, "the cameras are connected", || {
            site.cameras().iter().all(|camera| {
                let status = camera.status();
                status.state == CameraState::Online && status.frames > 0
            })
        });
        Self { web, site, cameras, directory }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.web.local_addr()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// The configuration that it runs, to be changed and applied.
    pub(crate) fn config(&self) -> Config {
        config(&self.cameras)
    }
}

/// Two cameras of 320 × 240 with a key frame every second, which ask for a password.
fn cameras(codec: Codec) -> SyntheticCameras {
    let scene = SceneOptions {
        width: 320,
        height: 240,
        frame_rate: FrameRate::new(25, 1).unwrap(),
        frames: 25,
        ..SceneOptions::new("test")
    };
    let credentials = Credentials { username: "camera".into(), password: CAMERA_PASSWORD.into() };
    SyntheticCameras::start(&SyntheticOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        count: 2,
        footage: Footage::Scene { scene, codec, bitrate_bps: 500_000 },
        credentials: Some(credentials),
    })
    .unwrap()
}

fn config(cameras: &SyntheticCameras) -> Config {
    let urls = cameras.urls();
    let camera = |url: &str| {
        let url = url.replace("rtsp://", &format!("rtsp://camera:{CAMERA_PASSWORD}@"));
        CameraConfig::new(url.parse().unwrap())
    };
    let named = ["front", "back"].into_iter().zip(&urls);
    Config {
        cameras: named.map(|(name, url)| (name.to_owned(), camera(url))).collect(),
        users: users(),
        ..Config::default()
    }
}

/// All [`USERS`]. Hashing takes a while, and is done once.
fn users() -> BTreeMap<String, UserConfig> {
    static USERS_HASHED: OnceLock<BTreeMap<String, UserConfig>> = OnceLock::new();
    let hash = |(name, camera, role): (&str, &str, Role)| {
        let roles = BTreeMap::from([(camera.to_owned(), role)]);
        let config =
            UserConfig { password: hash_password(&password(name)).unwrap(), roles, ..UserConfig::default() };
        (name.to_owned(), config)
    };
    USERS_HASHED.get_or_init(|| USERS.into_iter().map(hash).collect()).clone()
}

/// Asks a web server, as `ureq` does.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    address: SocketAddr,
    /// Headers of each request.
    headers: Vec<(&'static str, String)>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(SOON));
        Self { agent: config.build().new_agent(), address, headers: Vec::new() }
    }

    /// With one header more in each request.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With name and password in each request.
    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.with("authorization", &format!("Basic {encoded}"))
    }

    /// With the cookie that logging in brings.
    pub(crate) fn log_in(self, user: &str) -> Self {
        let answer = self.post("/api/login", &json!({ "user": user, "password": password(user) }));
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        self.with("cookie", &cookie)
    }

    /// What is at `path`, for who comes again when he is told that the server is busy.
    pub(crate) fn get(&self, path: &str) -> Response<Body> {
        patiently(|| self.get_once(path))
    }

    /// What is answered at once.
    pub(crate) fn get_once(&self, path: &str) -> Response<Body> {
        let mut request = self.agent.get(format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.call().unwrap()
    }

    /// Asks, and reads no more of the answer than that there is one; all else is left unread.
    pub(crate) fn begin(&self, path: &str) -> TcpStream {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", self.address);
        let mut status = [0; 12];
        let stream = wait::until_some(SOON, "the server is not too busy", || {
            let mut stream = TcpStream::connect(self.address).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.read_exact(&mut status).unwrap();
            (&status != b"HTTP/1.1 503").then_some(stream)
        });
        assert_eq!(&status, b"HTTP/1.1 200", "{path}");
        stream
    }

    /// As [`Self::get`].
    pub(crate) fn head(&self, path: &str) -> Response<Body> {
        patiently(|| {
            let mut request = self.agent.head(format!("http://{}{path}", self.address));
            for (name, value) in &self.headers {
                request = request.header(*name, value);
            }
            request.call().unwrap()
        })
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response<Body> {
        let mut request = self.agent.post(format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.header("content-type", "application/json").send(body.to_string()).unwrap()
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        json_of(self.get(path))
    }

    /// Opens the WebSocket, or returns the status by which it was refused.
    pub(crate) fn socket(&self) -> Result<Socket, u16> {
        let mut request = format!("ws://{}/api/live", self.address).into_client_request().unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Asks again while the answer is that the server is busy; the last answer.
fn patiently(ask: impl Fn() -> Response<Body>) -> Response<Body> {
    let deadline = Instant::now() + SOON;
    loop {
        let late = Instant::now() >= deadline;
        let answer = ask();
        if late || answer.status() != 503 {
            return answer;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The body of an answer that has to be JSON.
pub(crate) fn json_of(mut response: Response<Body>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap()
}

/// A WebSocket, as `tungstenite` speaks it.
pub(crate) struct Socket(pub(crate) WebSocket<TcpStream>);

/// What comes over a [`Socket`].
#[derive(Debug)]
pub(crate) enum Heard {
    Text(Value),
    /// Kind, number of the watch and bytes.
    Piece(u8, u32, Vec<u8>),
    /// The code and reason of the goodbye.
    Close(u16, String),
}

impl Socket {
    pub(crate) fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    pub(crate) fn watch(&mut self, id: u32, camera: &str) {
        self.say(&json!({ "type": "watch", "id": id, "camera": camera }));
    }

    /// The next message that is not a ping.
    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => return Heard::Text(serde_json::from_str(&text).unwrap()),
                Message::Binary(bytes) => {
                    assert_eq!(bytes[1..4], [0; 3]);
                    let id = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
                    return Heard::Piece(bytes[0], id, bytes[8..].to_vec());
                }
                Message::Close(frame) => {
                    let frame = frame.unwrap();
                    return Heard::Close(frame.code.into(), frame.reason.to_string());
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => (),
            }
        }
    }

    /// The next text message of this type; others are passed over.
    pub(crate) fn hear_text(&mut self, kind: &str) -> Value {
        loop {
            match self.hear() {
                Heard::Text(value) if value["type"] == kind => return value,
                Heard::Close(code, reason) => panic!("closed while waiting for {kind}: {code} {reason}"),
                Heard::Text(_) | Heard::Piece(..) => (),
            }
        }
    }

    /// The code and reason of the goodbye; all else is passed over.
    pub(crate) fn hear_close(&mut self) -> (u16, String) {
        loop {
            if let Heard::Close(code, reason) = self.hear() {
                return (code, reason);
            }
        }
    }
}

/// Sends bytes as they are, and returns the status line of the answer; `None` if the connection was closed without one.
pub(crate) fn raw(address: SocketAddr, request: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // It may be refused before it was sent to its end.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..length]);
        if answer.contains(&b'\n') {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().map(str::to_owned)
}
