//! One viewer's session: the tracks it has set up, and whether they play.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::activity::Activity;
use super::auth;
use super::channel::{Channel, Start};
use super::tcp::{Channels, Outgoing};
use super::track_set::TrackSet;
use super::udp::{self, Pairs, UdpPair};
use super::viewer::Viewer;

/// A session belongs to the connection that set it up, and ends with it.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    channel: Arc<Channel>,
    user: Option<String>,
    /// Of the channel's description when the session was set up.
    generation: u64,
    tracks: Vec<SetTrack>,
    playing: bool,
    /// Sends by UDP while playing.
    senders: JoinSet<()>,
}

/// A track that was set up.
#[derive(Debug)]
struct SetTrack {
    index: u8,
    transport: Transport,
}

/// How a track travels.
#[derive(Debug)]
pub(super) enum Transport {
    /// In the connection, on these channels for RTP and RTCP.
    Interleaved((u8, u8)),
    /// By UDP.
    Udp {
        /// From these ports.
        pair: Arc<UdpPair>,
        /// Listens on them as long as the track is set up.
        _listener: UdpListener,
    },
}

/// Reads what a viewer sends to a pair of ports, while it lives.
#[derive(Debug)]
pub(super) struct UdpListener {
    _task: JoinSet<()>,
}

impl UdpListener {
    pub(super) fn new(pair: &Arc<UdpPair>, channel: &Arc<Channel>, activity: &Arc<Activity>) -> Self {
        let (pair, channel, activity) = (pair.clone(), channel.clone(), activity.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { pair.listen(&channel, &activity).await });
        Self { _task: task }
    }
}

impl Session {
    /// A session of `user`, if a name was asked for.
    pub(super) fn new(channel: Arc<Channel>, user: Option<String>) -> Self {
        let generation = channel.generation();
        let id = format!("{:016x}", auth::random());
        Self { id, channel, user, generation, tracks: Vec::new(), playing: false, senders: JoinSet::new() }
    }

    /// Its identifier.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What it views.
    pub(super) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Who views it, if he was asked for his name.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether it plays.
    pub(super) fn is_playing(&self) -> bool {
        self.playing
    }

    /// Adds a track, or replaces how it travels.
    pub(super) fn set_up(&mut self, index: u8, transport: Transport) {
        self.tracks.retain(|track| track.index != index);
        self.tracks.push(SetTrack { index, transport });
    }

    /// Whether `channels` are free for track `index`.
    pub(super) fn are_free(&self, channels: (u8, u8), index: u8) -> bool {
        self.tracks.iter().filter(|track| track.index != index).all(|track| match track.transport {
            Transport::Interleaved((rtp, rtcp)) => {
                [rtp, rtcp].iter().all(|&taken| taken != channels.0 && taken != channels.1)
            }
            Transport::Udp { .. } => true,
        })
    }

    /// Whether a track's RTCP comes on `channel`.
    pub(super) fn has_control_channel(&self, channel: u8) -> bool {
        let is = |track: &SetTrack| matches!(track.transport, Transport::Interleaved((_, rtcp)) if rtcp == channel);
        self.tracks.iter().any(is)
    }

    /// Prepares to play: where each track starts, and what does it, to be handed to [`Self::play`] when the viewer
    /// has its answer.
    pub(super) fn prepare(&self) -> (Vec<Start>, Prepared) {
        let tracks: TrackSet = self.tracks.iter().map(|track| track.index).collect();
        let (cursor, starts) = self.channel.join(tracks, self.generation);
        let (mut channels, mut pairs) = (Channels::default(), Pairs::new());
        for track in &self.tracks {
            match &track.transport {
                Transport::Interleaved(pair) => channels.0.push((track.index, *pair)),
                Transport::Udp { pair, .. } => pairs.push((track.index, pair.clone())),
            }
        }
        let viewer = |tracks: TrackSet| {
            (!tracks.is_empty()).then(|| Viewer::new(self.channel.clone(), cursor.only(tracks)))
        };
        let tcp = viewer(channels.0.iter().map(|(track, _)| *track).collect());
        let udp = viewer(pairs.iter().map(|(track, _)| *track).collect());
        (
            starts,
            Prepared { tcp: tcp.map(|viewer| (viewer, channels)), udp: udp.map(|viewer| (viewer, pairs)) },
        )
    }

    /// Starts to send.
    pub(super) async fn play(&mut self, prepared: Prepared, outgoing: &mpsc::Sender<Outgoing>) {
        self.playing = true;
        if let Some((viewer, channels)) = prepared.tcp {
            // Fails only when the connection is at its end.
            let _ = outgoing.send(Outgoing::Play(viewer, channels)).await;
        }
        if let Some((viewer, pairs)) = prepared.udp {
            let outgoing = outgoing.clone();
            self.senders.spawn(async move {
                udp::send(viewer, pairs).await;
                let _ = outgoing.send(Outgoing::Close).await;
            });
        }
    }

    /// Stops to send.
    pub(super) async fn pause(&mut self, outgoing: &mpsc::Sender<Outgoing>) {
        self.playing = false;
        self.senders.shutdown().await;
        let _ = outgoing.send(Outgoing::Pause).await;
    }
}

/// What is about to play.
#[derive(Debug)]
pub(super) struct Prepared {
    tcp: Option<(Viewer, Channels)>,
    udp: Option<(Viewer, Pairs)>,
}
