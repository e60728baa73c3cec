//! The thread of one stream.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{debug, trace};
use valkka_core::clock::SystemClock;
use valkka_core::frame::{Frame, FrameTime, Signal};
use valkka_core::reason::reason;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;
use valkka_core::worker::StopToken;

use super::convoy::MIN_INTERVAL;
use super::state::{Changes, Order, Seen, State, is_end};
use super::{PlayerEvent, Shared, Step};
use crate::playback::error::PlaybackError;
use crate::playback::reader::PictureReader;
use crate::playback::view::{Picture, View, Why};

/// Shows one stream at the position that all have in common.
pub(super) struct Lane {
    index: usize,
    slot: Slot,
    reader: PictureReader,
    sink: Arc<dyn Sink>,
    shared: Arc<Shared>,
    shown: Shown,
    pace: Pace,
    /// The order of which the position was told, and when.
    told: Option<(u64, Instant)>,
}

/// What was given to the sink last.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Picture(WallTime),
    Blank(Why),
    Failed(String),
}

impl Lane {
    pub(super) fn new(
        index: usize,
        slot: Slot,
        reader: PictureReader,
        sink: Arc<dyn Sink>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { index, slot, reader, sink, shared, shown: Shown::Nothing, pace: Pace::default(), told: None }
    }

    pub(super) fn run(mut self, stop: &StopToken) {
        self.shared.wake_on_stop(stop);
        while !stop.is_stopped() {
            let order = self.shared.order(self.index);
            let seen = match self.show(&order, stop) {
                Ok(Some(seen)) => seen,
                // There is something newer to do.
                Ok(None) => continue,
                Err(error) => self.failed(&error, order.generation),
            };
            self.shared.report(self.index, seen);
            if let Some((id, step)) = order.step {
                self.answer(id, step, &order, stop);
                continue;
            }
            self.tell(&order);
            if let Err(error) = self.prepare(&order, &seen, stop) {
                trace!(slot = %self.slot, %error, "nothing is decoded in advance");
            }
            self.wait(&order, &seen, stop);
        }
    }

    /// Shows what is to be seen, and returns what that is; `None` if that is not wanted any more.
    fn show(&mut self, order: &Order, stop: &StopToken) -> Result<Option<Seen>, PlaybackError> {
        let wanted =
            || !stop.is_stopped() && self.shared.generation.load(Ordering::SeqCst) == order.generation;
        let keyframes = order.running && self.pace.is_too_fast(order.speed);
        let (started, decoded) = (Instant::now(), self.reader.decoded());
        let view = if keyframes {
            self.reader.keyframe_near_while(order.position, &wanted)
        } else {
            self.reader.at_while(order.position, &wanted)
        };
        let view = match view {
            Err(PlaybackError::GivenUp) => return Ok(None),
            view => view?,
        };
        if !keyframes {
            let spent = self.shared.clock.spent(started.elapsed());
            self.pace.learn(spent, self.reader.decoded() - decoded, &view);
        }
        self.pass_audio(order);
        let seen = Seen::of(&view, order.generation, !keyframes);
        match view {
            View::Picture(picture) => self.picture(&picture),
            View::Blank(blank) => self.blank(blank.why, blank.to),
        }
        Ok(Some(seen))
    }

    fn picture(&mut self, picture: &Picture) {
        if self.shown == Shown::Picture(picture.from) {
            return;
        }
        self.shown = Shown::Picture(picture.from);
        trace!(slot = %self.slot, taken = ?picture.from, "shown");
        self.put(picture.frame.clone());
    }

    fn blank(&mut self, why: Why, to: Option<WallTime>) {
        if self.shown == Shown::Blank(why.clone()) {
            return;
        }
        let signal = if is_end(&why) { Signal::End } else { Signal::Offline(why.words().into()) };
        self.sink.put(Frame::signal(self.slot, SystemClock.now(), signal));
        let (slot, words) = (self.slot, why.words().into());
        let event = match why {
            Why::Gap(_) | Why::Silence => Some(PlayerEvent::Gap { slot, reason: words, to }),
            Why::Damage(_) => Some(PlayerEvent::Damage { slot, reason: words }),
            Why::Before | Why::After => None,
        };
        self.shown = Shown::Blank(why);
        event.into_iter().for_each(|event| (self.shared.on_event)(event));
    }

