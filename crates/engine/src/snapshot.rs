//! The newest picture of a camera as a JPEG, without a decoder that runs for it.
//!
//! A [`GopKeeper`] has the packets since the last key frame; they are decoded when somebody asks.
//!
//! ```no_run
//! use std::time::Duration;
//! use valkka::gop::{GopKeeper, GopOptions};
//! use valkka::snapshot::Snapshots;
//! use valkka::{CameraOptions, Engine, EngineOptions};
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let camera = engine.camera("rtsp://192.168.1.20/stream1".parse()?, CameraOptions::default())?;
//! let keeper = GopKeeper::attach(&camera, GopOptions::default())?;
//!
//! let snapshots = Snapshots::new(2);
//! let snapshot = snapshots.jpeg(&keeper, Some(640), Duration::from_secs(5))?;
//! std::fs::write("now.jpg", &snapshot.data)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use valkka_av::{DecoderOptions, JpegError, PictureDecoder};
use valkka_core::clock::SystemClock;
use valkka_core::codec::Codec;
use valkka_core::filter::Filter as _;
use valkka_core::frame::{Frame, FrameTime, Signal};
use valkka_core::lock::lock;
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;

use crate::gop::{GopKeeper, KeptGop, Missing};
use crate::permits::Permits;

/// Makes snapshots of any number of cameras, some at a time.
///
/// A snapshot costs the decoding of what came since the last key frame, on the caller's thread. Who asks again for the
/// same camera and size within a second, or before anything new has come, gets the same one. Methods may be called from
/// any thread.
pub struct Snapshots {
    permits: Permits,
    /// The newest last; at most [`MAX_CACHED`].
    cache: Mutex<VecDeque<Cached>>,
}

/// A picture of a camera.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The JPEG file.
    pub data: Bytes,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The times of the picture: `wall` is the moment that it shows.
    pub time: FrameTime,
    /// Whether the camera was connected when the picture was asked for. If not, it is the last one that came.
    pub online: bool,
}

/// Why there is no snapshot.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is nothing that a decoder could start with.
    #[error("{missing}{}", if *.online { "" } else { "; the camera is not connected" })]
    NoKeyFrame {
        /// Why there is not.
        missing: Missing,
        /// Whether the camera is connected.
        online: bool,
    },
    /// No whole picture can be made of what came.
    #[error("none of the {packets} packets of {codec} since the last key frame can be decoded")]
    Undecodable {
        /// The codec.
        codec: Codec,
        /// How many packets were tried.
        packets: usize,
    },
    /// The picture cannot be scaled or encoded.
    #[error(transparent)]
    Jpeg(#[from] JpegError),
    /// It takes too long.
    #[error("no snapshot within {limit:?}: {busy}")]
    Deadline {
        /// The time that was given.
        limit: Duration,
        /// With what it went by, in words.
        busy: &'static str,
    },
}

struct Cached {
    of: Weak<GopKeeper>,
    /// As it was asked for.
    width: Option<u32>,
    /// Up to which frame of the camera it is.
    position: u64,
    made: Instant,
    snapshot: Snapshot,
}

impl Snapshots {
    /// Makes at most `at_once` snapshots at the same time, at least one. Who asks for more waits.
    pub fn new(at_once: usize) -> Self {
        Self { permits: Permits::new(at_once.max(1)), cache: Mutex::default() }
    }

    /// The newest picture that `keeper` has, scaled down to about `width` pixels if that is given, and never up.
    ///
    /// A camera that is not connected any more has its last picture, as long as that is kept. Pictures of Motion JPEG are
    /// given as they came, unless they are to be scaled.
    ///
    /// # Errors
    /// If there is no picture, or it is not ready within `limit`.
    pub fn jpeg(
        &self,
        keeper: &Arc<GopKeeper>,
        width: Option<u32>,
        limit: Duration,
    ) -> Result<Snapshot, SnapshotError> {
        let deadline = Instant::now() + limit;
        if let Some(snapshot) = self.cached(keeper, width) {
            return Ok(snapshot);
        }
        let waiting = || SnapshotError::Deadline { limit, busy: "others are being made" };
        let _permit = self.permits.take(deadline).ok_or_else(waiting)?;
        // Whoever was first may have made the same.
        if let Some(snapshot) = self.cached(keeper, width) {
            return Ok(snapshot);
        }
        let kept = keeper.kept();
        let snapshot = make(&kept, width, deadline, limit)?;
        let mut cache = lock(&self.cache);
        cache.retain(|cached| cached.of.strong_count() > 0 && !cached.is_of(keeper, width));
        if cache.len() == MAX_CACHED {
            cache.pop_front();
        }
        cache.push_back(Cached {
            of: Arc::downgrade(keeper),
            width,
            position: kept.position,
            made: Instant::now(),
            snapshot: snapshot.clone(),
        });
        Ok(snapshot)
    }

