//! Recordings of which every picture is known.
#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use valkka::av::{DecoderOptions, FileReader, PictureDecoder};
use valkka::bitmap::Bitmap;
use valkka::filter::Filter as _;
use valkka::frame::{Frame, Signal};
use valkka::playback::{Entry, Gap, MemoryPackets, Picture, View};
use valkka::stats::StreamStats;
use valkka::stream::Slot;
use valkka::time::{MediaTime, WallTime};
use valkka_testkit::media::Clip;

/// When all recordings begin.
pub const START: WallTime = WallTime::from_micros(1_795_435_200_000_000);

/// The moment so many milliseconds after [`START`].
pub fn at(millis: i64) -> WallTime {
    START.offset_micros(millis * 1000)
}

/// A small clip that is quick to decode.
pub fn small() -> Clip {
    Clip { width: 160, height: 120, bitrate_bps: 300_000, seconds: 10, ..Clip::default() }
}

/// The packets of `clip`, the first of which was recorded at `start`.
pub fn packets(clip: &Clip, start: WallTime) -> Vec<Frame> {
    let mut reader = FileReader::open(clip.file().unwrap()).unwrap();
    let read = std::iter::from_fn(|| reader.read().unwrap());
    read.map(|mut frame| {
        frame.time.wall = start.offset_micros(frame.time.media.micros_since(MediaTime::default()));
        frame
    })
    .collect()
}

/// A recording that grows.
#[derive(Default)]
pub struct Footage {
    pub entries: Vec<Entry>,
    pub pictures: Reference,
}

impl Footage {
    /// Records `clip` from `start` on.
    pub fn clip(self, clip: &Clip, start: WallTime) -> Self {
        self.frames(packets(clip, start))
    }

    /// Records these packets, which begin with a key frame.
    pub fn frames(mut self, frames: Vec<Frame>) -> Self {
        self.pictures.add(&frames);
        self.entries.extend(frames.into_iter().map(Entry::Frame));
        self
    }

    pub fn gap(mut self, from: WallTime, to: WallTime, reason: &str) -> Self {
        self.entries.push(Entry::Gap(Gap { from, to, reason: reason.into() }));
        self
    }

    pub fn damage(mut self, reason: &str) -> Self {
        self.entries.push(Entry::Damage(reason.into()));
        self
    }

    /// Milliseconds from [`START`] to the first picture: where there is audio, that may come first.
    pub fn first(&self) -> i64 {
        since_start(self.pictures.0[0].0).ceil() as i64
    }

    pub fn source(&self) -> Box<MemoryPackets> {
        Box::new(MemoryPackets::new(self.entries.clone()))
    }
}

/// All pictures of a recording, decoded from its start to its end: when each was taken, and what it looks like.
#[derive(Default)]
pub struct Reference(pub Vec<(WallTime, u64)>);

impl Reference {
    pub fn of(frames: &[Frame]) -> Self {
        let mut reference = Self::default();
        reference.add(frames);
        reference
    }

    fn add(&mut self, frames: &[Frame]) {
        let mut decoder =
            PictureDecoder::new("reference", DecoderOptions::default(), Arc::new(StreamStats::default()));
        let end = Frame::signal(Slot::default(), WallTime::default(), Signal::End);
        for frame in frames.iter().chain([&end]) {
            decoder.push(frame.clone(), &mut |frame| {
                if let Some(bitmap) = frame.bitmap() {
                    self.0.push((frame.time.wall, look(bitmap)));
                }
            });
        }
    }

    /// The last picture that was taken at or before `time`.
    pub fn at(&self, time: WallTime) -> Option<(WallTime, u64)> {
        self.0.iter().copied().filter(|&(taken, _)| taken <= time).max_by_key(|&(taken, _)| taken)
    }

    /// When the first picture after `time` was taken.
    pub fn after(&self, time: WallTime) -> Option<WallTime> {
        self.0.iter().map(|&(taken, _)| taken).filter(|&taken| taken > time).min()
    }

    /// Asserts that `view` shows what it is to show at `time`.
    #[track_caller]
    pub fn check(&self, view: &View, time: WallTime) {
        let View::Picture(picture) = view else { panic!("{:?}: {view:?}", since_start(time)) };
        let (taken, looks) = self.at(time).unwrap();
        assert_eq!(since_start(picture.from), since_start(taken), "asked for {:?}", since_start(time));
        assert_eq!(look_of(picture), looks, "it is another picture at {:?}", since_start(time));
        assert!(picture.from <= time && time < picture.to, "{picture:?}");
        if let Some(next) = self.after(time) {
            assert!(picture.to <= next, "{picture:?} ends after {next:?}");
        }
    }
}

/// Milliseconds since [`START`].
pub fn since_start(time: WallTime) -> f64 {
    time.micros_since(START) as f64 / 1000.0
}

pub fn look_of(picture: &Picture) -> u64 {
    look(picture.bitmap())
}

/// A number for what a picture looks like.
pub fn look(bitmap: &Bitmap) -> u64 {
    let mut hasher = DefaultHasher::new();
    for index in 0..bitmap.format().planes() {
        let plane = bitmap.plane(index);
        let (row, rows) = bitmap.format().plane_size(index, bitmap.width(), bitmap.height());
        plane.data.chunks(plane.stride_bytes).take(rows).for_each(|line| line[..row].hash(&mut hasher));
    }
    hasher.finish()
}

/// Longer than any of these tests takes.
pub const LIMIT: Duration = Duration::from_secs(300);
