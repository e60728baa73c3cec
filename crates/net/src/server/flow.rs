//! What is sent on one way: to one viewer, or to a group of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use valkka_core::lock::lock;

use super::channel::Channel;
use crate::rtp::{Unit, UnitKind, report_id};

/// Counts what is sent, and remembers when sender reports went out, by which viewers tell the round trip.
#[derive(Debug)]
pub(super) struct Flow {
    channel: Arc<Channel>,
    bytes: AtomicU64,
    packets: AtomicU64,
    skipped: AtomicU64,
    /// The last sender reports, by their identities.
    reports: Mutex<VecDeque<(u32, Instant)>>,
}

/// What has been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    pub(super) skipped: u64,
}

impl Flow {
    pub(super) fn new(channel: Arc<Channel>) -> Self {
        Self {
            channel,
            bytes: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            reports: Mutex::default(),
        }
    }

    /// What is sent is of this stream.
    pub(super) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// `units` are about to be sent.
    ///
    /// Before and not after: sending takes its time, and a viewer may have the report that comes first long before the
    /// last picture is out.
    pub(super) fn sending(&self, units: &[Arc<Unit>]) {
        units.iter().filter(|unit| unit.kind == UnitKind::Control).for_each(|unit| self.reported(unit));
    }

    /// `units` have been sent.
    pub(super) fn sent<'a>(&self, units: impl IntoIterator<Item = &'a Arc<Unit>>) {
        let (mut bytes, mut packets) = (0, 0);
        for unit in units {
            bytes += unit.packet_bytes() as u64;
            packets += unit.packet_count() as u64;
        }
        for (own, of_all, count) in [
            (&self.bytes, &self.channel.counters.bytes, bytes),
            (&self.packets, &self.channel.counters.packets, packets),
        ] {
            // In this order, so that whoever looks meanwhile never sees more sent to a viewer than to all of them.
            of_all.fetch_add(count, Ordering::Release);
            own.fetch_add(count, Ordering::Release);
        }
    }

    /// So many units have been left out.
    pub(super) fn skipped(&self, units: u64) {
        self.skipped.fetch_add(units, Ordering::Relaxed);
    }

    /// What has been sent so far.
    pub(super) fn total(&self) -> Sent {
        Sent {
            bytes: self.bytes.load(Ordering::Acquire),
            packets: self.packets.load(Ordering::Acquire),
            skipped: self.skipped.load(Ordering::Relaxed),
        }
    }

    /// How long a packet takes to a viewer and back, if the sender report `id`, which came to the viewer `delay` ago,
    /// is one of the last (RFC 3550, section 6.4.1).
    pub(super) fn round_trip(&self, id: u32, delay: Duration) -> Option<Duration> {
        let reports = lock(&self.reports);
        let (_, sent) = reports.iter().rev().find(|(known, _)| *known == id)?;
        sent.elapsed().checked_sub(delay)
    }

    fn reported(&self, unit: &Unit) {
        let Some(id) = unit.packets().next().and_then(report_id) else { return };
        let mut reports = lock(&self.reports);
        if reports.len() == REMEMBERED {
            reports.pop_front();
        }
        reports.push_back((id, Instant::now()));
    }
}

impl Sent {
    /// What was sent after `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(earlier.bytes),
            packets: self.packets.saturating_sub(earlier.packets),
            skipped: self.skipped.saturating_sub(earlier.skipped),
        }
    }

    /// This and `other` together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            packets: self.packets + other.packets,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// Sender reports that are remembered: viewers report every five seconds or so, as often as every track's come.
const REMEMBERED: usize = 32;
