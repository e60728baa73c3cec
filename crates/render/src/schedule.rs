//! Which picture is shown when: a jitter buffer per slot.
//!
//! Pictures go in as they are decoded and come out when they fall due: the moment they stand for
//! ([`FrameTime::wall`]) plus the buffering. All time comes in as an argument, so hours pass in a test in
//! milliseconds.
//!
//! - A picture that falls due while an older one of its slot is due too replaces it; the older is dropped. A
//!   late picture that has no newer one behind it is shown: better late than never, and a camera whose clock
//!   is slow is shown all the same. Slots never drop each other's pictures for falling due together.
//! - A picture due later than five times the buffering is dropped: its clock is wrong, or somebody feeds a
//!   file without pacing it.
//! - What waits is bounded by [`Limits`]; beyond, the picture that is due last goes.
//! - A slot without pictures for [`DEAD_AFTER`] (longer if its pictures come seldom), or whose source said that
//!   it is offline, is blanked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use valkka_core::bitmap::Bitmap;
use valkka_core::frame::{Body, Frame, FrameTime, Signal};
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;

/// A slot without a new picture for so long is dead, unless it was stopped or is at its end. One whose pictures
/// come less often than every second is given three times the distance of the last two, up to 30 s.
pub const DEAD_AFTER: Duration = Duration::from_secs(2);

/// How much may wait in a [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pictures of one slot.
    pub pictures_per_slot: usize,
    /// Bytes of all pictures together. Memory is only taken by pictures that are there.
    pub total_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pictures_per_slot: 256, total_bytes: 1 << 30 }
    }
}

/// The jitter buffers of all slots.
#[derive(Debug)]
pub struct Schedule {
    buffering: Duration,
    limits: Limits,
    lanes: BTreeMap<Slot, Lane>,
    waiting_bytes: usize,
}

/// One thing to do now.
#[derive(Clone, Debug)]
pub enum Update {
    /// This picture is to be shown from now on.
    Show(Slot, Picture),
    /// Nothing of this slot is to be shown any more.
    Blank(Slot),
}

/// A picture and its times.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The picture.
    pub bitmap: Bitmap,
    /// Its times.
    pub time: FrameTime,
}

/// Pictures of one slot that were dropped for one reason, since it was last asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drops {
    /// The stream.
    pub slot: Slot,
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub count: u64,
    /// The moment that the last of them stands for.
    pub wall: WallTime,
    /// How long after the last of them was dropped it would have been due, in microseconds; negative if it was due
    /// before.
    pub ahead_micros: i64,
    /// Width and height of the last of them in pixels.
    pub size: (u32, u32),
}

/// Why a picture was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It was due [`LATE`] ago or longer, and a newer one of its slot is due too.
    Late,
    /// It fell due at nearly the same time as a newer one of its slot.
    TooFast,
    /// Its time lies too far ahead.
    TooEarly,
    /// So many wait that the [`Limits`] are reached.
    NoRoom,
}

/// A picture that is dropped for a newer one came too late if it was due so long ago.
pub const LATE: Duration = Duration::from_millis(10);

/// One slot.
#[derive(Debug, Default)]
struct Lane {
    /// In the order in which they fall due.
    waiting: VecDeque<(WallTime, Picture)>,
    mode: Mode,
    /// When the last picture came in.
    last_push: WallTime,
    /// How long after the one before.
    gap: Duration,
    /// When the source went away, if it did and no picture came since: the moment that becomes visible.
    offline: Option<WallTime>,
    /// Whether a picture of this slot was given out since it was last blanked.
    showing: bool,
    /// Whether what is shown is to be taken back at once.
    blank_now: bool,
    stats: Option<Arc<StreamStats>>,
    /// What nobody has asked for yet, by reason.
    drops: BTreeMap<DropReason, Drops>,
}

#[derive(Debug, Default)]
enum Mode {
    /// Pictures follow each other; when none comes, the slot is dead.
    #[default]
    Playing,
    /// The last picture stays.
    Held,
    /// The position is moving: the newest picture is kept until playing or holding goes on.
    Seeking(Option<Picture>),
}

