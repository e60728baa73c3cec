//! What is known of an address that connections come from.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::MutexGuard as TurnGuard;
use tokio::time::{Instant, sleep_until};
use valkka_core::lock::lock;

use super::pace::Pace;

/// What is shared by the connections from one address, so that whoever guesses passwords or begins handshakes without
/// end delays himself and nobody else.
#[derive(Debug)]
pub(super) struct Peer {
    /// Held while a password is checked.
    turn: tokio::sync::Mutex<()>,
    /// No password is checked before.
    not_before: Mutex<Instant>,
    handshakes: Mutex<Pace>,
}

impl Peer {
    pub(super) fn new() -> Self {
        Self {
            turn: tokio::sync::Mutex::new(()),
            not_before: Mutex::new(Instant::now()),
            handshakes: Mutex::new(Pace::new(HANDSHAKES_PER_SECOND, HANDSHAKES_AT_ONCE)),
        }
    }

    /// Waits until a password from this address may be checked; no other is while the guard lives.
    pub(super) async fn turn(&self) -> TurnGuard<'_, ()> {
        let guard = self.turn.lock().await;
        let not_before = *lock(&self.not_before);
        sleep_until(not_before).await;
        guard
    }

    /// A password was wrong.
    pub(super) fn failed(&self) {
        *lock(&self.not_before) = Instant::now() + FAILURE_PAUSE;
    }

    /// Waits until the next handshake may begin.
    pub(super) async fn handshake(&self) {
        let moment = lock(&self.handshakes).next(Instant::now());
        sleep_until(moment).await;
    }

    /// Whether it may be forgotten, once it has no connections.
    pub(super) fn is_forgiven(&self) -> bool {
        *lock(&self.not_before) <= Instant::now()
    }
}

/// The address that stands for the peer: IPv6 peers have a whole network of /64 to themselves.
pub(super) fn network(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Pause after a wrong password, for all connections from the address.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);

/// A TLS handshake costs about a millisecond of the thread that serves everybody.
const HANDSHAKES_PER_SECOND: u32 = 100;

/// So many viewers of a site behind one address may come at the same time.
const HANDSHAKES_AT_ONCE: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_peer() {
        let of = |addr: &str| network(addr.parse().unwrap()).to_string();
        assert_eq!(of("10.0.0.1"), "10.0.0.1");
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
    }

    #[tokio::test]
    async fn after_a_wrong_password_the_next_one_waits() {
        let peer = Peer::new();
        let start = Instant::now();
        drop(peer.turn().await);
        assert!(peer.is_forgiven());
        let before = Instant::now();
        peer.failed();
        assert!(*lock(&peer.not_before) >= before + FAILURE_PAUSE);
        drop(peer.turn().await);
        assert!(start.elapsed() >= FAILURE_PAUSE && peer.is_forgiven());
    }
}
