//! The RTSP client for RTP interleaved in the TCP connection (RFC 2326, section 10.12).

mod error;
mod leash;
mod opener;
mod timing;
mod track;

pub use self::opener::RtspOpener;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use retina::client::{
    Demuxed, Described, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session,
    SessionOptions, SetupOptions, Stream,
};
use retina::codec::{CodecItem, FrameFormat, ParameterSetInsertion, aac, h26x};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{debug, trace, warn};
use valkka_core::clock::SystemClock;
use valkka_core::frame::{Frame, Signal};
use valkka_core::sink::Sink;
use valkka_core::source::{SourceError, SourceRequest, StreamInfo, USER_AGENT};
use valkka_core::stream::Track;
use valkka_core::time::WallTime;
use valkka_core::url::StreamUrl;

use self::error::{Step, no_answer, no_such_host, translate, without_end};
use self::leash::{Endless, Leash};
use self::track::LiveTrack;
use crate::opener::{Received, TaskSource};

/// Receives `rtsp://` over TCP: H.264, H.265, MJPEG, AAC and G.711. Tracks of other codecs are skipped, and
/// listed with the reason in [`StreamInfo`]; the log says so once.
///
/// From the resolution of the name to the answer to PLAY it takes at most
/// [`connect_timeout`](valkka_core::source::SourceOptions::connect_timeout); after that, at most
/// [`silence_timeout`](valkka_core::source::SourceOptions::silence_timeout) from one frame to the next. A peer
/// that sends more than any answer or picture needs, and nothing comes of it, is left before it fills the memory.
pub struct RtspTcp {
    request: SourceRequest,
    /// Set when the camera was not to be reached; see [`Self::reach`].
    doubtful: bool,
    /// What is left out has been said.
    was_online: bool,
}

impl RtspTcp {
    /// A source for `request`, which connects when it is run.
    pub fn new(request: SourceRequest) -> Self {
        Self { request, doubtful: false, was_online: false }
    }

    async fn receive(&mut self, sink: &dyn Sink) -> SourceError {
        let host = self.request.url.host();
        let limit = self.request.options.connect_timeout;
        if self.doubtful
            && let Err(error) = self.reach(&host).await
        {
            return error;
        }
        let connected = {
            let connect = pin!(self.connect(&host, sink));
            timeout(limit, Leash::tight().finish(connect)).await
        };
        let (mut session, mut tracks) = match connected {
            Ok(Ok(Ok(connected))) => connected,
            Ok(Ok(Err(error))) => return error,
            Ok(Err(endless)) => return without_end(&host, endless.read_bytes),
            Err(_) => {
                self.doubtful = true;
                return no_answer(&host, limit);
            }
        };
        self.doubtful = false;
        self.was_online = true;
        let silence = self.request.options.silence_timeout;
        match play(&mut session, &mut tracks, sink, &self.request.url, silence).await {
            Ok(error) => {
                self.doubtful = matches!(error, SourceError::Silent { .. });
                error
            }
            Err(endless) => {
                drop_without_goodbye(session);
                without_end(&host, endless.read_bytes)
            }
        }
    }

