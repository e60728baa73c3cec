//! From the frames of a stream to fragments.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::warn;
use valkka_av::{LiveFragment, LiveMuxer, MuxError};
use valkka_core::codec::{Codec, CodecParams};
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::stream::Track;
use valkka_core::time::MediaTime;

use super::Piece;

/// Makes fragments of the frames of one stream, which goes on over lost packets and new connections, and begins anew where
/// its parameters change.
#[derive(Debug)]
pub(super) struct Muxing {
    running: Option<Running>,
    /// Where the times of the next muxer begin.
    end: Duration,
    /// Whether only a key frame may come.
    waiting: bool,
    /// The last parameters that could not be muxed, so that they are tried once, and why not.
    refused: Option<(Arc<CodecParams>, Arc<str>)>,
    /// Since when sound has come, and no picture yet.
    without_video: Option<MediaTime>,
    /// The last that is known of the stream, once something is.
    condition: Option<Condition>,
    /// Muxers made.
    begun: u64,
}

/// What a viewer must be told of the stream beside its fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Playing,
    Offline,
    Unplayable { codec: Codec, reason: Arc<str> },
}

/// What viewers set up.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) mime: String,
    pub(super) data: Bytes,
    pub(super) left_out: Option<String>,
}

/// A fragment, and the beginning that it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) begin: Arc<Beginning>,
    pub(super) fragment: LiveFragment,
}

#[derive(Debug)]
struct Running {
    muxer: LiveMuxer,
    begin: Arc<Beginning>,
    video: Arc<CodecParams>,
    audio: Option<(Track, Arc<CodecParams>)>,
}

/// The tracks of a stream with their parameters, in their order.
type Tracks = Vec<(Track, Arc<CodecParams>)>;

impl Default for Muxing {
    fn default() -> Self {
        Self {
            running: None,
            end: Duration::ZERO,
            waiting: true,
            refused: None,
            without_video: None,
            condition: None,
            begun: 0,
        }
    }
}

impl Muxing {
    /// What comes of `frame`. `tracks` tells of which tracks packets have come.
    pub(super) fn push(&mut self, frame: &Frame, tracks: impl Fn() -> Tracks) -> Option<Made> {
        match &frame.body {
            Body::Packet(packet) if packet.params.codec.is_video() => self.video(frame, packet, tracks),
            Body::Packet(packet) => {
                self.audio(frame, packet, tracks);
                None
            }
            Body::Signal(signal) => {
                match signal {
                    Signal::Offline(_) | Signal::End => {
                        self.without_video = None;
                        self.interrupt();
                        self.condition = Some(Condition::Offline);
                    }
                    Signal::Online(_) | Signal::Seek => self.interrupt(),
                    _ => {}
                }
                None
            }
            Body::Bitmap(_) | Body::Fragment(_) => None,
        }
    }

    /// Says that something is missing: it goes on with the next key frame.
    pub(super) fn interrupt(&mut self) {
        self.waiting = true;
        if let Some(running) = &mut self.running {
            running.muxer.interrupt();
        }
    }

