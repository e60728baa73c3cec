//! A media file as a recording.

use std::fmt;
use std::path::{Path, PathBuf};

use valkka_av::FileReader;
use valkka_core::frame::Frame;
use valkka_core::time::{MediaTime, WallTime};

use super::{Entry, PacketSource};
use crate::playback::error::PlaybackError;

/// The packets of a media file (Matroska, MP4 … whatever [`FileReader`] reads).
///
/// A file is as long as it was when it was opened.
pub struct FilePackets {
    path: PathBuf,
    start: WallTime,
    reader: FileReader,
    /// Looks for key frames elsewhere in the file, from the first time on that this is asked for.
    scout: Option<FileReader>,
}

impl FilePackets {
    /// The file at `path`, of which the first frame was recorded at `start`.
    ///
    /// # Errors
    /// If it cannot be read, its format is unknown, or it has no track that can be received.
    pub fn open(path: impl AsRef<Path>, start: WallTime) -> Result<Self, PlaybackError> {
        let path = path.as_ref().to_owned();
        let reader = FileReader::open(&path)?;
        Ok(Self { path, start, reader, scout: None })
    }

    /// The moment at which its first frame was recorded.
    pub fn start(&self) -> WallTime {
        self.start
    }

    fn media(&self, time: WallTime) -> MediaTime {
        let micros = i128::from(time.micros_since(self.start));
        // Rounded down, so that a key frame at this very moment is at or before it.
        let ticks = (micros * i128::from(MediaTime::RATE_HZ)).div_euclid(1_000_000);
        MediaTime::from_ticks(i64::try_from(ticks).unwrap_or(if micros > 0 { i64::MAX } else { i64::MIN }))
    }

    fn stamp(&self, mut frame: Frame) -> Frame {
        frame.time.wall = wall(self.start, frame.time.media);
        frame
    }

    fn scout(&mut self, to: MediaTime) -> Result<&mut FileReader, PlaybackError> {
        let scout = match &mut self.scout {
            Some(scout) => scout,
            none => none.insert(FileReader::open(&self.path)?),
        };
        scout.seek(to)?;
        Ok(scout)
    }

    /// The first key frame from where the scout stands after a search for `to` that is `wanted`.
    fn keyframe(
        &mut self,
        to: MediaTime,
        wanted: impl Fn(WallTime) -> bool,
    ) -> Result<Option<WallTime>, PlaybackError> {
        let start = self.start;
        let scout = self.scout(to)?;
        // A search stands before a frame of the track that matters.
        let mut track = None;
        while let Some(frame) = scout.read()? {
            let is_keyframe = frame.packet().is_some_and(|packet| packet.keyframe);
            let time = wall(start, frame.time.media);
            if *track.get_or_insert(frame.track) == frame.track && is_keyframe && wanted(time) {
                return Ok(Some(time));
            }
        }
        Ok(None)
    }
}

impl PacketSource for FilePackets {
    fn seek(&mut self, to: WallTime) -> Result<bool, PlaybackError> {
        let to = self.media(to);
        self.reader.seek(to)?;
        Ok(true)
    }

    fn next(&mut self) -> Result<Option<Entry>, PlaybackError> {
        let frame = self.reader.read()?;
        Ok(frame.map(|frame| Entry::Frame(self.stamp(frame))))
    }

    fn keyframe_before(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        let to = self.media(time.offset_micros(-1));
        // What a search finds is the last one at or before, or else the first of all.
        let found = self.keyframe(to, |_| true)?;
        Ok(found.filter(|&found| found < time))
    }

    fn keyframe_after(&mut self, time: WallTime) -> Result<Option<WallTime>, PlaybackError> {
        let to = self.media(time);
        self.keyframe(to, |found| found > time)
    }
}

impl fmt::Debug for FilePackets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilePackets({}, from {:?})", self.path.display(), self.start)
    }
}

fn wall(start: WallTime, media: MediaTime) -> WallTime {
    start.offset_micros(media.micros_since(MediaTime::default()))
}
