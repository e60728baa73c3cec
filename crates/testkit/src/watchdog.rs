//! An end to whatever hangs.

use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// Ends the test process with a message, unless it is dropped in time.
///
/// It is for what must not hang, not for how long something takes: give it many times what the test needs on a
/// slow and busy machine. Processes started by [`process`](crate::process) end with the test process.
#[derive(Debug)]
#[must_use = "a dropped watchdog watches nothing"]
pub struct Watchdog {
    /// Dropping it calls the watching thread off.
    _off: Sender<()>,
}

impl Watchdog {
    /// Starts the time of the current test.
    pub fn start(limit: Duration) -> Self {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        Self::start_with(limit, move || {
            // Past the capture of the test's output, which is lost with the process.
            let _ = writeln!(std::io::stderr(), "watchdog: {test} is still running after {limit:?}");
            std::process::abort();
        })
    }

    fn start_with(limit: Duration, bark: impl FnOnce() + Send + 'static) -> Self {
        let (off, called_off) = mpsc::channel::<()>();
        thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || {
                if called_off.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                    bark();
                }
            })
            .expect("the system has room for one more thread");
        Self { _off: off }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_barks_when_the_time_is_over() {
        let (tx, rx) = mpsc::channel();
        let _watchdog = Watchdog::start_with(Duration::ZERO, move || tx.send(()).unwrap());
        rx.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn it_is_silent_once_dropped() {
        let (tx, rx) = mpsc::channel::<()>();
        drop(Watchdog::start_with(Duration::from_secs(3600), move || tx.send(()).unwrap()));
        assert_eq!(rx.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
    }
}
