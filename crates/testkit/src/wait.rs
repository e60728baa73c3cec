//! Waiting for a condition rather than for a time.

use std::thread;
use std::time::{Duration, Instant};

/// Waits until `condition` gives a value, looking every few milliseconds, and returns the value.
///
/// # Panics
/// When `timeout` is over, naming `what` was waited for.
#[track_caller]
pub fn until_some<T>(timeout: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        // The condition has the last word, so that a machine that stood still for a while does not fail tests.
        let late = Instant::now() >= deadline;
        if let Some(value) = condition() {
            return value;
        }
        assert!(!late, "waited {timeout:?} in vain: {what}");
        thread::sleep(INTERVAL);
    }
}

/// Waits until `condition` holds, as [`until_some`] does.
///
/// # Panics
/// When `timeout` is over, naming `what` was waited for.
#[track_caller]
pub fn until(timeout: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    until_some(timeout, what, || condition().then_some(()));
}

const INTERVAL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_the_condition_holds() {
        let mut looks = 0;
        until(Duration::from_secs(60), "three looks", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(until_some(Duration::ZERO, "what is there at once", || Some(7)), 7);
    }

    #[test]
    #[should_panic(expected = "waited 0ns in vain: what never comes")]
    fn it_names_what_did_not_come() {
        until(Duration::ZERO, "what never comes", || false);
    }
}
