//! What the engine's tests share.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka::bitmap::Bitmap;
use valkka::codec::{Codec, FrameRate};
use valkka::fragments::Piece;
use valkka::frame::{Body, Frame, Signal};
use valkka::render::RgbImage;
use valkka::sink::Sink;
use valkka::source::{SourceOptions, Transport};
use valkka::synthetic::{Footage, SceneOptions, SyntheticCameras, SyntheticOptions};
use valkka::{Camera, CameraOptions, Engine, Reconnect, usage};
use valkka_testkit::picture::Picture;
use valkka_testkit::wait;

/// Long enough for anything; a test that needs it has failed.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The silence of a camera that is no outage in most tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each file of fragmented MP4 that began among `pieces`.
pub(crate) fn files(pieces: &[Piece]) -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Begin { data, .. } => files.push(data.to_vec()),
            Piece::Media { data, .. } => files.last_mut().unwrap().extend_from_slice(data),
            _ => {}
        }
    }
    files
}

/// The type of each of them.
pub(crate) fn mimes(pieces: &[Piece]) -> Vec<&str> {
    let mimes = pieces.iter().filter_map(|piece| match piece {
        Piece::Begin { mime, .. } => Some(mime.as_str()),
        _ => None,
    });
    mimes.collect()
}

/// Synthetic cameras of 320 × 240 with a key frame every second, on a free port.
pub(crate) fn cameras(count: u16) -> SyntheticCameras {
    cameras_at("127.0.0.1:0", count)
}

/// Synthetic cameras at this address.
pub(crate) fn cameras_at(listen: &str, count: u16) -> SyntheticCameras {
    SyntheticCameras::start(&options(listen, count)).unwrap()
}

/// What [`cameras_at`] starts.
pub(crate) fn options(listen: &str, count: u16) -> SyntheticOptions {
    let scene = SceneOptions {
        width: 320,
        height: 240,
        frame_rate: FrameRate::new(25, 1).unwrap(),
        ..SceneOptions::new("test")
    };
    SyntheticOptions {
        listen: listen.parse().unwrap(),
        count,
        footage: Footage::Scene { scene, codec: Codec::H264, bitrate_bps: 500_000 },
        credentials: None,
    }
}

/// Connects with patience: that a machine stands still for some seconds is no outage.
pub(crate) fn connect(engine: &Engine, url: &str, transport: Transport) -> Arc<Camera> {
    connect_as(engine, url, transport, Reconnect::After(PATIENCE))
}

/// Connects as a wall would: a silent connection is given up soon.
pub(crate) fn connect_prompt(engine: &Engine, url: &str, transport: Transport) -> Arc<Camera> {
    connect_as(engine, url, transport, Reconnect::PROMPT)
}

fn connect_as(engine: &Engine, url: &str, transport: Transport, reconnect: Reconnect) -> Arc<Camera> {
    let options = CameraOptions {
        source: SourceOptions { transport, silence_timeout: PATIENCE, ..SourceOptions::default() },
        reconnect,
        ..CameraOptions::default()
    };
    let camera = engine.camera(url.parse().unwrap(), options).unwrap();
    camera.connect();
    Arc::new(camera)
}

/// Waits until `camera` has received `more` further frames.
pub(crate) fn wait_for_frames(camera: &Camera, more: u64) {
    let goal = camera.stats().received.get() + more;
    wait::until(SOON, "frames are received", || camera.stats().received.get() >= goal);
}

/// Waits until the decoder of `camera` has decoded `more` pictures without dropping any between them. One that does not get
/// to it for a second, on a machine that does other things, drops some, and then keeps up again; one that is held up does not.
pub(crate) fn wait_for_undropped(camera: &Camera, more: u64) {
    let stats = camera.stats();
    let now = || (stats.decode_dropped.get(), stats.decoded.get());
    let (mut dropped, mut since) = now();
    wait::until(SOON, "the decoder keeps up", || {
        let (dropped_now, decoded) = now();
        if dropped_now != dropped {
            (dropped, since) = (dropped_now, decoded);
        }
        decoded >= since + more
    });
}

/// Keeps what it is given, up to a bound.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Frame>>>);

impl Collector {
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Sink for Collector {
    fn put(&self, frame: Frame) {
        let mut frames = self.0.lock().unwrap();
        if frames.len() < 10_000 {
            frames.push(frame);
        }
    }
}

/// Keeps the signals of a stream, as words: `online TRANSPORT`, `offline: REASON`.
#[derive(Clone, Default)]
pub(crate) struct Signals(Arc<Mutex<Vec<String>>>);

impl Signals {
    pub(crate) fn words(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// How many begin with `word`.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|signal| signal.starts_with(word)).count()
    }
}

impl Sink for Signals {
    fn put(&self, frame: Frame) {
        let word = match frame.body {
            Body::Signal(Signal::Online(info)) => format!("online {}", info.transport),
            Body::Signal(Signal::Offline(reason)) => format!("offline: {reason}"),
            _ => return,
        };
        self.0.lock().unwrap().push(word);
    }
}

/// Tells pictures apart by their samples, all of them.
#[derive(Clone, Default)]
pub(crate) struct Fingerprints(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    count: usize,
    different: HashSet<u64>,
}

impl Fingerprints {
    /// How many pictures came.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().count
    }

    /// The different ones among them.
    pub(crate) fn different(&self) -> HashSet<u64> {
        self.0.lock().unwrap().different.clone()
    }
}

impl Sink for Fingerprints {
    fn put(&self, frame: Frame) {
        let Some(bitmap) = frame.bitmap() else { return };
        let fingerprint = fingerprint(bitmap);
        let mut seen = self.0.lock().unwrap();
        seen.count += 1;
        seen.different.insert(fingerprint);
    }
}

fn fingerprint(bitmap: &Bitmap) -> u64 {
    let mut hasher = DefaultHasher::new();
    (bitmap.width(), bitmap.height()).hash(&mut hasher);
    for index in 0..bitmap.format().planes() {
        let (row, rows) = bitmap.format().plane_size(index, bitmap.width(), bitmap.height());
        let plane = bitmap.plane(index);
        plane.data.chunks(plane.stride_bytes).take(rows).for_each(|line| line[..row].hash(&mut hasher));
    }
    hasher.finish()
}

/// As the test kit looks at pictures.
pub(crate) fn picture(image: RgbImage) -> Picture {
    Picture::new(image.width(), image.height(), image.into_data())
}

/// What this process holds of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    pub(crate) memory_bytes: u64,
}

/// What this process holds now.
pub(crate) fn held() -> Held {
    let count = |directory| fs::read_dir(directory).unwrap().count();
    Held {
        descriptors: count("/proc/self/fd"),
        threads: count("/proc/self/task"),
        memory_bytes: usage::rss_bytes(),
    }
}
