//! Packets into a file, or into fragments of MP4.

mod clock;
mod layout;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use valkka_core::codec::CodecParams;
use valkka_core::frame::Packet;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use crate::ffi::{AvError, AvErrorKind, RawMuxer, Sample};
use clock::MAX_REORDERED;
pub(crate) use clock::{Clock, Times};
use layout::{Layout, Units};

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Matroska (`.mkv`), with an index at its end once it is finished. It takes every codec.
    Matroska,
    /// MP4 in fragments (`.mp4`). It takes no G.711.
    Mp4,
}

/// What is known of a file before its first packet.
#[derive(Clone, Debug)]
pub struct MuxerOptions {
    /// The layout.
    pub container: Container,
    /// The moment of time zero in the file, which it tells to whoever looks.
    pub created: Option<WallTime>,
    /// The tracks. Of H.264 and H.265 the parameter sets must be known.
    pub tracks: Vec<(Track, Arc<CodecParams>)>,
}

/// Writes the packets of a stream into a file, on the caller's thread, which may have to wait for the disk.
///
/// There is one block (Matroska) or sample (MP4) per packet. Packets come in decoding order; B frames get the decoding
/// times that a container wants. A file can be played as far as it was written, also if [`Self::finish`] is never
/// called: what is not written yet is at most the last second (and what came since, if nothing does any more:
/// [`Self::flush`] writes that).
pub struct Muxer {
    raw: RawMuxer,
    path: PathBuf,
    kind: Kind,
    tracks: Vec<MuxedTrack>,
    left_out: Vec<LeftOut>,
    /// When the fragment was begun that is being written, of a container that has some.
    fragment: Option<Duration>,
    /// Added to all times, so that none is negative.
    lead: Duration,
}

/// A track that a file does not have, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The track.
    pub track: Track,
    /// The reason, in words.
    pub reason: String,
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MuxError {
    /// It cannot be made, or written to.
    #[error("cannot write {}: {cause}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system or FFmpeg says.
        cause: io::Error,
    },
    /// None of the tracks can be written.
    #[error("cannot write {}: it would have no track ({reasons})", .path.display())]
    NoTrack {
        /// The file.
        path: PathBuf,
        /// What is in the way of each.
        reasons: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Matroska,
    Mp4File,
    /// In memory, one fragment per packet.
    Fragments,
    /// In memory, a fragment ends when it is flushed.
    Live,
}

struct MuxedTrack {
    number: Track,
    video: bool,
    layout: Layout,
    clock: Clock,
    /// Units per second of its times, as a fraction.
    rate: (i64, i64),
}

impl Muxer {
    /// Makes the file at `path`, or empties it if it is there.
    ///
    /// # Errors
    /// If it cannot be made, or no track can be written. Tracks that cannot be written beside others are told by
    /// [`Self::left_out`].
    pub fn create(path: impl AsRef<Path>, options: &MuxerOptions) -> Result<Self, MuxError> {
        let kind = match options.container {
            Container::Matroska => Kind::Matroska,
            Container::Mp4 => Kind::Mp4File,
        };
        Self::open(path.as_ref(), kind, options.created, &options.tracks)
    }

    /// A muxer that makes a fragment of each packet, in memory.
    ///
    /// # Errors
    /// If the track cannot be written.
    pub(crate) fn fragments(params: &Arc<CodecParams>) -> Result<Self, MuxError> {
        Self::open(
            Path::new("fragments of MP4"),
            Kind::Fragments,
            None,
            &[(Track::default(), params.clone())],
        )
    }

    /// A muxer that makes fragments of several tracks in memory, each of what was written up to [`Self::flush`]. Times
    /// come from the caller ([`Self::write_at`]); those of video count 90 kHz.
    ///
    /// # Errors
    /// If no track can be written.
    pub(crate) fn live(tracks: &[(Track, Arc<CodecParams>)]) -> Result<Self, MuxError> {
        Self::open(Path::new("fragments of MP4"), Kind::Live, None, tracks)
    }