impl Schedule {
    /// An empty schedule that holds each picture for `buffering`.
    pub fn new(buffering: Duration, limits: Limits) -> Self {
        Self { buffering, limits, lanes: BTreeMap::new(), waiting_bytes: 0 }
    }

    /// Has dropped pictures of `slot` counted in `stats`.
    pub fn set_stats(&mut self, slot: Slot, stats: Arc<StreamStats>) {
        self.lanes.entry(slot).or_default().stats = Some(stats);
    }

    /// Forgets `slot` and its pictures.
    pub fn remove(&mut self, slot: Slot) {
        if let Some(mut lane) = self.lanes.remove(&slot) {
            self.waiting_bytes -= lane.clear();
        }
    }

    /// Takes a picture or a signal, at the time `now`. Other frames are not for the screen. Returns when the
    /// frame's slot has something to do next.
    pub fn push(&mut self, frame: Frame, now: WallTime) -> Option<WallTime> {
        match frame.body {
            Body::Bitmap(bitmap) => {
                self.push_picture(frame.slot, Picture { bitmap, time: frame.time }, now);
            }
            Body::Signal(signal) => self.push_signal(frame.slot, &signal, now),
            Body::Packet(_) | Body::Fragment(_) => {}
        }
        self.lanes.get(&frame.slot).and_then(Lane::next_deadline)
    }

    /// What is to be done at the time `now`, at most two things per slot.
    pub fn due(&mut self, now: WallTime) -> Vec<Update> {
        let horizon = now + self.horizon();
        let mut updates = Vec::new();
        for (&slot, lane) in &mut self.lanes {
            // The clock stepped back: what seems to lie in the far future would block the slot until then.
            while lane.waiting.back().is_some_and(|&(due, _)| due > horizon) {
                self.waiting_bytes -= lane.drop_last(slot, DropReason::TooEarly, now);
            }
            if std::mem::take(&mut lane.blank_now) && std::mem::take(&mut lane.showing) {
                updates.push(Update::Blank(slot));
            }
            let count = lane.waiting.partition_point(|&(due, _)| due <= now);
            for (due, picture) in lane.waiting.drain(..count.saturating_sub(1)).collect::<Vec<_>>() {
                self.waiting_bytes -= bytes_of(&picture.bitmap);
                let late = now.saturating_since(due) >= LATE;
                let reason = if late { DropReason::Late } else { DropReason::TooFast };
                lane.count_drop(slot, reason, &picture, due.micros_since(now));
            }
            if count > 0
                && let Some((_, picture)) = lane.waiting.pop_front()
            {
                self.waiting_bytes -= bytes_of(&picture.bitmap);
                lane.showing = true;
                updates.push(Update::Show(slot, picture));
            } else if lane.showing && lane.death().is_some_and(|death| death <= now) {
                lane.showing = false;
                updates.push(Update::Blank(slot));
            }
        }
        updates
    }

    /// When [`Self::due`] has something to do next; `None` while nothing is to come.
    pub fn next_deadline(&self) -> Option<WallTime> {
        self.lanes.values().filter_map(Lane::next_deadline).min()
    }

    /// What was dropped since this was last called.
    pub fn take_drops(&mut self) -> Vec<Drops> {
        self.lanes.values_mut().flat_map(|lane| std::mem::take(&mut lane.drops).into_values()).collect()
    }

    /// How many pictures wait.
    pub fn len(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }

