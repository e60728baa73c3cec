//! How many connections there are, and which one goes when there is no room.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use valkka_core::lock::lock;

use super::peer::{Peer, network};

/// The connections of a server.
///
/// When there is no room for another, one that has neither set anything up nor shown credentials makes way: of the
/// address with the most of these, the oldest. So whoever opens connections and says nothing displaces himself.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    max_per_peer: usize,
    table: Mutex<Table>,
    /// The last connection is gone.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By age; at most as many as there may be.
    entries: BTreeMap<u64, Entry>,
    /// Those with connections, and at most [`MAX_REMEMBERED`] others.
    peers: HashMap<IpAddr, Arc<Peer>>,
}

#[derive(Debug)]
struct Entry {
    network: IpAddr,
    state: Arc<State>,
}

/// What the table and a connection know together.
#[derive(Debug, Default)]
struct State {
    settled: AtomicBool,
    displaced: Notify,
}

/// The right to be connected.
#[derive(Debug)]
pub(super) struct Permit {
    id: u64,
    peer: Arc<Peer>,
    state: Arc<State>,
    connections: Arc<Connections>,
}

impl Connections {
    /// At most `max` in all, and `max_per_peer` from one address.
    pub(super) fn new(max: usize, max_per_peer: usize) -> Self {
        Self {
            max: max.max(1),
            max_per_peer: max_per_peer.max(1),
            table: Mutex::default(),
            empty: Notify::new(),
        }
    }

    /// Takes in a connection from `addr`, if there is room or room can be made.
    pub(super) fn admit(self: &Arc<Self>, addr: IpAddr) -> Option<Permit> {
        let network = network(addr);
        let mut table = self.lock();
        let of_peer = table.entries.values().filter(|entry| entry.network == network).count();
        if of_peer >= self.max_per_peer {
            table.displace(Some(network))?;
        } else if table.entries.len() >= self.max {
            table.displace(None)?;
        }
        table.forget_peers();
        let peer = table.peers.entry(network).or_insert_with(|| Arc::new(Peer::new())).clone();
        let state = Arc::<State>::default();
        let id = table.next;
        table.next += 1;
        table.entries.insert(id, Entry { network, state: state.clone() });
        Some(Permit { id, peer, state, connections: self.clone() })
    }

    /// Waits until there are none.
    pub(super) async fn wait_empty(&self) {
        loop {
            let empty = self.empty.notified();
            if self.lock().entries.is_empty() {
                return;
            }
            empty.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Table {
    /// Has a connection make way, one from `network` if given; `None` if there is none that can be asked to.
    fn displace(&mut self, network: Option<IpAddr>) -> Option<()> {
        let mut candidates: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        for (&id, entry) in &self.entries {
            let fits = network.is_none_or(|network| network == entry.network);
            if fits && !entry.state.settled.load(Ordering::Relaxed) {
                candidates.entry(entry.network).or_insert((0, id)).0 += 1;
            }
        }
        let (_, oldest) =
            candidates.into_values().max_by_key(|&(count, id)| (count, std::cmp::Reverse(id)))?;
        let entry = self.entries.remove(&oldest)?;
        entry.state.displaced.notify_one();
        Some(())
    }

    /// Forgets peers without connections: those with nothing to remember, all if they have become too many.
    fn forget_peers(&mut self) {
        if self.peers.len() < MAX_REMEMBERED {
            return;
        }
        self.peers.retain(|_, peer| Arc::strong_count(peer) > 1 || !peer.is_forgiven());
        if self.peers.len() >= MAX_REMEMBERED {
            self.peers.retain(|_, peer| Arc::strong_count(peer) > 1);
        }
    }
}

impl Permit {
    /// The address it is for.
    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// It makes way for no other any more.
    pub(super) fn settle(&self) {
        self.state.settled.store(true, Ordering::Relaxed);
    }

    /// Waits until it has to make way.
    pub(super) async fn displaced(&self) {
        self.state.displaced.notified().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut table = self.connections.lock();
        table.entries.remove(&self.id);
        if table.entries.is_empty() {
            self.connections.empty.notify_waiters();
        }
    }
}

/// Addresses that are remembered beside those with connections.
const MAX_REMEMBERED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn is_displaced(permit: &Permit) -> bool {
        !permit.connections.lock().entries.contains_key(&permit.id)
    }

    #[test]
    fn whoever_has_the_most_idle_ones_makes_way() {
        let connections = Arc::new(Connections::new(4, 10));
        let admit = |last| connections.admit(addr(last)).unwrap();
        let (a, b, c, d) = (admit(1), admit(2), admit(2), admit(2));
        b.settle();
        let e = admit(3);
        assert_eq!([&a, &b, &c, &d, &e].map(is_displaced), [false, false, true, false, false]);
        // One each: the oldest.
        let f = admit(3);
        assert_eq!([&a, &b, &d, &e, &f].map(is_displaced), [true, false, false, false, false]);
        [&d, &e, &f].into_iter().for_each(Permit::settle);
        assert!(connections.admit(addr(4)).is_none());
        drop(d);
        assert!(connections.admit(addr(4)).is_some());
    }

    #[test]
    fn one_address_does_not_take_it_all() {
        let connections = Arc::new(Connections::new(10, 2));
        let admit = |last| connections.admit(addr(last));
        let (a, b, c) = (admit(1).unwrap(), admit(1).unwrap(), admit(2).unwrap());
        a.settle();
        let d = admit(1).unwrap();
        assert_eq!([&a, &b, &c, &d].map(is_displaced), [false, true, false, false]);
        d.settle();
        assert!(admit(1).is_none() && admit(2).is_some());
    }

    #[tokio::test]
    async fn what_is_displaced_is_told() {
        let connections = Arc::new(Connections::new(1, 1));
        let first = connections.admit(addr(1)).unwrap();
        let _second = connections.admit(addr(1)).unwrap();
        first.displaced().await;
    }

    #[tokio::test]
    async fn the_end_of_the_last_one_is_told() {
        let connections = Arc::new(Connections::new(2, 2));
        connections.wait_empty().await;
        let permit = connections.admit(addr(1)).unwrap();
        let waiting = tokio::spawn({
            let connections = connections.clone();
            async move { connections.wait_empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(permit);
        waiting.await.unwrap();
    }

    #[test]
    fn addresses_are_not_remembered_for_ever() {
        let connections = Arc::new(Connections::new(1, 1));
        for number in 0..3 * MAX_REMEMBERED as u32 {
            let permit = connections.admit(IpAddr::from(number.to_be_bytes())).unwrap();
            permit.peer().failed();
        }
        assert!(connections.lock().peers.len() <= MAX_REMEMBERED);
    }
}
