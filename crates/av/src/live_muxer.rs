//! Fragmented MP4 of a live stream, for players that have to go on whatever the stream does.

mod audio_clock;
mod video_clock;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use valkka_core::codec::aac::AudioSpecificConfig;
use valkka_core::codec::{Codec, CodecParams, opus};
use valkka_core::frame::{FrameTime, Packet};
use valkka_core::payload::Payload;
use valkka_core::stream::Track;
use valkka_core::time::MediaTime;

use crate::muxer::{MuxError, Muxer, Times};
use crate::timeline::Timeline;
use audio_clock::{AudioClock, Span};
use video_clock::{PATIENCE, VideoClock};

/// Makes fragmented MP4 of the video of a live stream and one track of audio, for Media Source Extensions: one fragment
/// for each picture, at once, with the audio that came since the one before.
///
/// A player stops where either track has nothing to play, so neither ever has a gap. A picture lasts until the next one
/// begins; where the stream was interrupted, time stands still; and silence takes the place of audio that stops, starts
/// late or gets lost.
///
/// Video packets come in decoding order, beginning with a key frame. It holds no more than ten seconds of audio.
pub struct LiveMuxer {
    muxer: Muxer,
    head: Bytes,
    mime: String,
    timeline: Timeline,
    video: VideoClock,
    audio: Option<Audio>,
    /// Whether the next picture does not follow the one before.
    interrupted: bool,
    /// The time of the last key frame on the stream's own timeline.
    keyframe: MediaTime,
}

/// The track of audio.
struct Audio {
    params: Arc<CodecParams>,
    clock: AudioClock,
    /// Samples per second.
    rate: i64,
    silence: Silence,
    /// Whether silence takes the place of audio that does not come.
    silent: bool,
    /// Waits for the next picture.
    held: Vec<(Payload, Span)>,
}

/// A packet of silence.
struct Silence {
    payload: Payload,
    samples: i64,
}

/// A fragment: `moof` and `mdat`.
#[derive(Clone, Debug)]
pub struct LiveFragment {
    /// The two boxes.
    pub data: Bytes,
    /// Whether its picture is a key frame.
    pub keyframe: bool,
    /// Whether its picture is shown before the key frame that it follows, and cannot be decoded by who starts there.
    pub leading: bool,
}

impl LiveMuxer {
    /// A muxer for streams with these parameters, the times of which begin at `start`.
    ///
    /// # Errors
    /// If the video cannot be written, or the audio ([`Self::takes_audio`]).
    pub fn new(
        video: &Arc<CodecParams>,
        audio: Option<&Arc<CodecParams>>,
        start: Duration,
    ) -> Result<Self, MuxError> {
        let tracks: Vec<_> = [(VIDEO, Some(video)), (AUDIO, audio)]
            .into_iter()
            .filter_map(|(track, params)| Some((track, params?.clone())))
            .collect();
        let mut muxer = Muxer::live(&tracks)?;
        let refused = audio.and_then(|params| Self::takes_audio(params).err());
        if let Some(reasons) = refused.or_else(|| muxer.left_out().first().map(ToString::to_string)) {
            return Err(MuxError::NoTrack { path: muxer.path().to_owned(), reasons });
        }
        let mime = mime(&tracks).ok_or_else(|| MuxError::NoTrack {
            path: muxer.path().to_owned(),
            reasons: "its parameter sets cannot be read".to_owned(),
        })?;
        let step = video
            .as_video()
            .and_then(|video| video.frame_rate)
            .map_or(USUAL_STEP, |rate| (f64::from(MediaTime::RATE_HZ) / rate.hz()) as i64);
        let start = ticks(start);
        let audio = audio.and_then(|params| Audio::new(params, &muxer, start));
        Ok(Self {
            head: muxer.made(),
            muxer,
            mime,
            timeline: Timeline::new(None),
            video: VideoClock::new(start, video.reordered(), step),
            audio,
            interrupted: true,
            keyframe: MediaTime::default(),
        })
    }

