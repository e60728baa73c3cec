//! Streams received by libavformat.

mod assembler;
mod errors;
mod interrupt;
mod resolve;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::debug;
use valkka_core::clock::SystemClock;
use valkka_core::codec::Codec;
use valkka_core::frame::{Body, Frame, Packet, Signal};
use valkka_core::pacer::Pacer;
use valkka_core::payload::Payload;
use valkka_core::sink::Sink;
use valkka_core::source::{self, Source, SourceError, SourceRequest, StreamInfo, Transport};
use valkka_core::stream::Track;
use valkka_core::time::{MediaTime, WallTime};
use valkka_core::worker::StopToken;

use crate::description::{codec_of, open_tracks, params_of, to_ticks};
use crate::ffi::{Demuxer, DemuxerOptions, RawPacket, StreamFacts, with_notes};
use crate::track::{TrackParams, payload_of};
use assembler::{Assembler, Piece};
use interrupt::Interrupt;

/// Receives a stream with libavformat: RTSP over UDP, UDP multicast and TLS, and what a session description (`.sdp`)
/// announces. RTSP over TCP is received too, but `valkka-net` does that better.
///
/// Packets that overtook each other are put in order for as long as
/// [`reordering`](valkka_core::source::SourceOptions::reordering) says; lost ones are counted in the packets whose
/// access units they belong to, or may. An access unit of H.264 or H.265 is complete for us when the next one begins,
/// for libavformat does not tell which RTP packet is the last of one: it is delivered one frame interval later than
/// `valkka-net` would. Its arrival is that of its own last byte.
///
/// [`Transport::Auto`] is UDP: to go on with TCP when it brings nothing is up to the caller.
pub struct AvSource {
    request: SourceRequest,
}

impl AvSource {
    /// A source for `request`; nothing is opened before [`Source::run`].
    pub fn new(request: SourceRequest) -> Self {
        Self { request }
    }
}

impl Source for AvSource {
    fn run(&mut self, sink: &dyn Sink, stop: &StopToken) -> Result<(), SourceError> {
        let request = &self.request;
        let interrupt = Arc::new(Interrupt::new(stop.clone(), request.options.connect_timeout));
        let result = Reception::open(request, &interrupt).and_then(|mut reception| {
            let result = reception.run(sink);
            interrupt.closing();
            result
        });
        match result {
            Err(_) if stop.is_stopped() => Ok(()),
            result => result,
        }
    }
}

impl fmt::Debug for AvSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvSource({})", self.request.url)
    }
}

/// One connection.
struct Reception<'a> {
    request: &'a SourceRequest,
    interrupt: Arc<Interrupt>,
    demuxer: Demuxer<Box<dyn Fn() -> bool + Send + Sync>>,
    info: StreamInfo,
    /// By libavformat's index; `None` for those that are passed over.
    tracks: Vec<Option<LiveTrack>>,
}

struct LiveTrack {
    number: Track,
    params: TrackParams,
    time_base: (u32, u32),
    /// The media time of the frame before, for one without a time.
    last: MediaTime,
    pacer: Pacer,
    assembler: Assembler,
}

impl<'a> Reception<'a> {
    fn open(request: &'a SourceRequest, interrupt: &Arc<Interrupt>) -> Result<Self, SourceError> {
        let url = &request.url;
        let place = Place::of(request)?;
        if url.url().is_some() {
            resolve::check(url, request.options.connect_timeout)?;
        }
        let buffer = request.options.recv_buffer_bytes.min(i32::MAX as usize).to_string();
        let delay = request.options.reordering.max(LEAST_REORDERING).as_micros().to_string();
        let mut pairs = vec![
            ("buffer_size", buffer.as_str()),
            ("max_delay", &delay),
            ("allowed_media_types", if request.options.audio { "video+audio" } else { "video" }),
        ];
        pairs.extend_from_slice(place.pairs);
        let options =
            DemuxerOptions { url: &place.url, format: Some(place.format), pairs: &pairs, raw: true };
        let watch = interrupt.clone();
        let give_up: Box<dyn Fn() -> bool + Send + Sync> = Box::new(move || watch.is_over());
        let (opened, notes) = with_notes(|| Demuxer::open(&options, give_up));
        let mut demuxer = opened.map_err(|error| {
            debug!(%url, ?error, ?notes, "cannot open");
            errors::opening(url, error, &notes, interrupt.has_expired(), request.options.connect_timeout)
        })?;
        let (tracks, infos) =
            open_tracks(&mut demuxer, &url.host(), LiveTrack::new, |track| track.params.current())?;
        let info = StreamInfo { transport: place.transport.into(), server: None, tracks: infos };
        debug!(%url, transport = place.transport, tracks = tracks.len(), "receiving");
        Ok(Self { request, interrupt: interrupt.clone(), demuxer, info, tracks })
    }

    fn run(&mut self, sink: &dyn Sink) -> Result<(), SourceError> {
        let options = &self.request.options;
        let online = Signal::Online(Arc::new(self.info.clone()));
        sink.put(Frame::signal(self.request.slot, SystemClock.now(), online));
        let silence = options.silence_timeout;
        loop {
            self.interrupt.set_timeout(silence);
            let (packet, notes) = with_notes(|| self.demuxer.read());
            let packet = packet.map_err(|error| {
                errors::reading(&self.request.url, error, self.interrupt.has_expired(), silence)
            })?;
            self.packet(packet, notes.lost, sink);
        }
    }

