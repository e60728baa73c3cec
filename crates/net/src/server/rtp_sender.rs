//! A stream that is sent by RTP to where it is told, whoever listens there.

use std::fs;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use socket2::SockRef;
use tokio::net::UdpSocket;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::source::{StreamInfo, TrackInfo};
use valkka_core::stream::Track;

use super::channel::{Channel, REPORT_INTERVAL};
use super::flow::Flow;
use super::sdp;
use super::track_set::TrackSet;
use super::udp;
use super::viewer::Viewer;
use crate::live::LiveTask;
use crate::rtp::{Unit, UnitKind};

/// Where a stream is sent to by RTP: an address of one machine, or of a multicast group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpDestination {
    /// The address.
    pub address: IpAddr,
    /// The port that video is sent to; its RTCP goes to the next, audio to the port two above it.
    pub port: u16,
    /// Over how many routers packets may go; 0 keeps those for a multicast group on this machine.
    pub ttl: u8,
}

/// Sends the first video and the first audio track of a stream by RTP, unasked; [`Live::send`](crate::Live::send) makes
/// it.
///
/// Put the frames of one stream into it. Sending starts at a key frame, and parameter sets go before each, so that
/// receivers may come at any time; they need the description that [`Self::sdp`] tells. Sender reports go to the port after
/// that of each track, at the start and every five seconds, also while the stream brings nothing, so that receivers know
/// the capture times: those that the camera tells
/// ([`FrameTime::capture`](valkka_core::frame::FrameTime::capture)) if they are within a minute of
/// [`FrameTime::wall`](valkka_core::frame::FrameTime::wall), else that. Tracks of which the camera tells none are put where
/// the others are. A camera that has not told any has six seconds to do so before the first report. Putting a frame costs
/// the caller the packetising and never waits for the network: the live thread sends, and moves on to the next key frame if
/// it falls behind.
///
/// Dropping it says goodbye and ends the sending. When the live thread has ended, frames go nowhere.
pub struct RtpSender {
    destination: RtpDestination,
    outgoing: Arc<Outgoing>,
    tracks: Mutex<Tracks>,
    name: Mutex<Name>,
    _task: LiveTask,
}

/// What a sender has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpSenderStats {
    /// RTP packets that were sent, so far.
    pub sent: u64,
    /// RTP packets that the system refused, so far: nobody listens at a machine's port, or there is no route any more.
    pub refused: u64,
    /// Access units that were left out because sending fell behind, so far.
    pub skipped: u64,
}

/// What the sender shares with the task that sends.
struct Outgoing {
    channel: Arc<Channel>,
    sockets: Sockets,
    sent: AtomicU64,
    refused: AtomicU64,
}

/// What the description calls the stream.
struct Name {
    text: String,
    /// How often it was called otherwise before: each description is to have a version of its own.
    changes: u64,
}

/// Which tracks of the stream are sent.
#[derive(Default)]
struct Tracks {
    video: Option<Track>,
    audio: Option<Track>,
    /// Whether a key frame has come, so that what follows it makes sense.
    started: bool,
}

/// A destination with its sockets, about to be sent to.
pub(crate) struct Prepared {
    destination: RtpDestination,
    outgoing: Arc<Outgoing>,
}

/// The sockets by track.
struct Sockets {
    video: Pair,
    /// `None` if there is no port for it.
    audio: Option<Pair>,
}

/// The sockets of one track.
struct Pair {
    rtp: UdpSocket,
    /// `None` if there is no port for it.
    rtcp: Option<UdpSocket>,
}

impl RtpSender {
    /// Opens what sending takes. Needs the reactor of the live thread.
    pub(crate) fn prepare(destination: RtpDestination) -> io::Result<Prepared> {
        if destination.port == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "0 is no port to send to"));
        }
        let audio = destination.port_of(AUDIO).map(|port| Pair::open(&destination, port)).transpose()?;
        let sockets = Sockets { video: Pair::open(&destination, destination.port)?, audio };
        let name = SocketAddr::new(destination.address, destination.port).to_string();
        let outgoing = Outgoing {
            channel: Arc::new(Channel::new(name, 0, KEPT_BYTES, REPORT_INTERVAL)),
            sockets,
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        Ok(Prepared { destination, outgoing: Arc::new(outgoing) })
    }

    /// Where it sends to.
    pub fn destination(&self) -> RtpDestination {
        self.destination
    }

    /// Calls the stream `name` in its description, in the place of its destination. Control characters are left out.
    pub fn set_name(&self, name: &str) {
        let mut current = lock(&self.name);
        if current.text != name {
            *current = Name { text: name.to_owned(), changes: current.changes + 1 };
        }
    }

    /// What receivers must know, in the format of `.sdp` files; `None` before enough of the stream has come to say it.
    pub fn sdp(&self) -> Option<String> {
        let mut description = self.outgoing.channel.description();
        if description.tracks.is_empty() {
            return None;
        }
        let name = lock(&self.name);
        description.version += name.changes;
        Some(sdp::write(&name.text, &description, Some(&self.destination)))
    }

    /// Writes that description to the file at `path`, whole or not at all, in the place of what may be there. Returns
    /// whether it is known already.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_sdp(&self, path: &Path) -> io::Result<bool> {
        let Some(sdp) = self.sdp() else { return Ok(false) };
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
        let unfinished = path.with_file_name(format!(".{name}.{:08x}", fastrand::u32(..)));
        let written = fs::write(&unfinished, sdp).and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.map(|()| true)
    }

    /// What it has counted.
    pub fn stats(&self) -> RtpSenderStats {
        RtpSenderStats {
            sent: self.outgoing.sent.load(Ordering::Relaxed),
            refused: self.outgoing.refused.load(Ordering::Relaxed),
            skipped: self.outgoing.channel.counters.skipped.load(Ordering::Relaxed),
        }
    }
}

