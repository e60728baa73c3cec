//! The picture of one stream at any moment.

use std::fmt;

use valkka_core::frame::Frame;
use valkka_core::time::WallTime;

use super::error::PlaybackError;
use super::run::Run;
use super::source::PacketSource;
use super::view::{Blank, Picture, View, Why};
use super::window::Window;

/// How pictures are decoded and kept. All fields are free.
#[derive(Clone, Debug)]
pub struct PictureOptions {
    /// In the log.
    pub name: String,
    /// FFmpeg's threads. Several are sooner at a picture far behind its key frame, and need more memory.
    pub threads: usize,
    /// Bytes of decoded pictures that are kept at most, so that going backward does not decode each of them anew. Half of
    /// it is for the group of pictures that is shown, half for the one before it.
    pub kept_bytes: usize,
}

impl Default for PictureOptions {
    /// Three threads, which keep two cores busy: each waits for rows of the picture before its own now and then. And 256 MiB:
    /// two times 41 pictures of 1080p.
    fn default() -> Self {
        Self { name: "playback".into(), threads: 3, kept_bytes: 256 << 20 }
    }
}

/// Shows what one stream looked like at any moment of its recording.
///
/// What is seen at a moment is the picture with the latest time that is not after it, exactly: it is decoded from the
/// key frame before it. Going forward goes on decoding, going backward decodes a group of pictures at a time and keeps
/// it. It works on the caller's thread and has none of its own (but FFmpeg's).
pub struct PictureReader {
    run: Run,
    /// What is kept around the moment that was asked for last.
    window: Window,
    /// Whether the run goes on where the window ends.
    attached: bool,
    /// What comes before the window, decoded in advance.
    earlier: Option<Earlier>,
    max_bytes: usize,
}

struct Earlier {
    /// Where the window begins.
    end: WallTime,
    window: Window,
    complete: bool,
}

impl PictureReader {
    /// A reader of `source`, which is nowhere yet.
    pub fn new(source: Box<dyn PacketSource>, options: PictureOptions) -> Self {
        let max_bytes = options.kept_bytes / 2;
        Self {
            run: Run::new(source, &options),
            window: Window::new(max_bytes),
            attached: false,
            earlier: None,
            max_bytes,
        }
    }

    /// What is to be seen at `time`.
    ///
    /// # Errors
    /// If the recording cannot be read.
    pub fn at(&mut self, time: WallTime) -> Result<View, PlaybackError> {
        self.at_while(time, &|| true)
    }

    /// What is to be seen at `time`. Gives up when `go_on`, which is asked before each picture that is decoded on the way,
    /// says so.
    ///
    /// # Errors
    /// If the recording cannot be read, or [`PlaybackError::GivenUp`].
    pub fn at_while(&mut self, time: WallTime, go_on: &dyn Fn() -> bool) -> Result<View, PlaybackError> {
        if let Some(view) = self.window.find(time) {
            return Ok(view.clone());
        }
        if let Some(view) = self.in_earlier(time, go_on)? {
            return Ok(view);
        }
        let from = self.run.position().filter(|&from| self.attached && from <= time);
        match from {
            Some(from) if !self.is_far(from, time)? && !self.run.is_overtaken()? => {
                let view = self.run.view(time, &mut self.window, go_on)?;
                self.window.drop_before(time, KEPT_BEHIND);
                Ok(view)
            }
            _ => {
                let behind = self.window.start().map(|start| start.micros_since(time));
                self.start(time)?;
                // Who creeps backward wants what is decoded on the way; who jumps does not.
                let creeps = behind.is_some_and(|behind| (1..CREEPING_MICROS).contains(&behind));
                self.window.set_max_views((!creeps).then_some(KEPT_ON_JUMP));
                let view = self.run.view(time, &mut self.window, go_on);
                if !creeps {
                    self.window.set_max_views(Some(KEPT_BEHIND));
                }
                view
            }
        }
    }

    /// The key frame at or before `time`, or else the first one after it, as a picture that is shown up to the next one:
    /// quicker than the exact picture, for overviews and high speeds. A time of less than twenty seconds in which nothing was
    /// recorded is not noticed.
    ///
    /// # Errors
    /// If the recording cannot be read.
    pub fn keyframe_near(&mut self, time: WallTime) -> Result<View, PlaybackError> {
        self.keyframe_near_while(time, &|| true)
    }

