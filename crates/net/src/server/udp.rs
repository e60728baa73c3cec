//! Sends by UDP, from a pair of adjacent ports per track.

use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tracing::trace;

use super::activity::Activity;
use super::datagrams::send_some;
use super::reception::Reception;
use super::viewer::Viewer;
use crate::rtp::{Unit, UnitKind, is_rtcp};

/// Two sockets connected to a viewer: RTP on an even port, RTCP on the next (RFC 3550, section 11).
#[derive(Debug)]
pub(super) struct UdpPair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    server_ports: (u16, u16),
}

impl UdpPair {
    /// Binds a pair at the address of `local` and connects it to `ports` at the address of `peer`.
    pub(super) fn bind(local: SocketAddr, peer: SocketAddr, ports: (u16, u16)) -> io::Result<Self> {
        let at = |mut addr: SocketAddr, port| {
            addr.set_port(port);
            addr
        };
        let mut last_error = io::ErrorKind::AddrInUse.into();
        for _ in 0..BIND_ATTEMPTS {
            let first = StdSocket::bind(at(local, 0))?;
            let port = first.local_addr()?.port();
            // The other port of the even and odd pair that the system's choice belongs to.
            let other = match StdSocket::bind(at(local, port ^ 1)) {
                Ok(other) => other,
                Err(error) => {
                    last_error = error;
                    continue;
                }
            };
            let (rtp, rtcp) = if port.is_multiple_of(2) { (first, other) } else { (other, first) };
            rtp.connect(at(peer, ports.0))?;
            rtcp.connect(at(peer, ports.1))?;
            socket2::SockRef::from(&rtp).set_send_buffer_size(SEND_BUFFER_BYTES)?;
            rtp.set_nonblocking(true)?;
            rtcp.set_nonblocking(true)?;
            return Ok(Self {
                rtp: UdpSocket::from_std(rtp)?,
                rtcp: UdpSocket::from_std(rtcp)?,
                server_ports: (port & !1, port | 1),
            });
        }
        Err(last_error)
    }

    /// Our ports.
    pub(super) fn server_ports(&self) -> (u16, u16) {
        self.server_ports
    }

    /// Reads what the viewer sends: its receiver reports are signs of life.
    pub(super) async fn listen(&self, reception: &Reception, activity: &Activity) {
        let (mut rtp, mut rtcp) = ([0; DATAGRAM_BYTES], [0; DATAGRAM_BYTES]);
        loop {
            // What comes to the RTP port only opens firewalls, or is RTCP on the wrong port.
            let received = tokio::select! {
                received = self.rtcp.recv(&mut rtcp) => received.map(|length| &rtcp[..length]),
                received = self.rtp.recv(&mut rtp) => received.map(|length| &rtp[..length]),
            };
            match received {
                Ok(packet) if is_rtcp(packet) => {
                    activity.touch();
                    reception.take(packet);
                }
                Ok(_) => {}
                // The port at the other end is closed. It may yet open; if not, the session times out.
                Err(_) => sleep(ERROR_PAUSE).await,
            }
        }
    }
}

/// The pairs of ports by track.
pub(super) type Pairs = Vec<(u8, Arc<UdpPair>)>;

/// Sends what `viewer` gets until the stream is over for it, then a goodbye.
pub(super) async fn send(mut viewer: Viewer, pairs: Pairs) {
    let socket = |unit: &Unit| {
        let (_, pair) = pairs.iter().find(|(index, _)| *index == unit.track)?;
        Some(match unit.kind {
            UnitKind::Media { .. } => &pair.rtp,
            UnitKind::Control => &pair.rtcp,
        })
    };
    while let Some(units) = viewer.next().await {
        send_units(&units, socket).await;
        viewer.sent(&units);
    }
    send_units(&viewer.goodbye(), socket).await;
}

/// Sends packets in small groups with pauses between them; `socket` says by which, if any. Returns how many of RTP were
/// sent, and how many of them the system refused.
pub(super) async fn send_units<'a>(
    units: &[Arc<Unit>],
    socket: impl Fn(&Unit) -> Option<&'a UdpSocket>,
) -> (u64, u64) {
    let packets = units.iter().flat_map(|unit| unit.packets()).count();
    let group = PACED_PACKETS.max(packets / LONGEST_PAUSES);
    let mut sent = 0;
    let (mut all, mut refused) = (0, 0);
    for unit in units {
        let Some(socket) = socket(unit) else { continue };
        let packets: Vec<&[u8]> = unit.packets().collect();
        let mut rest = &packets[..];
        while !rest.is_empty() {
            if sent == group {
                sleep(PACE).await;
                sent = 0;
            }
            let (now, later) = rest.split_at(rest.len().min(group - sent));
            let not_sent = send_all(socket, now).await;
            sent += now.len();
            if let UnitKind::Media { .. } = unit.kind {
                refused += not_sent;
                all += now.len() as u64;
            }
            rest = later;
        }
    }
    (all - refused, refused)
}

/// Sends `packets` as fast as the socket takes them. What cannot be sent is lost, as UDP is; returns how many are.
async fn send_all(socket: &UdpSocket, mut packets: &[&[u8]]) -> u64 {
    let mut refused = 0;
    while !packets.is_empty() {
        if socket.writable().await.is_err() {
            return refused + packets.len() as u64;
        }
        match socket.try_io(Interest::WRITABLE, || send_some(socket, packets)) {
            Ok(sent) => packets = &packets[sent.min(packets.len())..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                // An answer to what was sent before (port unreachable), or this packet cannot be sent.
                trace!(%error, "a packet could not be sent");
                packets = &packets[1..];
                refused += 1;
            }
        }
    }
    refused
}

/// Packets that are sent without a pause. With Linux's default receive buffer (212 992 bytes) a socket holds some
/// 90 of them, so a reader has several pauses' time before anything is lost.
const PACED_PACKETS: usize = 16;

/// The pause. 16 packets per 1 to 2 ms (the timer's resolution) are at least 90 Mbit/s.
const PACE: Duration = Duration::from_millis(1);

/// At most so many pauses are made per batch: very large pictures are sent in larger groups, so that they are out
/// before the next.
const LONGEST_PAUSES: usize = 16;

/// A stopped network must not hold up the sender within one picture.
pub(super) const SEND_BUFFER_BYTES: usize = 1 << 20;

/// Attempts to find two free ports side by side.
const BIND_ATTEMPTS: usize = 32;

/// More than any receiver report.
pub(super) const DATAGRAM_BYTES: usize = 1500;

/// Pause after a failed read, so that a socket that only gives errors costs nothing.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ports_are_adjacent_and_the_first_is_even() {
        let local = "127.0.0.1:0".parse().unwrap();
        let pairs: Vec<_> = (0..20).map(|_| UdpPair::bind(local, local, (9, 10)).unwrap()).collect();
        for pair in pairs {
            let (rtp, rtcp) = pair.server_ports();
            assert_eq!((rtp % 2, rtcp), (0, rtp + 1));
            assert_eq!(pair.rtp.local_addr().unwrap().port(), rtp);
            assert_eq!(pair.rtcp.local_addr().unwrap().port(), rtcp);
        }
    }
}
