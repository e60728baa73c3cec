//! Looks at the frames of a stream.

use std::sync::Arc;
use std::time::Duration;

use valkka_core::codec::CodecParams;
use valkka_core::frame::{Body, Frame, FrameTime, Packet, Signal};
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::time::MediaTime;

use super::report::{ProbeReport, TrackReport};
use crate::camera::Camera;

/// Gathers what passes.
#[derive(Debug, Default)]
pub(super) struct Observer {
    info: Option<Arc<StreamInfo>>,
    /// From the call to the first packet.
    first_packet: Option<Duration>,
    /// When the last packet came, counted from the first.
    looked: Duration,
    lost: u64,
    /// Camera time minus arrival, in microseconds, of the frame that was held up least.
    offset: Option<i64>,
    /// By index of the track; bounded by the 256 indices there are.
    meters: Vec<Meter>,
}

impl Observer {
    /// Takes a frame that came `elapsed` after the call.
    pub(super) fn take(&mut self, frame: &Frame, elapsed: Duration) {
        match &frame.body {
            Body::Signal(Signal::Online(info)) => self.info = Some(info.clone()),
            Body::Packet(packet) => {
                let first = *self.first_packet.get_or_insert(elapsed);
                self.looked = elapsed - first;
                self.lost += u64::from(packet.lost);
                let offset = frame.time.capture.map(|capture| capture.micros_since(frame.time.arrival));
                // `None` is less than any.
                self.offset = self.offset.max(offset);
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
    pub(super) fn is_done(&self, look: Duration) -> bool {
        let video = |meter: &&Meter| meter.params.as_ref().is_some_and(|params| params.codec.is_video());
        self.first_packet.is_some()
            && self.looked >= look
            && self.meters.iter().filter(video).all(|meter| meter.gop.is_some())
    }

    /// Whether any packet came.
    pub(super) fn has_seen_packets(&self) -> bool {
        self.first_packet.is_some()
    }

    /// What was seen of `camera`.
    pub(super) fn report(self, camera: &Camera) -> ProbeReport {
        let info = self.info.unwrap_or_default();
        let meters = self.meters.iter().map(Some).chain(std::iter::repeat(None));
        ProbeReport {
            url: camera.url().to_string(),
            transport: info.transport.clone(),
            server: info.server.clone(),
            first_packet_ms: self.first_packet.map(|first| first.as_millis() as u64),
            clock_offset_ms: self.offset.map(|micros| micros as f64 / 1000.0),
            lost_packets: self.lost,
            tracks: info.tracks.iter().zip(meters).map(|(track, meter)| track_report(track, meter)).collect(),
        }
    }
}

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
        (last > first).then(|| (last - first) as f64 / f64::from(MediaTime::RATE_HZ))
    }
}

fn track_report(track: &TrackInfo, meter: Option<&Meter>) -> TrackReport {
    let params = meter.and_then(|meter| meter.params.clone()).or_else(|| track.params.clone());
    let video = params.as_deref().and_then(CodecParams::as_video);
    let audio = params.as_deref().and_then(CodecParams::as_audio);
    let seconds = meter.and_then(Meter::seconds);
    // Where there is a span, there are two frames at least.
    let per_second = |count: fn(&Meter) -> u64| {
        let (meter, seconds) = meter.zip(seconds)?;
        Some(count(meter) as f64 / seconds)
    };
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
    use valkka_core::time::WallTime;

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
        // A server's kept pictures come late, and say nothing about its clock.
        let mut kept = packet(31);
        kept.time.capture = kept.time.capture.map(|capture| capture.offset_micros(-900_000));
        observer.take(&kept, Duration::from_millis(1740));
        assert_eq!(observer.offset, Some(-1500));
        assert_eq!((observer.lost, observer.first_packet), (1, Some(Duration::from_millis(500))));
        let info = TrackInfo {
            track: Track::new(0),
            medium: "video".into(),
            encoding: "H264".into(),
            params: None,
            skipped: None,
        };
        let report = track_report(&info, observer.meters.first());
        assert_eq!((report.frames, report.gop, report.codec.as_str()), (32, Some(10), "H.264"));
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
        // Also when a track behind it has brought packets.
        for meter in [None, Some(&Meter::default())] {
            let report = track_report(&info, meter);
            assert_eq!(
                (report.codec.as_str(), report.frames, report.frame_rate),
                ("vnd.onvif.metadata", 0, None)
            );
        }
    }
}
