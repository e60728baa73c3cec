//! Telling that a stream brings nothing.

use std::fmt;
use std::time::Duration;

use super::Filter;
use crate::frame::{Body, Frame, Signal};
use crate::stream::Slot;

/// Reports streams that have brought nothing for longer than their owner bears ([`Signal::Silent`]): whether they are
/// connected, are lost, or could not be connected to in the first place. Each silence is told once.
pub struct Alert<R> {
    report: R,
}

impl<R: FnMut(Slot, Duration) + Send> Alert<R> {
    /// Calls `report` with the stream and the length of its silence so far, on the thread that feeds the filter. What
    /// it is told stops here; everything else passes.
    pub fn new(report: R) -> Self {
        Self { report }
    }
}

impl<R: FnMut(Slot, Duration) + Send> Filter for Alert<R> {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        match frame.body {
            Body::Signal(Signal::Silent(silence)) => (self.report)(frame.slot, silence),
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
    use crate::time::WallTime;

    #[test]
    fn only_a_silence_is_told_and_stops_here() {
        let mut told = Vec::new();
        let mut filter = Alert::new(|slot: Slot, silence| told.push((slot.number(), silence)));
        let silence = Duration::from_secs(5);
        let silent = Frame::signal(Slot::new(1), WallTime::default(), Signal::Silent(silence));
        let out = run(&mut filter, [online(), packet('A'), offline(), silent, packet('b')]);
        assert_eq!(names(out), "!A!b");
        assert_eq!(told, [(1, silence)]);
    }
}
