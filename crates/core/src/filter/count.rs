//! Counting frames.

use std::fmt;

use super::Filter;
use crate::frame::Frame;

/// Counts the frames that pass, signals included.
pub struct Count<R> {
    count: u64,
    report: R,
}

impl<R: FnMut(u64) + Send> Count<R> {
    /// Calls `report` with the running number of each frame, from 1, before the frame goes on.
    pub fn new(report: R) -> Self {
        Self { count: 0, report }
    }
}

impl<R: FnMut(u64) + Send> Filter for Count<R> {
    fn push(&mut self, frame: Frame, emit: &mut dyn FnMut(Frame)) {
        self.count += 1;
        (self.report)(self.count);
        emit(frame);
    }
}

impl<R> fmt::Debug for Count<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Count").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run_names;

    #[test]
    fn counts_from_one_and_passes_all() {
        let mut counts = Vec::new();
        assert_eq!(run_names(&mut Count::new(|count| counts.push(count)), "Abc"), "Abc");
        assert_eq!(counts, [1, 2, 3]);
    }
}
