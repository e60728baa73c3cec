//! Correcting the moments frames stand for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Filter;
use crate::frame::{Body, Frame, Signal};
use crate::pacer::Pacer;
use crate::stream::{Slot, Track};
use crate::time::WallTime;

/// How [`CorrectTimestamp`] corrects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Not at all.
    None,
    /// Each frame stands for the moment of its arrival.
    Dummy,
    /// Each frame stands for the moment of its arrival, spread out as the stream's own time is (see [`Pacer`]):
    /// whatever the camera's clock says, pictures are shown smoothly and no later than the network makes them.
    Paced,
    /// A frame that is more than `tolerance` away from its arrival is moved there, and those behind it by as
    /// much, so that the distances between frames stay as the camera has them.
    Smart {
        /// How far a camera's clock may be off without being corrected.
        tolerance: Duration,
        /// After so much time of the stream the offset is forgotten, so that a camera whose clock has been set
        /// right is believed again; `None` for never.
        reset: Option<Duration>,
        /// How far a frame may be moved ahead of its arrival; `None` for any distance. A server may begin with a whole
        /// group of pictures that it has kept: then it was not the clock that was off, but the first frame held up,
        /// and those behind it would all be moved into the future.
        lead: Option<Duration>,
    },
}

impl Correction {
    /// [`Self::Smart`] with a tolerance of 2 s and a reset every 60 s.
    pub const SMART: Self =
        Self::Smart { tolerance: Duration::from_secs(2), reset: Some(Duration::from_secs(60)), lead: None };

    /// [`Self::SMART`] for what comes from the network: no frame is moved more than 100 ms ahead of its arrival.
    pub const SMART_LIVE: Self = Self::Smart {
        tolerance: Duration::from_secs(2),
        reset: Some(Duration::from_secs(60)),
        lead: Some(Duration::from_millis(100)),
    };
}

/// Corrects the moments that frames stand for ([`FrameTime::wall`](crate::frame::FrameTime)) by the times of
/// their arrival. Signals stay as they are.
#[derive(Debug)]
pub struct CorrectTimestamp {
    correction: Correction,
    /// Of the smart correction, per stream: its tracks share the camera's clock. Bounded by the number of slots.
    offsets: BTreeMap<Slot, Offset>,
    /// Of the paced correction, per track. Bounded by the number of slots and tracks.
    pacers: BTreeMap<(Slot, Track), Pacer>,
}

#[derive(Clone, Copy, Debug)]
struct Offset {
    micros: i64,
    /// The frame's own time at the last reset.
    reset_at: WallTime,
    /// Where the last frame was moved to.
    last: WallTime,
}

impl CorrectTimestamp {
    /// Corrects by `correction`.
    pub fn new(correction: Correction) -> Self {
        Self { correction, offsets: BTreeMap::new(), pacers: BTreeMap::new() }
    }

    fn smart(&mut self, slot: Slot, time: WallTime, now: WallTime, rules: Smart) -> WallTime {
        let fresh = Offset { micros: 0, reset_at: time, last: time };
        let offset = self.offsets.entry(slot).or_insert(fresh);
        // A clock that was set back counts as one that has gone far.
        if rules.reset.is_some_and(|reset| distance(time, offset.reset_at) > reset) {
            *offset = fresh;
        }
        let corrected = time.offset_micros(offset.micros);
        let moved_ahead = |lead| offset.micros != 0 && corrected > now && distance(corrected, now) > lead;
        if distance(corrected, now) > rules.tolerance {
            offset.micros = now.micros_since(time);
        } else if rules.lead.is_some_and(moved_ahead) {
            // Not to before its predecessor: they wait for the arrivals to come up.
            offset.micros = now.max(offset.last).micros_since(time);
        }
        offset.last = time.offset_micros(offset.micros);
        offset.last
    }
}

/// What [`Correction::Smart`] says.
#[derive(Clone, Copy)]
struct Smart {
    tolerance: Duration,
    reset: Option<Duration>,
    lead: Option<Duration>,
}

impl Filter for CorrectTimestamp {
    fn push(&mut self, mut frame: Frame, emit: &mut dyn FnMut(Frame)) {
        if let Body::Signal(Signal::Online(_)) = &frame.body {
            // A new connection has a new timeline.
            self.pacers.retain(|&(slot, _), _| slot != frame.slot);
        }
        if !matches!(frame.body, Body::Signal(_)) {
            let (time, now) = (frame.time.wall, frame.time.arrival);
            frame.time.wall = match self.correction {
                Correction::None => time,
                Correction::Dummy => now,
                Correction::Paced => {
                    let pacer = self.pacers.entry((frame.slot, frame.track)).or_default();
                    pacer.pace(frame.time.media, now)
                }
                Correction::Smart { tolerance, reset, lead } => {
                    self.smart(frame.slot, time, now, Smart { tolerance, reset, lead })
                }
            };
        }
        emit(frame);
    }
}

