//! One viewer's session: the tracks it has set up, and whether they play.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::activity::Activity;
use super::audience::{Audience, Seat, Spectator};
use super::auth;
use super::channel::{Channel, Start};
use super::flow::Flow;
use super::group::{Group, Membership};
use super::reception::Reception;
use super::tcp::{Channels, Outgoing};
use super::track_set::TrackSet;
use super::udp::{self, Pairs, UdpPair};
use super::viewer::Viewer;
use super::viewer_info::ViewerTransport;

/// A session belongs to the connection that set it up, and ends with it.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    channel: Arc<Channel>,
    peer: SocketAddr,
    user: Option<String>,
    /// What is sent to this viewer alone, and what it says of that.
    reception: Arc<Reception>,
    /// Of the channel's description when the session was set up.
    generation: u64,
    tracks: Vec<SetTrack>,
    /// While playing.
    seat: Option<Seat>,
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
    /// By UDP, to a group of viewers.
    Multicast(Arc<Group>),
}

/// Reads what a viewer sends to a pair of ports, while it lives.
#[derive(Debug)]
pub(super) struct UdpListener {
    _task: JoinSet<()>,
}

impl UdpListener {
    pub(super) fn new(pair: &Arc<UdpPair>, reception: &Arc<Reception>, activity: &Arc<Activity>) -> Self {
        let (pair, reception, activity) = (pair.clone(), reception.clone(), activity.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { pair.listen(&reception, &activity).await });
        Self { _task: task }
    }
}

impl Session {
    /// A session of the viewer at `peer`, called `user` if a name was asked for.
    pub(super) fn new(channel: Arc<Channel>, peer: SocketAddr, user: Option<String>) -> Self {
        Self {
            id: format!("{:016x}", auth::random()),
            generation: channel.generation(),
            reception: Arc::new(Reception::new(Arc::new(Flow::new(channel.clone())))),
            channel,
            peer,
            user,
            tracks: Vec::new(),
            seat: None,
            senders: JoinSet::new(),
        }
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

    /// What the viewer says of what is sent to it alone.
    pub(super) fn reception(&self) -> &Arc<Reception> {
        &self.reception
    }

    /// Whether it plays.
    pub(super) fn is_playing(&self) -> bool {
        self.seat.is_some()
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
            Transport::Udp { .. } | Transport::Multicast(_) => true,
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
        let (mut channels, mut pairs, mut group) = (Channels::default(), Pairs::new(), None);
        let (mut own, mut shared) = (TrackSet::default(), TrackSet::default());
        for track in &self.tracks {
            match &track.transport {
                Transport::Interleaved(pair) => channels.0.push((track.index, *pair)),
                Transport::Udp { pair, .. } => pairs.push((track.index, pair.clone())),
                Transport::Multicast(shared_group) => group = Some(shared_group.clone()),
            }
            let is_shared = matches!(track.transport, Transport::Multicast(_));
            if is_shared { &mut shared } else { &mut own }.insert(track.index);
        }
        let (cursor, mut starts) = self.channel.join(own, self.generation);
        // A group is under way, or is about to start at a moment that it chooses itself.
        starts.extend(shared.iter().map(|track| Start { track, first: None }));
        let viewer = |tracks: TrackSet| {
            (!tracks.is_empty()).then(|| Viewer::new(self.reception.flow().clone(), cursor.only(tracks)))
        };
        let tcp = viewer(channels.0.iter().map(|(track, _)| *track).collect());
        let udp = viewer(pairs.iter().map(|(track, _)| *track).collect());
        (
            starts,
            Prepared {
                tcp: tcp.map(|viewer| (viewer, channels)),
                udp: udp.map(|viewer| (viewer, pairs)),
                group,
            },
        )
    }

    /// Starts to send; the viewer belongs to `audience` from now on, and its reports are told to `activity`.
    pub(super) async fn play(
        &mut self,
        prepared: Prepared,
        audience: &Arc<Audience>,
        activity: &Arc<Activity>,
        outgoing: &mpsc::Sender<Outgoing>,
    ) {
        let mut transport = if prepared.udp.is_some() { ViewerTransport::Udp } else { ViewerTransport::Tcp };
        let mut receptions = vec![self.reception.clone()];
        if let Some(group) = prepared.group {
            let membership = group.join(self.peer.ip(), activity.clone());
            transport = ViewerTransport::Multicast;
            receptions.push(membership.reception().clone());
            self.senders.spawn(stay(membership, self.generation, outgoing.clone()));
        }
        self.seat = Some(audience.seat(Spectator {
            channel: self.channel.clone(),
            peer: self.peer,
            user: self.user.clone(),
            transport,
            receptions,
        }));
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
        self.seat = None;
        self.senders.shutdown().await;
        let _ = outgoing.send(Outgoing::Pause).await;
    }
}

/// What is about to play.
#[derive(Debug)]
pub(super) struct Prepared {
    tcp: Option<(Viewer, Channels)>,
    udp: Option<(Viewer, Pairs)>,
    group: Option<Arc<Group>>,
}

/// Is a member of a group until nothing more is sent to it, or what the viewer was told of the stream no longer holds.
async fn stay(membership: Membership, generation: u64, outgoing: mpsc::Sender<Outgoing>) {
    if membership.channel().generation() == generation {
        membership.ended().await;
    }
    let _ = outgoing.send(Outgoing::Close).await;
}
