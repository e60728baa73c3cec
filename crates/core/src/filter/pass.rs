//! Handing on.

use super::Filter;
use crate::frame::Frame;

/// Hands on every frame as it is. A [`Stage`](super::Stage) with it lets one thread at a time into what lies
/// downstream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass;

impl Filter for Pass {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        emit(frame);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;
    use crate::filter::chain;
    use crate::sink::FnSink;
    use crate::testing::packet;

    #[test]
    fn one_thread_at_a_time() {
        let (inside, passed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (entered, counted) = (inside.clone(), passed.clone());
        let sink = chain(
            Pass,
            Arc::new(FnSink(move |_| {
                assert_eq!(entered.fetch_add(1, Ordering::SeqCst), 0);
                thread::yield_now();
                entered.fetch_sub(1, Ordering::SeqCst);
                counted.fetch_add(1, Ordering::SeqCst);
            })),
        );
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| sink.put(packet('a'))));
            }
        });
        assert_eq!(passed.load(Ordering::SeqCst), 400);
    }
}
