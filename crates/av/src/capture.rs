//! Cameras of this machine: video capture devices of the kernel (Video4Linux).

use std::fmt;
use std::io::{self, PipeReader};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::debug;
use valkka_core::clock::SystemClock;
use valkka_core::codec::{Codec, CodecParams, MediaParams, VideoParams, h264, h265, nal};
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::pacer::Pacer;
use valkka_core::payload::PADDING_BYTES;
use valkka_core::sink::Sink;
use valkka_core::source::{Source, SourceError, SourceRequest, StreamInfo, TrackInfo};
use valkka_core::stream::Track;
use valkka_core::time::MediaTime;
use valkka_core::url::Device;
use valkka_core::worker::StopToken;

use crate::ffi::{CaptureError, DeviceFacts, RawCapture, Shot};
use crate::track::TrackParams;

/// Receives what a video capture device encodes: H.264, else H.265, else MJPEG. What it does not encode (raw pictures)
/// is not received.
///
/// The device is asked for the size in its address, for 1280x720 without one, and may choose another. Pictures are
/// copied out of its memory, of which it has little. Their capture time is the kernel's.
pub struct Capture {
    request: SourceRequest,
}

impl Capture {
    /// A source for `request`, whose address is that of a device; nothing is opened before [`Source::run`].
    pub fn new(request: SourceRequest) -> Self {
        Self { request }
    }
}

impl Source for Capture {
    fn run(&mut self, sink: &dyn Sink, stop: &StopToken) -> Result<(), SourceError> {
        let url = &self.request.url;
        let Some(device) = url.device() else {
            let detail = "it is no video capture device".into();
            return Err(SourceError::Unsupported { what: url.to_string(), detail });
        };
        let failed = |cause| SourceError::Io { what: device.path.clone(), cause };
        let (woken, wake) = io::pipe().map_err(failed)?;
        // The other end can be read once this one is gone.
        stop.on_stop(move || drop(wake));
        let (width, height) = device.size.unwrap_or(USUAL_SIZE);
        let (capture, facts) =
            RawCapture::open(&device.path, width, height).map_err(|error| opening(device, error))?;
        debug!(%url, ?facts, "capturing");
        let mut session = Session::new(&self.request, device, &facts);
        sink.put(session.online(&facts));
        session.run(capture, sink, &woken, stop)
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture({})", self.request.url)
    }
}

/// From the opening of a device to its end.
struct Session<'a> {
    request: &'a SourceRequest,
    device: &'a Device,
    codec: Codec,
    params: TrackParams,
    pacer: Pacer,
    /// Parameter sets that came in a buffer of their own; they belong to the picture that follows.
    held: Vec<u8>,
    /// The number of the last picture.
    sequence: Option<u32>,
    /// Pictures that were lost since the last one that was delivered.
    lost: u32,
}

impl<'a> Session<'a> {
    fn new(request: &'a SourceRequest, device: &'a Device, facts: &DeviceFacts) -> Self {
        let &DeviceFacts { codec, width, height, frame_rate, .. } = facts;
        let media = MediaParams::Video(VideoParams { width, height, frame_rate });
        Self {
            request,
            device,
            codec,
            params: TrackParams::new(CodecParams { codec, media, extra: Bytes::new() }),
            pacer: Pacer::default(),
            held: Vec::new(),
            sequence: None,
            lost: 0,
        }
    }

    fn online(&self, facts: &DeviceFacts) -> Frame {
        let track = TrackInfo {
            track: TRACK,
            medium: "video".into(),
            encoding: facts.codec.name().into(),
            params: Some(self.params.current().clone()),
            skipped: None,
        };
        let server = Some(facts.name.clone()).filter(|name| !name.is_empty());
        let info = StreamInfo { transport: "v4l2".into(), server, tracks: vec![track] };
        Frame::signal(self.request.slot, SystemClock.now(), Signal::Online(Arc::new(info)))
    }