    /// Whether browsers play such audio in MP4, and its place can be taken by silence.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn takes_audio(params: &CodecParams) -> Result<(), String> {
        match params.codec {
            Codec::Aac | Codec::Opus if Silence::of(params).is_some() => Ok(()),
            Codec::Aac | Codec::Opus => {
                Err(format!("its {} audio is of a kind that browsers do not play in MP4", params.codec))
            }
            codec => Err(format!("browsers do not play {codec} in MP4")),
        }
    }

    /// The beginning of the file: `ftyp` and `moov`.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// What it makes, as a browser is asked whether it plays it, e.g. `video/mp4; codecs="avc1.64001f,mp4a.40.2"`.
    pub fn mime(&self) -> &str {
        &self.mime
    }

    /// Where the last picture ends: the start of a muxer that goes on for this one.
    pub fn end(&self) -> Duration {
        Duration::from_micros(
            (u64::try_from(self.video.end()).unwrap_or_default() / 9).saturating_mul(100) + 100,
        )
    }

    /// Says that something is missing before the next picture, which is a key frame.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
        self.timeline.reconnected();
    }

    /// Takes a packet of audio for the next fragment. What comes while the video is interrupted is left out.
    pub fn audio(&mut self, packet: &Packet, time: &FrameTime) {
        let Some(audio) = self.audio.as_mut().filter(|_| !self.interrupted) else { return };
        let Some(place) = self.timeline.place(AUDIO, time) else { return };
        let place = ticks(place).saturating_add(self.video.shift());
        if place.saturating_sub(self.video.end()) < PATIENCE {
            audio.take(&packet.payload, audio.samples(place));
        }
    }

    /// Makes a fragment of a packet of video, with the audio that waits; `None` if there is no picture in it.
    ///
    /// # Errors
    /// If it cannot be made, for want of memory; nothing can be made any more then.
    pub fn video(&mut self, packet: &Packet, time: &FrameTime) -> Result<Option<LiveFragment>, MuxError> {
        let Some(place) = self.timeline.place(VIDEO, time) else { return Ok(None) };
        let begins = self.interrupted;
        let times = || self.video.next(ticks(place), begins);
        if !self.muxer.write_at(VIDEO, &packet.payload, packet.keyframe, times)? {
            return Ok(None);
        }
        self.interrupted = false;
        if packet.keyframe {
            self.keyframe = time.media;
        }
        if let Some(audio) = &mut self.audio {
            audio.keep_up(self.video.end());
            for (payload, Span { start, duration }) in audio.held.drain(..) {
                let times = || Times { pts: start, dts: start, duration };
                self.muxer.write_at(AUDIO, &payload, true, times)?;
            }
        }
        self.muxer.flush()?;
        let leading = !packet.keyframe && time.media < self.keyframe;
        Ok(Some(LiveFragment { data: self.muxer.made(), keyframe: packet.keyframe, leading }))
    }
}

impl Audio {
    /// The audio of a muxer that begins at `start` (in ticks); `None` if it has no such track.
    fn new(params: &Arc<CodecParams>, muxer: &Muxer, start: i64) -> Option<Self> {
        let (per, seconds) = muxer.units_per_second(AUDIO)?;
        let rate = per / seconds;
        let mut audio = Self {
            params: params.clone(),
            clock: AudioClock::new(rate, 0),
            rate,
            silence: Silence::of(params)?,
            silent: false,
            held: Vec::new(),
        };
        audio.clock = AudioClock::new(rate, audio.samples(start));
        Some(audio)
    }

    fn take(&mut self, payload: &Payload, place: i64) {
        let samples = match self.params.codec {
            Codec::Opus => opus::samples(payload).map(i64::from),
            _ => Some(self.silence.samples),
        };
        let Some((silence, span)) =
            samples.and_then(|samples| self.clock.next(place, samples, self.silence.samples))
        else {
            return;
        };
        self.silent = false;
        self.hold_silence(silence);
        self.held.push((payload.clone(), span));
    }

    /// Has silence take the place of audio that is missing up to `end` (in ticks), where pictures end now.
    fn keep_up(&mut self, end: i64) {
        let end = self.samples(end);
        self.silent |= end - self.clock.end() > self.rate * MAX_LAG_MS / 1000;
        if self.silent {
            let silence = self.clock.fill(end, self.silence.samples);
            self.hold_silence(silence);
        }
    }

    fn hold_silence(&mut self, spans: Vec<Span>) {
        self.held.extend(spans.into_iter().map(|span| (self.silence.payload.clone(), span)));
    }

    /// Ticks of 90 kHz in samples.
    fn samples(&self, ticks: i64) -> i64 {
        const MAX: i128 = 1 << 60;
        (i128::from(ticks) * i128::from(self.rate) / i128::from(MediaTime::RATE_HZ)).clamp(-MAX, MAX) as i64
    }
}

impl Silence {
    fn of(params: &CodecParams) -> Option<Self> {
        let (data, samples) = match params.codec {
            Codec::Aac => {
                let config = AudioSpecificConfig::parse(&params.extra).ok()?;
                (config.silence()?, config.output_samples())
            }
            Codec::Opus => {
                let silence = opus::silence(params.as_audio()?.channels);
                (silence.to_vec(), opus::samples(&silence)?)
            }
            _ => return None,
        };
        // Packets that are much shorter or longer than any are a lie of the description's.
        let is_usual = (120..=8192).contains(&samples);
        is_usual.then(|| Self { payload: Payload::from_vec(data), samples: samples.into() })
    }
}

impl fmt::Debug for LiveMuxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveMuxer({})", self.mime)
    }
}

/// What a browser is asked whether it plays it; `None` unless the parameters of all tracks tell.
fn mime(tracks: &[(Track, Arc<CodecParams>)]) -> Option<String> {
    let names: Option<Vec<_>> = tracks.iter().map(|(_, params)| params.rfc6381()).collect();
    Some(format!("video/mp4; codecs=\"{}\"", names?.join(",")))
}

/// The nearest number of ticks of 90 kHz.
fn ticks(time: Duration) -> i64 {
    i64::try_from((time.as_micros() * 9 + 50) / 100).unwrap_or(i64::MAX)
}

const VIDEO: Track = Track::new(0);
const AUDIO: Track = Track::new(1);

/// From picture to picture, where nobody tells: 1/25 s in ticks.
const USUAL_STEP: i64 = 3600;

/// Audio may come later than the picture it belongs to by this, before silence takes its place.
const MAX_LAG_MS: i64 = 400;
