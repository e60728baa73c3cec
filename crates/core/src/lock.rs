//! Taking a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes `mutex`, also when a thread has panicked while it held it.
///
/// A lock in Valkka guards no half-done work: what is behind it is whole between any two statements. So one
/// stream that fails must not take with it the others that share the lock.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_does_not_lock_others_out() {
        let mutex = Mutex::new(1);
        let failed = catch_unwind(AssertUnwindSafe(|| {
            let _held = lock(&mutex);
            std::panic::resume_unwind(Box::new("while it is held"));
        }));
        assert!(failed.is_err() && mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 1);
    }
}
