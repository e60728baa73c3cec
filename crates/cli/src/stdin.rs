//! The end of standard input, by which a program that is started by another notices that the other one is gone.

use std::io::{self, Read};
use std::thread::{self, JoinHandle};

/// A thread that returns when standard input closes.
pub(crate) fn wait_for_end() -> JoinHandle<()> {
    thread::spawn(|| {
        let mut buffer = [0; 64];
        while matches!(io::stdin().read(&mut buffer), Ok(1..)) {}
    })
}
