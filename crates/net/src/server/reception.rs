//! What one viewer reports of what comes.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use valkka_core::lock::lock;

use super::flow::Flow;
use super::viewer_info::ViewerReport;
use crate::rtp::{ReportBlock, report_blocks};

/// The last receiver reports of one viewer, by track.
#[derive(Debug)]
pub(super) struct Reception {
    flow: Arc<Flow>,
    /// At most as many as the stream has tracks.
    tracks: Mutex<BTreeMap<u8, ViewerReport>>,
}

impl Reception {
    /// Of a viewer of what `flow` sends.
    pub(super) fn new(flow: Arc<Flow>) -> Self {
        Self { flow, tracks: Mutex::default() }
    }

    /// What it receives.
    pub(super) fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// Takes a compound packet of RTCP from the viewer.
    pub(super) fn take(&self, compound: &[u8]) {
        report_blocks(compound).for_each(|block| self.take_block(&block));
    }

    /// Takes what the viewer says of one track; what it says of others' sources is passed over.
    pub(super) fn take_block(&self, block: &ReportBlock) {
        let channel = self.flow.channel();
        let Some((track, clock_rate_hz)) = channel.source(block.ssrc) else { return };
        channel.counters.reports.fetch_add(1, Ordering::Relaxed);
        let mut tracks = lock(&self.tracks);
        let before = tracks.get(&track).and_then(|report| report.round_trip);
        let delay = Duration::from_secs_f64(f64::from(block.delay) / 65_536.0);
        let report = ViewerReport {
            fraction_lost: f64::from(block.fraction_lost) / 256.0,
            lost: u64::try_from(block.lost).unwrap_or(0),
            jitter: Duration::from_secs_f64(f64::from(block.jitter) / f64::from(clock_rate_hz.max(1))),
            // What was measured holds until it is measured again.
            round_trip: self.flow.round_trip(block.last_report, delay).or(before),
        };
        tracks.insert(track, report);
    }

    /// All tracks taken together; `None` before the first report.
    pub(super) fn summary(&self) -> Option<ViewerReport> {
        lock(&self.tracks).values().copied().reduce(ViewerReport::and)
    }
}

#[cfg(test)]
mod tests {
    use valkka_core::clock::SystemClock;
    use valkka_core::codec::{Codec, CodecParams};
    use valkka_core::frame::{Body, Frame, FrameTime, Packet};
    use valkka_core::payload::Payload;
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::MediaTime;

    use super::*;
    use crate::rtp::report_id;
    use crate::server::channel::Channel;

    /// A stream with one track of G.711, which has been sent, and the identity of its sender report.
    fn sent() -> (Arc<Flow>, u32) {
        let channel = Arc::new(Channel::new("cam".into(), 0, 1 << 20, Duration::from_secs(5)));
        let (cursor, _) = channel.join([0].into_iter().collect(), 0);
        let params = Arc::new(CodecParams::audio(Codec::PcmAlaw, 8000, 1, bytes::Bytes::new()));
        let now = SystemClock.now();
        channel.put(&Frame {
            slot: Slot::new(1),
            track: Track::new(0),
            time: FrameTime { media: MediaTime::default(), arrival: now, capture: Some(now), wall: now },
            body: Body::Packet(Packet {
                params,
                payload: Payload::copy_from_slice(&[7; 160]),
                keyframe: true,
                lost: 0,
            }),
        });
        let flow = Arc::new(Flow::new(channel.clone()));
        let units = channel.fetch(&mut cursor.clone(), usize::MAX).unwrap();
        flow.sending(&units);
        flow.sent(&units);
        (flow, units.iter().find_map(|unit| report_id(unit.packets().next()?)).unwrap())
    }

    fn block(flow: &Flow, last_report: u32) -> ReportBlock {
        let ssrc = flow.channel().ssrc(0).unwrap();
        ReportBlock { reporter: 1, ssrc, fraction_lost: 64, lost: 3, jitter: 80, last_report, delay: 0 }
    }

    #[test]
    fn figures_come_in_the_units_of_people() {
        let (flow, id) = sent();
        assert_eq!(flow.total().packets, 2, "a report and a packet");
        assert!(flow.total().bytes > 172 + 28);
        let reception = Reception::new(flow.clone());
        assert_eq!(reception.summary(), None);
        reception.take_block(&block(&flow, id));
        let report = reception.summary().unwrap();
        assert_eq!((report.fraction_lost, report.lost), (0.25, 3));
        assert_eq!(report.jitter, Duration::from_millis(10));
        assert!(report.round_trip.is_some());
        // Of a sender report that nobody knows any more.
        reception.take_block(&ReportBlock { lost: -1, ..block(&flow, id.wrapping_add(1)) });
        let later = reception.summary().unwrap();
        assert_eq!((later.lost, later.round_trip.is_some()), (0, true));
        assert_eq!(flow.channel().counters.reports.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_is_said_of_other_sources_is_passed_over() {
        let (flow, id) = sent();
        let reception = Reception::new(flow.clone());
        let other = block(&flow, id);
        reception.take_block(&ReportBlock { ssrc: other.ssrc.wrapping_add(1), ..other });
        assert_eq!(reception.summary(), None);
        // A delay longer than the report is old: no sensible clock says so.
        reception.take_block(&ReportBlock { delay: u32::MAX, ..other });
        assert_eq!(reception.summary().unwrap().round_trip, None);
    }
}
