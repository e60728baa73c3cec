//! Where in a file frames belong.

use std::collections::BTreeMap;
use std::time::Duration;

use valkka_core::frame::FrameTime;
use valkka_core::stream::Track;
use valkka_core::time::{MediaTime, WallTime};

/// Places the packets of a stream on the timeline of a file, by the moments that they stand for.
///
/// Within a track, places rise with every packet; only a packet that is to be shown before its predecessor (a B frame)
/// goes before it, by as much as the stream's own times say. A clock that is set back stops nothing: the file goes on
/// one frame later.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// The moment of time zero; the first packet's, if nobody gave one.
    zero: Option<WallTime>,
    given: bool,
    /// Added to all places, since a clock was set back.
    offset_micros: i64,
    /// Bounded by the number of tracks.
    tracks: BTreeMap<Track, Latest>,
}

/// The packet of a track that is shown latest, so far.
#[derive(Clone, Copy, Debug)]
struct Latest {
    /// `None` if what follows counts from another origin.
    media: Option<MediaTime>,
    wall: WallTime,
    place_micros: i64,
}

impl Timeline {
    /// A timeline that starts at `zero`, or with the first packet. A `zero` that lies more than a minute behind the
    /// first packet is a mistake, and counts as none.
    pub(crate) fn new(zero: Option<WallTime>) -> Self {
        Self { zero, given: zero.is_some(), offset_micros: 0, tracks: BTreeMap::new() }
    }

    /// The stream is connected to again: its own times count from another origin.
    pub(crate) fn reconnected(&mut self) {
        for latest in self.tracks.values_mut() {
            latest.media = None;
        }
    }

    /// The time of the next packet of `track` in the file; `None` if it is to be shown before the file starts.
    pub(crate) fn place(&mut self, track: Track, time: &FrameTime) -> Option<Duration> {
        let zero = match self
            .zero
            .filter(|zero| zero.saturating_since(time.wall) <= MAX_WAIT_FOR_ZERO || !self.given)
        {
            Some(zero) => zero,
            None => {
                self.given = false;
                *self.zero.insert(time.wall)
            }
        };
        let mut place = time.wall.micros_since(zero).saturating_add(self.offset_micros);
        if let Some(latest) = self.tracks.get(&track) {
            let behind = latest.media.map_or(0, |media| media.micros_since(time.media));
            if (1..=MAX_REORDERED_MICROS).contains(&behind) {
                return duration(latest.place_micros.saturating_sub(behind));
            }
            let earliest = latest.place_micros.saturating_add(1);
            if latest.wall.saturating_since(time.wall) > MAX_JITTER {
                let resumed = latest.place_micros.saturating_add(STEP_MICROS);
                self.offset_micros = self.offset_micros.saturating_add(resumed.saturating_sub(place));
                place = resumed;
            }
            place = place.max(earliest);
        }
        if self.given {
            place = place.max(0);
        }
        let placed = duration(place)?;
        let latest = Latest { media: Some(time.media), wall: time.wall, place_micros: place };
        self.tracks.insert(track, latest);
        Some(placed)
    }
}

fn duration(micros: i64) -> Option<Duration> {
    u64::try_from(micros).ok().map(Duration::from_micros)
}

/// B frames are shown no longer before their predecessors than this; what goes back further is no B frame.
const MAX_REORDERED_MICROS: i64 = 1_000_000;

/// A clock that goes back by more was set.
const MAX_JITTER: Duration = Duration::from_secs(1);

/// From the last packet before a clock was set to the next.
const STEP_MICROS: i64 = 40_000;

const MAX_WAIT_FOR_ZERO: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: Track = Track::new(0);
    const AUDIO: Track = Track::new(1);

    fn at(wall_ms: i64, media_ms: i64) -> FrameTime {
        let wall = WallTime::from_micros(wall_ms * 1000);
        FrameTime { media: MediaTime::from_ticks(media_ms * 90), arrival: wall, capture: None, wall }
    }

    /// Places, in milliseconds, of packets with the given wall-clock and media times.
    fn places(timeline: &mut Timeline, times: &[(i64, i64)]) -> Vec<Option<u128>> {
        let place = |&(wall, media): &(i64, i64)| timeline.place(VIDEO, &at(wall, media));
        times.iter().map(place).map(|place| place.map(|place| place.as_millis())).collect()
    }

    #[test]
    fn places_count_from_the_first_packet_or_from_what_is_given() {
        let times = [(1000, 0), (1040, 40), (5000, 80)];
        assert_eq!(places(&mut Timeline::new(None), &times), [Some(0), Some(40), Some(4000)]);
        let given = |ms: i64| Timeline::new(Some(WallTime::from_micros(ms * 1000)));
        assert_eq!(places(&mut given(400), &times), [Some(600), Some(640), Some(4600)]);
        // What comes before the moment given is at the start.
        assert_eq!(places(&mut given(1020), &times), [Some(0), Some(20), Some(3980)]);
        assert_eq!(places(&mut given(61_001), &times), [Some(0), Some(40), Some(4000)]);
    }

    #[test]
    fn times_that_stand_still_or_jitter_back_rise_nevertheless() {
        let mut timeline = Timeline::new(None);
        let times = [(1000, 0), (1040, 40), (1040, 80), (1020, 120), (1100, 160)];
        let places: Vec<_> =
            times.map(|(wall, media)| timeline.place(VIDEO, &at(wall, media)).unwrap()).into();
        assert!(places.windows(2).all(|pair| pair[1] > pair[0]), "{places:?}");
        assert_eq!(places[4], Duration::from_millis(100));
    }

    #[test]
    fn b_frames_go_where_they_belong_whatever_the_clock_says() {
        let mut timeline = Timeline::new(None);
        // Their moments jitter; those before the first key frame cannot be decoded.
        let times = [(1000, 80), (1001, 0), (1120, 200), (1125, 120), (1150, 160), (1240, 320), (1242, 240)];
        let wanted = [Some(0), None, Some(120), Some(40), Some(80), Some(240), Some(160)];
        assert_eq!(places(&mut timeline, &times), wanted);
    }

    #[test]
    fn a_clock_set_back_and_a_new_connection() {
        let mut timeline = Timeline::new(None);
        let times = [(3_600_000, 0), (3_600_040, 40), (80, 80), (120, 120)];
        assert_eq!(places(&mut timeline, &times), [Some(0), Some(40), Some(80), Some(120)]);
        assert_eq!(timeline.place(AUDIO, &at(130, 5)), Some(Duration::from_millis(130)));
        timeline.reconnected();
        assert_eq!(places(&mut timeline, &[(1200, 100), (1240, 140)]), [Some(1200), Some(1240)]);
    }

    #[test]
    fn extreme_times() {
        let extremes = [i64::MIN, i64::MAX, 0].map(WallTime::from_micros);
        for zero in [None, Some(extremes[0]), Some(extremes[1])] {
            let mut timeline = Timeline::new(zero);
            for (n, wall) in extremes.into_iter().cycle().take(9).enumerate() {
                let media = MediaTime::from_ticks(extremes[n % 2].micros());
                timeline.place(VIDEO, &FrameTime { wall, media, ..FrameTime::default() });
            }
        }
    }
}
