//! A gate that is opened from outside, whether frames come or not.

use std::sync::Arc;

use super::Stage;
use super::gate::{CachingGate, GateHandle};
use crate::frame::Frame;
use crate::sink::Sink;

/// A [`CachingGate`] and what lies downstream of it. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct GateStage {
    stage: Arc<Stage<CachingGate>>,
    gate: GateHandle,
}

impl GateStage {
    /// A closed gate before `next`.
    pub fn new(next: Arc<dyn Sink>) -> Self {
        let (filter, gate) = CachingGate::new();
        Self { stage: Arc::new(Stage::new(filter, next)), gate }
    }

    /// Opens the gate and emits what it remembers, on the caller's thread.
    ///
    /// Called from inside the gate (by what lies downstream of it), it does not wait for the frame that is on its way:
    /// what is remembered comes with the next one.
    pub fn open(&self) {
        self.gate.open();
        self.settle();
    }

    /// Closes the gate. When it returns, no frame is on its way any more, unless it is called from inside the gate.
    pub fn close(&self) {
        self.gate.close();
        self.settle();
    }

    /// Opens and closes the gate from the next frame on.
    pub fn handle(&self) -> &GateHandle {
        &self.gate
    }

    /// Whether the calling thread is inside the gate or downstream of it.
    pub(super) fn is_inside(&self) -> bool {
        self.stage.is_inside()
    }

    /// Has what was done by the handle take effect now, unless called from inside.
    pub(super) fn settle(&self) {
        let _ = self.stage.with(CachingGate::release);
    }
}

impl Sink for GateStage {
    fn put(&self, frame: Frame) {
        self.stage.put(frame);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::sink::FnSink;
    use crate::testing::{names, packet};

    #[test]
    fn what_is_remembered_comes_without_a_frame() {
        let (tx, rx) = mpsc::channel();
        let gate = GateStage::new(Arc::new(FnSink(move |frame| tx.send(frame).unwrap())));
        "Ab".chars().for_each(|name| gate.put(packet(name)));
        gate.open();
        assert_eq!(names(rx.try_iter()), "A");
        gate.put(packet('C'));
        gate.close();
        gate.put(packet('d'));
        assert_eq!(names(rx.try_iter()), "C");
    }

    #[test]
    fn it_can_be_closed_from_inside() {
        let own: Arc<Mutex<Option<GateStage>>> = Arc::default();
        let handle = own.clone();
        let gate = GateStage::new(Arc::new(FnSink(move |_| {
            handle.lock().unwrap().take().expect("once").close();
        })));
        *own.lock().unwrap() = Some(gate.clone());
        gate.open();
        "AB".chars().for_each(|name| gate.put(packet(name)));
        assert!(!gate.handle().is_open());
    }
}