impl Prepared {
    /// The sender, by means of the live thread's `spawn`.
    pub(crate) fn start(
        self,
        spawn: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>) -> LiveTask,
    ) -> RtpSender {
        let Self { destination, outgoing } = self;
        let sending = outgoing.clone();
        let body = Box::pin(async move {
            tokio::join!(sending.channel.fan_out(), sending.send());
        });
        let name = Mutex::new(Name { text: outgoing.channel.path().to_owned(), changes: 0 });
        RtpSender { destination, outgoing, tracks: Mutex::default(), name, _task: spawn(body) }
    }
}

impl Sink for RtpSender {
    fn put(&self, mut frame: Frame) {
        let mut tracks = lock(&self.tracks);
        match &frame.body {
            Body::Signal(Signal::Online(info)) => {
                let info = tracks.announced(info);
                frame.body = Body::Signal(Signal::Online(Arc::new(info)));
            }
            Body::Packet(packet) => {
                let Some(track) = tracks.place(frame.track, packet.params.codec.is_video(), packet.keyframe)
                else {
                    return;
                };
                frame.track = track;
            }
            _ => return,
        }
        drop(tracks);
        self.outgoing.channel.put(&frame);
    }
}

impl Drop for RtpSender {
    fn drop(&mut self) {
        for unit in self.outgoing.channel.goodbye([VIDEO, AUDIO].into_iter().collect()) {
            // Without waiting, for it may be dropped anywhere: who does not hear it has its own deadline.
            if let Some(rtcp) = self.outgoing.sockets.of(&unit) {
                unit.packets().for_each(|packet| drop(rtcp.try_send(packet)));
            }
        }
    }
}

impl std::fmt::Debug for RtpSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtpSender").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl RtpDestination {
    /// The port that a track is sent to, if there is one.
    pub(super) fn port_of(&self, track: u8) -> Option<u16> {
        self.port.checked_add(u16::from(track) * 2)
    }
}

impl Outgoing {
    /// Sends until it is dropped.
    async fn send(&self) {
        let mut changes = self.channel.subscribe();
        loop {
            // Which tracks wait for a key frame is known once there are any.
            while self.channel.description().tracks.is_empty() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
            let tracks: TrackSet = [VIDEO, AUDIO].into_iter().collect();
            let (cursor, _) = self.channel.join(tracks, self.channel.generation());
            let mut viewer = Viewer::new(Arc::new(Flow::new(self.channel.clone())), cursor);
            // It ends when a codec changes: then the next one begins.
            while let Some(units) = viewer.next().await {
                let (sent, refused) = udp::send_units(&units, |unit| self.sockets.of(unit)).await;
                self.sent.fetch_add(sent, Ordering::Relaxed);
                self.refused.fetch_add(refused, Ordering::Relaxed);
            }
        }
    }
}

impl Tracks {
    /// Follows what a new connection has announced, and tells it in the order in which it is sent.
    fn announced(&mut self, info: &StreamInfo) -> StreamInfo {
        *self = Self::default();
        let mut sent = Vec::new();
        for track in info.tracks.iter().filter(|track| track.skipped.is_none()) {
            let video =
                track.params.as_ref().map_or(track.medium == "video", |params| params.codec.is_video());
            if !video && track.params.is_none() && track.medium != "audio" {
                continue;
            }
            let (known, number) = self.of(video);
            if known.is_none() {
                *known = Some(track.track);
                sent.push(TrackInfo { track: Track::new(number), ..track.clone() });
            }
        }
        StreamInfo { tracks: sent, ..info.clone() }
    }

