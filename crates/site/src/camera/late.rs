//! Whoever comes to a stream that runs already.

use std::sync::{Arc, Mutex};

use valkka::frame::{Body, Frame, Signal};
use valkka::gop::GopKeeper;
use valkka::lock::lock;
use valkka::sink::Sink;

/// Before the first frame, hands what is kept of the stream to a sink that has only just come, so that it need not wait
/// for the next key frame.
///
/// It must get each frame after the keeper, in the same thread.
pub(super) struct Late<S> {
    sink: Arc<S>,
    /// Until the first frame.
    keeper: Mutex<Option<Arc<GopKeeper>>>,
}

impl<S: Sink> Late<S> {
    pub(super) fn new(sink: Arc<S>, keeper: Arc<GopKeeper>) -> Self {
        Self { sink, keeper: Mutex::new(Some(keeper)) }
    }
}

impl<S: Sink> Sink for Late<S> {
    fn put(&self, frame: Frame) {
        let keeper = lock(&self.keeper).take();
        match keeper {
            // What announces a stream is kept before a key frame, too, and comes as it is.
            Some(keeper) if !matches!(frame.body, Body::Signal(Signal::Online(_))) => {
                let kept = keeper.kept().frames;
                if kept.is_empty() {
                    self.sink.put(frame);
                }
                // The frame itself is the last of them.
                kept.into_iter().for_each(|frame| self.sink.put(frame));
            }
            _ => self.sink.put(frame),
        }
    }
}
