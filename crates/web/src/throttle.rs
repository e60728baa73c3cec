//! Guessing passwords is slow.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use valkka::lock::lock;

use crate::tally::network;

/// Bounds how often a peer may be wrong about the password of one name: [`BURST`] times, and once per [`REFILL`] from then on.
///
/// Attempts of one peer to be one name are made one after the other, by whoever has the [turn](Self::turn): many at once get
/// no further, and right ones are not refused because others are still being looked at. An attempt is paid for before the
/// password is compared with anything, and given back if it was right. Other names of the same peer are not held up: behind
/// a proxy everybody has one address.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    budgets: Mutex<HashMap<Key, Budget>>,
    /// Who is making an attempt, and who waits for that. No more than there are requests, but for some that are over.
    turns: Mutex<HashMap<Key, Arc<AsyncMutex<()>>>>,
    /// Names are told apart by hashes with keys that nobody outside knows.
    names: RandomState,
}

/// A peer, and the name that it goes by.
type Key = (IpAddr, u64);

/// A turn to make attempts, which ends when this is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// Attempts that are left, and when that was so.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: f64,
    at: Instant,
}

impl Throttle {
    /// Waits until nobody else makes an attempt of `peer` to be `name`. In the order in which it was called.
    pub(crate) async fn turn(&self, peer: IpAddr, name: &str) -> Turn {
        let turn = {
            let mut turns = lock(&self.turns);
            if turns.len() >= MAX_BUDGETS {
                // Those that only this map knows; they are given out under its lock.
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            turns.entry(self.key(peer, name)).or_default().clone()
        };
        turn.lock_owned().await
    }

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

    fn key(&self, peer: IpAddr, name: &str) -> Key {
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
    use std::pin::pin;

    use futures::poll;
    use tokio::runtime;

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

    #[test]
    fn attempts_of_one_peer_and_name_come_one_after_the_other() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (throttle, peer) = (Throttle::default(), IpAddr::V4(1.into()));
            let first = throttle.turn(peer, "anna").await;
            let (mut second, mut third) =
                (pin!(throttle.turn(peer, "anna")), pin!(throttle.turn(peer, "anna")));
            assert!(poll!(second.as_mut()).is_pending() && poll!(third.as_mut()).is_pending());
            drop(throttle.turn(peer, "ben").await);
            drop(first);
            assert!(poll!(third.as_mut()).is_pending(), "it came last");
            drop(second.await);
            drop(third.await);
            // Those that are over are forgotten.
            for number in 0..2 * MAX_BUDGETS as u32 {
                throttle.turn(IpAddr::V4(number.into()), "anna").await;
            }
            assert!(lock(&throttle.turns).len() <= MAX_BUDGETS);
        });
    }
}
