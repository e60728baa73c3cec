//! So many at the same time.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use valkka_core::lock::lock;

/// Hands out a number of permits.
#[derive(Debug)]
pub(crate) struct Permits {
    free: Mutex<usize>,
    returned: Condvar,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(crate) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), returned: Condvar::new() }
    }

    /// Waits for a permit; `None` if none is free by `deadline`.
    pub(crate) fn take(&self, deadline: Instant) -> Option<Permit<'_>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.returned.wait_timeout_while(lock(&self.free), left, |free| *free == 0);
        let (mut free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Permit(self))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn there_are_so_many_and_a_deadline() {
        let permits = Permits::new(2);
        let now = Instant::now();
        let (first, _second) = (permits.take(now).unwrap(), permits.take(now).unwrap());
        assert!(permits.take(now).is_none());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| permits.take(Instant::now() + Duration::from_secs(60)).is_some());
            drop(first);
            assert!(waiting.join().unwrap());
        });
        assert!(permits.take(now).is_some());
    }
}
