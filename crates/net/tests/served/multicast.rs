//! Groups to send to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Mutex;

use valkka_net::server::MulticastRange;

/// Whether this machine has a route for multicast; some have none.
pub fn available() -> Result<(), String> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let sent = probe.send_to(b"probe", (Ipv4Addr::new(239, 255, 78, 1), 9));
    sent.map(|_| ()).map_err(|error| format!("this machine sends no multicast: {error}"))
}

/// Whether it has one for IPv6, too.
pub fn available_v6() -> Result<(), String> {
    let probe = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
    let sent = probe.and_then(|probe| probe.send_to(b"probe", (V6_GROUP, 9)));
    sent.map(|_| ()).map_err(|error| format!("this machine sends no multicast over IPv6: {error}"))
}

/// Groups and ports that no other test has. What viewers on this machine are sent does not leave it.
pub fn range() -> MulticastRange {
    let port = free_ports();
    let address = IpAddr::V4(Ipv4Addr::new(239, 255, 78, (port % 239) as u8));
    MulticastRange { address, port, ttl: 1 }
}

/// The same over IPv6.
pub fn range_v6() -> MulticastRange {
    let port = free_ports();
    MulticastRange {
        address: Ipv6Addr::from_bits(V6_GROUP.to_bits() + u128::from(port)).into(),
        port,
        ttl: 1,
    }
}

/// The first of four ports in a row that nobody listens at, and no other test of this process does.
pub fn free_ports() -> u16 {
    static TAKEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().unwrap();
    for _ in 0..100 {
        let port = 20_000 + fastrand::u16(..10_000) / 4 * 4;
        if taken.contains(&port) {
            continue;
        }
        let bind = |port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
        if (port..port + 4).map(bind).all(|socket| socket.is_ok()) {
            taken.push(port);
            return port;
        }
    }
    panic!("no free ports");
}

const V6_GROUP: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0x7811, 0);
