//! Skipping a test for want of something, never silently.

use std::env;
use std::io::Write as _;
use std::thread;

/// Ends the current test, with a printed reason, unless everything that it needs is there.
///
/// Takes expressions of type `Result<(), String>`, such as [`gst::available()`](crate::gst::available).
#[macro_export]
macro_rules! require {
    ($($needed:expr),+ $(,)?) => {
        $(if let Err(reason) = $needed {
            $crate::skip::report(&reason);
            return;
        })+
    };
}

/// Says that the current test is skipped, past the capture of its output. [`require!`] calls it.
///
/// # Panics
/// If the environment says `VALKKA_SKIP=fail`, for a machine that is meant to have everything.
pub fn report(reason: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let fail = env::var_os("VALKKA_SKIP").is_some_and(|value| value == "fail");
    assert!(!fail, "{test} needs what is not there: {reason}");
    // Written to the descriptor itself: what print macros write is shown only of tests that fail.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_there_skips_nothing() {
        let mut reached = false;
        let mut test = || {
            require!(Ok::<(), String>(()), Ok::<(), String>(()));
            reached = true;
        };
        test();
        assert!(reached);
    }
}
