//! The sockets by which one track goes to a multicast group.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::udp::SEND_BUFFER_BYTES;

/// Two that send, and one that hears what viewers report to the group.
#[derive(Debug)]
pub(super) struct GroupSockets {
    ttl: u8,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    heard: UdpSocket,
}

impl GroupSockets {
    /// Opens them. Packets leave by the interface that our address `local` belongs to, so that viewers who reached us
    /// there are reached there too.
    ///
    /// Viewers on this machine join a group where the system's routes lead, which is hardly ever the loopback interface.
    /// So for them packets go there too, and without a time to live, so that they do not leave this machine; unless
    /// there is no such route.
    pub(super) fn open(group: IpAddr, ports: (u16, u16), ttl: u8, local: SocketAddr) -> io::Result<Self> {
        if !local.ip().is_loopback() {
            return Self::open_at(group, ports, ttl, local);
        }
        let anywhere: SocketAddr = match local {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        Self::open_at(group, ports, 0, anywhere).or_else(|_| Self::open_at(group, ports, 0, local))
    }

    fn open_at(group: IpAddr, ports: (u16, u16), ttl: u8, local: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            ttl,
            rtp: sending(group, ports.0, ttl, local)?,
            rtcp: sending(group, ports.1, ttl, local)?,
            heard: hearing(group, ports.1, local)?,
        })
    }

    /// Over how many routers packets may go.
    pub(super) fn ttl(&self) -> u8 {
        self.ttl
    }

    /// Where packets come from.
    pub(super) fn source(&self) -> io::Result<IpAddr> {
        self.rtp.local_addr().map(|addr| addr.ip())
    }

    pub(super) fn rtp(&self) -> &UdpSocket {
        &self.rtp
    }

    pub(super) fn rtcp(&self) -> &UdpSocket {
        &self.rtcp
    }

    pub(super) fn heard(&self) -> &UdpSocket {
        &self.heard
    }
}

fn sending(group: IpAddr, port: u16, ttl: u8, mut local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(group)?;
    match local {
        SocketAddr::V4(local) => {
            socket.set_multicast_if_v4(local.ip())?;
            socket.set_multicast_ttl_v4(ttl.into())?;
        }
        SocketAddr::V6(local) => {
            socket.set_multicast_if_v6(local.scope_id())?;
            socket.set_multicast_hops_v6(ttl.into())?;
        }
    }
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    local.set_port(0);
    socket.bind(&local.into())?;
    socket.connect(&at(group, port, local).into())?;
    UdpSocket::from_std(socket.into())
}

fn hearing(group: IpAddr, port: u16, local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(group)?;
    // Viewers on this machine listen at the same port.
    socket.set_reuse_address(true)?;
    // What comes to this port for other groups, or for this machine alone, is not for us.
    socket.bind(&at(group, port, local).into())?;
    match (group, local) {
        (IpAddr::V4(group), SocketAddr::V4(local)) => socket.join_multicast_v4(&group, local.ip())?,
        (IpAddr::V6(group), SocketAddr::V6(local)) => socket.join_multicast_v6(&group, local.scope_id())?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    UdpSocket::from_std(socket.into())
}

fn socket(group: IpAddr) -> io::Result<Socket> {
    let domain = if group.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A port of the group, as it is reached from the interface of `local`. An IPv6 address tells its interface only if it
/// is local to the link; otherwise the system's routes choose one.
fn at(group: IpAddr, port: u16, local: SocketAddr) -> SocketAddr {
    match (group, local) {
        (IpAddr::V6(group), SocketAddr::V6(local)) => {
            SocketAddrV6::new(group, port, 0, local.scope_id()).into()
        }
        (group, _) => SocketAddr::new(group, port),
    }
}