    fn cached(&self, keeper: &Arc<GopKeeper>, width: Option<u32>) -> Option<Snapshot> {
        let cache = lock(&self.cache);
        let cached = cache.iter().find(|cached| cached.is_of(keeper, width))?;
        let is_fresh = cached.made.elapsed() < FRESH || keeper.position() == cached.position;
        is_fresh.then(|| Snapshot { online: keeper.is_online(), ..cached.snapshot.clone() })
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("cached", &lock(&self.cache).len()).finish_non_exhaustive()
    }
}

impl Cached {
    fn is_of(&self, keeper: &Arc<GopKeeper>, width: Option<u32>) -> bool {
        std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(keeper)) && self.width == width
    }
}

fn make(
    kept: &KeptGop,
    width: Option<u32>,
    deadline: Instant,
    limit: Duration,
) -> Result<Snapshot, SnapshotError> {
    let online = kept.online;
    let is_video = |frame: &&Frame| frame.packet().is_some_and(|packet| packet.params.codec.is_video());
    let Some(newest) = kept.frames.iter().rev().find(is_video) else {
        return Err(SnapshotError::NoKeyFrame { missing: kept.missing.unwrap_or(Missing::NotYet), online });
    };
    let packet = newest.packet().expect("it was found by that");
    let size = packet.params.as_video().map(|video| (video.width, video.height)).unwrap_or_default();
    let scales = width.is_some_and(|width| width < size.0 || size.0 == 0);
    if packet.params.codec == Codec::Mjpeg && packet.lost == 0 && !scales {
        let data = Bytes::copy_from_slice(&packet.payload);
        return Ok(Snapshot { data, width: size.0, height: size.1, time: newest.time, online });
    }
    let picture = decode(kept, packet.params.codec, deadline, limit)?;
    let bitmap = picture.bitmap().expect("only pictures are kept of what is decoded");
    let (width, height) = scaled(bitmap.width(), bitmap.height(), width);
    let data = valkka_av::jpeg(bitmap, width, height)?;
    Ok(Snapshot { data, width, height, time: picture.time, online })
}

/// The last whole picture.
fn decode(kept: &KeptGop, codec: Codec, deadline: Instant, limit: Duration) -> Result<Frame, SnapshotError> {
    let mut decoder =
        PictureDecoder::new("snapshot", DecoderOptions::default(), Arc::new(StreamStats::default()));
    let end = Frame::signal(Slot::default(), SystemClock.now(), Signal::End);
    let (mut last, mut packets) = (None, 0);
    for frame in kept.frames.iter().chain([&end]) {
        if Instant::now() >= deadline {
            return Err(SnapshotError::Deadline { limit, busy: "its picture is being decoded" });
        }
        packets += usize::from(frame.packet().is_some_and(|packet| packet.params.codec.is_video()));
        decoder.push(frame.clone(), &mut |frame| {
            if frame.bitmap().is_some() {
                last = Some(frame);
            }
        });
    }
    last.ok_or(SnapshotError::Undecodable { codec, packets })
}

/// The size of a picture that is to be `width` pixels wide, in the same proportions.
pub(crate) fn scaled(width: u32, height: u32, wanted: Option<u32>) -> (u32, u32) {
    let to = wanted.unwrap_or(width).max(MIN_WIDTH).min(width);
    let scaled = (u64::from(height) * u64::from(to) + u64::from(width) / 2) / u64::from(width.max(1));
    (to, u32::try_from(scaled).unwrap_or(height).clamp(1, height.max(1)))
}

/// Snapshots are no smaller, unless the camera's pictures are.
const MIN_WIDTH: u32 = 16;

/// A snapshot is given again for so long.
const FRESH: Duration = Duration::from_secs(1);

/// Snapshots kept at most: some megabytes.
const MAX_CACHED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_proportions_and_are_never_scaled_up() {
        assert_eq!(scaled(1920, 1080, None), (1920, 1080));
        assert_eq!(scaled(1920, 1080, Some(640)), (640, 360));
        assert_eq!(scaled(1920, 1080, Some(4000)), (1920, 1080));
        assert_eq!(scaled(1920, 1080, Some(0)), (16, 9));
        assert_eq!(scaled(2000, 1, Some(16)), (16, 1));
        assert_eq!(scaled(8, 6, Some(0)), (8, 6));
    }
}