    fn run(
        &mut self,
        mut capture: RawCapture,
        sink: &dyn Sink,
        woken: &PipeReader,
        stop: &StopToken,
    ) -> Result<(), SourceError> {
        let silence = self.request.options.silence_timeout;
        let mut last = Instant::now();
        while !stop.is_stopped() {
            let left = silence.saturating_sub(last.elapsed());
            // Rounded up, so that it does not spin through the last millisecond.
            let shot = capture.read(woken.as_fd(), left.max(LEAST_WAIT).min(LONGEST_WAIT));
            let shot = shot.map_err(|cause| SourceError::Io { what: self.device.path.clone(), cause })?;
            if shot.as_ref().is_some_and(|shot| !shot.data.is_empty()) {
                last = Instant::now();
            } else if left.is_zero() {
                // Looked for in vain even now: it is not we who were held up.
                return Err(SourceError::Silent { host: self.device.path.clone(), silence });
            }
            if let Some(shot) = shot
                && let Some(frame) = self.take(&shot)
            {
                sink.put(frame);
            }
        }
        Ok(())
    }

    /// The frame that a buffer of the device makes, if it makes one.
    fn take(&mut self, shot: &Shot<'_>) -> Option<Frame> {
        let arrival = SystemClock.now();
        self.lost = self.lost.saturating_add(gap(self.sequence.replace(shot.sequence), shot.sequence));
        if shot.data.is_empty() {
            // A picture that did not fit, or was not encoded.
            self.lost = self.lost.saturating_add(shot.damaged.into());
            return None;
        }
        if !shows_picture(self.codec, shot.data) {
            if self.held.len() + shot.data.len() > MAX_HELD_BYTES {
                self.held.clear();
            }
            self.held.extend_from_slice(shot.data);
            self.held.truncate(MAX_HELD_BYTES);
            return None;
        }
        let mut data = Vec::with_capacity(self.held.len() + shot.data.len() + PADDING_BYTES);
        data.append(&mut self.held);
        data.extend_from_slice(shot.data);
        let payload = self.params.payload(data);
        let (params, keyframe) = self.params.of(&payload);
        let media = MediaTime::from_rate(shot.micros, 1_000_000);
        let mut time = self.pacer.times(media, None, arrival);
        time.capture = shot.age.filter(|&age| age < OLDEST).map(|age| arrival - age);
        let lost = match (self.codec, std::mem::take(&mut self.lost)) {
            // An image needs no other: the loss of one does it no harm.
            (Codec::Mjpeg, _) => shot.damaged.into(),
            (_, lost) => lost.saturating_add(shot.damaged.into()),
        };
        let packet = Packet { params, payload, keyframe, lost };
        Some(Frame { slot: self.request.slot, track: TRACK, time, body: Body::Packet(packet) })
    }
}

/// How many pictures are missing between two numbers. Some drivers do not count.
fn gap(before: Option<u32>, now: u32) -> u32 {
    let step = before.map_or(1, |before| now.wrapping_sub(before));
    step.checked_sub(1).filter(|&missing| missing < MAX_GAP).unwrap_or(0)
}

/// Whether a buffer holds (at least a part of) a picture, and not only what comes before one.
fn shows_picture(codec: Codec, data: &[u8]) -> bool {
    let mut units = nal::annex_b(data);
    match codec {
        Codec::H264 => units.any(|unit| h264::NalType::of(unit).is_some_and(h264::NalType::is_slice)),
        Codec::H265 => units.any(|unit| h265::NalType::of(unit).is_some_and(h265::NalType::is_slice)),
        _ => true,
    }
}

/// Why a device cannot be used.
fn opening(device: &Device, error: CaptureError) -> SourceError {
    let host = device.path.clone();
    match error {
        CaptureError::Open(cause) => SourceError::Connect { host, cause },
        CaptureError::NoDevice => {
            SourceError::NoTrack { host, detail: "it is no video capture device".into() }
        }
        CaptureError::NoFormat(offered) if offered.is_empty() => {
            SourceError::NoTrack { host, detail: "no format at all".into() }
        }
        CaptureError::NoFormat(offered) => SourceError::NoTrack { host, detail: offered },
        CaptureError::Step(step, cause) => SourceError::Io { what: format!("{host}: {step}"), cause },
    }
}