    fn failed(&mut self, error: &PlaybackError, generation: u64) -> Seen {
        let words = reason(error);
        if self.shown != Shown::Failed(words.clone()) {
            debug!(slot = %self.slot, error = words, "the recording cannot be read");
            self.sink.put(Frame::signal(
                self.slot,
                SystemClock.now(),
                Signal::Offline(words.as_str().into()),
            ));
            (self.shared.on_event)(PlayerEvent::Failed { slot: self.slot, reason: words.clone() });
            self.shown = Shown::Failed(words);
        }
        Seen::failed(generation)
    }

    /// Hands on audio up to the position; it is forgotten at any speed but one.
    fn pass_audio(&mut self, order: &Order) {
        let plays = order.running && order.speed == 1.0;
        let oldest = order.position.offset_micros(-MAX_LATE_AUDIO_MICROS);
        let audio: Vec<_> = self.reader.take_audio(order.position).collect();
        for frame in audio.into_iter().filter(|frame| plays && frame.time.wall >= oldest) {
            self.put(frame);
        }
    }

    fn put(&self, mut frame: Frame) {
        let now = SystemClock.now();
        frame.slot = self.slot;
        frame.time =
            FrameTime { media: frame.time.media, arrival: now, capture: Some(frame.time.wall), wall: now };
        self.sink.put(frame);
    }

    /// Says when pictures change around the position.
    fn answer(&mut self, id: u64, step: Step, order: &Order, stop: &StopToken) {
        let wanted =
            || !stop.is_stopped() && self.shared.generation.load(Ordering::SeqCst) == order.generation;
        let changes = changes(&mut self.reader, step, order.position, &wanted).unwrap_or_default();
        self.shared.command(|state, now| state.answer(self.index, id, changes, now));
    }

    /// Tells the position now and then. The first of the streams does it for all.
    fn tell(&mut self, order: &Order) {
        let is_new = match self.told {
            Some((generation, _)) if generation != order.generation => true,
            Some((_, when)) => order.running && when.elapsed() >= TELL_INTERVAL,
            None => true,
        };
        if self.index == 0 && is_new {
            self.told = Some((order.generation, Instant::now()));
            (self.shared.on_event)(PlayerEvent::Position(order.position));
        }
    }

    /// How long until there is something else to be shown.
    fn due(&self, state: &State, seen: &Seen, order: &Order) -> Duration {
        let due = state.due(seen, self.shared.clock.now());
        let is_open = seen.to.is_none();
        let due = match due {
            // Somebody may be recording, and what could not be read may be there again.
            _ if is_open && (order.running || state.is_ended()) => {
                RETRY_INTERVAL.min(due.unwrap_or(RETRY_INTERVAL))
            }
            Some(due) if order.speed.abs() > 1.0 => due.max(MIN_INTERVAL),
            Some(due) => due,
            None => LONG,
        };
        self.shared.clock.patience(due).min(LONG)
    }

    /// Decodes what comes next, until it is due.
    fn prepare(&mut self, order: &Order, seen: &Seen, stop: &StopToken) -> Result<(), PlaybackError> {
        if !order.running || self.pace.is_too_fast(order.speed) {
            return Ok(());
        }
        let deadline = Instant::now() + self.due(&self.shared.lock(), seen, order);
        let begun = Cell::new(false);
        let in_time = || {
            // At least one picture at a time, so that there is progress however short the time is.
            let first = !begun.replace(true);
            let wanted = self.shared.generation.load(Ordering::SeqCst) == order.generation;
            !stop.is_stopped() && wanted && (first || Instant::now() < deadline)
        };
        let (started, decoded) = (Instant::now(), self.reader.decoded());
        if order.speed < 0.0 {
            self.reader.prepare_backward(&in_time)?;
        } else if let Some(next) = seen.to {
            match self.reader.at_while(next, &in_time) {
                Err(PlaybackError::GivenUp) => {}
                view => drop(view?),
            }
        }
        let spent = self.shared.clock.spent(started.elapsed());
        self.pace.spent(spent, self.reader.decoded() - decoded);
        Ok(())
    }

