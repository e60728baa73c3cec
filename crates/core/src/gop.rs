//! The last group of pictures of a stream, for readers that come late or are slow.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The last group of pictures of a stream, and what came before it for as long as slow readers may need it.
///
/// Whoever fills it puts one item per access unit (or whatever it makes of one). Items are numbered from 0 on and leave
/// at the far end; each reader remembers the number of the item that it takes next. A new reader starts at
/// [`Self::keyframe`]; one whose next number lies before [`Self::first`] has been overtaken, and goes on at the key
/// frame too.
///
/// It is bounded by a number of bytes, by [`MAX_ITEMS`], and before the last key frame by a time. A group of pictures
/// that is too large to be kept loses its key frame first: there is none to start at then until the next.
#[derive(Clone, Debug)]
pub struct GopRing<T> {
    kept: VecDeque<Kept<T>>,
    /// The number of the oldest item.
    first: u64,
    /// Sum over `kept`.
    bytes: usize,
    max_bytes: usize,
    max_lag: Duration,
    /// The number of the last key frame, while it is kept.
    keyframe: Option<u64>,
}

#[derive(Clone, Debug)]
struct Kept<T> {
    item: T,
    bytes: usize,
    made: Instant,
}

/// A reader may usually be behind the last key frame by this before it is moved on to it.
pub const MAX_LAG: Duration = Duration::from_secs(3);

/// Items kept at most, whatever their size.
pub const MAX_ITEMS: usize = 16_384;

impl<T> GopRing<T> {
    /// A ring that keeps `max_bytes` at most, and slow readers' items for [`MAX_LAG`].
    pub fn new(max_bytes: usize) -> Self {
        Self::with_max_lag(max_bytes, MAX_LAG)
    }

    /// A ring that keeps `max_bytes` at most, and what lies before the last key frame for `max_lag`.
    pub fn with_max_lag(max_bytes: usize, max_lag: Duration) -> Self {
        Self { kept: VecDeque::new(), first: 0, bytes: 0, max_bytes, max_lag, keyframe: None }
    }

    /// Adds an item that holds `bytes` bytes and was made at `made`, and drops what is no longer needed. `keyframe`
    /// says whether new readers can start at it: a key frame of a video track.
    pub fn push(&mut self, item: T, bytes: usize, keyframe: bool, made: Instant) {
        if keyframe {
            self.keyframe = Some(self.end());
        }
        self.bytes += bytes;
        self.kept.push_back(Kept { item, bytes, made });
        while let Some(oldest) = self.kept.front() {
            let needed = self.keyframe.is_some_and(|keyframe| self.first >= keyframe);
            let stale = !needed && made.saturating_duration_since(oldest.made) > self.max_lag;
            if !stale && self.bytes <= self.max_bytes && self.kept.len() <= MAX_ITEMS {
                break;
            }
            self.bytes -= oldest.bytes;
            self.kept.pop_front();
            self.first += 1;
        }
        self.keyframe = self.keyframe.filter(|&keyframe| keyframe >= self.first);
    }

    /// The number of the oldest item.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number of the item that comes next.
    pub fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// Bytes that its items hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the last key frame, while it is kept.
    pub fn keyframe(&self) -> Option<u64> {
        self.keyframe
    }

    /// The items from number `from` on, or from the oldest if that is gone.
    pub fn since(&self, from: u64) -> impl Iterator<Item = &T> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.kept.range(skip.min(self.kept.len())..).map(|kept| &kept.item)
    }

    /// Drops everything; numbers go on.
    pub fn clear(&mut self) {
        self.first = self.end();
        self.kept.clear();
        self.bytes = 0;
        self.keyframe = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items from `from` on.
    fn since(ring: &GopRing<u32>, from: u64) -> Vec<u32> {
        ring.since(from).copied().collect()
    }

    #[test]
    fn readers_find_the_last_key_frame_by_its_number() {
        let (mut ring, now) = (GopRing::new(1000), Instant::now());
        assert_eq!((ring.first(), ring.end(), ring.keyframe()), (0, 0, None));
        for (item, keyframe) in [(10, true), (11, false), (12, true), (13, false)] {
            ring.push(item, 1, keyframe, now);
        }
        assert_eq!((ring.first(), ring.end(), ring.keyframe(), ring.bytes()), (0, 4, Some(2), 4));
        assert_eq!(since(&ring, 2), [12, 13]);
        assert_eq!(since(&ring, 0), [10, 11, 12, 13]);
        assert!(since(&ring, 4).is_empty() && since(&ring, u64::MAX).is_empty());
    }

    #[test]
    fn what_lies_before_the_key_frame_leaves_with_time_and_the_group_stays() {
        let (mut ring, start) = (GopRing::new(1000), Instant::now());
        for (item, keyframe, seconds) in [(0, true, 0), (1, false, 1), (2, true, 2), (3, false, 60)] {
            ring.push(item, 1, keyframe, start + Duration::from_secs(seconds));
        }
        assert_eq!((since(&ring, 0), ring.first(), ring.keyframe()), (vec![2, 3], 2, Some(2)));
    }

    #[test]
    fn it_is_bounded_in_bytes_and_items() {
        let (mut ring, now) = (GopRing::new(100), Instant::now());
        ring.push(0, 60, true, now);
        ring.push(1, 60, false, now);
        assert_eq!((since(&ring, 0), ring.keyframe(), ring.bytes()), (vec![1], None, 60));
        ring.push(2, 200, true, now);
        assert_eq!((since(&ring, 0), ring.keyframe(), ring.bytes()), (vec![], None, 0));
        assert_eq!((ring.first(), ring.end()), (3, 3));
        for item in 0..2 * MAX_ITEMS as u32 {
            ring.push(item, 0, item == 0, now);
        }
        assert_eq!((ring.since(0).count(), ring.keyframe()), (MAX_ITEMS, None));
    }

    #[test]
    fn numbers_go_on_when_it_is_cleared() {
        let (mut ring, now) = (GopRing::new(100), Instant::now());
        ring.push(0, 1, true, now);
        ring.clear();
        assert_eq!((ring.first(), ring.end(), ring.keyframe(), ring.bytes()), (1, 1, None, 0));
        // A clock that stands still, or goes back, is no reason to fail.
        ring.push(1, 1, true, now - Duration::from_nanos(1));
        assert_eq!(since(&ring, 0), [1]);
    }
}