/// A device has one.
const TRACK: Track = Track::new(0);
/// What most cameras have.
const USUAL_SIZE: (u32, u32) = (1280, 720);
/// Parameter sets are smaller by far.
const MAX_HELD_BYTES: usize = 1 << 16;
/// A larger step is no loss but another count.
const MAX_GAP: u32 = 1000;
/// What is older was stamped by another clock than the one it says.
const OLDEST: Duration = Duration::from_secs(10);
const LEAST_WAIT: Duration = Duration::from_millis(1);
/// It is woken for everything that matters.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use valkka_core::source::SourceOptions;
    use valkka_core::stream::Slot;

    use super::*;

    fn request() -> SourceRequest {
        let url = "/dev/video0".parse().unwrap();
        SourceRequest { slot: Slot::new(1), url, options: SourceOptions::default() }
    }

    fn session<'a>(request: &'a SourceRequest, codec: Codec) -> Session<'a> {
        let facts = DeviceFacts { name: String::new(), codec, width: 640, height: 480, frame_rate: None };
        Session::new(request, request.url.device().unwrap(), &facts)
    }

    fn shot(data: &[u8], sequence: u32) -> Shot<'_> {
        Shot { data, micros: i64::from(sequence) * 40_000, age: None, sequence, damaged: false }
    }

    const SETS: [u8; 10] = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68];
    const IDR: [u8; 6] = [0, 0, 0, 1, 0x65, 0x88];
    const SLICE: [u8; 6] = [0, 0, 0, 1, 0x41, 0x9a];

    #[test]
    fn parameter_sets_of_their_own_go_with_the_picture() {
        let request = request();
        let mut session = session(&request, Codec::H264);
        assert!(session.take(&shot(&SETS, 0)).is_none());
        let frame = session.take(&shot(&IDR, 1)).unwrap();
        let packet = frame.packet().unwrap();
        assert!(packet.keyframe && packet.lost == 0);
        assert_eq!(packet.payload[..4], [0, 0, 0, 1]);
        assert_eq!(nal::annex_b(&packet.payload).count(), 3);
        // Nothing but such, for ever.
        let many = [&SETS[..], &[0; 3000]].concat();
        (2..100).for_each(|n| assert!(session.take(&shot(&many, n)).is_none()));
        assert!(session.held.len() <= MAX_HELD_BYTES);
    }

    #[test]
    fn what_is_missing_is_counted() {
        let request = request();
        let mut session = session(&request, Codec::H264);
        let mut lost = |shot: Shot<'_>| session.take(&shot).map(|frame| frame.packet().unwrap().lost);
        assert_eq!(lost(shot(&IDR, 7)), Some(0));
        assert_eq!(lost(shot(&SLICE, 10)), Some(2));
        assert_eq!(lost(Shot { damaged: true, ..shot(&[], 11) }), None);
        assert_eq!(lost(Shot { damaged: true, ..shot(&SLICE, 13) }), Some(3));
        // Counts anew; does not count; wraps.
        assert_eq!(lost(shot(&SLICE, 0)), Some(0));
        assert_eq!(lost(shot(&SLICE, 0)), Some(0));
        assert_eq!((gap(Some(u32::MAX), 1), gap(None, 9)), (1, 0));
    }

    #[test]
    fn images_need_no_others() {
        let request = request();
        let mut session = session(&request, Codec::Mjpeg);
        let mut lost = |shot: Shot<'_>| session.take(&shot).map(|frame| frame.packet().unwrap().lost);
        assert_eq!(lost(shot(&[0xff, 0xd8], 1)), Some(0));
        assert_eq!(lost(shot(&[0xff, 0xd8], 5)), Some(0));
        assert_eq!(lost(Shot { damaged: true, ..shot(&[0xff, 0xd8], 6) }), Some(1));
    }

    #[test]
    fn times_are_the_devices() {
        let request = request();
        let mut session = session(&request, Codec::Mjpeg);
        let age = Some(Duration::from_millis(50));
        let frame = session.take(&Shot { age, ..shot(&[0xff, 0xd8], 25) }).unwrap();
        assert_eq!(frame.time.media.ticks(), 90_000);
        assert_eq!(frame.time.arrival.micros_since(frame.time.capture.unwrap()), 50_000);
        let age = Some(Duration::from_secs(1000));
        let frame = session.take(&Shot { age, ..shot(&[0xff, 0xd8], 26) }).unwrap();
        assert_eq!(frame.time.capture, None);
    }
}
