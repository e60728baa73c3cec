//! One stream on its way to a multicast group.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;
use valkka_core::lock::lock;

use super::activity::Activity;
use super::channel::Channel;
use super::flow::Flow;
use super::group_sockets::GroupSockets;
use super::multicast::MulticastRange;
use super::reception::Reception;
use super::track_set::{MAX_TRACKS, TrackSet};
use super::udp;
use super::viewer::Viewer;
use crate::rtp::{Unit, UnitKind, report_blocks};

/// Sends while it has members. Its sockets are open as long as there are sessions that have set it up.
pub(super) struct Group {
    range: MulticastRange,
    address: IpAddr,
    /// Our address, whose interface packets leave by.
    local: SocketAddr,
    flow: Arc<Flow>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The tracks that somebody has set up.
    tracks: Vec<(u8, Arc<GroupSockets>)>,
    /// Read what comes to the tracks' ports for RTCP.
    listeners: JoinSet<()>,
    /// Sends while there are members.
    sender: JoinSet<()>,
    members: Vec<Member>,
    next_member: u64,
}

/// A viewer who plays.
struct Member {
    number: u64,
    peer: IpAddr,
    /// Of its connection.
    activity: Arc<Activity>,
    reception: Arc<Reception>,
    /// By which synchronisation source it reports of a track, and when it has last.
    reporters: BTreeMap<u8, (u32, Instant)>,
    ended: Arc<Notify>,
}

/// A viewer belongs to a group for as long as this lives.
pub(super) struct Membership {
    group: Arc<Group>,
    number: u64,
    reception: Arc<Reception>,
    ended: Arc<Notify>,
}

impl Group {
    /// The group at `address` for `channel`, without any tracks yet.
    pub(super) fn new(
        channel: Arc<Channel>,
        range: MulticastRange,
        address: IpAddr,
        local: SocketAddr,
    ) -> Self {
        Self { range, address, local, flow: Arc::new(Flow::new(channel)), state: Mutex::default() }
    }

    /// What is sent.
    pub(super) fn channel(&self) -> &Arc<Channel> {
        self.flow.channel()
    }

    /// Opens the sockets of `track`, unless they are; returns what its viewers must know, in the words of a Transport
    /// header.
    pub(super) fn open(self: &Arc<Self>, track: u8) -> io::Result<String> {
        let ports = self.range.ports(track);
        let mut state = lock(&self.state);
        let known =
            state.tracks.iter().find(|(known, _)| *known == track).map(|(_, sockets)| sockets.clone());
        let sockets = match known {
            Some(sockets) => sockets,
            None => {
                let sockets = Arc::new(GroupSockets::open(self.address, ports, self.range.ttl, self.local)?);
                state.tracks.push((track, sockets.clone()));
                state.listeners.spawn(listen(Arc::downgrade(self), track, sockets.clone()));
                sockets
            }
        };
        let (destination, source, ttl) = (self.address, sockets.source()?, sockets.ttl());
        let (rtp, rtcp) = ports;
        Ok(format!("RTP/AVP;multicast;destination={destination};source={source};port={rtp}-{rtcp};ttl={ttl}"))
    }

    /// Takes in a viewer at `peer`, whose reports are signs of life for its connection, and starts to send if it is the
    /// first.
    pub(super) fn join(self: &Arc<Self>, peer: IpAddr, activity: Arc<Activity>) -> Membership {
        let reception = Arc::new(Reception::new(self.flow.clone()));
        let ended = Arc::new(Notify::new());
        let mut state = lock(&self.state);
        let number = state.next_member;
        state.next_member += 1;
        state.members.push(Member {
            number,
            peer: peer.to_canonical(),
            activity,
            reception: reception.clone(),
            reporters: BTreeMap::new(),
            ended: ended.clone(),
        });
        if state.sender.is_empty() {
            debug!(path = self.channel().path(), group = %self.address, "multicast begins");
            state.sender.spawn(send(self.clone()));
        }
        Membership { group: self.clone(), number, reception, ended }
    }

    /// Takes what somebody reports to the group: the viewer at that address, and if there are several, always the same
    /// one. Viewers on this machine report from the address that they receive from, `source`.
    fn take_reports(&self, track: u8, from: IpAddr, source: Option<IpAddr>, compound: &[u8]) {
        let (from, is_local) = (from.to_canonical(), source == Some(from) || from.is_loopback());
        let members = &mut lock(&self.state).members;
        // Whoever has several addresses may report from another one than it has connected from.
        let alone = members.len() == 1;
        let now = Instant::now();
        for block in report_blocks(compound) {
            let known = |member: &Member| {
                member.reporters.get(&track).is_some_and(|(reporter, _)| *reporter == block.reporter)
            };
            // Some receivers take another name after a while.
            let silent = |member: &Member| {
                member.reporters.get(&track).is_none_or(|(_, last)| now.duration_since(*last) > SILENT)
            };
            let there = |member: &Member| member.peer == from || is_local && member.peer.is_loopback();
            let new = |member: &Member| alone || there(member) && silent(member);
            let Some(at) = members.iter().position(known).or_else(|| members.iter().position(new)) else {
                continue;
            };
            members[at].reporters.insert(track, (block.reporter, now));
            members[at].activity.touch();
            members[at].reception.take_block(&block);
        }
    }

