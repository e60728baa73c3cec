//! Decoding a recording from a key frame on: entries in, views out.

use std::collections::VecDeque;
use std::sync::Arc;

use valkka_av::{DecoderOptions, PictureDecoder};
use valkka_core::codec::CodecParams;
use valkka_core::filter::Filter as _;
use valkka_core::frame::Frame;
use valkka_core::stats::StreamStats;
use valkka_core::stream::Track;
use valkka_core::time::WallTime;

use super::error::PlaybackError;
use super::reader::PictureOptions;
use super::source::{Entry, PacketSource};
use super::view::{Blank, Picture, View, Why};
use super::window::Window;

/// Reads a source forward and decodes it, as far as it is asked.
///
/// A picture is shown until the next one. When there is none for long, or nothing was recorded, it is shown for as long as
/// the one before it was, and then nothing is.
pub(super) struct Run {
    source: Box<dyn PacketSource>,
    decoder: PictureDecoder,
    /// What was read and is still to be decoded.
    next: Option<Entry>,
    /// The video track that is decoded: the first that came.
    track: Option<Track>,
    /// Whether what is decoded is shown in the order in which it comes, with these parameters.
    in_order: Option<(Arc<CodecParams>, bool)>,
    /// Whether a key frame was decoded, so that what follows can be.
    primed: bool,
    /// When the pictures were taken that may still be inside the decoder, in the order in which they went in.
    inside: VecDeque<WallTime>,
    /// Whether they come out in that order.
    inside_in_order: bool,
    /// Pictures that it holds back even where none is shown out of order.
    held_back: usize,
    /// Whether all pictures came out at the end, after which the decoder cannot go on.
    drained: bool,
    /// Where it went on last that was not next in order.
    leapt_to: Option<WallTime>,
    /// When the first packet since the start was recorded.
    first: Option<WallTime>,
    /// The last picture, of which the end is not known yet.
    tail: Option<Tail>,
    /// What cut off the pictures behind the last one.
    cut: Option<Cut>,
    /// Microseconds from one picture to the next.
    interval: i64,
    /// Audio that passed by, the oldest first; at most [`MAX_AUDIO`].
    audio: VecDeque<Frame>,
    pictures: u64,
}

struct Tail {
    frame: Frame,
    from: WallTime,
}

struct Cut {
    /// Where the gap begins, if it is known.
    from: Option<WallTime>,
    why: Why,
}

/// What is known about the time from which something else than the last picture is shown.
enum Bound {
    /// It is this one.
    At(WallTime),
    /// More has to be decoded.
    Unknown,
    /// Nothing comes any more, so far.
    End,
}

impl Run {
    pub(super) fn new(source: Box<dyn PacketSource>, options: &PictureOptions) -> Self {
        let decoding = DecoderOptions { threads: options.threads, ..DecoderOptions::default() };
        let decoder = PictureDecoder::new(&options.name, decoding, Arc::new(StreamStats::default()));
        Self {
            source,
            decoder,
            next: None,
            track: None,
            in_order: None,
            primed: false,
            inside: VecDeque::new(),
            inside_in_order: false,
            held_back: options.threads.saturating_sub(1),
            drained: false,
            leapt_to: None,
            first: None,
            tail: None,
            cut: None,
            interval: DEFAULT_INTERVAL,
            audio: VecDeque::new(),
            pictures: 0,
        }
    }

    /// Starts at the last key frame at or before `time`, or else the first one after it.
    pub(super) fn start(&mut self, time: WallTime) -> Result<(), PlaybackError> {
        self.forget();
        (self.next, self.track, self.first, self.drained) = (None, None, None, false);
        (self.tail, self.cut, self.leapt_to) = (None, None, None);
        self.audio.clear();
        self.source.seek(time)?;
        Ok(())
    }

    /// What is to be seen at `time`, at or behind which nothing was decoded yet. What is passed on the way goes into
    /// `window`. Gives up as soon as `go_on` says so.
    pub(super) fn view(
        &mut self,
        time: WallTime,
        window: &mut Window,
        go_on: &dyn Fn() -> bool,
    ) -> Result<View, PlaybackError> {
        window.keep(time);
        loop {
            if let Some(view) = window.find(time) {
                return Ok(view.clone());
            }
            if self.tail.as_ref().is_some_and(|tail| tail.from > time) {
                return Ok(self.before_first(time, window));
            }
            if !go_on() {
                return Err(PlaybackError::GivenUp);
            }
            match self.bound()? {
                Bound::At(next) if next > time => return Ok(self.standing(time, Some(next))),
                Bound::End => return Ok(self.standing(time, None)),
                Bound::At(_) | Bound::Unknown => self.advance(window)?,
            }
        }
    }

