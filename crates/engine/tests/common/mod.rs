//! What the engine's tests share.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka::codec::{Codec, FrameRate};
use valkka::frame::Frame;
use valkka::sink::Sink;
use valkka::source::{SourceOptions, Transport};
use valkka::synthetic::{Footage, SceneOptions, SyntheticCameras, SyntheticOptions};
use valkka::{Camera, CameraOptions, Engine, Reconnect};
use valkka_testkit::wait;

/// Long enough for anything; a test that needs it has failed.
pub(crate) const SOON: Duration = Duration::from_secs(60);

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

/// Connects as a wall would: a silent connection is given up soon.
pub(crate) fn connect(engine: &Engine, url: &str, transport: Transport) -> Arc<Camera> {
    let options = CameraOptions {
        source: SourceOptions { transport, ..SourceOptions::default() },
        reconnect: Reconnect::PROMPT,
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
