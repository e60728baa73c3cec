//! One timeline for viewers, whatever the source's does.

use std::time::Duration;

use valkka_core::time::{MediaTime, WallTime};

/// Joins the timelines of a source's connections into one that goes on, so that viewers stay when a camera
/// comes back with time stamps that start anew.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Added to the source's ticks.
    offset: i64,
    last: Option<Last>,
    /// Whether the source has connected anew since `last`.
    reconnected: bool,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// On the source's timeline.
    media: MediaTime,
    arrival: WallTime,
}

impl Timeline {
    /// The source has connected anew: what comes now may lie anywhere.
    pub(crate) fn reconnect(&mut self) {
        self.reconnected = true;
    }

    /// Where a frame lies for viewers. Tracks share a timeline, so that they stay together.
    pub(crate) fn place(&mut self, media: MediaTime, arrival: WallTime) -> MediaTime {
        let reconnected = std::mem::take(&mut self.reconnected);
        let Some(last) = self.last.replace(Last { media, arrival }) else { return media };
        let passed = arrival.saturating_since(last.arrival);
        let expected = last.media + passed;
        let step = media.ticks().saturating_sub(last.media.ticks());
        let surprise = media.ticks().saturating_sub(expected.ticks());
        let jumped = step < -ticks(BACKWARDS)
            || surprise > ticks(AHEAD)
            || (reconnected && surprise.saturating_abs() > ticks(AFTER_RECONNECTION));
        if jumped {
            self.offset = self.offset.saturating_sub(surprise);
        }
        MediaTime::from_ticks(media.ticks().saturating_add(self.offset))
    }
}

fn ticks(duration: Duration) -> i64 {
    (MediaTime::default() + duration).ticks()
}

/// Tracks may be interleaved, and pictures reordered, by less than this.
const BACKWARDS: Duration = Duration::from_secs(2);
/// A stream may be ahead of its arrival by less than this (a file that is read faster than it plays).
const AHEAD: Duration = Duration::from_secs(10);
/// A source that connects anew on the same timeline is off by less than this.
const AFTER_RECONNECTION: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn run(steps: &[(i64, i64, bool)]) -> Vec<i64> {
        let mut timeline = Timeline::default();
        let place = |&(media_ms, arrival_ms, reconnected): &(i64, i64, bool)| {
            if reconnected {
                timeline.reconnect();
            }
            let media = MediaTime::from_ticks(media_ms * 90);
            timeline.place(media, WallTime::from_micros(arrival_ms * 1000)).ticks() / 90
        };
        steps.iter().map(place).collect()
    }

    #[test]
    fn ordinary_streams_stay_as_they_are() {
        // Reordered pictures, a stall with a burst behind it, a file read at once.
        let steps = [(5000, 0, false), (5120, 40, false), (5040, 80, false), (5160, 4000, false)];
        assert_eq!(run(&steps), [5000, 5120, 5040, 5160]);
        assert_eq!(run(&[(0, 0, true), (4000, 0, false), (8000, 1, false)]), [0, 4000, 8000]);
    }

    #[test]
    fn a_camera_that_starts_anew_goes_on_where_it_was() {
        let steps = [(50_000, 0, true), (50_040, 40, false), (0, 3040, true), (40, 3080, false)];
        assert_eq!(run(&steps), [50_000, 50_040, 53_040, 53_080]);
        // Also without a word, backwards and far ahead.
        assert_eq!(run(&[(50_000, 0, false), (0, 40, false), (90_000, 80, false)]), [50_000, 50_040, 50_080]);
    }

    #[test]
    fn a_camera_that_kept_its_timeline_keeps_it() {
        assert_eq!(run(&[(50_000, 0, true), (53_100, 3000, true)]), [50_000, 53_100]);
    }

    #[test]
    fn absurd_times_do_no_harm() {
        let extremes = [i64::MIN, -1, 0, i64::MAX];
        let mut timeline = Timeline::default();
        for media in extremes {
            for arrival in extremes {
                timeline.place(MediaTime::from_ticks(media), WallTime::from_micros(arrival));
            }
        }
    }
}