    /// As [`Self::keyframe_near`], giving up as [`Self::at_while`] does.
    ///
    /// # Errors
    /// If the recording cannot be read, or [`PlaybackError::GivenUp`].
    pub fn keyframe_near_while(
        &mut self,
        time: WallTime,
        go_on: &dyn Fn() -> bool,
    ) -> Result<View, PlaybackError> {
        if let Some(view) = self.window.find(time) {
            return Ok(view.clone());
        }
        self.start(time)?;
        self.attached = false;
        let Some((frame, next)) = self.run.keyframe(go_on)? else {
            return Ok(View::Blank(Blank { from: None, to: None, why: Why::After }));
        };
        let from = frame.time.wall;
        match next {
            _ if time < from => Ok(View::Blank(Blank { from: None, to: Some(from), why: Why::Before })),
            Some(to) if time < to && to.micros_since(from) <= MAX_KEYFRAME_MICROS => {
                Ok(View::Picture(Picture { frame, from, to }))
            }
            // The last key frame of all, or before a gap: how long pictures follow it has to be looked at.
            _ => self.at_while(time, go_on),
        }
    }

    /// Decodes in advance what comes before all that is kept, for going backward smoothly, as long as `go_on` says so.
    /// Returns whether there is nothing left to do.
    ///
    /// # Errors
    /// If the recording cannot be read.
    pub fn prepare_backward(&mut self, go_on: &dyn Fn() -> bool) -> Result<bool, PlaybackError> {
        if self.attached {
            self.run.settle(&mut self.window)?;
            self.attached = false;
        }
        // Nothing comes before what has no start.
        let Some(end) = self.window.start() else { return Ok(true) };
        if self.earlier.as_ref().is_none_or(|earlier| earlier.end != end) {
            self.run.start(end.offset_micros(-1))?;
            self.earlier = Some(Earlier { end, window: Window::new(self.max_bytes), complete: false });
        }
        self.fill(go_on)
    }

    /// Hands out the audio packets up to `time` that were passed since the last time, at most some seconds of them. A jump
    /// forgets them.
    pub fn take_audio(&mut self, time: WallTime) -> impl Iterator<Item = Frame> {
        self.run.take_audio(time)
    }

    /// How many pictures it has decoded so far.
    pub fn decoded(&self) -> u64 {
        self.run.pictures()
    }

    /// Whether it is shorter to go to a key frame before `time` than to go on from `from`.
    fn is_far(&mut self, from: WallTime, time: WallTime) -> Result<bool, PlaybackError> {
        if time.micros_since(from) < NEAR_MICROS {
            return Ok(false);
        }
        let keyframe = self.run.source().keyframe_before(time.offset_micros(1))?;
        Ok(keyframe.is_some_and(|keyframe| keyframe > from))
    }

    fn start(&mut self, time: WallTime) -> Result<(), PlaybackError> {
        self.window.clear();
        self.earlier = None;
        self.attached = true;
        self.run.start(time)
    }

    /// What is to be seen at `time`, if that was decoded in advance.
    fn in_earlier(
        &mut self,
        time: WallTime,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<View>, PlaybackError> {
        let Some(start) = self.window.start() else { return Ok(None) };
        if time >= start || self.earlier.as_ref().is_none_or(|earlier| earlier.end != start) {
            return Ok(None);
        }
        if !self.fill(go_on)? {
            return Err(PlaybackError::GivenUp);
        }
        let found = self.earlier.as_ref().and_then(|earlier| earlier.window.find(time)).cloned();
        if let Some(earlier) = self.earlier.take_if(|_| found.is_some()) {
            self.window = earlier.window;
        }
        Ok(found)
    }

    fn fill(&mut self, go_on: &dyn Fn() -> bool) -> Result<bool, PlaybackError> {
        let Some(earlier) = &mut self.earlier else { return Ok(true) };
        while !earlier.complete && go_on() {
            earlier.complete = self.run.fill(earlier.end, &mut earlier.window)?;
        }
        Ok(earlier.complete)
    }
}

impl fmt::Debug for PictureReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("PictureReader");
        debug.field("position", &self.run.position()).field("decoded", &self.decoded());
        debug.finish_non_exhaustive()
    }
}

/// Pictures behind the one that is shown that stay while one goes forward.
const KEPT_BEHIND: usize = 8;

/// Pictures on the way to where one jumps that stay, enough for one step back. Memory that was used before is quicker for a
/// decoder than memory that is new.
const KEPT_ON_JUMP: usize = 2;

/// Who goes back by less, in microseconds, is likely to go on doing so.
const CREEPING_MICROS: i64 = 2_000_000;

/// Cameras with key frames further apart are played without leaving any picture out, and so are gaps.
const MAX_KEYFRAME_MICROS: i64 = 20_000_000;

/// Within this time, in microseconds, nobody looks whether there is a key frame on the way.
const NEAR_MICROS: i64 = 500_000;