    /// Whether no picture waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push_picture(&mut self, slot: Slot, picture: Picture, now: WallTime) {
        let due = picture.time.wall + self.buffering;
        let horizon = now + self.horizon();
        let lane = self.lanes.entry(slot).or_default();
        // The time while a source was away says nothing of its pace.
        let apart = now.saturating_since(lane.last_push);
        lane.gap = if lane.offline.is_some() { Duration::ZERO } else { apart };
        lane.last_push = now;
        lane.offline = None;
        if let Mode::Seeking(newest) = &mut lane.mode {
            *newest = Some(picture);
            return;
        }
        if due > horizon {
            lane.count_drop(slot, DropReason::TooEarly, &picture, due.micros_since(now));
            return;
        }
        self.waiting_bytes += bytes_of(&picture.bitmap);
        lane.insert(due, picture);
        if lane.waiting.len() > self.limits.pictures_per_slot {
            self.waiting_bytes -= lane.drop_last(slot, DropReason::NoRoom, now);
        }
        while self.waiting_bytes > self.limits.total_bytes {
            let largest = self.lanes.iter_mut().max_by_key(|(_, lane)| lane.waiting_bytes());
            let Some((&slot, lane)) = largest else { break };
            self.waiting_bytes -= lane.drop_last(slot, DropReason::NoRoom, now);
        }
    }

    fn push_signal(&mut self, slot: Slot, signal: &Signal, now: WallTime) {
        if matches!(signal, Signal::Silent(_) | Signal::TransmissionStart | Signal::TransmissionEnd) {
            // A slot without pictures is dead anyway; transmissions are for caches, and tell nothing about a slot.
            return;
        }
        let lane = self.lanes.entry(slot).or_default();
        match signal {
            // The pictures of this connection follow; the last one of the previous connection may stay until
            // then, as long as the slot is not dead.
            Signal::Online(_) => lane.mode = Mode::Playing,
            Signal::Offline(_) => {
                lane.mode = Mode::Playing;
                lane.offline = Some(now + self.buffering);
            }
            Signal::Seek => {
                self.waiting_bytes -= lane.clear();
                lane.mode = Mode::Seeking(None);
                lane.blank_now = true;
            }
            Signal::Play | Signal::Stop | Signal::End => {
                let mode = if matches!(signal, Signal::Play) { Mode::Playing } else { Mode::Held };
                if let Mode::Seeking(Some(picture)) = std::mem::replace(&mut lane.mode, mode) {
                    // The picture at the new position: shown at once, and whatever its time says.
                    self.waiting_bytes += bytes_of(&picture.bitmap);
                    lane.insert(now, picture);
                }
                lane.last_push = now;
            }
            Signal::Silent(_) | Signal::TransmissionStart | Signal::TransmissionEnd => {}
        }
    }

    /// Pictures due later than this from now are dropped.
    fn horizon(&self) -> Duration {
        self.buffering.saturating_mul(5).max(LEAST_HORIZON)
    }
}

impl Lane {
    /// Puts a picture where it belongs; behind those that are due at the same time.
    fn insert(&mut self, due: WallTime, picture: Picture) {
        let index = self.waiting.partition_point(|&(other, _)| other <= due);
        self.waiting.insert(index, (due, picture));
    }

    /// Drops the picture that is due last; returns its bytes.
    fn drop_last(&mut self, slot: Slot, reason: DropReason, now: WallTime) -> usize {
        let Some((due, picture)) = self.waiting.pop_back() else { return 0 };
        self.count_drop(slot, reason, &picture, due.micros_since(now));
        bytes_of(&picture.bitmap)
    }

    /// Drops all pictures; returns their bytes. What a seek makes obsolete is not counted as lost.
    fn clear(&mut self) -> usize {
        let bytes = self.waiting_bytes();
        self.waiting.clear();
        bytes
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|(_, picture)| bytes_of(&picture.bitmap)).sum()
    }

    fn count_drop(&mut self, slot: Slot, reason: DropReason, picture: &Picture, ahead_micros: i64) {
        if let Some(stats) = &self.stats {
            stats.present_dropped.add(1);
        }
        let count = self.drops.get(&reason).map_or(0, |drops| drops.count) + 1;
        let (wall, size) = (picture.time.wall, (picture.bitmap.width(), picture.bitmap.height()));
        self.drops.insert(reason, Drops { slot, reason, count, wall, ahead_micros, size });
    }

    /// When this slot is dead if nothing more comes; `None` if it holds its picture.
    fn death(&self) -> Option<WallTime> {
        match self.mode {
            Mode::Playing => {
                // The first picture of all came after an age.
                let gap = if self.gap <= LONGEST_GAP { self.gap } else { Duration::ZERO };
                let silent = self.last_push + DEAD_AFTER.max(gap * 3);
                Some(self.offline.map_or(silent, |offline| offline.min(silent)))
            }
            Mode::Held | Mode::Seeking(_) => None,
        }
    }

    fn next_deadline(&self) -> Option<WallTime> {
        if self.blank_now && self.showing {
            return Some(WallTime::default());
        }
        match self.waiting.front() {
            Some(&(due, _)) => Some(due),
            None if self.showing => self.death(),
            None => None,
        }
    }
}

