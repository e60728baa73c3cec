//! Noticing movement.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Filter;
use super::tracks::TrackMap;
use crate::bitmap::{Bitmap, PixelFormat};
use crate::frame::{Body, Frame};
use crate::stream::Slot;
use crate::time::WallTime;

/// When [`Movement`] looks, and what it takes for movement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovementOptions {
    /// Pictures are compared when so much time has passed since the last comparison.
    pub interval: Duration,
    /// How much the luma of two pictures differs on average, of 1, when something moved between them.
    pub threshold: f32,
    /// How long a movement lasts at least, from its beginning; it ends at the first comparison after that which
    /// shows no difference.
    pub duration: Duration,
}

/// What [`Movement`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementEvent {
    /// Something began to move.
    Began {
        /// The stream.
        slot: Slot,
        /// The moment the picture stands for.
        at: WallTime,
    },
    /// Nothing moves any more.
    Ended {
        /// The stream.
        slot: Slot,
        /// The moment the picture stands for.
        at: WallTime,
    },
    /// Something came that is no picture with luma, and was dropped.
    Foreign {
        /// The stream.
        slot: Slot,
    },
}

/// Compares the pictures of each track with earlier ones, and passes those that show movement.
///
/// The first picture starts the clock. From then on, whenever the interval has passed since the last comparison
/// (by the moments that frames stand for), the luma is compared with that of the last comparison: the mean absolute
/// difference. Pictures that differ by the threshold or more pass, and make a movement begin if there is none.
/// All other pictures are dropped. Signals pass; packets and fragments are dropped.
///
/// The picture to compare with is kept by reference, one per track.
pub struct Movement<R> {
    options: MovementOptions,
    report: R,
    tracks: TrackMap<State>,
    /// What [`MovementHandle::reset`] counts, and how much of it was seen.
    resets: Arc<AtomicU64>,
    seen: u64,
}

/// Steers a [`Movement`] from any thread.
#[derive(Clone, Debug)]
pub struct MovementHandle(Arc<AtomicU64>);

#[derive(Debug)]
struct State {
    /// The last comparison, or the first picture.
    looked: WallTime,
    /// What the next picture is compared with.
    before: Option<Bitmap>,
    /// When the movement began, while there is one.
    began: Option<WallTime>,
}

impl<R: FnMut(MovementEvent) + Send> Movement<R> {
    /// Calls `report` when a movement begins and ends, on the thread that feeds the filter.
    pub fn new(options: MovementOptions, report: R) -> (Self, MovementHandle) {
        let resets = Arc::<AtomicU64>::default();
        let handle = MovementHandle(resets.clone());
        (Self { options, report, tracks: TrackMap::new(MAX_TRACKS), resets, seen: 0 }, handle)
    }

    /// Whether `frame`, which holds `bitmap`, shows movement.
    fn look(&mut self, frame: &Frame, bitmap: &Bitmap) -> bool {
        let at = frame.time.wall;
        let Some(state) = self.tracks.get_mut(frame.slot, frame.track) else {
            self.tracks.insert(frame.slot, frame.track, State { looked: at, before: None, began: None });
            return false;
        };
        // A clock that was set back must not end all comparisons until it is there again.
        if at.micros_since(state.looked).unsigned_abs() < micros(self.options.interval) {
            return false;
        }
        state.looked = at;
        let before = state.before.replace(bitmap.clone());
        let Some(difference) = before.and_then(|before| difference(&before, bitmap)) else { return false };
        let moves = difference >= f64::from(self.options.threshold);
        match state.began {
            None if moves => {
                state.began = Some(at);
                (self.report)(MovementEvent::Began { slot: frame.slot, at });
            }
            Some(began)
                if !moves && at.micros_since(began).unsigned_abs() >= micros(self.options.duration) =>
            {
                state.began = None;
                (self.report)(MovementEvent::Ended { slot: frame.slot, at });
            }
            _ => {}
        }
        moves
    }
}

impl<R: FnMut(MovementEvent) + Send> Filter for Movement<R> {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        let resets = self.resets.load(Ordering::Relaxed);
        if self.seen != resets {
            self.seen = resets;
            self.tracks.clear();
        }
        match &frame.body {
            Body::Bitmap(bitmap) if has_luma(bitmap) => {
                if self.look(&frame, bitmap) {
                    emit(frame);
                }
            }
            Body::Signal(_) => emit(frame),
            _ => (self.report)(MovementEvent::Foreign { slot: frame.slot }),
        }
    }
}

