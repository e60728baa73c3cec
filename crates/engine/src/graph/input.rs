//! The queue before a part of a graph that runs on a thread of its own.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::queue::{Overflow, QueueReceiver, QueueSender, queue};
use valkka_core::sink::Sink;

/// Something that people should know of a queue. Each kind is told at most once a second.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum InputNotice<'a> {
    /// When this frame came there was no room: it was dropped, or others for it.
    Overflow(&'a Frame),
    /// There is no room for this frame, and its writer waits.
    Waiting(&'a Frame),
}

/// How long a writer that may wait does so, before its frame is dropped: long enough for any decoder and disk, and
/// short enough for the writer to be stopped meanwhile.
pub const INPUT_PATIENCE: Duration = Duration::from_secs(5);

/// Where frames go into a queue; what people should know of it goes to a closure. Clones write into the same queue.
#[derive(Clone)]
pub(super) struct Input {
    queue: QueueSender,
    waits: bool,
    notices: Arc<Notices>,
}

/// Makes a queue for `capacity` frames that follows `overflow`, and the way into it.
pub(super) fn input(
    name: &str,
    capacity: usize,
    overflow: Overflow,
    notify: impl Fn(InputNotice<'_>) + Send + Sync + 'static,
) -> (Input, QueueReceiver) {
    let (queue, frames) = queue(name, capacity, overflow);
    let notices = Notices { overflow: Mutex::default(), waiting: Mutex::default(), notify: Box::new(notify) };
    (Input { queue, waits: false, notices: Arc::new(notices) }, frames)
}

impl Input {
    /// The way into the same queue for a writer that may wait: at most [`INPUT_PATIENCE`] for each frame.
    pub(super) fn waiting(&self) -> Self {
        let queue = self.queue.with_overflow(Overflow::Block(INPUT_PATIENCE));
        Self { queue, waits: true, notices: self.notices.clone() }
    }
}

impl Sink for Input {
    fn put(&self, frame: Frame) {
        // Two references more, for what may have to be said of it.
        let shown = frame.clone();
        if self.waits && self.queue.is_full() {
            self.notices.tell(&self.notices.waiting, InputNotice::Waiting(&shown));
        }
        let before = self.queue.dropped();
        self.queue.put(frame);
        if self.queue.dropped() != before {
            self.notices.tell(&self.notices.overflow, InputNotice::Overflow(&shown));
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("queue", &self.queue).field("waits", &self.waits).finish()
    }
}

/// Tells what happens to a queue, and not too often.
struct Notices {
    /// When each kind was told last.
    overflow: Mutex<Option<Instant>>,
    waiting: Mutex<Option<Instant>>,
    notify: Box<dyn Fn(InputNotice<'_>) + Send + Sync>,
}

impl Notices {
    fn tell(&self, last: &Mutex<Option<Instant>>, notice: InputNotice<'_>) {
        let now = Instant::now();
        let mut told = lock(last);
        if told.is_none_or(|told| now.duration_since(told) >= INTERVAL) {
            *told = Some(now);
            drop(told);
            (self.notify)(notice);
        }
    }
}

/// Each kind of notice is told so often at most.
const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};
    use valkka_core::frame::{Body, FrameTime, Signal};
    use valkka_core::stream::{Slot, Track};
    use valkka_core::time::WallTime;

    use super::*;

    /// Long enough for anything.
    const LONG: Duration = Duration::from_secs(60);

    fn picture(slot: u16) -> Frame {
        let bitmap = Bitmap::from_packed(PixelFormat::Gray, 1, 1, ColorSpec::default(), vec![0]).unwrap();
        let (track, time) = (Track::default(), FrameTime::default());
        Frame { slot: Slot::new(slot), track, time, body: Body::Bitmap(bitmap) }
    }

    fn noted(capacity: usize) -> (Input, QueueReceiver, mpsc::Receiver<String>) {
        let (tx, rx) = mpsc::channel();
        let notify = move |notice: InputNotice<'_>| {
            let word = match notice {
                InputNotice::Overflow(frame) => format!("overflow {}", frame.slot),
                InputNotice::Waiting(frame) => format!("waiting {}", frame.slot),
            };
            tx.send(word).unwrap();
        };
        let (input, frames) = input("test", capacity, Overflow::DropToKeyframe, notify);
        (input, frames, rx)
    }

    #[test]
    fn an_overflow_is_told_once_a_second() {
        let (input, _frames, notices) = noted(1);
        let start = Instant::now();
        (0..100).for_each(|_| input.put(picture(7)));
        let seconds = start.elapsed().as_secs() as usize;
        let told: Vec<_> = notices.try_iter().collect();
        assert!(
            (1..=1 + seconds).contains(&told.len()) && told.iter().all(|word| word == "overflow 7"),
            "{told:?}"
        );
    }

    #[test]
    fn a_writer_that_waits_says_so_and_loses_nothing() {
        let (input, frames, notices) = noted(1);
        let waiting = input.waiting();
        waiting.put(picture(1));
        assert_eq!(notices.try_recv().ok(), None);
        thread::scope(|scope| {
            scope.spawn(|| waiting.put(picture(2)));
            assert_eq!(notices.recv_timeout(LONG).unwrap(), "waiting 2");
            assert_eq!(frames.recv(LONG).unwrap().slot, Slot::new(1));
            assert_eq!(frames.recv(LONG).unwrap().slot, Slot::new(2));
        });
    }

    #[test]
    fn nothing_is_said_of_a_queue_that_nobody_reads_any_more() {
        let (input, frames, notices) = noted(1);
        drop(frames);
        for sink in [input.waiting(), input] {
            (0..10).for_each(|_| sink.put(picture(1)));
            sink.put(Frame::signal(Slot::new(1), WallTime::default(), Signal::Play));
        }
        assert_eq!(notices.try_recv().ok(), None);
    }
}
