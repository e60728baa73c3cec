//! Frames from a file.

mod track;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use valkka_core::clock::SystemClock;
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::source::{SourceError, StreamInfo};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};

use crate::description::open_tracks;
use crate::ffi::{AvError, AvErrorKind, Demuxer, DemuxerOptions};
use track::{FileTrack, Unit};

/// Reads the frames of a file (MP4, Matroska, raw H.264 … whatever libavformat knows) as a source would deliver them,
/// in decoding order and as fast as it is asked.
///
/// The frames are of slot 0. Media time starts at zero with the first frame in the file. A file has no capture time; the
/// moment a frame stands for is that of its media time if the file was opened (or rewound) at media time zero.
///
/// H.264 and H.265 come as whole access units, also from files in which each NAL unit is a packet of its own, as the C++
/// libValkka records them.
pub struct FileReader {
    path: PathBuf,
    demuxer: Demuxer<fn() -> bool>,
    info: StreamInfo,
    /// By index of the file's stream; `None` for those that are passed over.
    tracks: Vec<Option<FileTrack>>,
    /// Frames that were read and not asked for yet.
    ready: VecDeque<Frame>,
    /// The media time of the first frame in the file, once it was read.
    origin: Option<i64>,
    opened: WallTime,
}

impl FileReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, its format is unknown, or it has no track that can be received.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref().to_owned();
        let what = || path.display().to_string();
        let unreadable = |cause: io::Error| SourceError::Io { what: what(), cause };
        let text = path.to_str().ok_or_else(|| {
            unreadable(io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"))
        })?;
        // Said outright, so that no name is taken for another protocol's address.
        let url = format!("file:{text}");
        let pairs = [("protocol_whitelist", "file")];
        let options = DemuxerOptions { url: &url, format: None, pairs: &pairs, raw: false };
        let failed = |error: AvError| match error.kind() {
            AvErrorKind::System(cause) => unreadable(cause),
            _ => unreadable(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
        };
        let mut demuxer = Demuxer::open(&options, (|| false) as fn() -> bool).map_err(failed)?;
        demuxer.probe().map_err(failed)?;
        let (tracks, infos) = open_tracks(&mut demuxer, &what(), FileTrack::new, FileTrack::params)?;
        let info = StreamInfo { transport: "file".into(), server: None, tracks: infos };
        let opened = SystemClock.now();
        Ok(Self { path, demuxer, info, tracks, ready: VecDeque::new(), origin: None, opened })
    }

    /// What is in the file.
    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// The moment at which it begins, if it tells. MP4 tells whole seconds.
    pub fn created(&self) -> Option<WallTime> {
        self.demuxer.created_micros().map(WallTime::from_micros)
    }

    /// How long it is, if it tells. One whose recorder was killed does not: see [`Self::measure`].
    pub fn duration(&self) -> Option<Duration> {
        self.demuxer.duration()
    }

    /// Finds out how long the file is, by reading it for at most `patience`; if it goes on after that, it is longer than
    /// the result. Goes back to the start.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn measure(&mut self, patience: Duration) -> Result<Duration, SourceError> {
        let deadline = Instant::now() + patience;
        let mut longest = MediaTime::default();
        while let Some(frame) = self.read()? {
            longest = longest.max(frame.time.media);
            if Instant::now() >= deadline {
                break;
            }
        }
        self.rewind()?;
        let micros = longest.micros_since(MediaTime::default());
        Ok(Duration::from_micros(micros.unsigned_abs()))
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn read(&mut self) -> Result<Option<Frame>, SourceError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            let packet = match self.demuxer.read() {
                Ok(packet) => packet,
                Err(error) if error.is_end() => {
                    self.finish();
                    return Ok(self.ready.pop_front());
                }
                Err(error) => return Err(self.broken(error)),
            };
            let track = self.tracks.get_mut(packet.facts().stream).and_then(Option::as_mut);
            if let Some((number, unit)) = track.and_then(|track| Some((track.number, track.push(packet)?))) {
                let frame = self.frame(number, unit);
                self.ready.push_back(frame);
            }
        }
    }

    /// Goes back to the start, by opening the file again: not every format can be searched.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn rewind(&mut self) -> Result<(), SourceError> {
        *self = Self::open(&self.path)?;
        Ok(())
    }

    /// Goes to the last key frame at or before `to`, of the first video track (or the first track, if there is no video):
    /// that is the next frame read. If nothing lies before `to`, or the file cannot be searched, that is its first.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn seek(&mut self, to: MediaTime) -> Result<(), SourceError> {
        if self.origin.is_none() {
            // The first frame tells where media time starts.
            let first = self.read()?;
            self.ready.extend(first);
        }
        let origin = self.origin.unwrap_or_default();
        let to = self.duration().map_or(to, |duration| to.min(MediaTime::default() + duration));
        let Some((index, track)) = self.main_track() else { return self.rewind() };
        let (number, time) = (track.number, track.file_time(to.ticks().saturating_add(origin)));
        // Formats without an index lead only near to it, and maybe behind the key frame.
        let earlier =
            |seconds: i64| time.saturating_sub(track.file_time(seconds * i64::from(MediaTime::RATE_HZ)));
        let tries = if track.is_timed() { [0, 2, 10, 60].map(earlier).to_vec() } else { Vec::new() };
        for time in tries {
            if self.demuxer.seek(index, time).is_err() {
                break;
            }
            self.ready.clear();
            self.tracks.iter_mut().flatten().for_each(FileTrack::forget);
            if self.skip_to_key_frame(number, to)? {
                return Ok(());
            }
        }
        self.rewind()
    }

    /// Reads up to the last key frame of `track` at or before `to`. `false` if there is none from here on.
    fn skip_to_key_frame(&mut self, track: Track, to: MediaTime) -> Result<bool, SourceError> {
        // From the last key frame on; empty before the first.
        let mut kept = VecDeque::new();
        let mut bytes = 0;
        while let Some(frame) = self.read()? {
            let Some(packet) = frame.packet() else { continue };
            let is_beyond = frame.track == track && frame.time.media > to;
            if frame.track == track && packet.keyframe && !is_beyond {
                kept.clear();
                bytes = 0;
            } else if kept.is_empty() && !is_beyond {
                continue;
            }
            if kept.is_empty() && is_beyond {
                return Ok(false);
            }
            bytes += packet.payload.len();
            kept.push_back(frame);
            if is_beyond || bytes > MAX_KEPT_BYTES {
                break;
            }
        }
        let found = !kept.is_empty();
        self.ready.append(&mut kept);
        Ok(found)
    }

    /// The first video track, or the first of all, with its index.
    fn main_track(&self) -> Option<(usize, &FileTrack)> {
        let tracks =
            || self.tracks.iter().enumerate().filter_map(|(index, track)| Some((index, track.as_ref()?)));
        tracks().find(|(_, track)| track.params().codec.is_video()).or_else(|| tracks().next())
    }

    /// Makes frames of what is left at the end.
    fn finish(&mut self) {
        let left = |track: &mut FileTrack| Some((track.number, track.finish()?));
        let left: Vec<_> = self.tracks.iter_mut().flatten().filter_map(left).collect();
        for (number, unit) in left {
            let frame = self.frame(number, unit);
            self.ready.push_back(frame);
        }
    }

    fn frame(&mut self, track: Track, unit: Unit) -> Frame {
        let Unit { payload, params, keyframe, lost, ticks } = unit;
        let origin = *self.origin.get_or_insert(ticks);
        let media = MediaTime::from_ticks(ticks.saturating_sub(origin));
        let wall = self.opened.offset_micros(media.micros_since(MediaTime::default()));
        Frame {
            slot: Slot::default(),
            track,
            time: FrameTime { media, arrival: SystemClock.now(), capture: None, wall },
            body: Body::Packet(Packet { params, payload, keyframe, lost }),
        }
    }

    fn broken(&self, error: AvError) -> SourceError {
        let what = self.path.display().to_string();
        match error.kind() {
            AvErrorKind::System(cause) => SourceError::Io { what, cause },
            _ => SourceError::Io { what, cause: io::Error::other(error.to_string()) },
        }
    }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileReader({})", self.path.display())
    }
}

/// While one looks for the last key frame, so much is kept from the one before on.
const MAX_KEPT_BYTES: usize = 64 << 20;