    fn wait(&self, order: &Order, seen: &Seen, stop: &StopToken) {
        let state = self.shared.lock();
        // Under the lock, so that nobody lets the position go on unnoticed.
        let due = self.due(&state, seen, order);
        if state.generation() == order.generation && !stop.is_stopped() && !due.is_zero() {
            let waited = self.shared.ordered.wait_timeout(state, due);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// When pictures change around `position`, as far as `step` needs to know.
fn changes(
    reader: &mut PictureReader,
    step: Step,
    position: WallTime,
    wanted: &dyn Fn() -> bool,
) -> Result<Changes, PlaybackError> {
    let view = reader.at_while(position, wanted)?;
    let picture = view.picture().map(|picture| picture.from);
    let mut changes = Changes { next: None, current: view.from(), pictures: [picture, None] };
    match step {
        Step::Next => {
            let mut next = view.to();
            // Times without pictures may follow each other.
            for _ in 0..MAX_BLANKS {
                let Some(time) = next else { break };
                match reader.at_while(time, wanted)? {
                    View::Picture(picture) => {
                        changes.next = Some(picture.from);
                        break;
                    }
                    View::Blank(blank) => next = blank.to,
                }
            }
        }
        Step::Previous => {
            let mut before = view.from();
            for _ in 0..MAX_BLANKS {
                let Some(time) = before else { break };
                match reader.at_while(time.offset_micros(-1), wanted)? {
                    View::Picture(picture) => {
                        changes.pictures[1] = Some(picture.from);
                        break;
                    }
                    View::Blank(blank) => before = blank.from,
                }
            }
        }
    }
    Ok(changes)
}

/// How long decoding takes, and so how fast all pictures can be shown.
#[derive(Debug)]
struct Pace {
    /// Seconds that a picture takes, about.
    cost: f64,
    /// Seconds from picture to picture.
    interval: f64,
    /// Since when key frames alone are shown.
    keyframes: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { cost: 0.002, interval: 0.04, keyframes: None }
    }
}

impl Pace {
    fn learn(&mut self, spent: Duration, decoded: u64, view: &View) {
        self.spent(spent, decoded);
        if let View::Picture(picture) = view {
            self.interval = (picture.to.micros_since(picture.from) as f64 / 1e6).clamp(0.001, 2.0);
        }
    }

    fn spent(&mut self, spent: Duration, decoded: u64) {
        if decoded > 0 {
            // A disk that hangs for once says little about the pictures to come.
            let cost = (spent.as_secs_f64() / decoded as f64).min(2.0 * self.interval);
            self.cost += (cost - self.cost) / 8.0;
        }
    }

    /// Whether decoding every picture would take (nearly) all the time there is.
    fn is_too_fast(&mut self, speed: f64) -> bool {
        if self.keyframes.is_some_and(|since| since.elapsed() >= TRY_INTERVAL) {
            // Key frames do not tell whether it is still so.
            self.cost = self.cost.min(0.5 * self.interval / speed.abs());
            self.keyframes = None;
        }
        let load = speed.abs() * self.cost / self.interval;
        let limit = if self.keyframes.is_some() { 0.5 } else { 0.7 };
        if load > limit {
            self.keyframes.get_or_insert_with(Instant::now);
        } else {
            self.keyframes = None;
        }
        load > limit
    }
}

/// After so long with key frames alone one tries whether all pictures can be decoded.
const TRY_INTERVAL: Duration = Duration::from_secs(10);

/// So often one looks whether more was recorded.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

const TELL_INTERVAL: Duration = Duration::from_millis(200);

/// While nothing changes, nothing is looked at for so long.
const LONG: Duration = Duration::from_secs(3600);

/// Audio that comes later, in microseconds, is not heard.
const MAX_LATE_AUDIO_MICROS: i64 = 500_000;

/// More times without pictures in a row are not stepped over at once.
const MAX_BLANKS: usize = 8;
