//! Decoding times: when a container says that each packet is to be decoded.

/// Makes the decoding times of one track of the presentation times of its packets, which come in decoding order.
///
/// Decoding times rise by at least one unit from packet to packet and are never later than the presentation time. With
/// B frames presentation times go back and forth: then the *n*-th decoding time is the *n*-th smallest presentation
/// time, taken as many packets late as pictures are reordered.
#[derive(Debug)]
pub(crate) struct Clock {
    /// How many packets may come before one that is shown earlier.
    reordered: usize,
    /// Whether that is known, or found out.
    known: bool,
    /// Units from packet to packet, as far as they are known beforehand.
    step: i64,
    /// Presentation times that are to become decoding times, sorted; at most [`MAX_REORDERED`] and one.
    ahead: Vec<i64>,
    last: Option<Times>,
    /// The latest presentation time.
    latest: i64,
}

/// The times of one packet, in the units of its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    /// Of the packet before it, or as told beforehand.
    pub(crate) duration: i64,
}

/// As many pictures as a decoder may hold back (H.264, A.3.1; H.265, A.4.2).
pub(crate) const MAX_REORDERED: u8 = 16;

impl Clock {
    /// A clock for a track in which pictures are reordered by so many, if that is known, and follow each other by about
    /// `step` units.
    pub(crate) fn new(reordered: Option<u8>, step: i64) -> Self {
        Self {
            reordered: reordered.unwrap_or(0).min(MAX_REORDERED).into(),
            known: reordered.is_some(),
            step: step.max(1),
            ahead: Vec::new(),
            last: None,
            latest: i64::MIN,
        }
    }

    /// By how much the first decoding time lies before the first presentation time.
    pub(crate) fn lead(&self) -> i64 {
        (self.reordered as i64).saturating_mul(self.step)
    }

    /// The times of the next packet, which is to be shown at `pts`.
    pub(crate) fn next(&mut self, mut pts: i64) -> Times {
        if pts == self.latest {
            pts += 1;
        }
        self.latest = self.latest.max(pts);
        let Some(last) = self.last else {
            self.ahead = (1..=self.reordered as i64).map(|n| pts.saturating_sub(n * self.step)).collect();
            self.ahead.push(pts);
            self.ahead.sort_unstable();
            let dts = self.ahead.remove(0);
            return self.keep(Times { pts, dts, duration: self.step });
        };
        let at = self.ahead.partition_point(|&time| time <= pts);
        self.ahead.insert(at, pts);
        let due = (self.ahead.len() > self.reordered).then(|| self.ahead.remove(0));
        let after_last = last.dts.saturating_add(1);
        if due.is_some_and(|due| due < after_last) && !self.known {
            self.reordered = (self.reordered + 1).min(MAX_REORDERED.into());
        }
        let dts = due.map_or(after_last, |due| due.max(after_last));
        let duration = dts - last.dts;
        self.keep(Times { pts: pts.max(dts), dts, duration })
    }

    fn keep(&mut self, times: Times) -> Times {
        self.last = Some(times);
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(clock: &mut Clock, pts: &[i64]) -> Vec<(i64, i64)> {
        let times: Vec<_> = pts.iter().map(|&pts| clock.next(pts)).collect();
        for pair in times.windows(2) {
            assert!(pair[1].dts > pair[0].dts, "{times:?}");
            assert_eq!(pair[1].duration, pair[1].dts - pair[0].dts);
        }
        assert!(times.iter().all(|times| times.pts >= times.dts), "{times:?}");
        times.iter().map(|times| (times.pts, times.dts)).collect()
    }

    #[test]
    fn without_b_frames_both_are_the_same() {
        let times = run(&mut Clock::new(Some(0), 40), &[0, 40, 80, 120]);
        assert_eq!(times, [(0, 0), (40, 40), (80, 80), (120, 120)]);
    }

    #[test]
    fn equal_and_earlier_times_follow_by_one_unit() {
        let times = run(&mut Clock::new(Some(0), 40), &[0, 0, 0, 40, 39]);
        assert_eq!(times, [(0, 0), (1, 1), (2, 2), (40, 40), (41, 41)]);
    }

    #[test]
    fn b_frames_keep_their_times() {
        let pts = [0, 120, 40, 80, 240, 160, 200, 360, 280, 320];
        for reordered in 1..=MAX_REORDERED {
            let times = run(&mut Clock::new(Some(reordered), 40), &pts);
            assert_eq!(times.iter().map(|times| times.0).collect::<Vec<_>>(), pts);
            assert_eq!(times[0].1, -40 * i64::from(reordered));
        }
    }

    #[test]
    fn b_frames_that_nobody_announced_are_right_after_a_moment() {
        let group = |start| [start, start + 120, start + 40, start + 80].map(|time: i64| time);
        let mut clock = Clock::new(None, 40);
        run(&mut clock, &group(0));
        let pts: Vec<_> = (1..20).flat_map(|n| group(n * 160)).collect();
        let times = run(&mut clock, &pts);
        assert_eq!(times[8..].iter().map(|times| times.0).collect::<Vec<_>>(), pts[8..]);
    }

    #[test]
    fn any_times_are_made_to_rise() {
        let mut random = fastrand::Rng::with_seed(3);
        for reordered in [None, Some(0), Some(2), Some(255)] {
            let pts: Vec<_> = (0..500).map(|_| random.i64(-1000..1000)).collect();
            run(&mut Clock::new(reordered, 1), &pts);
        }
    }
}