impl MovementHandle {
    /// Forgets the pictures to compare with, and the movements, from the next frame on.
    pub fn reset(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<R> fmt::Debug for Movement<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Movement").field("options", &self.options).finish_non_exhaustive()
    }
}

fn has_luma(bitmap: &Bitmap) -> bool {
    match bitmap.format() {
        PixelFormat::Yuv420 | PixelFormat::Yuv422 | PixelFormat::Yuv444 | PixelFormat::Gray => true,
        PixelFormat::Rgb24 => false,
    }
}

/// The mean absolute difference of the luma of two pictures, of 1; `None` if their sizes differ.
fn difference(a: &Bitmap, b: &Bitmap) -> Option<f64> {
    let (width, height) = (a.width() as usize, a.height() as usize);
    if (a.width(), a.height()) != (b.width(), b.height()) || width == 0 || height == 0 {
        return None;
    }
    let (a, b) = (a.plane(0), b.plane(0));
    let total: u64 = (0..height)
        .map(|row| {
            let row_of = |data: &'_ [u8], stride: usize| row * stride..(row * stride + width).min(data.len());
            let (left, right) = (row_of(a.data, a.stride_bytes), row_of(b.data, b.stride_bytes));
            sum_of_differences(&a.data[left], &b.data[right])
        })
        .sum();
    Some(total as f64 / (width * height) as f64 / 255.0)
}

/// Written in blocks of fixed size, of which the compiler makes vector instructions.
fn sum_of_differences(a: &[u8], b: &[u8]) -> u64 {
    let length = a.len().min(b.len());
    let (a, a_rest) = a[..length].as_chunks();
    let (b, b_rest) = b[..length].as_chunks();
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| u64::from(a.abs_diff(*b)));
    a.iter().zip(b).map(|(a, b)| u64::from(block_difference(a, b))).chain(rest).sum()
}