    fn packet(&mut self, packet: RawPacket, lost: u32, sink: &dyn Sink) {
        let arrival = SystemClock.now();
        let facts = packet.facts();
        let Some(Some(track)) = self.tracks.get_mut(facts.stream) else { return };
        let video = track.params.current().codec.is_video();
        let piece = Piece {
            ticks: facts.pts.or(facts.dts).map(|time| to_ticks(time, track.time_base)),
            capture_micros: facts.wallclock_micros,
            arrival,
            lost: lost.saturating_add(facts.corrupt.into()),
        };
        let unit = match track.params.current().codec {
            Codec::H264 | Codec::H265 => track.assembler.push(packet.data(), piece),
            _ => Some((payload_of(packet), piece)),
        };
        if let Some((payload, piece)) = unit {
            sink.put(track.frame(self.request, payload, piece));
        }
        // libavformat does not say of which track a packet was lost. It is that of the packet it hands out next, unless
        // it had nothing to hand out of it.
        if lost > 0 && !video {
            let others = self.tracks.iter_mut().flatten();
            others
                .filter(|track| track.params.current().codec.is_video())
                .for_each(|track| track.assembler.lost(lost));
        }
    }
}

impl LiveTrack {
    /// `None` if it cannot be received.
    fn new(number: Track, facts: &StreamFacts) -> Option<Self> {
        let codec = codec_of(facts)?;
        let params = params_of(codec, facts, Bytes::from(facts.extra.clone()));
        Some(Self {
            number,
            params: TrackParams::new(params),
            time_base: facts.time_base,
            last: MediaTime::default(),
            pacer: Pacer::default(),
            assembler: Assembler::new(codec),
        })
    }

    fn frame(&mut self, request: &SourceRequest, payload: Payload, piece: Piece) -> Frame {
        let payload = self.params.completed(payload);
        let (params, keyframe) = self.params.of(&payload);
        self.last = piece.ticks.map_or(self.last, MediaTime::from_ticks);
        let capture = piece.capture_micros.map(WallTime::from_micros);
        let time = self.pacer.times(self.last, capture, piece.arrival);
        let packet = Packet { params, payload, keyframe, lost: piece.lost };
        Frame { slot: request.slot, track: self.number, time, body: Body::Packet(packet) }
    }
}

/// How an address is opened.
struct Place {
    /// With credentials: for libavformat only.
    url: String,
    format: &'static str,
    transport: &'static str,
    pairs: &'static [(&'static str, &'static str)],
}

impl Place {
    fn of(request: &SourceRequest) -> Result<Self, SourceError> {
        let url = &request.url;
        let unsupported =
            |detail: &str| SourceError::Unsupported { what: url.to_string(), detail: detail.into() };
        if let Some(path) = url.file() {
            // Said outright, so that no name is taken for another protocol's address.
            let url = format!("file:{path}");
            return Ok(Self { url, format: "sdp", transport: "udp", pairs: SDP });
        }
        let (transport, pairs) = match (url.scheme(), request.options.transport) {
            ("rtsp", Transport::Auto | Transport::Udp) => ("udp", RTSP_UDP),
            ("rtsp", Transport::Multicast) => ("multicast", RTSP_MULTICAST),
            ("rtsp", Transport::Tcp) => ("tcp", RTSP_TCP),
            // Inside TLS there is no other way.
            ("rtsps", _) => ("tls", RTSP_TCP),
            _ => return Err(unsupported("libavformat is asked for rtsp, rtsps and .sdp only")),
        };
        let mut with_credentials = url.url().cloned().ok_or_else(|| unsupported("it is no address"))?;
        if let Some(credentials) = url.credentials() {
            let set = with_credentials
                .set_username(&credentials.username)
                .and_then(|()| with_credentials.set_password(Some(&credentials.password)));
            set.map_err(|()| unsupported("it cannot carry credentials"))?;
        }
        Ok(Self { url: with_credentials.into(), format: "rtsp", transport, pairs })
    }
}

const SDP: &[(&str, &str)] = &[("protocol_whitelist", "file,udp,rtp"), UDP_QUEUE];
const RTSP_UDP: &[(&str, &str)] = &[("rtsp_transport", "udp"), UDP_QUEUE, USER_AGENT];
const RTSP_MULTICAST: &[(&str, &str)] = &[("rtsp_transport", "udp_multicast"), UDP_QUEUE, USER_AGENT];
/// Inside TLS too.
const RTSP_TCP: &[(&str, &str)] = &[("rtsp_transport", "tcp"), TCP_QUEUE, USER_AGENT];
const USER_AGENT: (&str, &str) = ("user_agent", source::USER_AGENT);

/// RTP packets that may wait for a lost one: more than a key frame of 4K has.
const UDP_QUEUE: (&str, &str) = ("reorder_queue_size", "4000");
/// TCP reorders nothing, but servers drop packets when it is slow. This is the shortest queue with which libavformat
/// notices; it waits until the queue is full.
const TCP_QUEUE: (&str, &str) = ("reorder_queue_size", "2");
const LEAST_REORDERING: Duration = Duration::from_millis(1);