    /// Finds out quickly whether a camera that had gone silent is there.
    ///
    /// While a cable is pulled, a connection attempt waits; the kernel repeats its first packet after 1, 3 and
    /// 7 s, and would find a camera that returned only that late. Short attempts one after the other find it
    /// within a second or two.
    async fn reach(&self, host: &str) -> Result<(), SourceError> {
        let url = &self.request.url;
        let name = url.host_name().unwrap_or_default();
        let port = url.port().unwrap_or_default();
        match timeout(REACH_TIMEOUT, TcpStream::connect((name, port))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(cause)) if cause.raw_os_error().is_none() => Err(no_such_host(host)),
            Ok(Err(cause)) => Err(SourceError::Connect { host: host.to_owned(), cause }),
            Err(_) => Err(no_answer(host, REACH_TIMEOUT)),
        }
    }

    /// Connects, sets all tracks up that can be received, and plays.
    async fn connect(
        &self,
        host: &str,
        sink: &dyn Sink,
    ) -> Result<(Demuxed, Vec<Option<LiveTrack>>), SourceError> {
        let SourceRequest { slot, url, options } = &self.request;
        let address = url.url().filter(|url| url.scheme() == "rtsp").ok_or_else(|| {
            SourceError::Unsupported { what: url.to_string(), detail: "it is not an rtsp address".into() }
        })?;
        let credentials = url.credentials().map(|credentials| retina::client::Credentials {
            username: credentials.username.clone(),
            password: credentials.password.clone(),
        });
        let session_options = SessionOptions::default().creds(credentials).user_agent(USER_AGENT.to_owned());
        let mut session = Session::describe(address.clone(), session_options)
            .await
            .map_err(|error| translate(&error, Step::Describe, url))?;

        let mut tracks = Vec::new();
        let mut infos = Vec::new();
        for index in 0..session.streams().len().min(MAX_TRACKS) {
            let track = Track::new(index as u8);
            let stream = &session.streams()[index];
            let codec = match track::codec(stream) {
                Ok(codec) if !codec.is_video() && !options.audio => Err("audio was not asked for".to_owned()),
                other => other,
            };
            let received = match codec {
                Ok(codec) => set_up(&mut session, index, url).await?.map(|()| codec),
                Err(reason) => Err(reason),
            };
            let stream = &session.streams()[index];
            match received {
                Ok(codec) => {
                    let live = LiveTrack::new(*slot, track, codec, stream);
                    infos.push(live.info(stream));
                    tracks.push(Some(live));
                }
                Err(reason) => {
                    debug!(host, %track, reason, "track skipped");
                    infos.push(track::describe(track, stream, Some(reason)));
                    tracks.push(None);
                }
            }
        }
        if tracks.iter().all(Option::is_none) {
            let offers: Vec<_> =
                infos.iter().map(|info| format!("{} {}", info.medium, info.encoding)).collect();
            let detail = if offers.is_empty() { "none at all".into() } else { offers.join(", ") };
            return Err(SourceError::NoTrack { host: host.to_owned(), detail });
        }

        let server = session.tool().map(|tool| tool.chars().take(MAX_SERVER_CHARS).collect());
        // Sequence numbers count from the first packet: what the answer to PLAY says of it is wrong with many a camera, and
        // with servers that already send to others.
        let play = PlayOptions::default()
            .initial_timestamp(InitialTimestampPolicy::Permissive)
            .initial_seq(InitialSequenceNumberPolicy::Ignore);
        let session = session
            .play(play)
            .await
            .and_then(Session::demuxed)
            .map_err(|error| translate(&error, Step::Play, url))?;
        debug!(host, ?infos, "online over TCP");
        if !self.was_online {
            for (info, reason) in infos.iter().filter_map(|info| Some((info, info.skipped.as_ref()?))) {
                let medium = &info.medium[..];
                if matches!(medium, "video" | "image") || medium == "audio" && options.audio {
                    warn!(host, track = %info.track, reason, "a track is left out");
                }
            }
        }
        let info = StreamInfo { transport: "tcp".into(), server, tracks: infos };
        sink.put(Frame::signal(*slot, SystemClock.now(), Signal::Online(Arc::new(info))));
        Ok((session, tracks))
    }
}

impl TaskSource for RtspTcp {
    fn run<'a>(&'a mut self, sink: &'a dyn Sink) -> Received<'a> {
        Box::pin(self.receive(sink))
    }
}

impl fmt::Debug for RtspTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtspTcp").field("url", &self.request.url).finish_non_exhaustive()
    }
}

/// Sets one track up; the inner error is a reason to do without it.
async fn set_up(
    session: &mut Session<Described>,
    index: usize,
    peer: &StreamUrl,
) -> Result<Result<(), String>, SourceError> {
    let audio = session.streams()[index].media() == "audio";
    match session.setup(index, SetupOptions::default().frame_format(FORMAT)).await {
        Ok(()) => Ok(Ok(())),
        // Cameras announce sound that they do not have.
        Err(error) if audio && error.status_code().is_some_and(|code| code != 401) => {
            Ok(Err(translate(&error, Step::Setup, peer).to_string()))
        }
        Err(error) => Err(translate(&error, Step::Setup, peer)),
    }
}