fn distance(a: WallTime, b: WallTime) -> Duration {
    Duration::from_micros(a.micros_since(b).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{online, packet_at, run};
    use crate::time::MediaTime;

    /// Corrects frames with the given times and arrivals, all in milliseconds.
    fn correct(correction: Correction, frames: &[(i64, i64)]) -> Vec<i64> {
        let frames = frames.iter().map(|&(time, arrival)| {
            let mut frame = packet_at('a', time);
            frame.time.arrival = WallTime::from_micros(arrival * 1000);
            frame
        });
        let out = run(&mut CorrectTimestamp::new(correction), frames);
        out.iter().map(|frame| frame.time.wall.millis()).collect()
    }

    #[test]
    fn none_and_dummy() {
        let frames = [(5, 100), (1_000_000, 200)];
        assert_eq!(correct(Correction::None, &frames), [5, 1_000_000]);
        assert_eq!(correct(Correction::Dummy, &frames), [100, 200]);
    }

    #[test]
    fn paced_follows_arrivals_whatever_the_clock_says() {
        // The camera's clock is an hour off, and its frames jitter; media time advances by 40 ms.
        let frames: Vec<_> = [0, 55, 80, 130, 160].map(|arrival| (3_600_000, arrival)).into();
        let mut corrected = Vec::new();
        let mut filter = CorrectTimestamp::new(Correction::Paced);
        for (n, &(time, arrival)) in (0..).zip(&frames) {
            let mut frame = packet_at('a', time);
            frame.time.arrival = WallTime::from_micros(arrival * 1000);
            frame.time.media = MediaTime::from_ticks(n * 3600);
            filter.push(frame, &mut |frame| corrected.push(frame.time.wall.millis()));
        }
        assert_eq!(corrected, [0, 40, 80, 120, 160]);
    }

    #[test]
    fn smart_leaves_small_errors_and_moves_large_ones_once() {
        let camera = |error: i64| [0, 40, 80].map(|t| (1_000_000 + t + error, 1_000_000 + t));
        assert_eq!(correct(Correction::SMART, &camera(-1500)), [998_500, 998_540, 998_580]);
        assert_eq!(correct(Correction::SMART, &camera(2000)), [1_002_000, 1_002_040, 1_002_080]);
        assert_eq!(correct(Correction::SMART, &camera(-3_600_000)), [1_000_000, 1_000_040, 1_000_080]);
        // Distances between frames stay when arrivals jitter.
        assert_eq!(correct(Correction::SMART, &[(0, 9000), (40, 9090), (80, 9085)]), [9000, 9040, 9080]);
    }

    #[test]
    fn what_was_held_up_does_not_move_what_follows_into_the_future() {
        // A server begins with the four seconds of pictures that it has kept, then sends one every 40 ms.
        let kept: Vec<_> = (0..=100).map(|n| (6000 + n * 40, 10_000 + n)).collect();
        let live: Vec<_> =
            (1..=100).map(|n| (10_000 + n * 40, 10_000 + (100 + n * 39).max(n * 40))).collect();
        let frames = [kept, live].concat();
        let corrected = correct(Correction::SMART_LIVE, &frames);
        assert!(corrected.is_sorted(), "{corrected:?}");
        let lead: Vec<_> = corrected.iter().zip(&frames).map(|(wall, (_, now))| wall - now).collect();
        assert!(lead.iter().all(|lead| (-100..=100).contains(lead)), "{lead:?}");
        // A clock that is ahead a little is believed as ever.
        assert_eq!(correct(Correction::SMART_LIVE, &[(1500, 0), (1540, 40)]), [1500, 1540]);
        // Without a bound, distances stay whatever comes of it.
        let burst = [(0, 9000), (1000, 9001), (1900, 9002)];
        assert_eq!(correct(Correction::SMART, &burst), [9000, 10_000, 10_900]);
    }

    #[test]
    fn the_offset_is_forgotten_after_a_minute_of_the_stream() {
        // The camera is 1.5 s late at last; only a reset makes that pass uncorrected.
        let frames = [(0, 5000), (60_000, 65_050), (60_001, 61_501)];
        assert_eq!(correct(Correction::SMART, &frames), [5000, 65_000, 60_001]);
        let never = Correction::Smart { tolerance: Duration::from_secs(2), reset: None, lead: None };
        assert_eq!(correct(never, &frames), [5000, 65_000, 61_501]);
    }

    #[test]
    fn a_clock_set_right_backwards_is_believed() {
        let frames = [(3_600_000, 0), (40, 40)];
        assert_eq!(correct(Correction::SMART, &frames), [0, 40]);
    }

    #[test]
    fn extreme_times_and_signals() {
        let extremes = [i64::MIN, i64::MAX, 0];
        for time in extremes {
            for arrival in extremes {
                let mut frame = packet_at('a', 0);
                (frame.time.wall, frame.time.arrival) =
                    (WallTime::from_micros(time), WallTime::from_micros(arrival));
                run(&mut CorrectTimestamp::new(Correction::SMART_LIVE), [frame.clone(), frame]);
            }
        }
        let signal = run(&mut CorrectTimestamp::new(Correction::Dummy), [online()]);
        assert_eq!(signal[0].time.wall, WallTime::default());
    }
}
