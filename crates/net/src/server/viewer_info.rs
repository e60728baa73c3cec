//! What a server tells of its viewers.

use std::net::SocketAddr;
use std::time::Duration;

use valkka_core::time::WallTime;

/// One viewer that is being sent to; [`Server::viewers`](super::Server::viewers) lists them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ViewerInfo {
    /// What it views: the path of the mount.
    pub path: String,
    /// Where its RTSP connection comes from.
    pub peer: SocketAddr,
    /// The name it has logged in by, if it was asked for one.
    pub user: Option<String>,
    /// How its packets travel.
    pub transport: ViewerTransport,
    /// Since when it has been playing, by this machine's clock.
    pub since: WallTime,
    /// Bytes of RTP and RTCP packets that it has been sent since then, whether or not they arrived. A viewer by
    /// multicast shares them with the others of its group.
    pub bytes: u64,
    /// These packets.
    pub packets: u64,
    /// Access units and reports that it was not sent because it did not keep up, since then.
    pub skipped: u64,
    /// What it says of what comes; `None` before its first receiver report, and some programs send none, over TCP above
    /// all.
    pub reported: Option<ViewerReport>,
}

/// How packets travel to a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewerTransport {
    /// In its RTSP connection.
    Tcp,
    /// By UDP, to itself.
    Udp,
    /// By UDP, to a group that it has joined.
    Multicast,
}

/// What a viewer has said last in its receiver reports (RFC 3550, section 6.4.2), of all its tracks taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ViewerReport {
    /// The share of packets lost between its last two reports, from 0 to 1: that of the worst track.
    pub fraction_lost: f64,
    /// Packets lost since it began to receive.
    pub lost: u64,
    /// By how much the time between two packets varies: that of the worst track.
    pub jitter: Duration,
    /// How long a packet takes to the viewer and back; `None` until it has answered a sender report.
    pub round_trip: Option<Duration>,
}

impl ViewerReport {
    /// Of two tracks, or two ways, together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            fraction_lost: self.fraction_lost.max(other.fraction_lost),
            lost: self.lost.saturating_add(other.lost),
            jitter: self.jitter.max(other.jitter),
            round_trip: self.round_trip.max(other.round_trip),
        }
    }
}

/// In words: `TCP`, `UDP`, `multicast`.
impl std::fmt::Display for ViewerTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Multicast => "multicast",
        })
    }
}
