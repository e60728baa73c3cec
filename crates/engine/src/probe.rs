//! What a stream is like: connects, looks at it for a while, and tells.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde::Serialize;
use valkka_core::codec::{CodecParams, MediaParams};
use valkka_core::frame::{Body, Frame, FrameTime, Packet};
use valkka_core::sink::FnSink;
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::url::StreamUrl;
use valkka_net::{Reconnect, StreamState};

use crate::camera::{Camera, CameraOptions};
use crate::engine::Engine;
use crate::error::Error;

/// How long [`probe`] may take and looks. All fields are free.
#[derive(Clone, Copy, Debug)]
pub struct ProbeOptions {
    /// From the first video packet on, the stream is looked at for this long …
    pub look: Duration,
    /// … and, until two groups of pictures were seen, longer, but never after this, counted from the call.
    pub deadline: Duration,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self { look: Duration::from_secs(2), deadline: Duration::from_secs(9) }
    }
}

/// What a stream is like.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// The address without credentials.
    pub url: String,
    /// How RTP travels.
    pub transport: String,
    /// What the server calls itself.
    pub server: Option<String>,
    /// From the call to the first packet, in milliseconds.
    pub first_packet_ms: Option<u64>,
    /// The camera's clock minus ours, in milliseconds, by its sender reports; includes the way here.
    pub clock_offset_ms: Option<f64>,
    /// Network packets lost while looking.
    pub lost_packets: u64,
    /// The tracks in the order of the description.
    pub tracks: Vec<TrackReport>,
}

/// What a track is like. What was not seen is `None`.
#[derive(Clone, Debug, Serialize)]
pub struct TrackReport {
    /// `video`, `audio` ….
    pub medium: String,
    /// The codec, or else the encoding as the description names it.
    pub codec: String,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames per second as the stream's parameters say.
    pub nominal_frame_rate: Option<f64>,
    /// Frames (or audio packets) per second as they came, by their time stamps.
    pub frame_rate: Option<f64>,
    /// Audio samples per second.
    pub sample_rate_hz: Option<u32>,
    /// Audio channels.
    pub channels: Option<u16>,
    /// Bits per second.
    pub bit_rate_bps: Option<f64>,
    /// Pictures from one key frame to the next.
    pub gop: Option<u64>,
    /// Frames seen.
    pub frames: u64,
    /// Why the track is not received.
    pub skipped: Option<String>,
}

/// Why a stream could not be looked at; the message is one line without credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The engine could not start it.
    #[error(transparent)]
    Engine(#[from] Error),
    /// The connection failed.
    #[error("{reason}")]
    Failed {
        /// The source's reason.
        reason: String,
    },
    /// Connected, but nothing came.
    #[error("{host}: connected, but no packet came within {} s", .waited.as_secs())]
    NoPacket {
        /// Host and port.
        host: String,
        /// For how long we waited.
        waited: Duration,
    },
}

/// Connects to `url` once, looks at the stream and disconnects. Blocks, at most for `probe.deadline`.
///
/// # Errors
/// If the stream could not be received; see [`ProbeError`].
pub fn probe(
    engine: &Engine,
    url: StreamUrl,
    mut options: CameraOptions,
    probe: ProbeOptions,
) -> Result<ProbeReport, ProbeError> {
    let started = Instant::now();
    options.reconnect = Reconnect::Never;
    options.source.connect_timeout = options.source.connect_timeout.min(probe.deadline);
    let camera = engine.camera(url, options)?;
    // Bounded: what the observer cannot take in time is not looked at.
    let (tx, rx) = mpsc::sync_channel(1024);
    let sink = FnSink(move |frame: Frame| drop(tx.try_send(frame)));
    let _branch = camera.packets("probe", Arc::new(sink))?;

    let mut observer = Observer::default();
    while started.elapsed() < probe.deadline && !observer.is_done(probe.look) {
        if let Ok(frame) = rx.recv_timeout(TICK) {
            observer.take(&frame, started.elapsed());
            continue;
        }
        if let StreamState::Failed { reason } = camera.state() {
            if observer.first_packet.is_some() {
                break;
            }
            return Err(ProbeError::Failed { reason: reason.to_string() });
        }
    }
    if observer.first_packet.is_none() {
        let host = camera.url().host();
        return Err(match camera.state() {
            StreamState::Online(_) => ProbeError::NoPacket { host, waited: started.elapsed() },
            _ => ProbeError::Failed {
                reason: format!("{host} did not answer within {} s", probe.deadline.as_secs()),
            },
        });
    }
    Ok(observer.report(&camera))
}