/// Delivers frames until the connection ends.
async fn play(
    session: &mut Demuxed,
    tracks: &mut [Option<LiveTrack>],
    sink: &dyn Sink,
    peer: &StreamUrl,
    silence: Duration,
) -> Result<SourceError, Endless> {
    let host = &peer.host();
    let mut leash = Leash::loose();
    let mut last_frame = Instant::now();
    let mut tick = interval((silence / 8).clamp(SHORTEST_TICK, LONGEST_TICK));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let item = tokio::select! { biased;
            item = leash.next(session) => item?,
            now = tick.tick() => {
                if now.duration_since(last_frame) >= silence {
                    return Ok(no_answer(host, silence));
                }
                continue;
            }
        };
        match item {
            Some(Ok(item)) => {
                if let Some(frame) = frame(item, session.streams(), tracks) {
                    last_frame = Instant::now();
                    trace!(host, ?frame, "frame");
                    sink.put(frame);
                }
            }
            Some(Err(error)) => return Ok(translate(&error, Step::Receive, peer)),
            None => return Ok(SourceError::Ended { host: host.to_owned() }),
        }
    }
}

/// Drops a session without TEARDOWN. retina would wait for the answer, and read for it whatever comes, on a
/// task of the runtime that it is dropped in; so it is dropped in one that ends at once.
fn drop_without_goodbye(session: Demuxed) {
    if let Ok(nowhere) = Builder::new_current_thread().enable_time().build() {
        let within = nowhere.enter();
        drop(session);
        drop(within);
        nowhere.shutdown_background();
    }
}

/// The frame of what came, if it is one.
fn frame(item: CodecItem, streams: &[Stream], tracks: &mut [Option<LiveTrack>]) -> Option<Frame> {
    let index = match &item {
        CodecItem::VideoFrame(frame) => frame.stream_id(),
        CodecItem::AudioFrame(frame) => frame.stream_id(),
        CodecItem::Rtcp(report) => report.stream_id(),
        _ => return None,
    };
    let (track, stream) = (tracks.get_mut(index)?.as_mut()?, streams.get(index)?);
    match item {
        CodecItem::VideoFrame(frame) => {
            let arrival = arrival(frame.end_ctx());
            let time = track.clock.frame(frame.timestamp().into(), arrival);
            Some(track.video(frame, time, stream))
        }
        CodecItem::AudioFrame(frame) => {
            let time = track.clock.frame(frame.timestamp().into(), arrival(frame.ctx()));
            Some(track.audio(&frame, time, stream))
        }
        CodecItem::Rtcp(compound) => {
            let stamp = compound.rtp_timestamp()?;
            let report = compound.pkts().next()?.as_sender_report().ok()??;
            track.clock.report(report.ntp_timestamp().0, stamp.into());
            None
        }
        _ => None,
    }
}

fn arrival(context: &retina::PacketContext) -> WallTime {
    SystemClock.now() - context.received().elapsed()
}

/// Annex B with parameter sets before each key frame, and AAC without ADTS headers.
const FORMAT: FrameFormat = FrameFormat {
    h26x_framing: h26x::Framing::AnnexB,
    parameter_set_insertion: ParameterSetInsertion::EachKeyFrame,
    aac_framing: aac::Framing::Raw,
};
/// Tracks looked at; a hostile description may list any number.
const MAX_TRACKS: usize = 32;
const MAX_SERVER_CHARS: usize = 100;
/// Long enough for two first packets, at 0 and 1 s.
const REACH_TIMEOUT: Duration = Duration::from_millis(1200);
/// How often silence is looked for.
const SHORTEST_TICK: Duration = Duration::from_millis(20);
const LONGEST_TICK: Duration = Duration::from_millis(250);
