//! What is counted of every stream, from the socket to the screen.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one stream. Any thread may write and read; a reading is not a snapshot of one moment.
#[derive(Debug, Default)]
pub struct StreamStats {
    /// Video access units that arrived.
    pub received: Counter,
    /// Bytes of all access units that arrived, audio included.
    pub received_bytes: Counter,
    /// Key frames among `received`.
    pub keyframes: Counter,
    /// Network packets that were lost.
    pub lost_packets: Counter,
    /// Pictures that came out of the decoder.
    pub decoded: Counter,
    /// Pictures the decoder found damaged, or that depend on what was lost; not shown unless asked for.
    pub damaged: Counter,
    /// Access units dropped before the decoder because it could not keep up.
    pub decode_dropped: Counter,
    /// Pictures that were shown.
    pub presented: Counter,
    /// Pictures that were not shown because they came too late or the presenter could not keep up.
    pub present_dropped: Counter,
    /// Connections after the first.
    pub reconnects: Counter,
    /// Arrival of the last byte until the picture is on the screen.
    pub age: Histogram,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts durations in buckets whose width grows with the duration, so that any quantile is known to within
/// 1/32 of its value, in constant memory (about 5 KiB).
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU32; BUCKETS],
}

/// Buckets per doubling.
const STEPS: u64 = 32;
/// From microseconds to more than a day.
const BUCKETS: usize = (36 * STEPS) as usize;

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| u64::from(bucket.load(Ordering::Relaxed))).sum()
    }

    /// The duration below which the share `quantile` (0 to 1) of all lies; `None` if none was counted.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let total = self.count();
        let rank = ((total as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += u64::from(bucket.load(Ordering::Relaxed));
            if seen >= rank {
                return Some(Duration::from_micros(upper_bound(index)));
            }
        }
        None
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU32::new(0) }; BUCKETS] }
    }
}

/// Values below `STEPS` have a bucket each; above, each doubling has `STEPS` buckets.
fn bucket(micros: u64) -> usize {
    let index = if micros < STEPS {
        micros
    } else {
        let doubling = micros.ilog2() - STEPS.ilog2();
        (u64::from(doubling) + 1) * STEPS + ((micros >> doubling) - STEPS)
    };
    (index as usize).min(BUCKETS - 1)
}

/// The largest value that falls into bucket `index`.
fn upper_bound(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let doubling = index / STEPS - 1;
    ((STEPS + index % STEPS + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_and_bound_agree() {
        for micros in (0..100_000).chain([1 << 30, (1 << 40) - 1]) {
            let index = bucket(micros);
            let upper = upper_bound(index);
            assert!(micros <= upper || index == BUCKETS - 1, "{micros} in bucket {index}, up to {upper}");
            assert!(upper - micros <= micros / STEPS || index == BUCKETS - 1, "{micros}: {upper}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let near = |quantile, millis: f64| {
            let got = histogram.quantile(quantile).unwrap().as_secs_f64() * 1000.0;
            assert!((got - millis).abs() <= millis / 32.0, "{got} is not about {millis}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        near(0.0, 1.0);
        near(1.0, 100.0);
    }
}