/// How often a silent stream's state is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Gathers what passes.
#[derive(Debug, Default)]
struct Observer {
    info: Option<Arc<StreamInfo>>,
    /// From the call to the first packet.
    first_packet: Option<Duration>,
    /// When the last packet came, counted from the first.
    looked: Duration,
    lost: u64,
    /// Camera time minus arrival, in microseconds.
    offsets: Vec<i64>,
    /// By index of the track; bounded by the 256 indices there are.
    meters: Vec<Meter>,
}

impl Observer {
    fn take(&mut self, frame: &Frame, elapsed: Duration) {
        match &frame.body {
            Body::Signal(valkka_core::frame::Signal::Online(info)) => self.info = Some(info.clone()),
            Body::Packet(packet) => {
                let first = *self.first_packet.get_or_insert(elapsed);
                self.looked = elapsed - first;
                self.lost += u64::from(packet.lost);
                if let (Some(capture), true) = (frame.time.capture, self.offsets.len() < MAX_OFFSETS) {
                    self.offsets.push(capture.micros_since(frame.time.arrival));
                }
                let index = usize::from(frame.track.index());
                if self.meters.len() <= index {
                    self.meters.resize_with(index + 1, Meter::default);
                }
                self.meters[index].take(&frame.time, packet);
            }
            _ => {}
        }
    }

    /// Whether all that can be seen was seen.
    fn is_done(&self, look: Duration) -> bool {
        let video = |meter: &&Meter| meter.params.as_ref().is_some_and(|params| params.codec.is_video());
        self.first_packet.is_some()
            && self.looked >= look
            && self.meters.iter().filter(video).all(|meter| meter.gop.is_some())
    }

    fn report(mut self, camera: &Camera) -> ProbeReport {
        self.offsets.sort_unstable();
        let median = self.offsets.get(self.offsets.len() / 2);
        let info = self.info.unwrap_or_default();
        let meters = self.meters.iter().map(Some).chain(std::iter::repeat(None));
        ProbeReport {
            url: camera.url().to_string(),
            transport: info.transport.clone(),
            server: info.server.clone(),
            first_packet_ms: self.first_packet.map(|first| first.as_millis() as u64),
            clock_offset_ms: median.map(|&micros| micros as f64 / 1000.0),
            lost_packets: self.lost,
            tracks: info.tracks.iter().zip(meters).map(|(track, meter)| track_report(track, meter)).collect(),
        }
    }
}

/// Enough for a median.
const MAX_OFFSETS: usize = 1000;

/// Measures one track.
#[derive(Debug, Default)]
struct Meter {
    params: Option<Arc<CodecParams>>,
    frames: u64,
    bytes: u64,
    /// Media time of the first and the last frame, in ticks.
    span: Option<(i64, i64)>,
    /// Bytes of the last frame: it lies after the measured span.
    last_bytes: u64,
    /// Number of the last key frame, and the distance of the last two.
    keyframe: Option<u64>,
    gop: Option<u64>,
}

impl Meter {
    fn take(&mut self, time: &FrameTime, packet: &Packet) {
        self.params = Some(packet.params.clone());
        let ticks = time.media.ticks();
        let (first, last) = self.span.unwrap_or((ticks, ticks));
        self.span = Some((first.min(ticks), last.max(ticks)));
        if packet.keyframe {
            self.gop = self.keyframe.map(|previous| self.frames - previous).or(self.gop);
            self.keyframe = Some(self.frames);
        }
        self.frames += 1;
        self.last_bytes = packet.payload.len() as u64;
        self.bytes += self.last_bytes;
    }