    /// The number by which a packet of `track` is sent; `None` if it is not sent.
    fn place(&mut self, track: Track, video: bool, keyframe: bool) -> Option<Track> {
        let (known, number) = self.of(video);
        if *known.get_or_insert(track) != track {
            return None;
        }
        self.started |= video && keyframe;
        (self.started || !video).then_some(Track::new(number))
    }

    /// The track of a kind, if it is known yet, and the number it is sent by.
    fn of(&mut self, video: bool) -> (&mut Option<Track>, u8) {
        if video { (&mut self.video, VIDEO) } else { (&mut self.audio, AUDIO) }
    }
}

impl Sockets {
    fn of(&self, unit: &Unit) -> Option<&UdpSocket> {
        let pair = if unit.track == VIDEO { &self.video } else { self.audio.as_ref()? };
        match unit.kind {
            UnitKind::Media { .. } => Some(&pair.rtp),
            UnitKind::Control => pair.rtcp.as_ref(),
        }
    }
}

impl Pair {
    /// For RTP to `port`, and RTCP to the next.
    fn open(destination: &RtpDestination, port: u16) -> io::Result<Self> {
        let rtcp = port.checked_add(1).map(|port| connect(destination, port)).transpose()?;
        Ok(Self { rtp: connect(destination, port)?, rtcp })
    }
}

/// A socket that sends to a port of `destination`.
fn connect(destination: &RtpDestination, port: u16) -> io::Result<UdpSocket> {
    let any: IpAddr = match destination.address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = StdSocket::bind((any, 0))?;
    let options = SockRef::from(&socket);
    let ttl = u32::from(destination.ttl);
    match (destination.address, destination.address.is_multicast()) {
        (IpAddr::V4(_), true) => options.set_multicast_ttl_v4(ttl)?,
        (IpAddr::V6(_), true) => options.set_multicast_hops_v6(ttl)?,
        // To one machine, 0 is refused by the system.
        (IpAddr::V4(_), false) => options.set_ttl_v4(ttl.max(1))?,
        (IpAddr::V6(_), false) => options.set_unicast_hops_v6(ttl.max(1))?,
    }
    options.set_send_buffer_size(udp::SEND_BUFFER_BYTES)?;
    socket.connect((destination.address, port))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// The numbers of what is sent. The first dynamic payload type is that of the first track: hand-written descriptions say
/// 96 for video.
const VIDEO: u8 = 0;
const AUDIO: u8 = 1;

/// Packets wait here only while sending falls behind: a large group of pictures.
const KEPT_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn track(number: u8, medium: &str, skipped: bool) -> TrackInfo {
        TrackInfo {
            track: Track::new(number),
            medium: medium.into(),
            encoding: String::new(),
            params: None,
            skipped: skipped.then(String::new),
        }
    }

    #[test]
    fn video_comes_first_wherever_the_stream_has_it() {
        let mut tracks = Tracks::default();
        let offered = vec![
            track(0, "application", false),
            track(1, "audio", true),
            track(2, "audio", false),
            track(3, "video", false),
            track(4, "video", false),
        ];
        let sent = tracks.announced(&StreamInfo { tracks: offered, ..StreamInfo::default() });
        let numbers: Vec<_> = sent.tracks.iter().map(|track| track.track.index()).collect();
        assert_eq!(numbers, [AUDIO, VIDEO]);
        assert_eq!(tracks.place(Track::new(2), false, true), Some(Track::new(AUDIO)));
        assert_eq!(tracks.place(Track::new(3), true, false), None, "it waits for a key frame");
        assert_eq!(tracks.place(Track::new(3), true, true), Some(Track::new(VIDEO)));
        assert_eq!(tracks.place(Track::new(3), true, false), Some(Track::new(VIDEO)));
        assert_eq!(tracks.place(Track::new(4), true, true), None);
    }

    #[test]
    fn unannounced_tracks_are_taken_as_they_come() {
        let mut tracks = Tracks::default();
        assert_eq!(tracks.place(Track::new(7), true, true), Some(Track::new(VIDEO)));
        assert_eq!(tracks.place(Track::new(6), true, true), None);
    }

    #[test]
    fn the_last_port_leaves_none_for_audio() {
        let to = |port| RtpDestination { address: Ipv4Addr::LOCALHOST.into(), port, ttl: 1 };
        assert_eq!(to(50_000).port_of(AUDIO), Some(50_002));
        assert_eq!(to(65_534).port_of(AUDIO), None);
    }

    #[tokio::test]
    async fn what_cannot_be_sent_to_is_said() {
        let to = |address: &str, port| RtpDestination { address: address.parse().unwrap(), port, ttl: 0 };
        assert!(RtpSender::prepare(to("127.0.0.1", 0)).is_err());
        assert!(RtpSender::prepare(to("255.255.255.255", 5000)).is_err());
        assert!(RtpSender::prepare(to("127.0.0.1", 5000)).is_ok());
    }
}
