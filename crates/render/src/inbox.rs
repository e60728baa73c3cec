//! Where frames wait for the presenter's thread.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use valkka_core::clock::SystemClock;
use valkka_core::frame::Frame;
use valkka_core::lock::lock;
use valkka_core::sink::Sink;
use valkka_core::time::WallTime;

use crate::schedule::{Schedule, Update};
use crate::wake::Wake;

/// The schedule, between the threads that decode and the one that presents.
///
/// It is the queue between them, bounded by the schedule's limits. A frame wakes the presenter only if it is
/// due before the presenter would wake up anyway, so most pictures cost no switch of threads.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    wake: Wake,
}

#[derive(Debug)]
struct State {
    /// `None` when the presenter has ended.
    schedule: Option<Schedule>,
    /// When the presenter looks again by itself.
    planned: Option<WallTime>,
}

impl Inbox {
    pub(crate) fn new(schedule: Schedule) -> io::Result<Self> {
        Ok(Self { state: Mutex::new(State { schedule: Some(schedule), planned: None }), wake: Wake::new()? })
    }

    /// What is due, and when there is something to do again.
    pub(crate) fn due(&self, now: WallTime) -> (Vec<Update>, Option<WallTime>) {
        let mut state = self.lock();
        let Some(schedule) = &mut state.schedule else { return (Vec::new(), None) };
        let (updates, planned) = (schedule.due(now), schedule.next_deadline());
        state.planned = planned;
        (updates, planned)
    }

    /// What `action` makes of the schedule; `None` when the presenter has ended.
    pub(crate) fn with<R>(&self, action: impl FnOnce(&mut Schedule) -> R) -> Option<R> {
        self.lock().schedule.as_mut().map(action)
    }

    /// Nothing will be presented any more: what waits goes, and what still comes is dropped.
    pub(crate) fn close(&self) {
        let schedule = self.lock().schedule.take();
        drop(schedule);
    }

    /// Has [`Self::wait`] return.
    pub(crate) fn wake(&self) {
        self.wake.ring();
    }

    /// Waits until there is something to do, `other` is readable, or `timeout` is over.
    pub(crate) fn wait(&self, other: Option<BorrowedFd<'_>>, timeout: Duration) {
        self.wake.wait(other, timeout);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Sink for Inbox {
    fn put(&self, frame: Frame) {
        let mut state = self.lock();
        let Some(schedule) = &mut state.schedule else { return };
        let deadline = schedule.push(frame, SystemClock.now());
        let earlier = match (deadline, state.planned) {
            (Some(deadline), Some(planned)) => deadline < planned,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            state.planned = deadline;
            drop(state);
            self.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use valkka_core::bitmap::{Bitmap, ColorSpec, PixelFormat, Plane, PlaneStore};
    use valkka_core::frame::{Body, FrameTime};
    use valkka_core::stream::{Slot, Track};

    use super::*;
    use crate::schedule::Limits;

    struct Pixel;

    impl PlaneStore for Pixel {
        fn plane(&self, _: usize) -> Plane<'_> {
            Plane { data: &[0], stride_bytes: 1 }
        }
    }

    #[test]
    fn when_the_presenter_has_ended_no_picture_stays() {
        let inbox = Inbox::new(Schedule::new(Duration::from_secs(1), Limits::default())).unwrap();
        let store: Arc<dyn PlaneStore> = Arc::new(Pixel);
        let bitmap = Bitmap::new(PixelFormat::Gray, 1, 1, ColorSpec::default(), store.clone())
            .expect("it is large enough");
        let time = FrameTime { wall: SystemClock.now(), ..FrameTime::default() };
        let frame = Frame { slot: Slot::new(1), track: Track::default(), time, body: Body::Bitmap(bitmap) };
        inbox.put(frame.clone());
        assert_eq!(Arc::strong_count(&store), 3);
        inbox.close();
        assert_eq!(Arc::strong_count(&store), 2);
        inbox.put(frame);
        assert_eq!(Arc::strong_count(&store), 1);
        assert!(inbox.with(|_| ()).is_none());
        assert!(inbox.due(SystemClock.now()).0.is_empty());
    }
}
