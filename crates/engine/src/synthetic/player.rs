//! Plays footage in a loop at its real pace.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use valkka_core::clock::SystemClock;
use valkka_core::frame::Frame;
use valkka_core::sink::Sink;
use valkka_core::source::SourceError;
use valkka_core::stream::Track;
use valkka_core::time::{MediaTime, WallTime};
use valkka_core::worker::{StopToken, Worker};

use super::clip::Reel;

/// A worker that plays one reel into one sink until it is dropped.
///
/// Frames are stamped as a camera would: media time goes on over the loops, capture time is the moment at
/// which they are due.
#[derive(Debug)]
pub struct Player {
    _worker: Worker,
}

impl Player {
    /// Starts to play `reel` into `sink`. Footage that cannot be read any more is logged, and ends the playing.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(name: &str, reel: impl Reel + 'static, sink: Arc<dyn Sink>) -> io::Result<Self> {
        let mut endless = Endless::new(reel);
        let name = name.to_owned();
        let worker = Worker::spawn(&name.clone(), None, move |stop| {
            if let Err(error) = play(&mut endless, &*sink, &stop) {
                warn!(name, %error, "cannot go on playing");
            }
        })?;
        Ok(Self { _worker: worker })
    }
}

fn play<R: Reel>(endless: &mut Endless<R>, sink: &dyn Sink, stop: &StopToken) -> Result<(), SourceError> {
    let clock = SystemClock;
    let mut pace = Pace::new(clock.now());
    while !stop.is_stopped() {
        let Some(mut frame) = endless.next()? else { return Ok(()) };
        let now = clock.now();
        let due = pace.due(frame.time.media, now);
        if stop.wait(due.saturating_since(now)) {
            break;
        }
        frame.time.arrival = clock.now();
        frame.time.capture = Some(due);
        frame.time.wall = due;
        sink.put(frame);
    }
    Ok(())
}

/// Turns media time into the moments at which frames are due.
#[derive(Debug)]
struct Pace {
    /// When media time zero is, or was, due.
    origin: WallTime,
}

impl Pace {
    fn new(now: WallTime) -> Self {
        Self { origin: now }
    }

    fn due(&mut self, media: MediaTime, now: WallTime) -> WallTime {
        let offset = media.micros_since(MediaTime::default());
        let due = self.origin.offset_micros(offset);
        if due.micros_since(now).unsigned_abs() <= MAX_JUMP.as_micros() as u64 {
            return due;
        }
        // The process was stopped for a while, or the footage has a gap: go on from here.
        self.origin = now.offset_micros(-offset);
        now
    }
}

/// Being late by more than this is not made up for, and a longer gap is not waited for.
const MAX_JUMP: Duration = Duration::from_secs(2);

/// A reel without end: at its end it starts again, and the media time goes on.
#[derive(Debug)]
struct Endless<R> {
    reel: R,
    /// Added to the media times of this loop.
    offset: i64,
    /// Media times of the last frame and its distance to the one before, by track, in ticks.
    last: BTreeMap<Track, (i64, i64)>,
}

impl<R: Reel> Endless<R> {
    fn new(reel: R) -> Self {
        Self { reel, offset: 0, last: BTreeMap::new() }
    }

    /// The next frame; `None` if there is none at all.
    fn next(&mut self) -> Result<Option<Frame>, SourceError> {
        let mut frame = match self.reel.read()? {
            Some(frame) => frame,
            None => {
                self.reel.rewind()?;
                self.offset = self.end();
                self.last.clear();
                match self.reel.read()? {
                    Some(frame) => frame,
                    None => return Ok(None),
                }
            }
        };
        let ticks = frame.time.media.ticks();
        let (last, step) = self.last.get(&frame.track).copied().unwrap_or((ticks, DEFAULT_STEP));
        // With B frames, presentation times go back and forth: the end is behind the latest.
        let step = if ticks > last { ticks - last } else { step };
        self.last.insert(frame.track, (ticks.max(last), step));
        frame.time.media = MediaTime::from_ticks(ticks + self.offset);
        Ok(Some(frame))
    }

    /// The media time at which the next loop begins.
    fn end(&self) -> i64 {
        let length = self.last.values().map(|(last, step)| last + step).max().unwrap_or_default();
        self.offset + length
    }
}

/// The length of a track's only frame: 1/25 s.
const DEFAULT_STEP: i64 = MediaTime::RATE_HZ as i64 / 25;

#[cfg(test)]
mod tests {
    use valkka_core::frame::Signal;
    use valkka_core::stream::Slot;

    use super::*;

    struct Three(i64);

    impl Reel for Three {
        fn read(&mut self) -> Result<Option<Frame>, SourceError> {
            let mut frame = Frame::signal(Slot::new(1), WallTime::default(), Signal::End);
            frame.time.media = MediaTime::from_ticks(self.0 * 3600);
            self.0 += 1;
            Ok((self.0 <= 3).then_some(frame))
        }

        fn rewind(&mut self) -> Result<(), SourceError> {
            self.0 = 0;
            Ok(())
        }
    }

    #[test]
    fn media_time_goes_on_over_the_loops() {
        let mut endless = Endless::new(Three(0));
        for n in 0..10 {
            assert_eq!(endless.next().unwrap().unwrap().time.media.ticks(), n * 3600);
        }
    }

    #[test]
    fn an_empty_reel_ends() {
        struct Empty;
        impl Reel for Empty {
            fn read(&mut self) -> Result<Option<Frame>, SourceError> {
                Ok(None)
            }
            fn rewind(&mut self) -> Result<(), SourceError> {
                Ok(())
            }
        }
        assert!(Endless::new(Empty).next().unwrap().is_none());
    }

    #[test]
    fn a_gap_is_not_waited_for_and_lateness_not_made_up_for() {
        let start = WallTime::from_micros(1_000_000_000);
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(start);
        assert_eq!(pace.due(MediaTime::default() + second, start), start + second);
        // An hour's gap in the footage.
        let media = MediaTime::default() + second * 3600;
        assert_eq!(pace.due(media, start + second), start + second);
        // The process slept for a minute.
        assert_eq!(pace.due(media + second, start + second * 60), start + second * 60);
        assert_eq!(pace.due(media + second * 2, start + second * 60), start + second * 61);
    }
}