    fn open(
        path: &Path,
        kind: Kind,
        created: Option<WallTime>,
        wanted: &[(Track, Arc<CodecParams>)],
    ) -> Result<Self, MuxError> {
        let broken = |cause| MuxError::Io { path: path.to_owned(), cause };
        let failed = |error: AvError| broken(io_error(error));
        let text = path.to_str().ok_or_else(|| broken(io::Error::other("its name is not UTF-8")))?;
        let mut raw = {
            // Said outright, so that no name is taken for another protocol's address.
            let in_memory = matches!(kind, Kind::Fragments | Kind::Live);
            let url = (!in_memory).then(|| format!("file:{text}"));
            RawMuxer::open(kind.format(), url.as_deref(), created.unwrap_or_default().micros())
                .map_err(failed)?
        };
        let (mut taken, mut left_out) = (Vec::new(), Vec::new());
        for (track, params) in wanted {
            let layout = if raw.takes(params.codec) {
                Layout::new(params, kind.units()).map_err(str::to_owned)
            } else {
                Err(format!("{} has no place for {}", kind.format(), params.codec))
            };
            match layout
                .and_then(|(layout, facts)| Ok((layout, raw.add(&facts).map_err(|error| error.to_string())?)))
            {
                Ok((layout, _index)) => taken.push((*track, params, layout)),
                Err(reason) => left_out.push(LeftOut { track: *track, reason }),
            }
        }
        if taken.is_empty() {
            let reasons = left_out.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Err(MuxError::NoTrack { path: path.to_owned(), reasons });
        }
        raw.start(kind.options()).map_err(failed)?;
        let mut tracks = Vec::with_capacity(taken.len());
        for (index, (number, params, layout)) in taken.into_iter().enumerate() {
            let rate = raw.units_per_second(index).map_err(failed)?;
            let clock = kind.clock(params, rate);
            tracks.push(MuxedTrack { number, video: params.codec.is_video(), layout, clock, rate });
        }
        let lead = tracks.iter().map(MuxedTrack::lead).max().unwrap_or_default();
        let lead = if kind == Kind::Matroska { Duration::ZERO } else { lead };
        Ok(Self { raw, path: path.to_owned(), kind, tracks, left_out, fragment: None, lead })
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tracks that it does not have.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Writes a packet of `track`, to be shown `time` after the start of the file. Packets of tracks that it does not
    /// have, and packets without content, are passed over.
    ///
    /// # Errors
    /// If it cannot be written. The file ends there; what was written before stays.
    pub fn write(&mut self, track: Track, packet: &Packet, time: Duration) -> Result<(), MuxError> {
        let Some(index) = self.tracks.iter().position(|muxed| muxed.number == track) else { return Ok(()) };
        let data = self.tracks[index].layout.sample(&packet.payload);
        if data.is_empty() {
            return Ok(());
        }
        self.begin_fragment(index, packet.keyframe, time)?;
        let muxed = &mut self.tracks[index];
        let times = muxed.clock.next(to_units(time + self.lead, muxed.rate));
        self.put(index, &data, packet.keyframe, times)
    }

    /// Writes a packet of `track` with times of the caller's, in units of the track ([`Self::units_per_second`]). Decoding
    /// times must rise. Asks for them, and returns true, if there is anything in it to be written.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write_at(
        &mut self,
        track: Track,
        payload: &[u8],
        keyframe: bool,
        times: impl FnOnce() -> Times,
    ) -> Result<bool, MuxError> {
        let Some(index) = self.tracks.iter().position(|muxed| muxed.number == track) else {
            return Ok(false);
        };
        let data = self.tracks[index].layout.sample(payload);
        if data.is_empty() {
            return Ok(false);
        }
        self.begin_fragment(index, keyframe, Duration::ZERO)?;
        self.put(index, &data, keyframe, times()).map(|()| true)
    }

    /// Units per second of the times of `track`, as a fraction of positive numbers; `None` if it does not have it.
    pub(crate) fn units_per_second(&self, track: Track) -> Option<(i64, i64)> {
        self.tracks.iter().find(|muxed| muxed.number == track).map(|muxed| muxed.rate)
    }

    fn put(&mut self, index: usize, data: &[u8], keyframe: bool, times: Times) -> Result<(), MuxError> {
        let Times { pts, dts, duration } = times;
        let written = self.raw.write(&Sample { data, track: index, keyframe, pts, dts, duration });
        written.map_err(|error| self.broken(error))
    }

