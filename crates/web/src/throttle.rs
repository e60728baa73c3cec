//! Guessing passwords is slow.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use valkka::lock::lock;

use crate::tally::network;

/// Bounds how often a peer may be wrong about the password of one name: [`BURST`] times, and once per [`REFILL`] from then on.
///
/// An attempt is paid for before the password is looked at, and given back if it was right; so many attempts at once
/// get no further than one after the other. Other names of the same peer are not held up: behind a proxy everybody has one
/// address.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    budgets: Mutex<HashMap<(IpAddr, u64), Budget>>,
    /// Names are told apart by hashes with keys that nobody outside knows.
    names: RandomState,
}

/// Attempts that are left, and when that was so.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: f64,
    at: Instant,
}

impl Throttle {
    /// Pays for an attempt of `peer` to be `name`.
    ///
    /// # Errors
    /// How long it has to wait for the next one.
    pub(crate) fn pay(&self, peer: IpAddr, name: &str, now: Instant) -> Result<(), Duration> {
        let mut budgets = lock(&self.budgets);
        let key = self.key(peer, name);
        if budgets.len() >= MAX_BUDGETS && !budgets.contains_key(&key) {
            budgets.retain(|_, budget| budget.left_at(now) < BURST);
            // Still full of those who were wrong lately: a flood, in which a few attempts more mean nothing.
            if budgets.len() >= MAX_BUDGETS {
                budgets.clear();
            }
        }
        let budget = budgets.entry(key).or_insert(Budget { left: BURST, at: now });
        let left = budget.left_at(now);
        if left < 1.0 {
            return Err(REFILL.mul_f64(1.0 - left));
        }
        *budget = Budget { left: left - 1.0, at: now };
        Ok(())
    }

    /// Gives an attempt of `peer` to be `name` back: the password was right.
    pub(crate) fn refund(&self, peer: IpAddr, name: &str, now: Instant) {
        let mut budgets = lock(&self.budgets);
        let key = self.key(peer, name);
        let Some(budget) = budgets.get_mut(&key) else { return };
        let left = budget.left_at(now) + 1.0;
        if left < BURST {
            *budget = Budget { left, at: now };
        } else {
            budgets.remove(&key);
        }
    }

    fn key(&self, peer: IpAddr, name: &str) -> (IpAddr, u64) {
        (network(peer), self.names.hash_one(name))
    }
}

impl Budget {
    fn left_at(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() / REFILL.as_secs_f64();
        (self.left + refilled).min(BURST)
    }
}

/// Attempts of who was not wrong lately.
const BURST: f64 = 10.0;

/// After how long one may be wrong once more.
const REFILL: Duration = Duration::from_secs(5);

/// Peers and names that are remembered.
const MAX_BUDGETS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_waits_and_who_is_right_does_not() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let (peer, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..1000 {
            throttle.pay(peer, "anna", start).unwrap();
            throttle.refund(peer, "anna", start);
        }
        assert!(lock(&throttle.budgets).is_empty());
        let tries = (0..100).filter(|_| throttle.pay(peer, "anna", start).is_ok()).count();
        assert_eq!(tries, 10);
        assert_eq!(throttle.pay(peer, "anna", start), Err(REFILL));
        throttle.pay(other, "anna", start).unwrap();
        throttle.pay(peer, "bob", start).unwrap();
        throttle.pay(peer, "anna", start + REFILL).unwrap();
        assert!(throttle.pay(peer, "anna", start + REFILL).is_err());
        let day = start + Duration::from_secs(86400);
        assert_eq!((0..100).filter(|_| throttle.pay(peer, "anna", day).is_ok()).count(), 10);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..3 * MAX_BUDGETS as u32 {
            throttle.pay(IpAddr::V4(number.into()), "anna", now).unwrap();
        }
        assert!(lock(&throttle.budgets).len() <= MAX_BUDGETS);
    }
}