    /// The last that is known of the stream.
    pub(super) fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// How many muxers were made.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    fn audio(&mut self, frame: &Frame, packet: &Packet, tracks: impl Fn() -> Tracks) {
        let Some(running) = &mut self.running else {
            let since = *self.without_video.get_or_insert(frame.time.media);
            let is_patient = frame.time.media.micros_since(since) < VIDEO_PATIENCE.as_micros() as i64;
            if !is_patient && tracks().iter().all(|(_, params)| !params.codec.is_video()) {
                let (codec, reason) = (packet.params.codec, "the camera sends sound without pictures".into());
                self.condition = Some(Condition::Unplayable { codec, reason });
            }
            return;
        };
        if let Some((track, params)) = &running.audio
            && *track == frame.track
            && params.same_setup(&packet.params)
        {
            running.muxer.audio(packet, &frame.time);
        }
    }

    fn video(&mut self, frame: &Frame, packet: &Packet, tracks: impl Fn() -> Tracks) -> Option<Made> {
        let goes_on = self.running.as_ref().is_some_and(|running| running.video.same_setup(&packet.params));
        if packet.lost > 0 || !goes_on {
            self.interrupt();
        }
        if self.waiting && (!packet.keyframe || packet.lost > 0) {
            return None;
        }
        if !goes_on || (packet.keyframe && self.lacks_audio(&tracks())) {
            self.begin(&packet.params, tracks);
        }
        let running = self.running.as_mut()?;
        match running.muxer.video(packet, &frame.time) {
            Ok(fragment) => {
                let fragment = fragment?;
                self.waiting = false;
                self.condition = Some(Condition::Playing);
                Some(Made { begin: running.begin.clone(), fragment })
            }
            Err(error) => {
                // Its own memory can hardly fail; with the next key frame it begins anew.
                warn!(slot = %frame.slot, %error, "a fragment is lost");
                self.end = running.muxer.end();
                self.running = None;
                self.waiting = true;
                None
            }
        }
    }

    /// Whether there is audio that what runs could have, and has not.
    fn lacks_audio(&self, tracks: &Tracks) -> bool {
        let Some(running) = &self.running else { return false };
        let is_same = |(track, params): (Track, &Arc<CodecParams>)| {
            running.audio.as_ref().is_some_and(|(of, with)| *of == track && with.same_setup(params))
        };
        audio_of(tracks).is_some_and(|audio| !is_same(audio))
    }

    /// Has a muxer at work for these parameters, if there is one.
    fn begin(&mut self, video: &Arc<CodecParams>, tracks: impl Fn() -> Tracks) {
        if let Some(running) = self.running.take() {
            self.end = running.muxer.end();
        }
        if let Some((refused, reason)) = &self.refused
            && refused.same_setup(video)
        {
            self.condition = Some(Condition::Unplayable { codec: video.codec, reason: reason.clone() });
            return;
        }
        let tracks = tracks();
        let audio = audio_of(&tracks);
        match Self::muxer(video, audio.map(|(_, params)| params), self.end) {
            Ok(muxer) => {
                let left_out = if audio.is_none() { reasons_of(&tracks) } else { None };
                let (mime, data) = (muxer.mime().to_owned(), muxer.head().clone());
                let begin = Arc::new(Beginning { mime, data, left_out });
                let audio = audio.map(|(track, params)| (track, params.clone()));
                self.running = Some(Running { muxer, begin, video: video.clone(), audio });
                self.refused = None;
                self.begun += 1;
            }
            Err(reason) => {
                let reason: Arc<str> = reason.into();
                self.refused = Some((video.clone(), reason.clone()));
                self.condition = Some(Condition::Unplayable { codec: video.codec, reason });
            }
        }
    }

    fn muxer(
        video: &Arc<CodecParams>,
        audio: Option<&Arc<CodecParams>>,
        start: Duration,
    ) -> Result<LiveMuxer, String> {
        if !matches!(video.codec, Codec::H264 | Codec::H265) {
            return Err(format!("browsers do not play {} in MP4", video.codec));
        }
        LiveMuxer::new(video, audio, start).map_err(|error| match error {
            MuxError::NoTrack { reasons, .. } => reasons,
            error => error.to_string(),
        })
    }
}

impl Condition {
    /// What a viewer is told.
    pub(super) fn piece(&self) -> Option<Piece> {
        match self {
            Self::Playing => None,
            Self::Offline => Some(Piece::Offline),
            Self::Unplayable { codec, reason } => {
                Some(Piece::Unplayable { codec: codec.to_string(), reason: reason.to_string() })
            }
        }
    }
}

/// How long sound comes alone before a stream is said to have no pictures.
const VIDEO_PATIENCE: Duration = Duration::from_secs(3);

/// The first track of audio that browsers play.
fn audio_of(tracks: &Tracks) -> Option<(Track, &Arc<CodecParams>)> {
    tracks
        .iter()
        .find(|(_, params)| !params.codec.is_video() && LiveMuxer::takes_audio(params).is_ok())
        .map(|(track, params)| (*track, params))
}

/// Why there is no track of audio, if the stream has any.
fn reasons_of(tracks: &Tracks) -> Option<String> {
    let reasons: Vec<_> = tracks
        .iter()
        .filter(|(_, params)| !params.codec.is_video())
        .filter_map(|(_, params)| LiveMuxer::takes_audio(params).err())
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