    /// Writes to the file what is held back, for when nothing comes for a while.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&mut self) -> Result<(), MuxError> {
        self.fragment = None;
        let flushed = self.raw.flush();
        flushed.map_err(|error| self.broken(error))
    }

    /// Writes the end of the file and closes it.
    ///
    /// # Errors
    /// If it cannot be written; what was written before can be played.
    pub fn finish(self) -> Result<(), MuxError> {
        let Self { raw, path, .. } = self;
        raw.finish().map_err(|error| MuxError::Io { path, cause: io_error(error) })
    }

    /// What was made in memory since the last call.
    pub(crate) fn made(&mut self) -> Bytes {
        self.raw.written().into()
    }

    /// Ends the fragment that is being written, where one is to begin with this packet.
    fn begin_fragment(&mut self, index: usize, keyframe: bool, time: Duration) -> Result<(), MuxError> {
        let ends = match (self.kind, self.fragment) {
            (Kind::Matroska, _) => return Ok(()),
            (_, None) | (Kind::Fragments, _) => true,
            (Kind::Live, Some(_)) => false,
            (Kind::Mp4File, Some(begun)) => {
                let starts_group = keyframe && self.tracks[index].video;
                starts_group || time.saturating_sub(begun) >= FRAGMENT
            }
        };
        if !ends {
            return Ok(());
        }
        if self.fragment.is_some() {
            self.flush()?;
        }
        self.fragment = Some(time);
        // The times of its packets are those that they are given: they need not follow from durations.
        let set = self.raw.set_option("movflags", "+frag_discont");
        set.map_err(|error| self.broken(error))
    }

    fn broken(&self, error: AvError) -> MuxError {
        MuxError::Io { path: self.path.clone(), cause: io_error(error) }
    }
}

impl Kind {
    /// FFmpeg's name of the container.
    fn format(self) -> &'static str {
        match self {
            Self::Matroska => "matroska",
            Self::Mp4File | Self::Fragments | Self::Live => "mp4",
        }
    }

    fn options(self) -> &'static [(&'static str, &'static str)] {
        const MOVFLAGS: &str = "frag_custom+empty_moov+default_base_moof+frag_discont";
        match self {
            // Decoding times, which may be negative, are not written. A second is what may be lost.
            Self::Matroska => &[("avoid_negative_ts", "disabled"), ("cluster_time_limit", "1000")],
            Self::Mp4File => {
                &[("avoid_negative_ts", "disabled"), ("movflags", MOVFLAGS), ("use_editlist", "0")]
            }
            Self::Fragments => &[
                ("avoid_negative_ts", "disabled"),
                ("movflags", MOVFLAGS),
                ("use_editlist", "0"),
                ("video_track_timescale", "1000"),
            ],
            Self::Live => &[
                ("avoid_negative_ts", "disabled"),
                ("movflags", MOVFLAGS),
                ("use_editlist", "0"),
                ("video_track_timescale", "90000"),
            ],
        }
    }

    fn units(self) -> Units {
        match self {
            Self::Matroska | Self::Mp4File => Units::All,
            Self::Fragments | Self::Live => Units::Slices,
        }
    }

    fn clock(self, params: &CodecParams, rate: (i64, i64)) -> Clock {
        let step = match params.as_video().and_then(|video| video.frame_rate) {
            Some(rate) => Duration::from_secs_f64(1.0 / rate.hz()),
            None if params.codec.is_video() => Duration::from_millis(40),
            None => Duration::from_millis(20),
        };
        // Matroska has no decoding times: FFmpeg is given some that fit, whatever comes.
        let unknown = self == Self::Matroska && params.codec.is_video();
        let reordered = if unknown { Some(MAX_REORDERED) } else { params.reordered() };
        Clock::new(reordered, to_units(step, rate))
    }
}

impl MuxedTrack {
    fn lead(&self) -> Duration {
        let (per, seconds) = self.rate;
        let micros = i128::from(self.clock.lead()) * i128::from(seconds) * 1_000_000 / i128::from(per);
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "track {}: {}", self.track, self.reason)
    }
}

impl fmt::Debug for Muxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Muxer({})", self.path.display())
    }
}

/// The nearest time in units of which there are `per` in `seconds`.
fn to_units(time: Duration, (per, seconds): (i64, i64)) -> i64 {
    let divisor = i128::from(seconds) * 1_000_000;
    let micros = i128::try_from(time.as_micros()).unwrap_or(i128::from(i64::MAX));
    i64::try_from((micros * i128::from(per) + divisor / 2) / divisor).unwrap_or(i64::MAX)
}

fn io_error(error: AvError) -> io::Error {
    match error.kind() {
        AvErrorKind::System(cause) => cause,
        _ => io::Error::other(error.to_string()),
    }
}

/// A fragment of a file is no longer than this, or than one packet.
const FRAGMENT: Duration = Duration::from_secs(1);
