//! Recordings from before the site was started.

use std::time::{Duration, Instant};

use valkka::clock::SystemClock;
use valkka::codec::{Codec, FrameRate};
use valkka::store::{Geometry, Retention, Store, StoreOptions, Writer, WriterOptions};
use valkka::synthetic::{Clip, SceneOptions};
use valkka::time::{MediaTime, WallTime};
use valkka_testkit::temp::TempDir;
use valkka_testkit::wait;

use super::SOON;

/// A store with a minute or more of the camera `front`, of some minutes ago: more bytes than any socket takes unread.
pub(crate) struct Past {
    pub(crate) directory: TempDir,
    pub(crate) from: WallTime,
    pub(crate) to: WallTime,
    /// Of its pictures.
    pub(crate) bytes: u64,
}

impl Past {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let options = StoreOptions::new(Geometry::new(4 << 20, 32).unwrap());
        let store = Store::create(&directory.join("store"), &options).unwrap();
        let writer = Writer::open(store, WriterOptions::default()).unwrap();
        let lane = writer.lane("front", Retention::default()).unwrap();
        let scene = SceneOptions {
            width: 1280,
            height: 720,
            frame_rate: FrameRate::new(25, 1).unwrap(),
            frames: 25,
            ..SceneOptions::new("past")
        };
        let clip = Clip::generate(scene, Codec::H264, 16_000_000).unwrap();
        let from = SystemClock.now().offset_micros(-3_600_000_000);
        let (mut at, mut bytes) = (from, 0);
        for (number, frame) in (0..).zip(clip.frames().iter().cycle()) {
            at = from + Duration::from_millis(40 * number);
            let mut frame = frame.clone();
            (frame.time.media, frame.time.wall) = (MediaTime::from_rate(number as i64, 25), at);
            (frame.time.arrival, frame.time.capture) = (at, None);
            wait::until(SOON, "there is room for it", || lane.room_bytes() > 1 << 20);
            assert!(lane.put(&frame));
            bytes += frame.packet().unwrap().payload.len() as u64;
            if bytes > 50 << 20 {
                break;
            }
        }
        writer.commit(Instant::now() + SOON).unwrap();
        drop(writer);
        Self { directory, from, to: at, bytes }
    }
}
