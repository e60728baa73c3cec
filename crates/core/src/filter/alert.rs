//! Telling that a stream is gone.

use std::fmt;

use super::Filter;
use crate::frame::{Body, Frame, Signal};
use crate::stream::Slot;

/// Reports streams that go offline: those that have been silent for too long, whose connection ended, or could not
/// be made in the first place. Each is told once until it has been online again.
pub struct Alert<R> {
    report: R,
}

impl<R: FnMut(Slot, &str) + Send> Alert<R> {
    /// Calls `report` with the stream and the reason in words, without credentials, on the thread that feeds the
    /// filter. What it is told stops here; everything else passes.
    pub fn new(report: R) -> Self {
        Self { report }
    }
}

impl<R: FnMut(Slot, &str) + Send> Filter for Alert<R> {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        match &frame.body {
            Body::Signal(Signal::Offline(reason)) => (self.report)(frame.slot, reason),
            _ => emit(frame),
        }
    }
}

impl<R> fmt::Debug for Alert<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alert").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{names, offline, online, packet, run};

    #[test]
    fn only_the_end_of_a_stream_is_told_and_stops_here() {
        let mut told = Vec::new();
        let mut filter = Alert::new(|slot, reason: &str| told.push((slot.number(), reason.to_owned())));
        let out = run(&mut filter, [online(), packet('A'), offline(), packet('b')]);
        assert_eq!(names(out), "!Ab");
        assert_eq!(told, [(1, "gone".to_owned())]);
    }
}
