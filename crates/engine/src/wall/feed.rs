//! A tile whose pictures no camera sends.

use std::fmt;
use std::sync::{Arc, Mutex};

use valkka_core::clock::SystemClock;
use valkka_core::frame::{Body, Frame, Signal};
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::stream::Slot;
use valkka_core::time::WallTime;

/// Where the pictures of a tile go that no camera sends, such as those of a [`Player`](crate::playback::Player): see
/// [`Wall::feed`](super::Wall::feed). Each is shown when its time comes, and stays until the next one, however long that takes,
/// or until [`Signal::Offline`] says why there is none. At [`Signal::End`] the last picture stays.
///
/// Frames may be put from any thread, whatever slot they have.
pub struct Feed {
    name: String,
    slot: Slot,
    input: Arc<dyn Sink>,
    state: Mutex<State>,
}

struct State {
    /// Why there is no picture.
    message: Arc<str>,
    /// When the last picture was taken; `None` once it is gone.
    picture: Option<WallTime>,
    is_ended: bool,
}

impl Feed {
    pub(super) fn new(name: &str, slot: Slot, input: Arc<dyn Sink>) -> Self {
        let state = State { message: "loading".into(), picture: None, is_ended: false };
        Self { name: name.to_owned(), slot, input, state: Mutex::new(state) }
    }

    /// The slot of what it shows.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// What stands in its tile while there is no picture, beside the reason.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// After [`Signal::End`], when the picture was taken that is still shown.
    pub fn last_picture(&self) -> Option<WallTime> {
        let state = lock(&self.state);
        state.picture.filter(|_| state.is_ended)
    }

    /// Takes the picture away, and says why.
    pub fn clear(&self, reason: &str) {
        self.put(Frame::signal(self.slot, SystemClock.now(), Signal::Offline(reason.into())));
    }

    pub(super) fn message(&self) -> Arc<str> {
        lock(&self.state).message.clone()
    }
}

impl Sink for Feed {
    fn put(&self, mut frame: Frame) {
        frame.slot = self.slot;
        let mut state = lock(&self.state);
        match &frame.body {
            Body::Bitmap(_) => {
                state.is_ended = false;
                let is_first = state.picture.replace(frame.time.capture.unwrap_or(frame.time.wall)).is_none();
                self.input.put(frame);
                if is_first {
                    // Else it would be taken for dead when no other follows.
                    self.input.put(Frame::signal(self.slot, SystemClock.now(), Signal::Stop));
                }
            }
            Body::Signal(Signal::Offline(reason)) => {
                (state.message, state.picture, state.is_ended) = (reason.clone(), None, false);
                self.input.put(frame);
            }
            Body::Signal(Signal::End) => state.is_ended = true,
            _ => {}
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("name", &self.name).field("slot", &self.slot).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat};
    use valkka_core::frame::FrameTime;
    use valkka_core::stream::Track;

    use super::*;

    /// What came, in words.
    #[derive(Default)]
    struct Words(Mutex<Vec<String>>);

    impl Sink for Words {
        fn put(&self, frame: Frame) {
            let word = match frame.body {
                Body::Bitmap(_) => "picture".to_owned(),
                Body::Signal(signal) => format!("{signal:?}"),
                _ => "other".to_owned(),
            };
            self.0.lock().unwrap().push(format!("{} {word}", frame.slot.number()));
        }
    }

    fn picture(seconds: i64) -> Frame {
        let bitmap = Bitmap::from_packed(PixelFormat::Gray, 1, 1, ColorSpec::default(), vec![0]).unwrap();
        let wall = WallTime::from_micros(seconds * 1_000_000);
        let time = FrameTime { wall: SystemClock.now(), capture: Some(wall), ..FrameTime::default() };
        Frame { slot: Slot::new(1), track: Track::default(), time, body: Body::Bitmap(bitmap) }
    }

    #[test]
    fn the_last_picture_stays_until_there_is_none() {
        let words = Arc::new(Words::default());
        let feed = Feed::new("front", Slot::new(9), words.clone());
        let end = || feed.put(Frame::signal(Slot::new(1), SystemClock.now(), Signal::End));
        feed.put(picture(1));
        feed.put(picture(2));
        assert_eq!(feed.last_picture(), None);
        end();
        assert_eq!(feed.last_picture(), picture(2).time.capture);
        feed.clear("a gap");
        assert_eq!((&*feed.message(), feed.last_picture()), ("a gap", None));
        end();
        assert_eq!(feed.last_picture(), None);
        feed.put(picture(3));
        let words = words.0.lock().unwrap().join(", ");
        assert_eq!(words, "9 picture, 9 Stop, 9 picture, 9 Offline(\"a gap\"), 9 picture, 9 Stop");
    }
}
