//! When the pictures of a live stream are decoded and shown.

use crate::muxer::{Clock, Times};

/// Makes the times of the video of a live stream, in ticks of 90 kHz, so that a player that has all of it never finds
/// nothing to show: each picture begins where the one before ended.
///
/// Who receives a live stream learns only with the next picture how long one lasts. So a picture that comes late begins
/// early, where the one before was said to end, and lasts the longer; on the whole the times follow those at which
/// pictures come. Where the stream was interrupted, time stands still.
///
/// Where pictures are reordered (B frames), decoding times are those of a [`Clock`], and pictures begin when they are
/// due.
#[derive(Debug)]
pub(super) struct VideoClock {
    order: Order,
    /// Added to the places of pictures.
    shift: i64,
    /// Where the picture that is shown last ends.
    end: i64,
    last_dts: Option<i64>,
}

#[derive(Debug)]
enum Order {
    /// Pictures are decoded as they are shown.
    Shown {
        /// The place of the last one.
        last: Option<i64>,
        /// From one to the next, lately.
        steps: [i64; 2],
    },
    Changed(Clock),
}

impl VideoClock {
    /// A clock that begins at `start`, for pictures that are reordered by so many, if that is known, and follow each other
    /// by about `step`.
    pub(super) fn new(start: i64, reordered: Option<u8>, step: i64) -> Self {
        let step = step.clamp(MIN_STEP, MAX_STEP);
        let (order, lead) = match reordered {
            None | Some(0) => (Order::Shown { last: None, steps: [step; 2] }, 0),
            Some(_) => {
                let clock = Clock::new(reordered, step);
                let lead = clock.lead();
                (Order::Changed(clock), lead)
            }
        };
        Self { order, shift: 0, end: start.saturating_add(lead), last_dts: None }
    }

    /// What is added to the place of something of the same stream for its time.
    pub(super) fn shift(&self) -> i64 {
        self.shift
    }

    /// Where the picture that is shown last ends.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The times of the next picture, which was placed at `place` by the moment it stands for. `begins` says that it does
    /// not follow the one before.
    pub(super) fn next(&mut self, place: i64, begins: bool) -> Times {
        let place = place.clamp(-MAX_PLACE, MAX_PLACE);
        if begins || place.saturating_add(self.shift).saturating_sub(self.end) > PATIENCE {
            self.shift = self.end.saturating_sub(place);
        }
        let place = place.saturating_add(self.shift);
        if let Order::Shown { last: Some(last), steps: [step, _] } = self.order
            && place < last
        {
            // B frames that nobody announced. The clock finds out how many.
            self.order = Order::Changed(Clock::new(None, step));
        }
        let times = match &mut self.order {
            Order::Shown { last, steps } => {
                if let Some(last) = *last
                    && !begins
                {
                    *steps = [(place - last).clamp(MIN_STEP, MAX_STEP), steps[0]];
                }
                *last = Some(place);
                let start = self.end;
                // What is said too short is made up for by the next, what is said too long is not so easily.
                let step = steps[0].min(steps[1]);
                let end = place.saturating_add(step).max(start.saturating_add(MIN_STEP));
                Times { pts: start, dts: start, duration: end - start }
            }
            Order::Changed(clock) => {
                let Times { pts, dts, duration } = clock.next(place);
                let dts = self.last_dts.map_or(dts, |last| dts.max(last.saturating_add(1)));
                Times { pts: pts.max(dts), dts, duration: duration.clamp(MIN_STEP, MAX_STEP) }
            }
        };
        self.end = self.end.max(times.pts.saturating_add(times.duration));
        self.last_dts = Some(times.dts);
        times
    }
}

/// A picture that comes later than this is taken for the beginning of something new: 10 s.
pub(super) const PATIENCE: i64 = 10 * 90_000;

/// Some hundred thousand years; sums of such places fit into 64 bits.
const MAX_PLACE: i64 = 1 << 60;

/// 1 ms.
const MIN_STEP: i64 = 90;
/// 1 s.
const MAX_STEP: i64 = 90_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Start and end of pictures at `places`, in milliseconds, the first of which begins.
    fn run(clock: &mut VideoClock, places_ms: &[i64]) -> Vec<(i64, i64)> {
        let mut begins = true;
        let mut shown = |&place: &i64| {
            let times = clock.next(place * 90, std::mem::take(&mut begins));
            (times.pts / 90, (times.pts + times.duration) / 90)
        };
        places_ms.iter().map(&mut shown).collect()
    }

    fn clock(start_ms: i64, reordered: Option<u8>) -> VideoClock {
        VideoClock::new(start_ms * 90, reordered, 40 * 90)
    }

    #[test]
    fn pictures_follow_each_other_without_a_gap_whenever_they_come() {
        let places = [5000, 5040, 5090, 5110, 6500, 6540, 6540, 6580];
        for reordered in [None, Some(0)] {
            let shown = run(&mut clock(100, reordered), &places);
            assert_eq!(shown[..3], [(100, 140), (140, 180), (180, 230)]);
            assert!(
                shown.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].0 < pair[0].1),
                "{shown:?}"
            );
            // What came late, or all at once, moves nothing for good.
            let place = 100 + 6580 - 5000;
            assert!((place..=place + 40).contains(&shown.last().unwrap().1), "{shown:?}");
        }
    }

    #[test]
    fn an_interruption_takes_no_time() {
        for reordered in [Some(0), Some(2)] {
            let mut clock = clock(0, reordered);
            let before = run(&mut clock, &[0, 40, 80]);
            let after = run(&mut clock, &[70_000, 70_040]);
            assert_eq!(after[0].0, before[2].1, "{reordered:?}");
            assert_eq!(clock.shift() / 90, before[2].1 - 70_000);
            // What nobody announced, but lasts too long, is one too.
            let more = clock.next(90_000 * 90, false);
            assert_eq!(more.pts / 90, after[1].1);
        }
    }

    #[test]
    fn reordered_pictures_are_shown_when_they_are_due() {
        let places = [0, 120, 40, 80, 240, 160, 200];
        let mut clock = clock(1000, Some(2));
        let mut last = 999 * 90;
        for (index, place) in places.into_iter().enumerate() {
            let times = clock.next(place * 90, index == 0);
            assert_eq!(times.pts, (1000 + 80 + place) * 90);
            assert!(times.dts > last && times.dts <= times.pts);
            last = times.dts;
        }
        assert_eq!(clock.end() / 90, 1000 + 80 + 280);
    }

    #[test]
    fn b_frames_that_nobody_announced_are_right_after_a_moment() {
        let mut clock = clock(0, None);
        let mut last = -1;
        for group in 0..20 {
            for (index, place) in [0, 120, 40, 80].into_iter().enumerate() {
                let place = (group * 160 + place) * 90;
                let times = clock.next(place, group == 0 && index == 0);
                assert!(times.dts > last && times.dts <= times.pts);
                assert!(group < 3 || times.pts == place + clock.shift(), "{group} {index}");
                last = times.dts;
            }
        }
    }

    #[test]
    fn any_places_are_made_to_rise() {
        let mut random = fastrand::Rng::with_seed(5);
        for reordered in [None, Some(0), Some(3), Some(255)] {
            let mut clock = VideoClock::new(0, reordered, 3600);
            let mut last = i64::MIN;
            for _ in 0..2000 {
                let place = if random.u8(..) == 0 { random.i64(..) } else { random.i64(-9000..900_000) };
                let times = clock.next(place, random.u8(..) == 0);
                assert!(times.dts > last && times.pts >= times.dts && times.duration > 0);
                last = times.dts;
            }
        }
    }
}