fn bytes_of(bitmap: &Bitmap) -> usize {
    let format = bitmap.format();
    (0..format.planes())
        .map(|plane| {
            let (row_bytes, rows) = format.plane_size(plane, bitmap.width(), bitmap.height());
            row_bytes.saturating_mul(rows)
        })
        .sum()
}

/// Pictures further apart do not belong together.
const LONGEST_GAP: Duration = Duration::from_secs(10);
/// With little or no buffering, pictures may still be so far ahead of our clock.
const LEAST_HORIZON: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use valkka_core::bitmap::{ColorSpec, PixelFormat};
    use valkka_core::source::StreamInfo;
    use valkka_core::stream::Track;

    use super::*;

    const A: Slot = Slot::new(1);
    const B: Slot = Slot::new(2);

    /// Milliseconds after some start.
    fn at(millis: i64) -> WallTime {
        WallTime::from_micros(1_700_000_000_000_000 + millis * 1000)
    }

    fn picture(slot: Slot, millis: i64) -> Frame {
        let bitmap = Bitmap::from_packed(PixelFormat::Gray, 10, 10, ColorSpec::default(), vec![0; 100]);
        Frame {
            slot,
            track: Track::default(),
            time: FrameTime { wall: at(millis), ..FrameTime::default() },
            body: Body::Bitmap(bitmap.unwrap()),
        }
    }

    struct Rig {
        schedule: Schedule,
        stats: Arc<StreamStats>,
    }

    impl Rig {
        fn new() -> Self {
            Self::with(Limits::default())
        }

        fn with(limits: Limits) -> Self {
            let mut schedule = Schedule::new(Duration::from_millis(300), limits);
            let stats = Arc::new(StreamStats::default());
            schedule.set_stats(A, stats.clone());
            Self { schedule, stats }
        }

        fn push(&mut self, slot: Slot, wall_ms: i64, now_ms: i64) {
            self.schedule.push(picture(slot, wall_ms), at(now_ms));
        }

        fn signal(&mut self, signal: Signal, now_ms: i64) {
            self.schedule.push(Frame::signal(A, at(now_ms), signal), at(now_ms));
        }

        /// What is due, as `slot:milliseconds` or `slot:-`.
        fn due(&mut self, now_ms: i64) -> String {
            let words: Vec<String> = self
                .schedule
                .due(at(now_ms))
                .into_iter()
                .map(|update| match update {
                    Update::Show(slot, picture) => {
                        format!("{slot}:{}", picture.time.wall.micros_since(at(0)) / 1000)
                    }
                    Update::Blank(slot) => format!("{slot}:-"),
                })
                .collect();
            words.join(" ")
        }

        fn next_ms(&self) -> Option<i64> {
            self.schedule.next_deadline().map(|time| time.micros_since(at(0)) / 1000)
        }

        fn dropped(&self) -> u64 {
            self.stats.present_dropped.get()
        }
    }

    #[test]
    fn pictures_come_out_in_order_when_they_are_due() {
        let mut rig = Rig::new();
        rig.push(A, 40, 45);
        rig.push(A, 0, 50);
        rig.push(A, 80, 90);
        assert_eq!(rig.next_ms(), Some(300));
        assert_eq!(rig.due(299), "");
        assert_eq!(rig.due(300), "1:0");
        assert_eq!(rig.next_ms(), Some(340));
        assert_eq!(rig.due(341), "1:40");
        assert_eq!(rig.due(380), "1:80");
        assert_eq!(rig.dropped(), 0);
        assert!(rig.schedule.is_empty());
    }

    #[test]
    fn a_late_picture_is_dropped_only_for_a_newer_one_of_its_slot() {
        let mut rig = Rig::new();
        for wall in [0, 40, 80] {
            rig.push(A, wall, wall);
            rig.push(B, wall, wall);
        }
        assert_eq!(rig.due(350), "1:40 2:40");
        assert_eq!(rig.dropped(), 1);
        // Half a minute late, but there is nothing better.
        assert_eq!(rig.due(30_000), "1:80 2:80");
        assert_eq!(rig.dropped(), 1);
    }

    #[test]
    fn a_camera_with_a_slow_clock_is_shown() {
        let mut rig = Rig::new();
        for now in (0..10_000).step_by(40) {
            rig.push(A, now - 3_600_000, now);
            assert_eq!(rig.due(now), format!("1:{}", now - 3_600_000));
        }
        assert_eq!(rig.dropped(), 0);
    }

    #[test]
    fn equal_stamps_of_many_slots_all_come_out_together() {
        let mut rig = Rig::new();
        (1..=100).for_each(|slot| rig.push(Slot::new(slot), 0, 0));
        assert_eq!(rig.due(320).split(' ').count(), 100);
        assert_eq!(rig.dropped(), 0);
    }

    #[test]
    fn the_far_future_is_dropped() {
        let mut rig = Rig::new();
        rig.push(A, 1200, 0);
        rig.push(A, 1201, 0);
        assert_eq!((rig.schedule.len(), rig.dropped()), (1, 1));
        let mut none = Schedule::new(Duration::ZERO, Limits::default());
        none.push(picture(A, 500), at(0));
        none.push(picture(A, 501), at(0));
        assert_eq!(none.len(), 1);
    }

    #[test]
    fn it_tells_what_was_dropped_and_why() {
        let mut rig = Rig::with(Limits { pictures_per_slot: 3, total_bytes: 450 });
        [0, 1000, 1005].into_iter().for_each(|wall| rig.push(A, wall, 0));
        rig.push(A, 1300, 0);
        rig.push(A, 1010, 0);
        assert_eq!(rig.due(1309), "1:1005");
        let told = rig.schedule.take_drops();
        let told: Vec<_> = told
            .iter()
            .map(|drops| {
                (drops.reason, drops.count, drops.wall.micros_since(at(0)) / 1000, drops.ahead_micros / 1000)
            })
            .collect();
        let expected = [
            (DropReason::Late, 1, 0, -1009),
            (DropReason::TooFast, 1, 1000, -9),
            (DropReason::TooEarly, 1, 1300, 1600),
            (DropReason::NoRoom, 1, 1010, 1310),
        ];
        assert_eq!(told, expected);
        assert_eq!(rig.schedule.take_drops(), []);
        assert_eq!((rig.dropped(), rig.schedule.waiting_bytes), (4, 0));
    }

    #[test]
    fn a_clock_that_steps_back_blocks_nothing() {
        let mut rig = Rig::new();
        rig.push(A, 0, 0);
        assert_eq!(rig.due(-3_600_000), "");
        assert!(rig.schedule.is_empty());
        rig.push(A, -3_600_000, -3_600_000);
        assert_eq!(rig.due(-3_599_700), "1:-3600000");
    }

    #[test]
    fn both_limits_hold_and_the_last_due_goes() {
        let mut rig = Rig::with(Limits { pictures_per_slot: 3, total_bytes: 450 });
        for wall in [0, 10, 40, 20] {
            rig.push(A, wall, 0);
        }
        assert_eq!((rig.schedule.len(), rig.dropped()), (3, 1));
        rig.push(B, 0, 0);
        rig.push(B, 10, 0);
        assert_eq!((rig.schedule.len(), rig.dropped()), (4, 2));
        assert_eq!(rig.due(330), "1:10 2:10");
        rig.schedule.remove(A);
        rig.schedule.remove(B);
        assert_eq!(rig.schedule.waiting_bytes, 0);
    }

    #[test]
    fn a_slot_without_pictures_dies_once_and_comes_back() {
        let mut rig = Rig::new();
        rig.push(A, 0, 0);
        assert_eq!(rig.due(300), "1:0");
        assert_eq!(rig.next_ms(), Some(2000));
        assert_eq!(rig.due(1999), "");
        assert_eq!(rig.due(2000), "1:-");
        assert_eq!((rig.due(9000).as_str(), rig.next_ms()), ("", None));
        rig.push(A, 9000, 9000);
        assert_eq!(rig.due(9300), "1:9000");
    }

    #[test]
    fn a_slot_with_few_pictures_lives_from_one_to_the_next() {
        let mut rig = Rig::new();
        for n in 0..4 {
            rig.push(A, n * 3000, n * 3000);
            assert_eq!(rig.due(n * 3000 + 300), format!("1:{}", n * 3000));
            // The second shows how seldom they come.
            let next = if n == 0 { 2000 } else { n * 3000 + 9000 };
            assert_eq!(rig.next_ms(), Some(next));
        }
        assert_eq!(rig.due(18_000), "1:-");
    }

    #[test]
    fn offline_shows_what_waits_and_then_nothing() {
        let mut rig = Rig::new();
        rig.push(A, 0, 0);
        rig.push(A, 40, 40);
        rig.signal(Signal::Offline("gone".into()), 50);
        assert_eq!(rig.due(300), "1:0");
        assert_eq!(rig.due(340), "1:40");
        assert_eq!(rig.next_ms(), Some(350));
        assert_eq!(rig.due(350), "1:-");
        // A short interruption is not shown as one.
        rig.push(A, 400, 400);
        assert_eq!(rig.due(700), "1:400");
        rig.signal(Signal::Offline("gone".into()), 710);
        rig.signal(Signal::Online(Arc::new(StreamInfo::default())), 720);
        rig.push(A, 730, 730);
        assert_eq!(rig.due(1020), "");
        assert_eq!(rig.due(1030), "1:730");
    }

    #[test]
    fn a_stopped_or_ended_stream_keeps_its_picture() {
        for signal in [Signal::Stop, Signal::End] {
            let mut rig = Rig::new();
            rig.push(A, 0, 0);
            rig.signal(signal, 10);
            assert_eq!(rig.due(300), "1:0");
            assert_eq!((rig.next_ms(), rig.due(60_000).as_str()), (None, ""));
            rig.signal(Signal::Play, 60_000);
            assert_eq!(rig.due(61_999), "");
            assert_eq!(rig.due(62_000), "1:-");
        }
    }

    #[test]
    fn seeking_blanks_at_once_and_goes_on_with_the_newest() {
        let mut rig = Rig::new();
        rig.push(A, 0, 0);
        rig.push(A, 40, 40);
        assert_eq!(rig.due(300), "1:0");
        rig.signal(Signal::Seek, 310);
        assert!(rig.schedule.next_deadline() <= Some(at(310)));
        assert_eq!(rig.due(310), "1:-");
        rig.push(A, -5000, 320);
        rig.push(A, -4960, 321);
        assert_eq!(rig.due(5000), "");
        rig.signal(Signal::Stop, 5010);
        assert_eq!(rig.due(5010), "1:-4960");
        assert_eq!(rig.due(100_000), "");
        assert_eq!(rig.dropped(), 0);
        assert_eq!(rig.schedule.waiting_bytes, 0);
    }

    #[test]
    fn extreme_times_do_no_harm() {
        let mut rig = Rig::new();
        for wall in [i64::MIN, i64::MAX, 0] {
            let mut frame = picture(A, 0);
            frame.time.wall = WallTime::from_micros(wall);
            rig.schedule.push(frame.clone(), WallTime::from_micros(i64::MAX));
            rig.schedule.push(frame.clone(), WallTime::from_micros(i64::MIN));
            rig.schedule.push(frame, at(0));
        }
        let _ = rig.schedule.due(WallTime::from_micros(i64::MIN));
        let _ = rig.schedule.due(WallTime::from_micros(i64::MAX));
        assert_eq!(rig.schedule.waiting_bytes, 0);
    }
}
