//! Knowing one's own thread again.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Notes which thread is in a place that holds one at a time, at the cost of a store.
#[derive(Debug, Default)]
pub struct ThreadMark(AtomicUsize);

impl ThreadMark {
    /// Notes that the calling thread is inside, until the result is dropped.
    #[must_use = "dropping it notes that the thread has left"]
    pub fn enter(&self) -> Inside<'_> {
        self.0.store(this_thread(), Ordering::Relaxed);
        Inside(self)
    }

    /// Whether it is the calling thread that is inside. Only this thread could write its own number, so that
    /// no order between threads is needed.
    pub fn is_here(&self) -> bool {
        self.0.load(Ordering::Relaxed) == this_thread()
    }
}

/// Notes that the thread has left, when dropped.
#[derive(Debug)]
pub struct Inside<'a>(&'a ThreadMark);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0.store(NOBODY, Ordering::Relaxed);
    }
}

/// A number that no other living thread has: where its copy of a variable lies.
pub(crate) fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

const NOBODY: usize = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_inside_is_here() {
        let mark = ThreadMark::default();
        assert!(!mark.is_here());
        let inside = mark.enter();
        assert!(mark.is_here());
        std::thread::scope(|scope| scope.spawn(|| assert!(!mark.is_here())).join().unwrap());
        drop(inside);
        assert!(!mark.is_here());
    }
}
