//! Guessing passwords is slow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use valkka::lock::lock;

use crate::tally::network;

/// Bounds how often a peer may be wrong about a password: [`BURST`] times, and once per [`REFILL`] from then on.
///
/// An attempt is paid for before the password is looked at, and given back if it was right; so many attempts at once
/// get no further than one after the other.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    peers: Mutex<HashMap<IpAddr, Budget>>,
}

/// Attempts that a peer has left, and when that was so.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: f64,
    at: Instant,
}

impl Throttle {
    /// Pays for an attempt of `peer`.
    ///
    /// # Errors
    /// How long it has to wait for the next one.
    pub(crate) fn pay(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut peers = lock(&self.peers);
        let peer = network(peer);
        if peers.len() >= MAX_PEERS && !peers.contains_key(&peer) {
            peers.retain(|_, budget| budget.left_at(now) < BURST);
            // Still full of peers who were wrong lately: a flood of addresses, in which a few attempts more mean nothing.
            if peers.len() >= MAX_PEERS {
                peers.clear();
            }
        }
        let budget = peers.entry(peer).or_insert(Budget { left: BURST, at: now });
        let left = budget.left_at(now);
        if left < 1.0 {
            return Err(REFILL.mul_f64(1.0 - left));
        }
        *budget = Budget { left: left - 1.0, at: now };
        Ok(())
    }

    /// Gives an attempt of `peer` back: the password was right.
    pub(crate) fn refund(&self, peer: IpAddr, now: Instant) {
        let mut peers = lock(&self.peers);
        let peer = network(peer);
        let Some(budget) = peers.get_mut(&peer) else { return };
        let left = budget.left_at(now) + 1.0;
        if left < BURST {
            *budget = Budget { left, at: now };
        } else {
            peers.remove(&peer);
        }
    }
}

impl Budget {
    fn left_at(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() / REFILL.as_secs_f64();
        (self.left + refilled).min(BURST)
    }
}

/// Attempts of a peer that was not wrong lately.
const BURST: f64 = 10.0;

/// After how long a peer may be wrong once more.
const REFILL: Duration = Duration::from_secs(5);

/// Peers that are remembered.
const MAX_PEERS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_waits_and_who_is_right_does_not() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let (peer, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..1000 {
            throttle.pay(peer, start).unwrap();
            throttle.refund(peer, start);
        }
        assert!(lock(&throttle.peers).is_empty());
        let tries = (0..100).filter(|_| throttle.pay(peer, start).is_ok()).count();
        assert_eq!(tries, 10);
        assert_eq!(throttle.pay(peer, start), Err(REFILL));
        throttle.pay(other, start).unwrap();
        throttle.pay(peer, start + REFILL).unwrap();
        assert!(throttle.pay(peer, start + REFILL).is_err());
        let day = start + Duration::from_secs(86400);
        assert_eq!((0..100).filter(|_| throttle.pay(peer, day).is_ok()).count(), 10);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..3 * MAX_PEERS as u32 {
            throttle.pay(IpAddr::V4(number.into()), now).unwrap();
        }
        assert!(lock(&throttle.peers).len() <= MAX_PEERS);
    }
}
