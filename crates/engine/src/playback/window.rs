//! What is decoded and kept: one stretch of a stream without holes.

use std::collections::VecDeque;

use valkka_core::bitmap::Bitmap;
use valkka_core::time::WallTime;

use super::view::{Blank, Picture, View, Why};

/// Views that follow each other, from the first to the last. When there are too many, the first go.
#[derive(Debug)]
pub(super) struct Window {
    views: VecDeque<Kept>,
    bytes: usize,
    max_bytes: usize,
    max_views: usize,
    /// What is to be seen from here on does not go.
    keep: WallTime,
}

/// A view with ends that can be compared: what has none ends at the limits of time.
#[derive(Debug)]
struct Kept {
    from: WallTime,
    to: WallTime,
    bytes: usize,
    view: View,
}

impl Window {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { views: VecDeque::new(), bytes: 0, max_bytes, max_views: MAX_VIEWS, keep: LATEST }
    }

    /// What is to be seen at `time`, if it is kept.
    pub(super) fn find(&self, time: WallTime) -> Option<&View> {
        let behind = self.views.partition_point(|kept| kept.from <= time);
        let kept = self.views.get(behind.checked_sub(1)?)?;
        (time < kept.to).then_some(&kept.view)
    }

    /// When the first view begins; `None` if there is none, or nothing before it.
    pub(super) fn start(&self) -> Option<WallTime> {
        self.views.front().and_then(|kept| kept.view.from())
    }

    /// Puts a picture behind the last view, where it begins.
    pub(super) fn picture(&mut self, picture: Picture) {
        let (from, to) = (picture.from, picture.to);
        self.push(Kept { from, to, bytes: bytes_of(picture.bitmap()), view: View::Picture(picture) });
    }

    /// Puts a time without pictures behind the last view, where it begins.
    pub(super) fn blank(&mut self, from: Option<WallTime>, to: WallTime, why: Why) {
        let view = View::Blank(Blank { from, to: Some(to), why });
        self.push(Kept { from: from.unwrap_or(EARLIEST), to, bytes: 0, view });
    }

    /// Has what is to be seen at `time` and later stay, even if there is no room. That is for as many pictures as come out
    /// of a decoder at once.
    pub(super) fn keep(&mut self, time: WallTime) {
        self.keep = time;
    }

    /// Keeps no more than so many views from now on; `None` for as many as there is room for.
    pub(super) fn set_max_views(&mut self, max_views: Option<usize>) {
        self.max_views = max_views.unwrap_or(MAX_VIEWS);
    }

    pub(super) fn clear(&mut self) {
        self.views.clear();
        self.bytes = 0;
    }

    /// Drops the first views up to `count` before the one at `time`.
    pub(super) fn drop_before(&mut self, time: WallTime, count: usize) {
        let behind = self.views.partition_point(|kept| kept.from <= time);
        for _ in count + 1..behind {
            self.drop_first();
        }
    }

    fn push(&mut self, kept: Kept) {
        if kept.from >= kept.to {
            return;
        }
        self.bytes += kept.bytes;
        self.views.push_back(kept);
        let is_full =
            |window: &Self| window.bytes > window.max_bytes || window.views.len() > window.max_views;
        while self.views.len() > 1 && is_full(self) && self.views[0].to <= self.keep {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(kept) = self.views.pop_front() {
            self.bytes -= kept.bytes;
        }
    }
}

/// What a picture takes in memory, without what a decoder adds at its edges.
fn bytes_of(bitmap: &Bitmap) -> usize {
    let planes = 0..bitmap.format().planes();
    planes
        .map(|plane| bitmap.plane(plane).stride_bytes * bitmap.height() as usize / divisor(bitmap, plane))
        .sum()
}

/// How many rows of the picture share one of the plane.
fn divisor(bitmap: &Bitmap, plane: usize) -> usize {
    let (_, rows) = bitmap.format().plane_size(plane, bitmap.width(), bitmap.height());
    (bitmap.height() as usize / rows.max(1)).max(1)
}

/// Pictures may be small, and blanks are empty.
const MAX_VIEWS: usize = 4096;

const EARLIEST: WallTime = WallTime::from_micros(i64::MIN);
const LATEST: WallTime = WallTime::from_micros(i64::MAX);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use valkka_core::bitmap::{ColorSpec, PixelFormat};
    use valkka_core::frame::{Body, Frame, FrameTime};
    use valkka_core::stream::{Slot, Track};

    use super::*;

    fn at(millis: i64) -> WallTime {
        WallTime::from_micros(millis * 1000)
    }

    fn picture(from: i64, to: i64) -> Picture {
        let bitmap =
            Bitmap::from_packed(PixelFormat::Gray, 10, 10, ColorSpec::default(), vec![0; 100]).unwrap();
        let time = FrameTime { wall: at(from), ..FrameTime::default() };
        let frame =
            Frame { slot: Slot::default(), track: Track::default(), time, body: Body::Bitmap(bitmap) };
        Picture { frame, from: at(from), to: at(to) }
    }

    #[test]
    fn each_view_is_found_in_its_time() {
        let mut window = Window::new(10_000);
        window.blank(None, at(100), Why::Before);
        for n in 0..5 {
            window.picture(picture(100 + n * 40, 140 + n * 40));
        }
        window.blank(Some(at(300)), at(900), Why::Gap(Arc::from("the disk was full")));
        assert_eq!(window.start(), None);
        assert!(window.find(at(-9)).unwrap().picture().is_none());
        for n in 0..5 {
            for time in [0, 39] {
                let view = window.find(at(100 + n * 40 + time)).unwrap();
                assert_eq!(view.picture().unwrap().from, at(100 + n * 40));
            }
        }
        let View::Blank(blank) = window.find(at(899)).unwrap() else { panic!("a picture") };
        assert_eq!(blank.why.words(), "the disk was full");
        assert!(window.find(at(900)).is_none());
        window.drop_before(at(270), 1);
        assert_eq!(window.start(), Some(at(220)));
        window.clear();
        assert!(window.find(at(270)).is_none() && window.start().is_none());
    }

    #[test]
    fn the_first_go_when_there_is_no_room() {
        let mut window = Window::new(1000);
        for n in 0..25 {
            window.picture(picture(n * 40, n * 40 + 40));
        }
        assert_eq!((window.start(), window.bytes), (Some(at(600)), 1000));
        let mut small = Window::new(1);
        small.picture(picture(0, 40));
        small.picture(picture(40, 80));
        assert_eq!(small.start(), Some(at(40)), "the last one stays in any case");
        small.keep(at(79));
        small.picture(picture(80, 120));
        assert!(small.find(at(79)).is_some(), "and what is looked for");
    }
}