fn block_difference(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> u16 {
    (0..BLOCK).map(|i| u16::from(a[i].abs_diff(b[i]))).sum()
}

/// 255 times this fits 16 bits.
const BLOCK: usize = 16;

/// One picture is kept of each.
const MAX_TRACKS: usize = 256;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::{ColorSpec, Plane, PlaneStore};
    use crate::testing::{names, offline, online, packet, packet_at, run};

    const OPTIONS: MovementOptions = MovementOptions {
        interval: Duration::from_millis(100),
        threshold: 0.1,
        duration: Duration::from_secs(1),
    };

    /// A picture `name` of even luma, at `millis`.
    fn picture(name: char, millis: i64, luma: u8) -> Frame {
        sized(name, millis, luma, 4, 2)
    }

    fn sized(name: char, millis: i64, luma: u8, width: u32, height: u32) -> Frame {
        let data = vec![luma; (width * height) as usize];
        let bitmap = Bitmap::from_packed(PixelFormat::Gray, width, height, ColorSpec::default(), data);
        Frame { body: Body::Bitmap(bitmap.unwrap()), ..packet_at(name, millis) }
    }

    /// What passes of `frames`, and what is told: `+` and `-` with the millisecond.
    fn watch(frames: impl IntoIterator<Item = Frame>) -> (String, Vec<String>) {
        let mut told = Vec::new();
        let (mut filter, _handle) = Movement::new(OPTIONS, |event| {
            told.push(match event {
                MovementEvent::Began { slot, at } => format!("{slot}+{}", at.millis()),
                MovementEvent::Ended { slot, at } => format!("{slot}-{}", at.millis()),
                MovementEvent::Foreign { slot } => format!("{slot}?"),
            });
        });
        let passed = names(run(&mut filter, frames));
        drop(filter);
        (passed, told)
    }

    #[test]
    fn movement_begins_lasts_and_ends() {
        let (passed, told) = watch([
            picture('a', 0, 0),      // starts the clock
            picture('b', 100, 0),    // to compare with
            picture('c', 150, 255),  // between comparisons
            picture('d', 200, 0),    // as before
            picture('e', 300, 30),   // 0.118: it begins
            picture('f', 400, 30),   // still, but the movement is young
            picture('g', 500, 0),    // moves
            picture('h', 1300, 0),   // a second after the beginning, and still: it ends
            picture('i', 1400, 0),   // nothing
            picture('j', 1500, 255), // again
        ]);
        assert_eq!(passed, "egj");
        assert_eq!(told, ["1+300", "1-1300", "1+1500"]);
    }

    #[test]
    fn the_threshold_itself_is_movement() {
        let options = MovementOptions { interval: Duration::ZERO, threshold: 0.2, ..OPTIONS };
        let (mut filter, _handle) = Movement::new(options, |_| ());
        // 51 of 255 is a fifth, which has no exact binary form.
        let frames = [picture('a', 0, 0), picture('b', 1, 0), picture('c', 2, 52), picture('d', 3, 2)];
        assert_eq!(names(run(&mut filter, frames)), "c");
    }

    #[test]
    fn what_is_no_picture() {
        let rgb = Bitmap::from_packed(PixelFormat::Rgb24, 1, 1, ColorSpec::default(), vec![0; 3]).unwrap();
        let rgb = Frame { body: Body::Bitmap(rgb), ..packet('x') };
        let (passed, told) = watch([online(), packet('A'), rgb, offline()]);
        assert_eq!((passed.as_str(), told), ("!!", vec!["1?".to_owned(), "1?".to_owned()]));
    }

    #[test]
    fn streams_are_apart_and_a_new_size_is_no_movement() {
        let second = |frame: Frame| Frame { slot: Slot::new(2), ..frame };
        let (passed, told) = watch([
            picture('a', 0, 0),
            second(picture('b', 0, 200)),
            picture('c', 100, 0),
            second(picture('d', 100, 200)),
            sized('e', 200, 255, 8, 8),
            second(picture('f', 200, 0)),
        ]);
        assert_eq!((passed.as_str(), told), ("f", vec!["2+200".to_owned()]));
    }

    #[test]
    fn a_reset_forgets() {
        let mut began = 0;
        let (mut filter, handle) =
            Movement::new(OPTIONS, |event| began += u32::from(matches!(event, MovementEvent::Began { .. })));
        let mut push = |frame| run(&mut filter, [frame]).len();
        assert_eq!(push(picture('a', 0, 0)) + push(picture('b', 100, 0)), 0);
        assert_eq!(push(picture('c', 200, 255)), 1);
        handle.reset();
        // The clock, the picture, the movement.
        assert_eq!(push(picture('d', 300, 0)) + push(picture('e', 400, 255)), 0);
        assert_eq!(push(picture('f', 500, 0)), 1);
        drop(filter);
        assert_eq!(began, 2);
    }

    #[test]
    fn a_clock_set_back_ends_nothing() {
        let (passed, _) =
            watch([picture('a', 5000, 0), picture('b', 6000, 0), picture('c', 0, 255), picture('d', 50, 0)]);
        assert_eq!(passed, "c");
    }

    #[test]
    fn padding_does_not_count() {
        struct Padded(Vec<u8>);
        impl PlaneStore for Padded {
            fn plane(&self, _: usize) -> Plane<'_> {
                Plane { data: &self.0, stride_bytes: 4 }
            }
        }
        let padded = |data: &[u8]| {
            let store = Arc::new(Padded(data.to_vec()));
            Bitmap::new(PixelFormat::Gray, 2, 2, ColorSpec::default(), store).unwrap()
        };
        let packed = Bitmap::from_packed(PixelFormat::Gray, 2, 2, ColorSpec::default(), vec![1, 1, 1, 1]);
        let (a, b) = (padded(&[1, 1, 9, 9, 1, 1]), padded(&[1, 1, 0, 0, 1, 1, 0, 0]));
        assert_eq!(difference(&a, &b), Some(0.0));
        assert_eq!(difference(&a, &packed.unwrap()), Some(0.0));
        assert_eq!(difference(&a, &padded(&[1, 0, 9, 9, 1, 1])), Some(1.0 / 4.0 / 255.0));
    }

    #[test]
    fn every_sample_counts_and_nothing_overflows() {
        for length in [0, 1, 15, 16, 17, 100_000] {
            assert_eq!(sum_of_differences(&vec![0; length], &vec![255; length]), 255 * length as u64);
        }
        let samples: Vec<u8> = (0..100).map(|n| n * 2).collect();
        let sum = samples.iter().map(|&sample| u64::from(sample.abs_diff(100))).sum::<u64>();
        assert_eq!(sum_of_differences(&samples, &[100; 100]), sum);
    }
}