    fn tracks(&self) -> Vec<(u8, Arc<GroupSockets>)> {
        lock(&self.state).tracks.clone()
    }

    /// Nothing more is sent to those who are members now.
    fn end(&self) {
        let mut state = lock(&self.state);
        state.members.drain(..).for_each(|member| member.ended.notify_one());
        // This is called from within that task, at its very end.
        state.sender.detach_all();
    }
}

impl Membership {
    /// What the viewer says of what comes.
    pub(super) fn reception(&self) -> &Arc<Reception> {
        &self.reception
    }

    /// What is sent.
    pub(super) fn channel(&self) -> &Arc<Channel> {
        self.group.channel()
    }

    /// Waits until nothing more is sent.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = lock(&self.group.state);
        let before = state.members.len();
        state.members.retain(|member| member.number != self.number);
        if before == 0 || !state.members.is_empty() {
            return;
        }
        state.sender.abort_all();
        state.sender.detach_all();
        let channel = self.group.channel();
        debug!(path = channel.path(), group = %self.group.address, "multicast ends");
        for unit in channel.goodbye(all_tracks()) {
            if let Some((_, sockets)) = state.tracks.iter().find(|(track, _)| *track == unit.track) {
                // Without waiting, for this is no place to wait: who does not hear it has its own deadline.
                unit.packets().for_each(|packet| drop(sockets.rtcp().try_send(packet)));
            }
        }
    }
}

/// Sends what comes to the group until the stream is over.
async fn send(group: Arc<Group>) {
    let channel = group.channel();
    let (cursor, _) = channel.join(all_tracks(), channel.generation());
    let mut viewer = Viewer::new(group.flow.clone(), cursor);
    while let Some(mut units) = viewer.next().await {
        let tracks = group.tracks();
        units.retain(|unit| tracks.iter().any(|(track, _)| *track == unit.track));
        send_units(&units, &tracks).await;
        viewer.sent(&units);
    }
    send_units(&viewer.goodbye(), &group.tracks()).await;
    group.end();
}

async fn send_units(units: &[Arc<Unit>], tracks: &[(u8, Arc<GroupSockets>)]) {
    let socket = |unit: &Unit| -> Option<&UdpSocket> {
        let (_, sockets) = tracks.iter().find(|(track, _)| *track == unit.track)?;
        Some(match unit.kind {
            UnitKind::Media { .. } => sockets.rtp(),
            UnitKind::Control => sockets.rtcp(),
        })
    };
    udp::send_units(units, socket).await;
}

/// Those that nobody has set up are left out on the way.
fn all_tracks() -> TrackSet {
    (0..MAX_TRACKS).collect()
}

/// Reads what viewers send to the group, as long as there is a group.
async fn listen(group: Weak<Group>, track: u8, sockets: Arc<GroupSockets>) {
    let mut packet = [0; udp::DATAGRAM_BYTES];
    loop {
        match sockets.heard().recv_from(&mut packet).await {
            Ok((length, from)) => {
                let Some(group) = group.upgrade() else { return };
                group.take_reports(track, from.ip(), sockets.source().ok(), &packet[..length]);
            }
            Err(_) => sleep(ERROR_PAUSE).await,
        }
    }
}

/// Whose reports have not come for so long may have another name by now: they come every five seconds or so.
const SILENT: Duration = Duration::from_secs(15);

/// Pause after a failed read, so that a socket that only gives errors costs nothing.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("address", &self.address)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Membership").field(&self.group).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_to_the_group_are_signs_of_life() {
        let channel = Arc::new(Channel::new("cam".into(), 0, 1 << 20, Duration::from_secs(5)));
        let address: IpAddr = "239.255.42.1".parse().unwrap();
        let range = MulticastRange { address, port: 50_000, ttl: 0 };
        let local = "127.0.0.1:0".parse().unwrap();
        let group = Arc::new(Group::new(channel, range, address, local));
        let activities = [(); 2].map(|()| Arc::new(Activity::new()));
        let peers = ["192.168.1.7", "192.168.1.8"].map(|peer| peer.parse::<IpAddr>().unwrap());
        let _members: Vec<_> = peers
            .iter()
            .zip(&activities)
            .map(|(peer, activity)| group.join(*peer, activity.clone()))
            .collect();
        let before = activities.clone().map(|activity| activity.last());
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        report.resize(32, 0);
        // Signs of life are told apart by the millisecond.
        while activities[1].last() == before[1] {
            sleep(Duration::from_millis(1)).await;
            group.take_reports(0, peers[1], None, &report);
        }
        assert_eq!(activities[0].last(), before[0], "it was not the other one");
    }
}