    /// Decodes a little more of what comes before `end`, into `window`. Returns whether that is all there now, and its
    /// views end where it begins.
    pub(super) fn fill(&mut self, end: WallTime, window: &mut Window) -> Result<bool, PlaybackError> {
        if self.tail.as_ref().is_some_and(|tail| tail.from >= end) {
            return Ok(true);
        }
        match self.bound()? {
            Bound::At(next) if next >= end => self.close(end, window),
            Bound::End => self.close(end, window),
            Bound::At(_) | Bound::Unknown => {
                self.advance(window)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts the last picture into `window`, as long as it is known to be shown, before the run starts elsewhere.
    pub(super) fn settle(&mut self, window: &mut Window) -> Result<(), PlaybackError> {
        if let Some(from) = self.tail.as_ref().map(|tail| tail.from) {
            match self.bound()? {
                Bound::At(next) => self.close(next, window),
                Bound::End => self.close(self.shown_until(from, None), window),
                Bound::Unknown => {}
            }
        }
        Ok(())
    }

    /// When the last picture was taken; `None` if there was none yet.
    pub(super) fn position(&self) -> Option<WallTime> {
        self.tail.as_ref().map(|tail| tail.from)
    }

    /// Whether more was recorded after the end, for which the run must start anew.
    pub(super) fn is_overtaken(&mut self) -> Result<bool, PlaybackError> {
        Ok(self.drained && self.peek()?.is_some())
    }

    /// The key frame where the run has just started, and when the next one was taken, if there is one.
    pub(super) fn keyframe(
        &mut self,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<(Frame, Option<WallTime>)>, PlaybackError> {
        // What is to be decoded is one packet, not what lies behind it.
        let mut window = Window::new(usize::MAX);
        let mut sound_from = None;
        while self.tail.is_none() {
            if !go_on() {
                return Err(PlaybackError::GivenUp);
            }
            if self.peek()?.is_none() {
                self.drain(&mut window);
                break;
            }
            let is_video = matches!(&self.next, Some(Entry::Frame(frame)) if is_video(frame));
            if let Some(Entry::Frame(frame)) = &self.next
                && !is_video
                && frame.time.wall.micros_since(*sound_from.get_or_insert(frame.time.wall)) > MAX_HOLD
            {
                // There is sound alone.
                break;
            }
            self.advance(&mut window)?;
            if is_video && self.primed {
                self.drain(&mut window);
            }
        }
        let Some(Tail { frame, from }) = self.tail.take() else { return Ok(None) };
        Ok(Some((frame, self.source.keyframe_after(from)?)))
    }

    pub(super) fn source(&mut self) -> &mut dyn PacketSource {
        &mut *self.source
    }

    /// Audio up to `time` that passed by, in its order.
    pub(super) fn take_audio(&mut self, time: WallTime) -> impl Iterator<Item = Frame> {
        let behind = self.audio.iter().position(|frame| frame.time.wall > time);
        self.audio.drain(..behind.unwrap_or(self.audio.len()))
    }

    /// How many pictures were decoded so far.
    pub(super) fn pictures(&self) -> u64 {
        self.pictures
    }

    /// Reads one entry ahead.
    fn peek(&mut self) -> Result<Option<&Entry>, PlaybackError> {
        if self.next.is_none() {
            self.next = self.source.next()?;
        }
        Ok(self.next.as_ref())
    }

    fn bound(&mut self) -> Result<Bound, PlaybackError> {
        let inside = !self.inside.is_empty();
        self.peek()?;
        if let Some(&next) = self.inside.front().filter(|_| self.inside_in_order) {
            return Ok(Bound::At(next));
        }
        if self.next.is_none() && !inside && !self.drained && self.leap(None)? {
            return self.bound();
        }
        match &self.next {
            // What came after the end cannot be decoded from here.
            Some(_) if self.drained => Ok(Bound::End),
            None if inside => Ok(Bound::Unknown),
            None => Ok(Bound::End),
            Some(Entry::Frame(frame)) => {
                let Some(packet) = frame.packet() else { return Ok(Bound::Unknown) };
                let time = frame.time.wall;
                if !packet.params.codec.is_video() {
                    // Where there is no video at all, nothing but audio is passed.
                    let late = self.tail.is_none() && !inside;
                    return Ok(if late { Bound::At(time.offset_micros(-MAX_HOLD)) } else { Bound::Unknown });
                }
                let params = packet.params.clone();
                let begins = packet.keyframe && !inside;
                if begins && self.is_far(time) && self.leap(Some(time))? {
                    return self.bound();
                }
                let follows = !inside && self.primed && self.shows_in_order(&params);
                Ok(if begins || follows { Bound::At(time) } else { Bound::Unknown })
            }
            Some(Entry::Gap(_) | Entry::Damage(_)) => Ok(Bound::Unknown),
        }
    }

    fn shows_in_order(&mut self, params: &Arc<CodecParams>) -> bool {
        match &self.in_order {
            Some((of, in_order)) if Arc::ptr_eq(of, params) => *in_order,
            _ => {
                let in_order = params.reordered() == Some(0);
                self.in_order = Some((params.clone(), in_order));
                in_order
            }
        }
    }

    /// Takes the next entry, or the end.
    fn advance(&mut self, window: &mut Window) -> Result<(), PlaybackError> {
        match self.next.take() {
            Some(Entry::Frame(frame)) => self.frame(frame, window)?,
            Some(Entry::Gap(gap)) => {
                self.drain(window);
                self.leap(Some(gap.to))?;
                self.cut = Some(Cut { from: Some(gap.from), why: Why::Gap(gap.reason) });
            }
            Some(Entry::Damage(reason)) => {
                self.drain(window);
                self.cut = Some(Cut { from: None, why: Why::Damage(reason) });
            }
            None => {
                self.drain(window);
                self.drained = !self.leap(None)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame, window: &mut Window) -> Result<(), PlaybackError> {
        let Some(packet) = frame.packet() else { return Ok(()) };
        if !packet.params.codec.is_video() {
            if self.audio.len() == MAX_AUDIO {
                self.audio.pop_front();
            }
            self.audio.push_back(frame);
            return Ok(());
        }
        if *self.track.get_or_insert(frame.track) != frame.track {
            return Ok(());
        }
        let (keyframe, params, time) = (packet.keyframe, packet.params.clone(), frame.time.wall);
        let in_order = self.shows_in_order(&params);
        self.first.get_or_insert(time);
        if keyframe {
            if self.position().is_some_and(|tail| tail.micros_since(time) > MAX_JITTER) {
                // The clock was set back, or this was added later.
                self.drain(window);
                self.drained = !self.leap(None)?;
                return Ok(());
            }
            if self.is_far(time) {
                self.drain(window);
                if self.leap(Some(time))? {
                    return Ok(());
                }
            }
            // Of what could not be decoded nothing is inside any more.
            if in_order {
                let lost = self.inside.len().saturating_sub(self.held_back);
                self.inside.drain(..lost);
            }
            self.primed = true;
        }
        if self.primed {
            self.inside_in_order = in_order;
            if self.inside.len() == MAX_INSIDE {
                self.inside.pop_front();
            }
            self.inside.push_back(time);
            self.push(frame, window);
        }
        Ok(())
    }

    /// Whether `time` is so much later than the last picture that there may be others between them.
    fn is_far(&self, time: WallTime) -> bool {
        self.position().is_some_and(|tail| time.micros_since(tail) > MAX_HOLD)
    }

    /// Goes on with what is next in time after the last picture, if that is not what is next in order, of the moment `next`.
    /// Footage that was added later, or recorded by a clock that was wrong, stands elsewhere in the order.
    fn leap(&mut self, next: Option<WallTime>) -> Result<bool, PlaybackError> {
        let Some(tail) = self.position() else { return Ok(false) };
        // A search may find what was recorded by a clock that was set back once more, and end before that moment.
        let after = self.leapt_to.map_or(tail, |leapt| leapt.max(tail));
        let found = self.source.keyframe_after(after)?;
        let Some(to) = found.filter(|&found| next.is_none_or(|next| found < next)) else { return Ok(false) };
        (self.next, self.leapt_to) = (None, Some(to));
        self.source.seek(to)?;
        Ok(true)
    }

    /// Has all pictures come out that are inside the decoder, which then needs a key frame.
    fn drain(&mut self, window: &mut Window) {
        if !self.inside.is_empty() {
            let mut pictures = Vec::new();
            self.decoder.finish(&mut |picture| pictures.push(picture));
            self.take(pictures, window);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.decoder.restart();
        self.inside.clear();
        self.primed = false;
    }

    fn push(&mut self, frame: Frame, window: &mut Window) {
        let mut pictures = Vec::new();
        self.decoder.push(frame, &mut |picture| pictures.push(picture));
        self.take(pictures, window);
    }

    fn take(&mut self, pictures: Vec<Frame>, window: &mut Window) {
        for picture in pictures {
            self.has_come_out(picture.time.wall);
            self.picture(picture, window);
        }
    }

    /// A picture of this time is no longer inside the decoder.
    fn has_come_out(&mut self, time: WallTime) {
        match self.inside.iter().position(|&of| of == time) {
            // What went in before it and has not come out by now never does.
            Some(index) if self.inside_in_order => drop(self.inside.drain(..=index)),
            Some(index) => drop(self.inside.remove(index)),
            None => drop(self.inside.pop_front()),
        }
    }

    fn picture(&mut self, frame: Frame, window: &mut Window) {
        self.pictures += 1;
        let from = frame.time.wall;
        match &mut self.tail {
            // One that is no later takes the place of the one before.
            Some(tail) if from <= tail.from => tail.frame = frame,
            Some(tail) => {
                let passed = from.micros_since(tail.from);
                let follows = self.cut.is_none() && passed <= MAX_HOLD;
                self.close(from, window);
                if follows {
                    self.interval = passed.clamp(MIN_INTERVAL, MAX_INTERVAL);
                }
                self.tail = Some(Tail { frame, from });
            }
            None => {
                self.cut = None;
                self.tail = Some(Tail { frame, from });
            }
        }
    }

    /// The last picture and what comes after it end at `end`, where something else begins.
    fn close(&mut self, end: WallTime, window: &mut Window) {
        let Some(Tail { frame, from }) = self.tail.take() else {
            let why = self.why_nothing(end);
            window.blank(None, end, why);
            return;
        };
        let to = self.shown_until(from, Some(end));
        window.picture(Picture { frame, from, to });
        let why = self.cut.take().map_or(Why::Silence, |cut| cut.why);
        if to < end {
            window.blank(Some(to), end, why);
        }
    }

    /// Until when a picture is shown that was taken at `from`, if the next one is of `next`.
    fn shown_until(&self, from: WallTime, next: Option<WallTime>) -> WallTime {
        let (least, most) = (from.offset_micros(self.interval), from.offset_micros(MAX_HOLD));
        let end = match (&self.cut, next) {
            (Some(cut), _) => cut.from.map_or(least, |gap| gap.clamp(least, most)),
            (None, Some(next)) if next <= most => next,
            (None, _) => least,
        };
        end.min(next.unwrap_or(end))
    }

    /// What is to be seen at `time`, if that is not before the last picture, and the next one is of `next`.
    fn standing(&self, time: WallTime, next: Option<WallTime>) -> View {
        let Some(tail) = &self.tail else {
            let why = if next.is_some() { self.why_nothing(time) } else { Why::After };
            return View::Blank(Blank { from: None, to: next, why });
        };
        let to = self.shown_until(tail.from, next);
        if time < to {
            return View::Picture(Picture { frame: tail.frame.clone(), from: tail.from, to });
        }
        let why = match (&self.cut, next) {
            (Some(cut), _) => cut.why.clone(),
            (None, Some(_)) => Why::Silence,
            (None, None) => Why::After,
        };
        View::Blank(Blank { from: Some(to), to: next, why })
    }

    /// What is to be seen at `time`, before the first picture that came.
    fn before_first(&self, time: WallTime, window: &Window) -> View {
        let first = window.start().or(self.position());
        View::Blank(Blank { from: None, to: first, why: self.why_nothing(time) })
    }

    /// Why there is no picture at `time`, though none came before.
    fn why_nothing(&self, time: WallTime) -> Why {
        match &self.cut {
            Some(cut) => cut.why.clone(),
            None if self.first.is_some_and(|first| first <= time) => {
                Why::Damage(Arc::from("what was recorded cannot be decoded"))
            }
            None => Why::Before,
        }
    }
}

fn is_video(frame: &Frame) -> bool {
    frame.packet().is_some_and(|packet| packet.params.codec.is_video())
}

/// So long a picture is shown at most, in microseconds, if nothing says that nothing was recorded.
const MAX_HOLD: i64 = 10_000_000;

/// Who comes earlier by more than this, in microseconds, comes by a clock that was set back.
const MAX_JITTER: i64 = 2_000_000;

/// Of 25 pictures per second.
const DEFAULT_INTERVAL: i64 = 40_000;
const MIN_INTERVAL: i64 = 1_000;
const MAX_INTERVAL: i64 = 2_000_000;

/// No decoder holds back more pictures. What cannot be decoded goes in too, and never comes out.
const MAX_INSIDE: usize = 64;

/// Twenty seconds of AAC.
const MAX_AUDIO: usize = 1024;
