//! When the audio of a live stream is heard.

/// Makes the times of the audio of a live stream, in samples, so that a player that has all of it never finds nothing to
/// play: each packet begins where the one before ended.
///
/// On the whole the times follow those at which packets come. A packet that belongs a little elsewhere is said to last a
/// little longer or shorter; one that belongs far behind has silence before it, and one far before is left out.
#[derive(Clone, Debug)]
pub(super) struct AudioClock {
    /// Samples per second.
    rate: i64,
    /// Where what was heard last ends.
    end: i64,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) duration: i64,
}

impl AudioClock {
    /// A clock that begins at `start`.
    pub(super) fn new(rate: i64, start: i64) -> Self {
        Self { rate: rate.max(1), end: start }
    }

    /// Where what was heard last ends.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Where a packet of `samples` goes that belongs to `place`: behind so many of the packets of silence that have
    /// `silence` samples each, and `None` if it comes too late.
    pub(super) fn next(&mut self, place: i64, samples: i64, silence: i64) -> Option<(Vec<Span>, Span)> {
        let tolerance = self.rate / 5;
        let ahead = place.saturating_sub(self.end);
        if ahead < -tolerance {
            return None;
        }
        let before = if ahead > tolerance { self.fill(place, silence) } else { Vec::new() };
        let off = place.saturating_sub(self.end);
        let nudge = if off.abs() > samples { (off / 8).clamp(-samples / 16, samples / 16) } else { 0 };
        Some((before, self.take(samples.saturating_add(nudge))))
    }

    /// Silence up to `until`, in packets of `samples` samples.
    pub(super) fn fill(&mut self, until: i64, samples: i64) -> Vec<Span> {
        let samples = samples.max(1);
        let missing = until.saturating_sub(self.end).max(0) / samples;
        if missing > MAX_SILENCE_SECONDS * self.rate / samples {
            // Something is wrong with the times; a gap does less harm than hours of nothing.
            self.end = until;
            return Vec::new();
        }
        (0..missing).map(|_| self.take(samples)).collect()
    }

    fn take(&mut self, duration: i64) -> Span {
        let start = self.end;
        let duration = duration.max(1);
        self.end = start.saturating_add(duration);
        Span { start, duration }
    }
}

const MAX_SILENCE_SECONDS: i64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_come_as_they_should_have_their_own_length() {
        let mut clock = AudioClock::new(48_000, 0);
        for index in 0..100 {
            let jitter = if index % 2 == 0 { 900 } else { -900 };
            let (silence, span) = clock.next(index * 1024 + jitter, 1024, 1024).unwrap();
            assert_eq!((silence.len(), span), (0, Span { start: index * 1024, duration: 1024 }));
        }
    }

    #[test]
    fn a_small_difference_is_made_up_for_bit_by_bit() {
        for behind in [-6000, 6000] {
            let mut clock = AudioClock::new(48_000, 0);
            let mut off = Vec::new();
            for index in 0..200 {
                let place = index * 1024 + behind;
                let (silence, span) = clock.next(place, 1024, 1024).unwrap();
                assert!(silence.is_empty() && (960..=1088).contains(&span.duration), "{span:?}");
                off.push((place - span.start).abs());
            }
            assert!(off.windows(2).all(|pair| pair[1] <= pair[0]) && off[199] <= 1024, "{off:?}");
        }
    }

    #[test]
    fn a_gap_is_filled_with_silence_and_what_is_late_left_out() {
        let mut clock = AudioClock::new(8000, 0);
        let (silence, span) = clock.next(8000, 160, 160).unwrap();
        assert_eq!((silence.len(), span.start), (50, 8000));
        assert_eq!(silence[49], Span { start: 49 * 160, duration: 160 });
        assert_eq!(clock.next(8160 - 1601, 160, 160), None);
        assert_eq!(clock.fill(8000, 160), []);
        assert_eq!(clock.fill(9000, 160).len(), 5);
        assert_eq!(clock.end(), 8960);
    }

    #[test]
    fn any_places_are_made_to_rise() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut clock = AudioClock::new(48_000, 0);
        for _ in 0..2000 {
            let before = clock.end();
            let place = if random.u8(..) < 2 { random.i64(..) } else { before + random.i64(-90_000..90_000) };
            match clock.next(place, random.i64(-5..6000), random.i64(-1..2000)) {
                Some((silence, span)) => {
                    assert!(silence.len() < 2_000_000 && span.start >= before && span.duration > 0);
                }
                None => assert_eq!(clock.end(), before),
            }
        }
    }
}
