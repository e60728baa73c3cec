//! How much a test of faults tries: a part of it with all the other tests, or everything.

use std::env;

/// `full` if the environment says `VALKKA_FAULTS=full`, as `make test-faults` has it; else `short`.
///
/// # Panics
/// If it says something else.
pub fn pick<T>(short: T, full: T) -> T {
    match env::var_os("VALKKA_FAULTS") {
        None => short,
        Some(value) => {
            assert!(value == "full", "VALKKA_FAULTS may be \"full\", and not {}", value.display());
            full
        }
    }
}
