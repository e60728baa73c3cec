//! Ctrl-C and friends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Becomes true when the user or the system asks the program to end. The second time, the program ends at once.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen for SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn listen() -> io::Result<Self> {
        Self::listen_to(&[SIGINT, SIGTERM, SIGHUP])
    }

    /// Starts to listen for SIGINT and SIGTERM, and for SIGHUP as what asks a service to read its configuration anew.
    pub(crate) fn listen_as_service() -> io::Result<(Self, Hangup)> {
        let hangup = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, hangup.clone())?;
        Ok((Self::listen_to(&[SIGINT, SIGTERM])?, Hangup(hangup)))
    }

    fn listen_to(signals: &[i32]) -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for &signal in signals {
            // The order matters: the first signal finds the flag unset and goes on to set it.
            signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())?;
            signal_hook::flag::register(signal, flag.clone())?;
        }
        Ok(Self(flag))
    }

    /// Whether the end was asked for.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells of SIGHUP.
#[derive(Debug)]
pub(crate) struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// Whether the signal came since this was asked last.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
