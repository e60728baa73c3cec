//! Pictures of recordings as JPEG files.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use valkka_av::JpegError;
use valkka_core::time::WallTime;

use super::error::PlaybackError;
use super::reader::{PictureOptions, PictureReader};
use super::source::PacketSource;
use super::view::{Blank, View};
use crate::permits::Permits;
use crate::snapshot::scaled;

/// Makes JPEG files of any moments of recordings, some at a time, so that a page full of them does not take the whole
/// machine.
///
/// Each is decoded on the caller's thread. Methods may be called from any thread.
pub struct Stills {
    permits: Permits,
}

/// Which picture is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// That which is to be seen at the moment.
    #[default]
    Exact,
    /// The key frame at or before it, for overviews: much less is to be decoded.
    Keyframe,
}

/// A picture of a recording.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Still {
    /// The JPEG file.
    pub data: Bytes,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The moment at which it was taken.
    pub from: WallTime,
    /// The moment from which something else is to be seen.
    pub to: WallTime,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StillError {
    /// Nothing is to be seen at that moment.
    #[error("there is no picture at that time: {}", .0.why.words())]
    Blank(Blank),
    /// The recording cannot be read.
    #[error(transparent)]
    Playback(#[from] PlaybackError),
    /// The picture cannot be scaled or encoded.
    #[error(transparent)]
    Jpeg(#[from] JpegError),
    /// It takes too long.
    #[error("no picture within {limit:?}: {busy}")]
    Deadline {
        /// The time that was given.
        limit: Duration,
        /// With what it went by, in words.
        busy: &'static str,
    },
}

impl Stills {
    /// Makes at most `at_once` pictures at the same time, at least one. Who asks for more waits.
    pub fn new(at_once: usize) -> Self {
        Self { permits: Permits::new(at_once.max(1)) }
    }

    /// What is to be seen in `source` at `time`, scaled down to about `width` pixels if that is given, and never up.
    ///
    /// # Errors
    /// If there is no picture, or it is not ready within `limit`.
    pub fn jpeg(
        &self,
        source: Box<dyn PacketSource>,
        time: WallTime,
        precision: Precision,
        width: Option<u32>,
        limit: Duration,
    ) -> Result<Still, StillError> {
        let deadline = Instant::now() + limit.min(LONGEST);
        let waiting = || StillError::Deadline { limit, busy: "others are being made" };
        let _permit = self.permits.take(deadline).ok_or_else(waiting)?;
        // One picture is wanted: none is kept.
        let options = PictureOptions { name: "still".into(), kept_bytes: 0, ..PictureOptions::default() };
        let mut reader = PictureReader::new(source, options);
        let in_time = || Instant::now() < deadline;
        let view = match precision {
            Precision::Exact => reader.at_while(time, &in_time),
            Precision::Keyframe => reader.keyframe_near_while(time, &in_time),
        };
        let picture = match view {
            Ok(View::Picture(picture)) => picture,
            Ok(View::Blank(blank)) => return Err(StillError::Blank(blank)),
            Err(PlaybackError::GivenUp) => {
                return Err(StillError::Deadline { limit, busy: "its picture is being decoded" });
            }
            Err(error) => return Err(error.into()),
        };
        let bitmap = picture.bitmap();
        let (width, height) = scaled(bitmap.width(), bitmap.height(), width);
        let data = valkka_av::jpeg(bitmap, width, height)?;
        Ok(Still { data, width, height, from: picture.from, to: picture.to })
    }
}

impl fmt::Debug for Stills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stills").field("permits", &self.permits).finish()
    }
}

/// Who waits for longer waits as long as this: what is added to a moment has an end.
const LONGEST: Duration = Duration::from_secs(86_400);
