//! Groups to send to.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use valkka_net::server::MulticastRange;

/// Whether this machine has a route for multicast; some have none.
pub fn available() -> Result<(), String> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let sent = probe.send_to(b"probe", (Ipv4Addr::new(239, 255, 78, 1), 9));
    sent.map(|_| ()).map_err(|error| format!("this machine sends no multicast: {error}"))
}

/// Groups and ports that no other test has. What viewers on this machine are sent does not leave it.
pub fn range() -> MulticastRange {
    let port = free_ports();
    let address = IpAddr::V4(Ipv4Addr::new(239, 255, 78, (port % 239) as u8));
    MulticastRange { address, port, ttl: 1 }
}

/// The first of four ports in a row that nobody listens at.
pub fn free_ports() -> u16 {
    for _ in 0..100 {
        let port = 20_000 + fastrand::u16(..10_000) / 4 * 4;
        let bind = |port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
        if (port..port + 4).map(bind).all(|socket| socket.is_ok()) {
            return port;
        }
    }
    panic!("no free ports");
}
