//! Frames from a file.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use valkka_core::clock::{Clock as _, SystemClock};
use valkka_core::codec::h264::AvcConfig;
use valkka_core::codec::h265::HevcConfig;
use valkka_core::codec::{Codec, nal};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::payload::{PADDING_BYTES, Payload};
use valkka_core::source::{SourceError, StreamInfo};
use valkka_core::stream::{Slot, Track};
use valkka_core::time::{MediaTime, WallTime};

use crate::description::{codec_of, open_tracks, params_of, to_ticks};
use crate::ffi::{AvError, AvErrorKind, Demuxer, DemuxerOptions, RawPacket, StreamFacts};
use crate::track::{TrackParams, payload_of};

/// Reads the frames of a file (MP4, Matroska, raw H.264 … whatever libavformat knows) as a source would deliver them,
/// in decoding order and as fast as it is asked.
///
/// The frames are of slot 0. Media time starts at zero with the first frame, and again after [`Self::rewind`]. A file
/// has no capture time; the moment a frame stands for is that of its media time if the file was opened (or rewound) at
/// media time zero.
pub struct FileReader {
    path: PathBuf,
    demuxer: Demuxer<fn() -> bool>,
    info: StreamInfo,
    /// By index of the file's stream; `None` for those that are passed over.
    tracks: Vec<Option<FileTrack>>,
    /// The media time of the first frame in the file, once it was read.
    origin: Option<i64>,
    opened: WallTime,
}

struct FileTrack {
    number: Track,
    params: TrackParams,
    /// Bytes of the length before each NAL unit, if lengths stand there and no start codes.
    length_bytes: Option<usize>,
    time_base: (u32, u32),
    /// Ticks of 90 kHz from frame to frame, for files without times.
    step: i64,
    /// Packets so far.
    count: i64,
}

impl FileReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, its format is unknown, or it has no track that can be received.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref().to_owned();
        let what = || path.display().to_string();
        let unsupported = |detail: String| SourceError::Unsupported { what: what(), detail };
        let text = path.to_str().ok_or_else(|| unsupported("its name is not UTF-8".into()))?;
        // Said outright, so that no name is taken for another protocol's address.
        let url = format!("file:{text}");
        let pairs = [("protocol_whitelist", "file")];
        let options = DemuxerOptions { url: &url, format: None, pairs: &pairs, raw: false };
        let failed = |error: AvError| match error.kind() {
            AvErrorKind::System(cause) => SourceError::Io { what: what(), cause },
            _ => unsupported(error.to_string()),
        };
        let mut demuxer = Demuxer::open(&options, (|| false) as fn() -> bool).map_err(failed)?;
        demuxer.probe().map_err(failed)?;
        let (tracks, infos) =
            open_tracks(&mut demuxer, &what(), FileTrack::new, |track| track.params.current())?;
        let info = StreamInfo { transport: "file".into(), server: None, tracks: infos };
        Ok(Self { path, demuxer, info, tracks, origin: None, opened: SystemClock.now() })
    }

    /// What is in the file.
    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn read(&mut self) -> Result<Option<Frame>, SourceError> {
        loop {
            let packet = match self.demuxer.read() {
                Ok(packet) => packet,
                Err(error) if error.is_end() => return Ok(None),
                Err(error) => return Err(self.broken(error)),
            };
            if let Some(frame) = self.frame(packet) {
                return Ok(Some(frame));
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

    fn frame(&mut self, packet: RawPacket) -> Option<Frame> {
        let facts = packet.facts();
        let track = self.tracks.get_mut(facts.stream)?.as_mut()?;
        let ticks = track.ticks(facts.pts.or(facts.dts));
        let payload = track.payload(packet);
        if payload.is_empty() {
            return None;
        }
        let (params, keyframe) = track.params.of(&payload);
        let origin = *self.origin.get_or_insert(ticks);
        let media = MediaTime::from_ticks(ticks.saturating_sub(origin));
        let wall = self.opened.offset_micros(media.micros_since(MediaTime::default()));
        let lost = facts.corrupt.into();
        Some(Frame {
            slot: Slot::default(),
            track: track.number,
            time: FrameTime { media, arrival: SystemClock.now(), capture: None, wall },
            body: Body::Packet(Packet { params, payload, keyframe, lost }),
        })
    }

    fn broken(&self, error: AvError) -> SourceError {
        let what = self.path.display().to_string();
        match error.kind() {
            AvErrorKind::System(cause) => SourceError::Io { what, cause },
            _ => SourceError::Io { what, cause: std::io::Error::other(error.to_string()) },
        }
    }
}

impl FileTrack {
    /// `None` if it cannot be received.
    fn new(number: Track, facts: &StreamFacts) -> Option<Self> {
        let codec = codec_of(facts)?;
        let (extra, length_bytes) = match codec {
            Codec::H264 if facts.extra.first() == Some(&1) => {
                let config = AvcConfig::parse(&facts.extra).ok()?;
                (config.parameter_sets, Some(config.length_bytes))
            }
            Codec::H265 if facts.extra.first() == Some(&1) => {
                let config = HevcConfig::parse(&facts.extra).ok()?;
                (config.parameter_sets, Some(config.length_bytes))
            }
            _ => (Bytes::from(facts.extra.clone()), None),
        };
        let step = facts.frame_rate.map_or(DEFAULT_STEP, |rate| {
            i64::from(MediaTime::RATE_HZ) * i64::from(rate.denominator()) / i64::from(rate.numerator())
        });
        let params = TrackParams::new(params_of(codec, facts, extra));
        Some(Self { number, params, length_bytes, time_base: facts.time_base, step, count: 0 })
    }

    fn ticks(&mut self, time: Option<i64>) -> i64 {
        let counted = self.count.saturating_mul(self.step);
        self.count += 1;
        time.map_or(counted, |time| to_ticks(time, self.time_base))
    }

    fn payload(&self, packet: RawPacket) -> Payload {
        let codec = self.params.current().codec;
        if !matches!(codec, Codec::H264 | Codec::H265) {
            return payload_of(packet);
        }
        let data = packet.data();
        let with_room = |data: &[u8]| {
            let mut copy = Vec::with_capacity(data.len() + PADDING_BYTES);
            copy.extend_from_slice(data);
            copy
        };
        let annex_b = match self.length_bytes {
            Some(4) => {
                let mut copy = with_room(data);
                // What lies before a unit that is cut short can be used.
                let _ = nal::lengths_to_start_codes(&mut copy);
                copy
            }
            Some(length_bytes) => {
                let units: Vec<_> = nal::length_prefixed(data, length_bytes).map_while(Result::ok).collect();
                nal::to_annex_b(units)
            }
            None => with_room(data),
        };
        self.params.payload(annex_b)
    }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileReader({})", self.path.display())
    }
}

/// 25 frames per second.
const DEFAULT_STEP: i64 = MediaTime::RATE_HZ as i64 / 25;
