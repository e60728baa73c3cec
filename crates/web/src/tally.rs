//! How many of a kind there may be, in all and of one owner.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use valkka::lock::lock;

/// Counts what is there at the same time, by whose it is.
#[derive(Debug)]
pub(crate) struct Tally<K: Eq + Hash + Clone> {
    max: usize,
    max_per_owner: usize,
    /// Never more than there is to count.
    counts: Mutex<Counts<K>>,
}

#[derive(Debug)]
struct Counts<K> {
    total: usize,
    by_owner: HashMap<K, usize>,
}

/// One that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Admission<K: Eq + Hash + Clone> {
    tally: Arc<Tally<K>>,
    owner: K,
}

impl<K: Eq + Hash + Clone> Tally<K> {
    pub(crate) fn new(max: usize, max_per_owner: usize) -> Self {
        Self { max, max_per_owner, counts: Mutex::new(Counts { total: 0, by_owner: HashMap::new() }) }
    }

    /// Counts one of `owner`, or `None` if there are too many in all, or of an owner who is `bounded`.
    pub(crate) fn admit(self: &Arc<Self>, owner: K, bounded: bool) -> Option<Admission<K>> {
        let mut counts = lock(&self.counts);
        let of_owner = counts.by_owner.get(&owner).copied().unwrap_or_default();
        if counts.total >= self.max || (bounded && of_owner >= self.max_per_owner) {
            return None;
        }
        counts.total += 1;
        counts.by_owner.insert(owner.clone(), of_owner + 1);
        Some(Admission { tally: self.clone(), owner })
    }

    /// How many there are at this moment.
    pub(crate) fn total(&self) -> usize {
        lock(&self.counts).total
    }
}

impl<K: Eq + Hash + Clone> Drop for Admission<K> {
    fn drop(&mut self) {
        let mut counts = lock(&self.tally.counts);
        counts.total -= 1;
        if let Some(count) = counts.by_owner.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                counts.by_owner.remove(&self.owner);
            }
        }
    }
}

/// Whose an address is. One machine can have many addresses of IPv6: the first 64 bits are what a provider gives to one
/// customer at least.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_leaves_room_for_others() {
        let tally = Arc::new(Tally::new(5, 2));
        let mut held: Vec<_> = (0..2).map(|_| tally.admit("far", true).unwrap()).collect();
        assert!(tally.admit("far", true).is_none());
        held.extend((0..3).map(|_| tally.admit("near", false).unwrap()));
        assert_eq!(tally.total(), 5);
        assert!(tally.admit("other", true).is_none(), "all are taken");
        held.clear();
        assert_eq!(tally.total(), 0);
        assert!(lock(&tally.counts).by_owner.is_empty());
    }

    #[test]
    fn addresses_of_one_network_have_one_owner() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:3::7"), of("2001:db8:1:2::7"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert!(of("::1").is_loopback());
    }
}
