//! Who is being sent to now.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use valkka_core::clock::SystemClock;
use valkka_core::lock::lock;
use valkka_core::time::WallTime;

use super::channel::Channel;
use super::flow::Sent;
use super::reception::Reception;
use super::viewer_info::{ViewerInfo, ViewerReport, ViewerTransport};

/// All viewers of a server that play. Bounded by the number of connections, each of which is one viewer at most.
#[derive(Debug, Default)]
pub(super) struct Audience(Mutex<Seats>);

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    /// In the order in which they came.
    taken: BTreeMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    spectator: Spectator,
    since: WallTime,
    /// What had been sent before on the ways that it receives by.
    before: Vec<Sent>,
}

/// Who plays, and how.
#[derive(Debug)]
pub(super) struct Spectator {
    pub(super) channel: Arc<Channel>,
    pub(super) peer: SocketAddr,
    pub(super) user: Option<String>,
    pub(super) transport: ViewerTransport,
    pub(super) receptions: Vec<Arc<Reception>>,
}

/// A viewer is in the audience for as long as this lives.
#[derive(Debug)]
pub(super) struct Seat {
    audience: Arc<Audience>,
    number: u64,
}

impl Audience {
    /// Takes a viewer in.
    pub(super) fn seat(self: &Arc<Self>, spectator: Spectator) -> Seat {
        spectator.channel.counters.viewers.fetch_add(1, Ordering::Relaxed);
        let before = spectator.receptions.iter().map(|reception| reception.flow().total()).collect();
        let mut seats = lock(&self.0);
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Taken { spectator, since: SystemClock.now(), before });
        Seat { audience: self.clone(), number }
    }

    /// All of them, in the order in which they came.
    pub(super) fn list(&self) -> Vec<ViewerInfo> {
        lock(&self.0).taken.values().map(Taken::info).collect()
    }
}

impl Taken {
    fn info(&self) -> ViewerInfo {
        let Spectator { channel, peer, user, transport, receptions } = &self.spectator;
        let mut sent = Sent::default();
        for (reception, before) in receptions.iter().zip(&self.before) {
            sent = sent.and(reception.flow().total().since(*before));
        }
        ViewerInfo {
            path: channel.path().to_owned(),
            peer: *peer,
            user: user.clone(),
            transport: *transport,
            since: self.since,
            bytes: sent.bytes,
            packets: sent.packets,
            skipped: sent.skipped,
            reported: receptions.iter().filter_map(|reception| reception.summary()).reduce(ViewerReport::and),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(taken) = lock(&self.audience.0).taken.remove(&self.number) {
            taken.spectator.channel.counters.viewers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