    fn seconds(&self) -> Option<f64> {
        let (first, last) = self.span?;
        (last > first).then(|| (last - first) as f64 / f64::from(valkka_core::time::MediaTime::RATE_HZ))
    }
}

fn track_report(track: &TrackInfo, meter: Option<&Meter>) -> TrackReport {
    let params = meter.and_then(|meter| meter.params.clone()).or_else(|| track.params.clone());
    let media = params.as_ref().map(|params| &params.media);
    let video = media.and_then(|media| match media {
        MediaParams::Video(video) => Some(video),
        MediaParams::Audio(_) => None,
    });
    let audio = media.and_then(|media| match media {
        MediaParams::Audio(audio) => Some(audio),
        MediaParams::Video(_) => None,
    });
    let seconds = meter.and_then(Meter::seconds);
    let per_second = |count: fn(&Meter) -> u64| Some(count(meter?) as f64 / seconds?);
    TrackReport {
        medium: track.medium.clone(),
        codec: params.as_ref().map_or_else(|| track.encoding.clone(), |params| params.codec.to_string()),
        width: video.map(|video| video.width).filter(|&width| width > 0),
        height: video.map(|video| video.height).filter(|&height| height > 0),
        nominal_frame_rate: video.and_then(|video| Some(video.frame_rate?.hz())),
        frame_rate: per_second(|meter| meter.frames - 1),
        sample_rate_hz: audio.map(|audio| audio.sample_rate_hz),
        channels: audio.map(|audio| audio.channels),
        bit_rate_bps: per_second(|meter| (meter.bytes - meter.last_bytes) * 8),
        gop: meter.filter(|_| video.is_some()).and_then(|meter| meter.gop),
        frames: meter.map_or(0, |meter| meter.frames),
        skipped: track.skipped.clone(),
    }
}

#[cfg(test)]
mod tests {
    use valkka_core::codec::Codec;
    use valkka_core::payload::Payload;
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::{MediaTime, WallTime};

    use super::*;

    fn packet(n: i64) -> Frame {
        let now = WallTime::from_micros(1_000_000 + n * 40_000);
        Frame {
            slot: Slot::new(1),
            track: Track::new(0),
            time: FrameTime {
                media: MediaTime::from_ticks(n * 3600),
                arrival: now,
                capture: Some(now.offset_micros(-1500)),
                wall: now,
            },
            body: Body::Packet(Packet {
                params: Arc::new(CodecParams::video(Codec::H264, bytes::Bytes::new())),
                payload: Payload::from_vec(vec![0; 1000]),
                keyframe: n % 10 == 0,
                lost: u32::from(n == 3),
            }),
        }
    }

    #[test]
    fn rates_and_groups_are_measured() {
        let mut observer = Observer::default();
        let look = Duration::from_millis(1200);
        for n in 0..=30 {
            assert!(!observer.is_done(look));
            observer.take(&packet(n), Duration::from_millis(500 + n as u64 * 40));
        }
        assert!(observer.is_done(look));
        assert_eq!((observer.lost, observer.first_packet), (1, Some(Duration::from_millis(500))));
        let info = TrackInfo {
            track: Track::new(0),
            medium: "video".into(),
            encoding: "H264".into(),
            params: None,
            skipped: None,
        };
        let report = track_report(&info, observer.meters.first());
        assert_eq!((report.frames, report.gop, report.codec.as_str()), (31, Some(10), "H.264"));
        assert!((report.frame_rate.unwrap() - 25.0).abs() < 1e-9);
        assert!((report.bit_rate_bps.unwrap() - 200_000.0).abs() < 1e-6);
    }

    #[test]
    fn a_track_without_packets_is_shown_as_described() {
        let info = TrackInfo {
            track: Track::new(1),
            medium: "application".into(),
            encoding: "vnd.onvif.metadata".into(),
            params: None,
            skipped: Some("not video or audio".into()),
        };
        let report = track_report(&info, None);
        assert_eq!(
            (report.codec.as_str(), report.frames, report.frame_rate),
            ("vnd.onvif.metadata", 0, None)
        );
    }
}
